// Many streams at once: the level and the statistics of each, every second.
//
//     mcs InputLab.cs Bass.cs
//     InputLab.exe interface domain seconds aes67://239.69.0.1 aes67://239.69.0.2 ...
using System;
using System.Linq;

static class InputLab
{
    static int Main(string[] arguments)
    {
        if (arguments.Length < 4)
        {
            Console.Error.WriteLine("usage: InputLab INTERFACE DOMAIN SECONDS URL...");
            return 2;
        }
        using (var bass = new Bass(0, arguments.Take(3).ToArray()))
        {
            string[] urls = arguments.Skip(3).ToArray();
            uint[] channels = urls.Select(url => Bass.OpenUrl(url, Bass.FLOAT | Bass.DECODE)).ToArray();
            // 10 ms of two channels at 48 kHz, which the streams have unless their URLs say
            // something else.
            var block = new float[960];
            var pace = new Pace();
            for (int second = 1; second <= bass.Seconds; second++)
            {
                var peaks = new float[urls.Length, 2];
                for (int i = 0; i < 100; i++)
                {
                    pace.Wait();
                    for (int n = 0; n < urls.Length; n++)
                    {
                        Bass.Pull(channels[n], block);
                        for (int side = 0; side < 2; side++) peaks[n, side] = Math.Max(peaks[n, side], Bass.Peak(block, side, 2));
                    }
                }
                Console.WriteLine("{0,3} s  {1}", second, Bass.Status());
                for (int n = 0; n < urls.Length; n++)
                {
                    Stats stats = Bass.StatsOf(channels[n]);
                    Console.WriteLine("  {0}  {1} {2} dBFS, {3} packets, {4} lost, {5} late, jitter {6:F2} ms, level {7:F1} of {8:F1} ms",
                        urls[n], Bass.Dbfs(peaks[n, 0]), Bass.Dbfs(peaks[n, 1]), stats.Received, stats.Lost, stats.Late,
                        stats.JitterMs, stats.BufferMs, stats.TargetMs);
                }
            }
        }
        return 0;
    }
}
