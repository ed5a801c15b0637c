// AES67 in, BASS, AES67 out: receives a stream and sends it to another group, both on the same PTP
// clock.
//
//     mcs Aes67Loopback.cs Bass.cs
//     Aes67Loopback.exe "aes67://239.69.0.1?pace=ptp" 239.69.0.2 [interface] [domain] [seconds]
//
// With pace=ptp samples stay as they are; BASS may change them on the way, by effects or a mixer.
using System;
using System.Linq;
using System.Threading;

static class Aes67Loopback
{
    static int Main(string[] arguments)
    {
        if (arguments.Length < 2)
        {
            Console.Error.WriteLine("usage: Aes67Loopback URL GROUP [INTERFACE] [DOMAIN] [SECONDS]");
            return 2;
        }
        using (var bass = new Bass(0, arguments.Skip(2).ToArray()))
        {
            uint channel = Bass.OpenUrl(arguments[0], Bass.FLOAT | Bass.DECODE);
            IntPtr output = Bass.Send(channel, arguments[1], "Loopback", 0);
            for (int second = 1; second <= bass.Seconds; second++)
            {
                Thread.Sleep(1000);
                Stats received = Bass.StatsOf(channel);
                OutputStats sent = Bass.SentBy(output);
                Console.WriteLine("{0,3} s  {1}  in: {2} packets, {3} underruns; out: {4} packets, late by {5:F0} us at most",
                    second, Bass.Status(), received.Received, received.Underruns, sent.Packets, sent.LateUs);
            }
            Bass.Check(Native.BASS_AES67_OutputFree(output), "BASS_AES67_OutputFree");
        }
        return 0;
    }
}
