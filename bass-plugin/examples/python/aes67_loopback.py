#!/usr/bin/env python3
"""AES67 in, BASS, AES67 out: receives a stream and sends it to another group, both on the same PTP clock.

    aes67_loopback.py 'aes67://239.69.0.1?pace=ptp' 239.69.0.2 [interface] [domain] [seconds]

With `pace=ptp` samples stay as they are; BASS may change them on the way, by effects or a mixer.
"""

import sys
import time

import bass

if len(sys.argv) < 3:
    sys.exit(__doc__)
url, group = sys.argv[1:3]
b = bass.Bass(0, sys.argv[3:])
channel = b.open_url(url, bass.SAMPLE_FLOAT | bass.DECODE)
output = b.send(channel, group, "Loopback", 0)
for second in range(1, b.seconds + 1):
    time.sleep(1)
    received, sent = b.stats(channel), b.output_stats(output)
    print(
        f"{second:3} s  {b.status()}  in: {received.packets_received} packets, {received.underruns} underruns;"
        f" out: {sent.packets} packets, late by {sent.late_us:.0f} us at most",
        flush=True,
    )
b.check(b.aes67.BASS_AES67_OutputFree(output), "BASS_AES67_OutputFree")
b.close()
