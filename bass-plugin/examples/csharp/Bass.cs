// BASS and the add-on, for the examples: bass.dll and bass_aes67.dll beside the program (Linux:
// libbass.so and libbass_aes67.so, and mono).
using System;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;

// BASS_AES67_STATS
[StructLayout(LayoutKind.Sequential)]
struct Stats
{
    public uint Size, State, RateHz, Channels, PacketFrames, Generation, OnPtp, Locked;
    public ulong Received, Lost, Late, Dropped, Duplicate, Reordered, Refused, Overflowed, ConcealedFrames, Underruns, Jumps;
    public double RatioPpm, CardPpm, SenderPpm, BufferMs, TargetMs, LatencyMs, JitterMs;
}

// BASS_AES67_OUTPUT_CONFIG_EX
[StructLayout(LayoutKind.Sequential)]
struct OutputConfig
{
    public uint Size, Port, Bits, PacketTimeUs, PayloadType, Ttl, Domain, Clock, Flags, DelayUs;
    [MarshalAs(UnmanagedType.LPUTF8Str)] public string Name;
    public string Group, SecondGroup, Interface, SecondInterface;
}

// BASS_AES67_OUTPUT_STATS_EX
[StructLayout(LayoutKind.Sequential)]
struct OutputStats
{
    public uint Size, State;
    public ulong Packets, SendErrors, SkippedPackets, Jumps, StarvedFrames;
    public double LateUs, Late99Us, Ppm;
}

static class Native
{
    [DllImport("bass")] public static extern bool BASS_Init(int device, uint freq, uint flags, IntPtr window, IntPtr clsid);
    [DllImport("bass")] public static extern bool BASS_Free();
    [DllImport("bass")] public static extern int BASS_ErrorGetCode();
    [DllImport("bass")] public static extern bool BASS_SetConfig(uint option, uint value);
    [DllImport("bass")] public static extern bool BASS_SetConfigPtr(uint option, string value);
    [DllImport("bass")] public static extern IntPtr BASS_GetConfigPtr(uint option);
    [DllImport("bass")] public static extern uint BASS_PluginLoad(string file, uint flags);
    [DllImport("bass")] public static extern bool BASS_PluginFree(uint plugin);
    [DllImport("bass")] public static extern uint BASS_StreamCreateURL(string url, uint offset, uint flags, IntPtr proc, IntPtr user);
    [DllImport("bass")] public static extern uint BASS_StreamCreateFile(bool mem, string file, ulong offset, ulong length, uint flags);
    [DllImport("bass")] public static extern bool BASS_ChannelPlay(uint channel, bool restart);
    [DllImport("bass")] public static extern uint BASS_ChannelGetData(uint channel, float[] buffer, uint length);
    [DllImport("bass_aes67")] public static extern bool BASS_AES67_GetStats(uint channel, ref Stats stats);
    [DllImport("bass_aes67")] public static extern IntPtr BASS_AES67_OutputCreate(uint channel, ref OutputConfig config);
    [DllImport("bass_aes67")] public static extern bool BASS_AES67_OutputStart(IntPtr output);
    [DllImport("bass_aes67")] public static extern bool BASS_AES67_OutputGetStats(IntPtr output, ref OutputStats stats);
    [DllImport("bass_aes67")] public static extern bool BASS_AES67_OutputFree(IntPtr output);
    [DllImport("bass_aes67")] public static extern uint BASS_AES67_GetErrorText(byte[] text, uint length);
}

// The two libraries, with a device opened; 0 is none, -1 the default one.
class Bass : IDisposable
{
    public const uint BUFFER = 0, UPDATEPERIOD = 1, INTERFACE = 0x20001, PTP_DOMAIN = 0x20003, PTP_STATS = 0x20004;
    public const uint LOOP = 4, FLOAT = 0x100, DECODE = 0x200000, DEFAULT_DOMAIN = 0xFFFFFFFF;
    public readonly int Seconds;

    // `options` are interface, PTP domain and seconds, as far as they are given.
    public Bass(int device, string[] options)
    {
        Console.OutputEncoding = new UTF8Encoding(false);
        bool isWindows = Environment.OSVersion.Platform == PlatformID.Win32NT;
        string plugin = isWindows ? "bass_aes67.dll" : "libbass_aes67.so";
        Check(Native.BASS_PluginLoad(plugin, 0) != 0, plugin);
        if (options.Length > 0) Check(Native.BASS_SetConfigPtr(INTERFACE, options[0]), "interface");
        if (options.Length > 1) Set(PTP_DOMAIN, uint.Parse(options[1]));
        Seconds = options.Length > 2 ? int.Parse(options[2]) : 60;
        Check(Native.BASS_Init(device, 48000, 0, IntPtr.Zero, IntPtr.Zero), "BASS_Init");
    }

    public void Dispose()
    {
        Native.BASS_Free();
        Native.BASS_PluginFree(0);
    }

    // Ends the program, and says why, if a function did not do as it should.
    public static void Check(bool done, string what)
    {
        if (done) return;
        int code = Native.BASS_ErrorGetCode();
        var words = new byte[512];
        int length = (int)Native.BASS_AES67_GetErrorText(words, 512);
        Console.Error.WriteLine(what + ": BASS error " + code + "; " + Encoding.UTF8.GetString(words, 0, Math.Min(length, 511)));
        Environment.Exit(1);
    }

    public static void Set(uint option, uint value) { Check(Native.BASS_SetConfig(option, value), "BASS_SetConfig"); }

    public static uint OpenUrl(string url, uint flags)
    {
        uint channel = Native.BASS_StreamCreateURL(url, 0, flags, IntPtr.Zero, IntPtr.Zero);
        Check(channel != 0, url);
        return channel;
    }

    public static void Pull(uint channel, float[] block)
    {
        uint bytes = (uint)block.Length * 4;
        Check(Native.BASS_ChannelGetData(channel, block, bytes) == bytes, "BASS_ChannelGetData");
    }

    public static string Status()
    {
        IntPtr text = Native.BASS_GetConfigPtr(PTP_STATS);
        int length = 0;
        while (Marshal.ReadByte(text, length) != 0) length++;
        var bytes = new byte[length];
        Marshal.Copy(text, bytes, 0, length);
        return Encoding.UTF8.GetString(bytes);
    }

    public static Stats StatsOf(uint channel)
    {
        var stats = new Stats { Size = (uint)Marshal.SizeOf(typeof(Stats)) };
        Check(Native.BASS_AES67_GetStats(channel, ref stats), "BASS_AES67_GetStats");
        return stats;
    }

    // Sends a channel; clock 0 waits for a PTP master, 1 is one if there is none, 2 is the
    // system's.
    public static IntPtr Send(uint channel, string group, string name, uint clock)
    {
        uint size = (uint)Marshal.SizeOf(typeof(OutputConfig));
        var config = new OutputConfig { Size = size, Domain = DEFAULT_DOMAIN, Clock = clock, Group = group, Name = name };
        IntPtr output = Native.BASS_AES67_OutputCreate(channel, ref config);
        Check(output != IntPtr.Zero, "BASS_AES67_OutputCreate");
        Check(Native.BASS_AES67_OutputStart(output), "BASS_AES67_OutputStart");
        return output;
    }

    public static OutputStats SentBy(IntPtr output)
    {
        var stats = new OutputStats { Size = (uint)Marshal.SizeOf(typeof(OutputStats)) };
        Check(Native.BASS_AES67_OutputGetStats(output, ref stats), "BASS_AES67_OutputGetStats");
        return stats;
    }

    // The largest sample of a block, or of one of its channels.
    public static float Peak(float[] block, int first = 0, int step = 1)
    {
        float peak = 0;
        for (int i = first; i < block.Length; i += step) peak = Math.Max(peak, Math.Abs(block[i]));
        return peak;
    }

    public static string Dbfs(float peak) { return (20 * Math.Log10(Math.Max(peak, 1e-9))).ToString("F1"); }
}

// When blocks of 10 ms are due: what a sound card is otherwise for.
class Pace
{
    readonly System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();
    long due;

    public void Wait()
    {
        due += 10;
        Thread.Sleep((int)Math.Max(0, due - watch.ElapsedMilliseconds));
    }
}
