"""A program as they were written for the public headers of bass_aes67 and bass_ptp: ctypes by the
libraries' names, and nothing of these libraries beyond those headers. It calls each function once
at least, and looks at what it gets; see tests/c/public.c.

    public.py BASS PLUGIN PTP URL GROUP INTERFACE DOMAIN
"""

import ctypes
import os
import re
import sys
import time
from ctypes import c_char_p, c_double, c_int, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p

PT, INTERFACE, JITTER, PTP_DOMAIN, PTP_STATS, PTP_STATE = 0x20000, 0x20001, 0x20002, 0x20003, 0x20004, 0x20006
PACKETS_RECEIVED, PACKET_TIME, PTP_LOCKED, PTP_FREQ = 0x20012, 0x20016, 0x20017, 0x20018
DECODE_FLOAT, DATA_FLOAT = 0x200100, 0x40000000
FUNCTION = ctypes.WINFUNCTYPE if os.name == "nt" else ctypes.CFUNCTYPE


class OutputConfig(ctypes.Structure):
    _fields_ = [
        ("multicast_addr", c_uint8 * 4),
        ("port", c_uint16),
        ("interface_addr", c_uint8 * 4),
        ("payload_type", c_uint8),
        ("channels", c_uint16),
        ("sample_rate", c_uint32),
        ("packet_time_us", c_uint32),
    ]


class OutputStats(ctypes.Structure):
    _fields_ = [(name, c_uint64) for name in ("packets_sent", "samples_sent", "send_errors", "underruns")]


def load(name, functions):
    """A library with the results and parameters of its functions."""
    library = (ctypes.WinDLL if os.name == "nt" else ctypes.CDLL)(name)
    for function, (result, *parameters) in functions.items():
        pointer = getattr(library, function)
        pointer.restype, pointer.argtypes = result, parameters
    return library


def wait(is_so, what):
    """Waits for up to 30 s until something is so."""
    for _ in range(3000):
        if is_so():
            return
        time.sleep(0.01)
    raise AssertionError(what)


def check_stats(stats):
    assert re.fullmatch(r"Slave to: PTP/[0-9a-f]{16}:1, δ [+-][0-9.]+µs, Freq: [+-][0-9.]+ppm \[LOCKED\]", stats), stats


def run_ptp(ptp, interface, domain):
    calls = []
    callback = FUNCTION(None, c_void_p)(calls.append)
    assert ptp.BASS_PTP_GetVersion() and ptp.BASS_PTP_GetState() == 0 and not ptp.BASS_PTP_IsRunning()
    assert ptp.BASS_PTP_Start(interface, domain) == 0 and ptp.BASS_PTP_IsRunning()
    wait(ptp.BASS_PTP_IsLocked, "PTP locks")
    assert ptp.BASS_PTP_GetState() == 3
    text = ctypes.create_string_buffer(256)
    assert ptp.BASS_PTP_GetStatsString(text, len(text)) == 0
    check_stats(text.value.decode())
    assert abs(ptp.BASS_PTP_GetFrequencyPPM()) < 501 and abs(ptp.BASS_PTP_GetOffset()) < 10_000_000
    for enabled in (0, 1):
        assert ptp.BASS_PTP_TimerSetPLL(enabled) == 0 and ptp.BASS_PTP_TimerIsPLLEnabled() == enabled
    assert ptp.BASS_PTP_TimerStart(20, callback, 0x1234) == 0 and ptp.BASS_PTP_TimerIsRunning()
    assert ptp.BASS_PTP_TimerSetInterval(5) == 0 and ptp.BASS_PTP_TimerGetInterval() == 5
    wait(lambda: len(calls) > 20, "the timer calls")
    assert ptp.BASS_PTP_TimerStop() == 0 and not ptp.BASS_PTP_TimerIsRunning()
    assert set(calls) == {0x1234}
    assert ptp.BASS_PTP_Stop() == 0 and ptp.BASS_PTP_ForceStop() == 0 and not ptp.BASS_PTP_IsRunning()


def run_output(aes67, stream, group, interface):
    octets = [(c_uint8 * 4)(*map(int, address.split("."))) for address in (group, interface)]
    config = OutputConfig(octets[0], 5004, octets[1], 96, 2, 48000, 1000)
    output = aes67.BASS_AES67_OutputCreate(stream, ctypes.byref(config))
    assert output and not aes67.BASS_AES67_OutputIsRunning(output)
    assert aes67.BASS_AES67_OutputStart(output) and aes67.BASS_AES67_OutputIsRunning(output)
    stats = OutputStats()
    wait(lambda: aes67.BASS_AES67_OutputGetStats(output, ctypes.byref(stats)) and stats.packets_sent > 100, "packets are sent")
    assert stats.samples_sent == 48 * stats.packets_sent and stats.send_errors == 0
    assert stats.underruns <= stats.packets_sent
    assert abs(c_int(aes67.BASS_AES67_OutputGetPPM(output)).value) < 501_000
    assert aes67.BASS_AES67_OutputStop(output) and aes67.BASS_AES67_OutputFree(output)


def main():
    if len(sys.argv) != 8:
        sys.exit(__doc__)
    names, (url, group, interface, domain) = sys.argv[1:4], sys.argv[4:]
    bass = load(names[0], {
        "BASS_Init": (c_int, c_int, c_uint32, c_uint32, c_void_p, c_void_p),
        "BASS_Free": (c_int,),
        "BASS_SetConfig": (c_int, c_uint32, c_uint32),
        "BASS_GetConfig": (c_uint32, c_uint32),
        "BASS_SetConfigPtr": (c_int, c_uint32, c_char_p),
        "BASS_GetConfigPtr": (c_char_p, c_uint32),
        "BASS_PluginLoad": (c_uint32, c_char_p, c_uint32),
        "BASS_PluginFree": (c_int, c_uint32),
        "BASS_StreamCreateURL": (c_uint32, c_char_p, c_uint32, c_uint32, c_void_p, c_void_p),
        "BASS_StreamFree": (c_int, c_uint32),
        "BASS_ChannelGetData": (c_uint32, c_uint32, c_void_p, c_uint32),
    })
    assert bass.BASS_PluginLoad(names[1].encode(), 0)
    aes67 = load(names[1], {
        "BASS_AES67_ClockStart": (c_int,),
        "BASS_AES67_ClockStop": (c_int,),
        "BASS_AES67_ClockIsLocked": (c_int,),
        "BASS_AES67_GetClockStats": (c_char_p,),
        "BASS_AES67_OutputCreate": (c_void_p, c_uint32, c_void_p),
        "BASS_AES67_OutputStart": (c_int, c_void_p),
        "BASS_AES67_OutputStop": (c_int, c_void_p),
        "BASS_AES67_OutputIsRunning": (c_int, c_void_p),
        "BASS_AES67_OutputGetStats": (c_int, c_void_p, c_void_p),
        "BASS_AES67_OutputGetPPM": (c_uint32, c_void_p),
        "BASS_AES67_OutputFree": (c_int, c_void_p),
    })
    ptp = load(names[2], {
        "BASS_PTP_Start": (c_int, c_char_p, c_uint8),
        "BASS_PTP_Stop": (c_int,),
        "BASS_PTP_GetStatsString": (c_int, c_char_p, c_int),
        "BASS_PTP_IsLocked": (c_int,),
        "BASS_PTP_GetFrequencyPPM": (c_double,),
        "BASS_PTP_TimerStart": (c_int, c_uint32, FUNCTION(None, c_void_p), c_void_p),
        "BASS_PTP_TimerStop": (c_int,),
        "BASS_PTP_TimerSetPLL": (c_int, c_int),
        "BASS_PTP_TimerSetInterval": (c_int, c_uint32),
        "BASS_PTP_TimerGetInterval": (c_uint32,),
        "BASS_PTP_TimerIsRunning": (c_int,),
        "BASS_PTP_TimerIsPLLEnabled": (c_int,),
        "BASS_PTP_ForceStop": (c_int,),
        "BASS_PTP_IsRunning": (c_int,),
        "BASS_PTP_GetOffset": (c_int64,),
        "BASS_PTP_GetState": (c_uint8,),
        "BASS_PTP_GetVersion": (c_uint32,),
    })
    assert bass.BASS_Init(0, 48000, 0, None, None)
    assert bass.BASS_SetConfigPtr(INTERFACE, interface.encode()) and bass.BASS_SetConfig(PTP_DOMAIN, int(domain))
    assert bass.BASS_SetConfig(PT, 96) and bass.BASS_SetConfig(JITTER, 10)
    assert bass.BASS_GetConfig(PT) == 96 and bass.BASS_GetConfig(JITTER) == 10
    assert aes67.BASS_AES67_ClockStart()
    wait(aes67.BASS_AES67_ClockIsLocked, "the clock locks")
    assert bass.BASS_GetConfig(PTP_STATE) == 3 and bass.BASS_GetConfig(PTP_LOCKED) == 1
    assert abs(c_int(bass.BASS_GetConfig(PTP_FREQ)).value) < 501_000
    check_stats(aes67.BASS_AES67_GetClockStats().decode())
    check_stats(bass.BASS_GetConfigPtr(PTP_STATS).decode())
    run_ptp(ptp, interface.encode(), int(domain))
    stream = bass.BASS_StreamCreateURL(url.encode(), 0, DECODE_FLOAT, None, None)
    assert stream, url
    block = (ctypes.c_float * 960)()
    for _ in range(50):
        assert bass.BASS_ChannelGetData(stream, block, 3840 | DATA_FLOAT) == 3840
        time.sleep(0.01)
    wait(lambda: bass.BASS_GetConfig(PACKETS_RECEIVED) > 100 and bass.BASS_GetConfig(PACKET_TIME) == 1000, "packets come")
    run_output(aes67, stream, group, interface)
    assert bass.BASS_StreamFree(stream) and aes67.BASS_AES67_ClockStop()
    assert bass.BASS_Free() and bass.BASS_PluginFree(0)
    print("public=ok")


main()
