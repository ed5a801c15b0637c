"""Lateness of the packets of some senders, one after the other, as the receiving end's kernel stamps them.

lateness.py AES67 BARE HOST_A ADDRESS_A HOST_B STREAMS PTIME_MS SECONDS; BARE is the compiled bare_sender.c, or empty

Lateness is counted from the earliest packet of the sender's run, by RTP timestamps: it is what a receiver's buffer has to hold. CPU is the sender's process's, user and system. All have the real-time priority that ours asks for by itself.
"""
import json, os, resource, struct, subprocess, sys, time
aes67, bare_sender, host_a, address_a, host_b, streams, ptime_ms, seconds = sys.argv[1:9]
streams, seconds, frames = int(streams), float(seconds), int(round(float(ptime_ms) * 48))
ns = lambda host, *command: ['ip', 'netns', 'exec', host, *command]
quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

def ours(group):
    return ns(host_a, aes67, 'send', 'tone', '--source-channels', str(2 * streams), '--split', '2', '--group', group,
              '--interface', 'va', '--clock', 'system', '--ptime', ptime_ms, '--no-sap', '--seconds', str(seconds + 4))

def bare(group):
    return ns(host_a, 'chrt', '-f', '60', bare_sender, address_a, group, str(streams), str(frames), str(seconds + 4))

def gstreamer(group):
    base = [int(part) for part in group.split('.')]
    ns_per = frames * 1_000_000_000 // 48_000
    launch = []
    for stream in range(streams):
        address = '.'.join(map(str, base[:3] + [base[3] + stream]))
        launch += (f'audiotestsrc is-live=true samplesperbuffer={frames} ! audio/x-raw,format=S24BE,rate=48000,channels=2 ! '
                   f'rtpL24pay pt=96 min-ptime={ns_per} max-ptime={ns_per} timestamp-offset=0 ! udpsink host={address} port=5004 '
                   'ttl-mc=15 multicast-iface=va qos-dscp=34 sync=true processing-deadline=0').split()
    return ns(host_a, 'timeout', '-s', 'INT', str(seconds + 4), 'chrt', '-f', '60', 'gst-launch-1.0', '-q', *launch)

def packets(path):
    data = open(path, 'rb').read()
    nano = struct.unpack_from('<I', data)[0] == 0xA1B23C4D
    at = 24
    while at + 16 <= len(data):
        s, part, length, _ = struct.unpack_from('<IIII', data, at)
        at += 16
        packet = data[at:at + length]
        at += length
        if len(packet) < 54 or packet[12:14] != b'\x08\x00' or packet[42] >> 6 != 2:
            continue
        yield packet[30:34], s * 10**9 + part * (1 if nano else 1000), struct.unpack_from('>I', packet, 46)[0]

def measure(name, command):
    path = 'lateness.pcap'
    dump = subprocess.Popen(ns(host_b, 'tcpdump', '-i', 'vb', '-s', '60', '-B', '65536', '--time-stamp-precision=nano', '-w', path,
                               'udp port 5004'), **quiet)
    time.sleep(1)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, **quiet)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    dump.terminate(); dump.wait()
    by_group = {}
    for group, arrival, timestamp in packets(path):
        by_group.setdefault(group, []).append((arrival, timestamp))
    os.unlink(path)
    late, first_ts, base = [], None, None
    for group, seen in by_group.items():
        first_ts = seen[0][1] if first_ts is None else first_ts
        for arrival, timestamp in seen:
            ahead = ((timestamp - first_ts) + 2**31) % 2**32 - 2**31
            late.append((arrival, arrival - ahead * 10**9 // 48_000))
    # The first seconds are start-up.
    begin = late[0][0] + 2 * 10**9 if late else 0
    residuals = sorted(residual for arrival, residual in late if arrival >= begin)
    if not residuals:
        print(json.dumps(dict(sender=name, packets=0))); return
    least = residuals[0]
    share = lambda q: (residuals[min(len(residuals) - 1, int(q * len(residuals)))] - least) / 1e3
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(json.dumps(dict(sender=name, streams=streams, ptime_ms=ptime_ms, groups=len(by_group), packets=len(residuals), p50_us=share(0.5),
                          p99_us=share(0.99), max_us=share(1.0), cpu_us_per_packet=round(1e6 * cpu / len(late), 2))), flush=True)

# The first run of GStreamer reads all plugins.
subprocess.run(['gst-inspect-1.0'], **quiet)
measure('aes67', ours('239.69.100.0'))
if bare_sender:
    measure('a bare loop', bare('239.69.102.0'))
measure('gstreamer', gstreamer('239.69.101.0'))
