#!/usr/bin/env python3
"""Many streams at once: the level and the statistics of each, every second.

    input_lab.py interface domain seconds aes67://239.69.0.1 aes67://239.69.0.2 ...
"""

import sys

import bass

# 10 ms of two channels at 48 kHz, which the streams have unless their URLs say something else.
SAMPLES = 960

if len(sys.argv) < 5:
    sys.exit(__doc__)
urls = sys.argv[4:]
b = bass.Bass(0, sys.argv[1:4])
channels = [b.open_url(url, bass.SAMPLE_FLOAT | bass.DECODE) for url in urls]
peaks = [[0.0, 0.0] for _ in urls]
for number in bass.blocks(b.seconds):
    for channel, peak in zip(channels, peaks):
        block = b.pull(channel, SAMPLES)
        for side in range(2):
            peak[side] = max(peak[side], max(block[side::2]), -min(block[side::2]))
    if number % 100 == 99:
        print(f"{number // 100 + 1:3} s  {b.status()}")
        for url, channel, peak in zip(urls, channels, peaks):
            stats, (left, right) = b.stats(channel), map(bass.dbfs, peak)
            print(
                f"  {url}  {left:.1f} {right:.1f} dBFS, {stats.packets_received} packets, {stats.packets_lost} lost,"
                f" {stats.packets_late} late, jitter {stats.jitter_ms:.2f} ms,"
                f" level {stats.buffer_ms:.1f} of {stats.target_ms:.1f} ms",
                flush=True,
            )
        peaks = [[0.0, 0.0] for _ in urls]
b.close()
