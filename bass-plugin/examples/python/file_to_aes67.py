#!/usr/bin/env python3
"""A file as an AES67 stream: whatever BASS decodes, at the pace of PTP, described and announced.

    file_to_aes67.py music.mp3 239.69.0.1 [interface] [domain] [seconds] [ptp|serve|system]
"""

import pathlib
import sys
import time

import bass

CLOCKS = ["ptp", "serve", "system"]

if len(sys.argv) < 3:
    sys.exit(__doc__)
file, group = sys.argv[1:3]
clock = sys.argv[6] if len(sys.argv) > 6 else "ptp"
if clock not in CLOCKS:
    sys.exit(f"{clock}: right would be ptp, serve or system")
b = bass.Bass(0, sys.argv[3:6])
flags = bass.SAMPLE_FLOAT | bass.DECODE | bass.SAMPLE_LOOP
channel = b.check(b.bass.BASS_StreamCreateFile(0, file.encode(), 0, 0, flags), file)
output = b.send(channel, group, pathlib.Path(file).stem, CLOCKS.index(clock))
for second in range(1, b.seconds + 1):
    time.sleep(1)
    sent = b.output_stats(output)
    print(
        f"{second:3} s  {sent.packets} packets, {sent.skipped_packets} skipped, {sent.starved_frames} frames of silence,"
        f" late by {sent.late_99_us:.0f} us (99 %)",
        flush=True,
    )
b.check(b.aes67.BASS_AES67_OutputFree(output), "BASS_AES67_OutputFree")
b.close()
