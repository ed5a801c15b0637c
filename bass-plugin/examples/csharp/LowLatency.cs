// Low latency in playback by BASS: a short buffer of its own beside a short jitter buffer.
//
//     mcs LowLatency.cs Bass.cs
//     LowLatency.exe aes67://239.69.0.1:5004 [interface] [domain] [seconds] [null]
//
// With null it plays on BASS's device without sound.
using System;
using System.Linq;
using System.Threading;

static class LowLatency
{
    // From the sender's stamp to the channel, kept as it is; in an URL with a latency that holds.
    const uint LatencyMs = 10;
    // BASS fills its buffer this often, and the buffer holds some of that: its defaults are 100 and
    // 500 ms.
    const uint UpdateMs = 5, BufferMs = 20;

    static int Main(string[] arguments)
    {
        if (arguments.Length < 1)
        {
            Console.Error.WriteLine("usage: LowLatency aes67://GROUP:PORT [INTERFACE] [DOMAIN] [SECONDS] [null]");
            return 2;
        }
        string url = arguments[0];
        bool isSilent = arguments.Length > 4 && arguments[4] == "null";
        using (var bass = new Bass(isSilent ? 0 : -1, arguments.Skip(1).ToArray()))
        {
            Bass.Set(Bass.UPDATEPERIOD, UpdateMs);
            Bass.Set(Bass.BUFFER, BufferMs);
            if (!url.Contains("latency=")) url += (url.Contains("?") ? "&" : "?") + "latency=" + LatencyMs;
            uint channel = Bass.OpenUrl(url, Bass.FLOAT);
            Bass.Check(Native.BASS_ChannelPlay(channel, false), "BASS_ChannelPlay");
            for (int second = 1; second <= bass.Seconds; second++)
            {
                Thread.Sleep(1000);
                Stats stats = Bass.StatsOf(channel);
                Console.WriteLine("{0,3} s  {1}  {2:F1} ms to the channel, up to {3} ms in BASS's buffer; {4} packets, {5} late, {6} underruns",
                    second, Bass.Status(), stats.LatencyMs, BufferMs, stats.Received, stats.Late, stats.Underruns);
            }
        }
        return 0;
    }
}
