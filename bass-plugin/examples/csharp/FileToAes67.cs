// A file as an AES67 stream: whatever BASS decodes, at the pace of PTP, described and announced.
//
//     mcs FileToAes67.cs Bass.cs
//     FileToAes67.exe music.mp3 239.69.0.1 [interface] [domain] [seconds] [ptp|serve|system]
using System;
using System.IO;
using System.Linq;
using System.Threading;

static class FileToAes67
{
    static readonly string[] Clocks = { "ptp", "serve", "system" };

    static int Main(string[] arguments)
    {
        int clock = Array.IndexOf(Clocks, arguments.Length > 5 ? arguments[5] : "ptp");
        if (arguments.Length < 2 || clock < 0)
        {
            Console.Error.WriteLine("usage: FileToAes67 FILE GROUP [INTERFACE] [DOMAIN] [SECONDS] [ptp|serve|system]");
            return 2;
        }
        using (var bass = new Bass(0, arguments.Skip(2).ToArray()))
        {
            uint channel = Native.BASS_StreamCreateFile(false, arguments[0], 0, 0, Bass.FLOAT | Bass.DECODE | Bass.LOOP);
            Bass.Check(channel != 0, arguments[0]);
            string name = Path.GetFileNameWithoutExtension(arguments[0]);
            IntPtr output = Bass.Send(channel, arguments[1], name, (uint)clock);
            for (int second = 1; second <= bass.Seconds; second++)
            {
                Thread.Sleep(1000);
                OutputStats sent = Bass.SentBy(output);
                Console.WriteLine("{0,3} s  {1} packets, {2} skipped, {3} frames of silence, late by {4:F0} us (99 %)",
                    second, sent.Packets, sent.SkippedPackets, sent.StarvedFrames, sent.Late99Us);
            }
            Bass.Check(Native.BASS_AES67_OutputFree(output), "BASS_AES67_OutputFree");
        }
        return 0;
    }
}
