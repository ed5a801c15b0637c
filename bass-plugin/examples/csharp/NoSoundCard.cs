// No sound card: the program itself takes audio out of the channel as time goes by, here to show
// its level.
//
//     mcs NoSoundCard.cs Bass.cs
//     NoSoundCard.exe aes67://239.69.0.1:5004 [interface] [domain] [seconds]
using System;
using System.Linq;

static class NoSoundCard
{
    static int Main(string[] arguments)
    {
        if (arguments.Length < 1)
        {
            Console.Error.WriteLine("usage: NoSoundCard aes67://GROUP:PORT [INTERFACE] [DOMAIN] [SECONDS]");
            return 2;
        }
        using (var bass = new Bass(0, arguments.Skip(1).ToArray()))
        {
            uint channel = Bass.OpenUrl(arguments[0], Bass.FLOAT | Bass.DECODE);
            // 10 ms of two channels at 48 kHz, which the stream has unless its URL says something
            // else.
            var block = new float[960];
            var pace = new Pace();
            for (int second = 1; second <= bass.Seconds; second++)
            {
                float peak = 0;
                for (int i = 0; i < 100; i++)
                {
                    pace.Wait();
                    Bass.Pull(channel, block);
                    peak = Math.Max(peak, Bass.Peak(block));
                }
                Console.WriteLine("{0,3} s  {1}  peak {2} dBFS, {3} packets",
                    second, Bass.Status(), Bass.Dbfs(peak), Bass.StatsOf(channel).Received);
            }
        }
        return 0;
    }
}
