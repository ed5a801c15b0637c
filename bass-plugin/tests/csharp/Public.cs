// A program as they were written for the public headers of bass_aes67 and bass_ptp: P/Invoke by the
// libraries' names, and nothing of these libraries beyond those headers. It calls each function
// once at least, and looks at what it gets; see tests/c/public.c.
using System;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;

static class Bass
{
    [DllImport("bass")] public static extern bool BASS_Init(int device, uint freq, uint flags, IntPtr window, IntPtr clsid);
    [DllImport("bass")] public static extern bool BASS_Free();
    [DllImport("bass")] public static extern int BASS_ErrorGetCode();
    [DllImport("bass")] public static extern bool BASS_SetConfig(uint option, uint value);
    [DllImport("bass")] public static extern uint BASS_GetConfig(uint option);
    [DllImport("bass")] public static extern bool BASS_SetConfigPtr(uint option, string value);
    [DllImport("bass")] public static extern IntPtr BASS_GetConfigPtr(uint option);
    [DllImport("bass")] public static extern uint BASS_PluginLoad(string file, uint flags);
    [DllImport("bass")] public static extern bool BASS_PluginFree(uint plugin);
    [DllImport("bass")] public static extern uint BASS_StreamCreateURL(string url, uint offset, uint flags, IntPtr proc, IntPtr user);
    [DllImport("bass")] public static extern bool BASS_StreamFree(uint stream);
    [DllImport("bass")] public static extern int BASS_ChannelGetData(uint channel, float[] buffer, uint length);
}

[StructLayout(LayoutKind.Sequential)]
struct OutputConfig
{
    [MarshalAs(UnmanagedType.ByValArray, SizeConst = 4)] public byte[] MulticastAddr;
    public ushort Port;
    [MarshalAs(UnmanagedType.ByValArray, SizeConst = 4)] public byte[] InterfaceAddr;
    public byte PayloadType;
    public ushort Channels;
    public uint SampleRate;
    public uint PacketTimeUs;
}

[StructLayout(LayoutKind.Sequential)]
struct OutputStats
{
    public ulong PacketsSent, SamplesSent, SendErrors, Underruns;
}

static class Aes67
{
    [DllImport("bass_aes67")] public static extern bool BASS_AES67_ClockStart();
    [DllImport("bass_aes67")] public static extern bool BASS_AES67_ClockStop();
    [DllImport("bass_aes67")] public static extern bool BASS_AES67_ClockIsLocked();
    [DllImport("bass_aes67")] public static extern IntPtr BASS_AES67_GetClockStats();
    [DllImport("bass_aes67")] public static extern IntPtr BASS_AES67_OutputCreate(uint channel, ref OutputConfig config);
    [DllImport("bass_aes67")] public static extern bool BASS_AES67_OutputStart(IntPtr handle);
    [DllImport("bass_aes67")] public static extern bool BASS_AES67_OutputStop(IntPtr handle);
    [DllImport("bass_aes67")] public static extern bool BASS_AES67_OutputIsRunning(IntPtr handle);
    [DllImport("bass_aes67")] public static extern bool BASS_AES67_OutputGetStats(IntPtr handle, out OutputStats stats);
    [DllImport("bass_aes67")] public static extern uint BASS_AES67_OutputGetPPM(IntPtr handle);
    [DllImport("bass_aes67")] public static extern bool BASS_AES67_OutputFree(IntPtr handle);
}

static class Ptp
{
    [UnmanagedFunctionPointer(CallingConvention.StdCall)] public delegate void TimerCallback(IntPtr user);
    [DllImport("bass_ptp")] public static extern int BASS_PTP_Start(string iface, byte domain);
    [DllImport("bass_ptp")] public static extern int BASS_PTP_Stop();
    [DllImport("bass_ptp")] public static extern int BASS_PTP_GetStatsString(byte[] buffer, int size);
    [DllImport("bass_ptp")] public static extern int BASS_PTP_IsLocked();
    [DllImport("bass_ptp")] public static extern double BASS_PTP_GetFrequencyPPM();
    [DllImport("bass_ptp")] public static extern int BASS_PTP_TimerStart(uint intervalMs, TimerCallback callback, IntPtr user);
    [DllImport("bass_ptp")] public static extern int BASS_PTP_TimerStop();
    [DllImport("bass_ptp")] public static extern int BASS_PTP_TimerSetPLL(int enabled);
    [DllImport("bass_ptp")] public static extern int BASS_PTP_TimerSetInterval(uint ms);
    [DllImport("bass_ptp")] public static extern uint BASS_PTP_TimerGetInterval();
    [DllImport("bass_ptp")] public static extern int BASS_PTP_TimerIsRunning();
    [DllImport("bass_ptp")] public static extern int BASS_PTP_TimerIsPLLEnabled();
    [DllImport("bass_ptp")] public static extern int BASS_PTP_ForceStop();
    [DllImport("bass_ptp")] public static extern int BASS_PTP_IsRunning();
    [DllImport("bass_ptp")] public static extern long BASS_PTP_GetOffset();
    [DllImport("bass_ptp")] public static extern byte BASS_PTP_GetState();
    [DllImport("bass_ptp")] public static extern uint BASS_PTP_GetVersion();
}

static class Program
{
    const uint PT = 0x20000, INTERFACE = 0x20001, JITTER = 0x20002, PTP_DOMAIN = 0x20003, PTP_STATS = 0x20004, PTP_STATE = 0x20006, PACKETS_RECEIVED = 0x20012, PACKET_TIME = 0x20016;
    const uint DECODE_FLOAT = 0x200100, DATA_FLOAT = 0x40000000;
    static int calls;
    // Kept from the garbage collector as long as the timer may call it.
    static readonly Ptp.TimerCallback OnTimer = user => Interlocked.Increment(ref calls);

    static void Check(bool isSo, string what)
    {
        if (isSo) return;
        Console.Error.WriteLine("not so: " + what + " (BASS error " + Bass.BASS_ErrorGetCode() + ")");
        Environment.Exit(1);
    }

    // Waits for up to 30 s until something is so.
    static void Await(Func<bool> isSo, string what)
    {
        for (int i = 0; i < 3000 && !isSo(); i++) Thread.Sleep(10);
        Check(isSo(), what);
    }

    static string Text(IntPtr utf8)
    {
        int length = 0;
        while (Marshal.ReadByte(utf8, length) != 0) length++;
        var bytes = new byte[length];
        Marshal.Copy(utf8, bytes, 0, length);
        return Encoding.UTF8.GetString(bytes);
    }

    static void CheckStats(string stats)
    {
        Check(stats.StartsWith("Slave to: PTP/") && stats.Contains(":1, \u03b4 ") && stats.EndsWith("ppm [LOCKED]"), stats);
    }

    static void RunPtp(string iface, byte domain)
    {
        Check(Ptp.BASS_PTP_GetVersion() != 0 && Ptp.BASS_PTP_GetState() == 0 && Ptp.BASS_PTP_IsRunning() == 0, "PTP is not started");
        Check(Ptp.BASS_PTP_Start(iface, domain) == 0 && Ptp.BASS_PTP_IsRunning() == 1, "BASS_PTP_Start");
        Await(() => Ptp.BASS_PTP_IsLocked() == 1, "PTP locks");
        Check(Ptp.BASS_PTP_GetState() == 3, "PTP is slave");
        var text = new byte[256];
        Check(Ptp.BASS_PTP_GetStatsString(text, text.Length) == 0, "BASS_PTP_GetStatsString");
        CheckStats(Encoding.UTF8.GetString(text, 0, Array.IndexOf(text, (byte)0)));
        Check(Math.Abs(Ptp.BASS_PTP_GetFrequencyPPM()) < 501 && Math.Abs(Ptp.BASS_PTP_GetOffset()) < 10000000, "the clock of this computer");
        Check(Ptp.BASS_PTP_TimerSetPLL(0) == 0 && Ptp.BASS_PTP_TimerIsPLLEnabled() == 0, "PLL off");
        Check(Ptp.BASS_PTP_TimerSetPLL(1) == 0 && Ptp.BASS_PTP_TimerIsPLLEnabled() == 1, "PLL on");
        Check(Ptp.BASS_PTP_TimerStart(20, OnTimer, IntPtr.Zero) == 0 && Ptp.BASS_PTP_TimerIsRunning() == 1, "BASS_PTP_TimerStart");
        Check(Ptp.BASS_PTP_TimerSetInterval(5) == 0 && Ptp.BASS_PTP_TimerGetInterval() == 5, "BASS_PTP_TimerSetInterval");
        Await(() => calls > 20, "the timer calls");
        Check(Ptp.BASS_PTP_TimerStop() == 0 && Ptp.BASS_PTP_TimerIsRunning() == 0, "BASS_PTP_TimerStop");
        Check(Ptp.BASS_PTP_Stop() == 0 && Ptp.BASS_PTP_Stop() == 0 && Ptp.BASS_PTP_ForceStop() == 0, "BASS_PTP_Stop");
    }

    static void RunOutput(uint stream, string group, string iface)
    {
        var config = new OutputConfig {
            MulticastAddr = Array.ConvertAll(group.Split('.'), byte.Parse), InterfaceAddr = Array.ConvertAll(iface.Split('.'), byte.Parse),
            Port = 5004, PayloadType = 97, Channels = 2, SampleRate = 48000, PacketTimeUs = 1000
        };
        Check(Marshal.SizeOf(config) == 24, "the configuration has 24 bytes");
        IntPtr output = Aes67.BASS_AES67_OutputCreate(stream, ref config);
        Check(output != IntPtr.Zero, "BASS_AES67_OutputCreate");
        Check(Aes67.BASS_AES67_OutputStart(output) && Aes67.BASS_AES67_OutputIsRunning(output), "BASS_AES67_OutputStart");
        OutputStats stats = default(OutputStats);
        Await(() => Aes67.BASS_AES67_OutputGetStats(output, out stats) && stats.PacketsSent > 100, "packets are sent");
        Check(stats.SamplesSent == 48 * stats.PacketsSent && stats.SendErrors == 0 && stats.Underruns <= stats.PacketsSent, "statistics of the output");
        Check(Math.Abs((int)Aes67.BASS_AES67_OutputGetPPM(output)) < 501000, "BASS_AES67_OutputGetPPM");
        Check(Aes67.BASS_AES67_OutputStop(output) && Aes67.BASS_AES67_OutputFree(output), "BASS_AES67_OutputStop and Free");
    }

    static int Main(string[] arguments)
    {
        if (arguments.Length != 7) {
            Console.Error.WriteLine("usage: Public BASS PLUGIN PTP URL GROUP INTERFACE DOMAIN");
            return 2;
        }
        string url = arguments[3], iface = arguments[5];
        uint domain = uint.Parse(arguments[6]);
        Check(Bass.BASS_PluginLoad(arguments[1], 0) != 0, "BASS_PluginLoad");
        Check(Bass.BASS_Init(0, 48000, 0, IntPtr.Zero, IntPtr.Zero), "BASS_Init");
        Check(Bass.BASS_SetConfigPtr(INTERFACE, iface) && Bass.BASS_SetConfig(PTP_DOMAIN, domain), "interface and domain");
        Check(Bass.BASS_SetConfig(PT, 96) && Bass.BASS_SetConfig(JITTER, 50), "payload type and jitter");
        Check(Bass.BASS_GetConfig(PT) == 96 && Bass.BASS_GetConfig(JITTER) == 50, "payload type and jitter as they were set");
        Check(Aes67.BASS_AES67_ClockStart(), "BASS_AES67_ClockStart");
        Await(() => Aes67.BASS_AES67_ClockIsLocked(), "the clock locks");
        Check(Bass.BASS_GetConfig(PTP_STATE) == 3, "the clock is slave");
        CheckStats(Text(Aes67.BASS_AES67_GetClockStats()));
        CheckStats(Text(Bass.BASS_GetConfigPtr(PTP_STATS)));
        RunPtp(iface, (byte)domain);
        uint stream = Bass.BASS_StreamCreateURL(url, 0, DECODE_FLOAT, IntPtr.Zero, IntPtr.Zero);
        Check(stream != 0, url);
        var block = new float[960];
        for (int i = 0; i < 50; i++) {
            Check(Bass.BASS_ChannelGetData(stream, block, 3840 | DATA_FLOAT) == 3840, "BASS_ChannelGetData");
            Thread.Sleep(10);
        }
        Await(() => Bass.BASS_GetConfig(PACKETS_RECEIVED) > 100 && Bass.BASS_GetConfig(PACKET_TIME) == 1000, "packets come");
        RunOutput(stream, arguments[4], iface);
        Check(Bass.BASS_StreamFree(stream) && Aes67.BASS_AES67_ClockStop(), "the end");
        Check(Bass.BASS_Free() && Bass.BASS_PluginFree(0), "the end of BASS");
        Console.WriteLine("public=ok");
        return 0;
    }
}
