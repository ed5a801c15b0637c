"""BASS and the add-on, for the examples.

Where they are: BASS and BASS_AES67 in the environment, or else the current folder.
"""

import array
import ctypes
import math
import os
import sys
import time
from ctypes import POINTER, c_char_p, c_double, c_int, c_uint32, c_uint64, c_void_p

BUFFER, UPDATEPERIOD = 0, 1
INTERFACE, PTP_DOMAIN, PTP_STATS = 0x20001, 0x20003, 0x20004
UNDERRUNS, RECEIVED, LATE = 0x20011, 0x20012, 0x20013
SAMPLE_LOOP, SAMPLE_FLOAT, DECODE = 4, 0x100, 0x200000
DEFAULT_DOMAIN = 0xFFFFFFFF
BLOCK_S = 0.01


class Stats(ctypes.Structure):
    """BASS_AES67_STATS"""

    _fields_ = (
        [(name, c_uint32) for name in "size state rate_hz channels packet_frames generation on_ptp locked".split()]
        + [(f"packets_{name}", c_uint64) for name in "received lost late dropped duplicate reordered refused overflowed".split()]
        + [(name, c_uint64) for name in "concealed_frames underruns jumps".split()]
        + [(name, c_double) for name in "ratio_ppm card_ppm sender_ppm buffer_ms target_ms latency_ms jitter_ms".split()]
    )


class OutputConfig(ctypes.Structure):
    """BASS_AES67_OUTPUT_CONFIG_EX"""

    _fields_ = [
        (name, c_uint32)
        for name in "size port bits packet_time_us payload_type ttl domain clock flags delay_us".split()
    ] + [(name, c_char_p) for name in "name group second_group interface second_interface".split()]


class OutputStats(ctypes.Structure):
    """BASS_AES67_OUTPUT_STATS_EX"""

    _fields_ = (
        [("size", c_uint32), ("state", c_uint32)]
        + [(name, c_uint64) for name in "packets send_errors skipped_packets jumps starved_frames".split()]
        + [(name, c_double) for name in "late_us late_99_us ppm".split()]
    )


class Bass:
    """The two libraries, with a device opened; 0 is none, -1 the default one."""

    def __init__(self, device, options):
        """`options` are interface, PTP domain and seconds, as far as they are given."""
        windows = os.name == "nt"
        load = ctypes.WinDLL if windows else ctypes.CDLL
        self.bass = bass = load(os.environ.get("BASS", "bass.dll" if windows else "./libbass.so"))
        plugin = os.environ.get("BASS_AES67", "bass_aes67.dll" if windows else "./libbass_aes67.so")
        bass.BASS_GetConfigPtr.restype = c_char_p
        bass.BASS_GetConfig.restype = bass.BASS_StreamCreateURL.restype = bass.BASS_StreamCreateFile.restype = c_uint32
        bass.BASS_Init.argtypes = [c_int, c_uint32, c_uint32, c_void_p, c_void_p]
        bass.BASS_StreamCreateURL.argtypes = [c_char_p, c_uint32, c_uint32, c_void_p, c_void_p]
        bass.BASS_StreamCreateFile.argtypes = [c_int, c_char_p, c_uint64, c_uint64, c_uint32]
        bass.BASS_ChannelGetData.argtypes = [c_uint32, c_void_p, c_uint32]
        self.check(bass.BASS_PluginLoad(plugin.encode(), 0), plugin)
        self.aes67 = load(plugin)
        self.aes67.BASS_AES67_OutputCreate.argtypes = [c_uint32, POINTER(OutputConfig)]
        self.aes67.BASS_AES67_OutputCreate.restype = c_void_p
        self.aes67.BASS_AES67_OutputStart.argtypes = self.aes67.BASS_AES67_OutputFree.argtypes = [c_void_p]
        self.aes67.BASS_AES67_OutputGetStats.argtypes = [c_void_p, POINTER(OutputStats)]
        if options:
            self.check(bass.BASS_SetConfigPtr(INTERFACE, options[0].encode()), "interface")
        if len(options) > 1:
            self.check(bass.BASS_SetConfig(PTP_DOMAIN, int(options[1])), "domain")
        self.seconds = int(options[2]) if len(options) > 2 else 60
        self.check(bass.BASS_Init(device, 48000, 0, None, None), "BASS_Init")

    def check(self, done, what):
        """Ends the program, and says why, if a function did not do as it should."""
        if done:
            return done
        words = ctypes.create_string_buffer(512)
        if hasattr(self, "aes67"):
            self.aes67.BASS_AES67_GetErrorText(words, len(words))
        sys.exit(f"{what}: BASS error {self.bass.BASS_ErrorGetCode()}; {words.value.decode()}")

    def open_url(self, url, flags):
        return self.check(self.bass.BASS_StreamCreateURL(url.encode(), 0, flags, None, None), url)

    def pull(self, channel, samples):
        """So many samples of a decode channel."""
        block = array.array("f", bytes(4 * samples))
        got = self.bass.BASS_ChannelGetData(channel, block.buffer_info()[0], 4 * samples)
        self.check(got == 4 * samples, "BASS_ChannelGetData")
        return block

    def status(self):
        return self.bass.BASS_GetConfigPtr(PTP_STATS).decode()

    def stats(self, channel):
        stats = Stats(size=ctypes.sizeof(Stats))
        self.check(self.aes67.BASS_AES67_GetStats(channel, ctypes.byref(stats)), "BASS_AES67_GetStats")
        return stats

    def send(self, channel, group, name, clock):
        """Sends a channel; clock 0 waits for a PTP master, 1 is one if there is none, 2 is the system's."""
        config = OutputConfig(size=ctypes.sizeof(OutputConfig), domain=DEFAULT_DOMAIN, clock=clock)
        config.group, config.name = group.encode(), name.encode()
        output = self.check(self.aes67.BASS_AES67_OutputCreate(channel, config), "BASS_AES67_OutputCreate")
        self.check(self.aes67.BASS_AES67_OutputStart(output), "BASS_AES67_OutputStart")
        return output

    def output_stats(self, output):
        stats = OutputStats(size=ctypes.sizeof(OutputStats))
        self.check(self.aes67.BASS_AES67_OutputGetStats(output, stats), "BASS_AES67_OutputGetStats")
        return stats

    def close(self):
        self.bass.BASS_Free()
        self.bass.BASS_PluginFree(0)


def blocks(seconds):
    """Returns at the time of each block of 10 ms: what a sound card is otherwise for."""
    due = time.monotonic()
    for number in range(round(seconds / BLOCK_S)):
        due += BLOCK_S
        time.sleep(max(0.0, due - time.monotonic()))
        yield number


def dbfs(peak):
    """The largest sample, in dB of full scale."""
    return 20 * math.log10(max(peak, 1e-9))
