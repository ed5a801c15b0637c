#!/usr/bin/env python3
"""Low latency in playback by BASS: a short buffer of its own beside a short jitter buffer.

    low_latency.py aes67://239.69.0.1:5004 [interface] [domain] [seconds] [null]

With `null` it plays on BASS's device without sound.
"""

import sys
import time

import bass

# From the sender's stamp to the channel, kept as it is; in an URL with a latency that holds.
LATENCY_MS = 10
# BASS fills its buffer this often, and the buffer holds some of that: its defaults are 100 and
# 500 ms.
UPDATE_MS, BUFFER_MS = 5, 20

if len(sys.argv) < 2:
    sys.exit(__doc__)
url = sys.argv[1]
b = bass.Bass(0 if sys.argv[5:] == ["null"] else -1, sys.argv[2:])
b.check(b.bass.BASS_SetConfig(bass.UPDATEPERIOD, UPDATE_MS), "BASS_CONFIG_UPDATEPERIOD")
b.check(b.bass.BASS_SetConfig(bass.BUFFER, BUFFER_MS), "BASS_CONFIG_BUFFER")
if "latency=" not in url:
    url += ("&" if "?" in url else "?") + f"latency={LATENCY_MS}"
channel = b.open_url(url, bass.SAMPLE_FLOAT)
b.check(b.bass.BASS_ChannelPlay(channel, 0), "BASS_ChannelPlay")
for second in range(1, b.seconds + 1):
    time.sleep(1)
    stats = b.stats(channel)
    print(
        f"{second:3} s  {b.status()}  {stats.latency_ms:.1f} ms to the channel, up to {BUFFER_MS} ms in BASS's buffer;"
        f" {stats.packets_received} packets, {stats.packets_late} late, {stats.underruns} underruns",
        flush=True,
    )
b.close()
