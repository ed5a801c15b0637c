#!/usr/bin/env python3
"""No sound card: the program itself takes audio out of the channel as time goes by, here to show its level.

    no_sound_card.py aes67://239.69.0.1:5004 [interface] [domain] [seconds]
"""

import sys

import bass

# 10 ms of two channels at 48 kHz, which the stream has unless its URL says something else.
SAMPLES = 960

if len(sys.argv) < 2:
    sys.exit(__doc__)
b = bass.Bass(0, sys.argv[2:])
channel = b.open_url(sys.argv[1], bass.SAMPLE_FLOAT | bass.DECODE)
peak = 0.0
for number in bass.blocks(b.seconds):
    block = b.pull(channel, SAMPLES)
    peak = max(peak, max(block), -min(block))
    if number % 100 == 99:
        received = b.stats(channel).packets_received
        print(f"{number // 100 + 1:3} s  {b.status()}  peak {bass.dbfs(peak):.1f} dBFS, {received} packets", flush=True)
        peak = 0.0
b.close()
