#!/usr/bin/env python3
"""Plays a stream for a minute, and shows its status every second.

    BASS=/path/to/libbass.so BASS_AES67=/path/to/libbass_aes67.so test_stream.py aes67://239.69.0.1:5004 [interface] [domain] [seconds] [null]

With `null` it plays on BASS's device without sound.
"""

import ctypes
import os
import sys
import time

INTERFACE, PTP_DOMAIN, PTP_STATS = 0x20001, 0x20003, 0x20004
BUFFER_LEVEL, UNDERRUNS, RECEIVED, LATE = 0x20010, 0x20011, 0x20012, 0x20013
SAMPLE_FLOAT = 0x100


def main():
    arguments = sys.argv[1:]
    if not arguments:
        sys.exit(__doc__)
    windows = os.name == "nt"
    load = ctypes.WinDLL if windows else ctypes.CDLL
    bass = load(os.environ.get("BASS", "bass.dll" if windows else "./libbass.so"))
    bass.BASS_GetConfigPtr.restype = ctypes.c_char_p
    bass.BASS_Init.argtypes = [ctypes.c_int, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p]
    bass.BASS_StreamCreateURL.argtypes = [ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p]
    bass.BASS_StreamCreateURL.restype = bass.BASS_GetConfig.restype = ctypes.c_uint32

    def check(done, what):
        if not done:
            sys.exit(f"{what}: BASS error {bass.BASS_ErrorGetCode()}")
        return done

    plugin = os.environ.get("BASS_AES67", "bass_aes67.dll" if windows else "./libbass_aes67.so")
    check(bass.BASS_PluginLoad(plugin.encode(), 0), plugin)
    if len(arguments) > 1:
        check(bass.BASS_SetConfigPtr(INTERFACE, arguments[1].encode()), "interface")
    if len(arguments) > 2:
        check(bass.BASS_SetConfig(PTP_DOMAIN, int(arguments[2])), "domain")
    check(bass.BASS_Init(0 if arguments[4:] == ["null"] else -1, 48000, 0, None, None), "BASS_Init")
    stream = check(bass.BASS_StreamCreateURL(arguments[0].encode(), 0, SAMPLE_FLOAT, None, None), arguments[0])
    check(bass.BASS_ChannelPlay(stream, 0), "BASS_ChannelPlay")
    for second in range(1, 1 + (int(arguments[3]) if len(arguments) > 3 else 60)):
        time.sleep(1)
        status = bass.BASS_GetConfigPtr(PTP_STATS).decode()
        get = bass.BASS_GetConfig
        print(f"{second:3} s  {status}  buffer {get(BUFFER_LEVEL)} %, {get(RECEIVED)} packets, {get(LATE)} late, {get(UNDERRUNS)} underruns", flush=True)
    bass.BASS_Free()
    bass.BASS_PluginFree(0)


main()
