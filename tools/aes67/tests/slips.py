"""A sender that slips: slips.py GROUP INTERFACE_ADDRESS SECONDS [AT_S:LATER_MS]...

Stereo L24 at 48 kHz in packets of 1 ms, payload type 96. From AT_S on every packet leaves later by LATER_MS for good (it stands still) or earlier (what it had left to send leaves at once);
timestamps and sequence numbers go on as if nothing had happened.
"""
import socket, struct, sys, time

group, interface, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
slips = sorted(tuple(map(float, word.split(':'))) for word in sys.argv[4:])
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wire.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
audio = struct.pack('>i', 1 << 28)[:3] * 96
began, packet, later_s = time.monotonic(), 0, 0.0
while True:
    while slips and packet * 1e-3 + later_s >= slips[0][0]:
        later_s += slips.pop(0)[1] * 1e-3
    due_s = packet * 1e-3 + later_s
    if due_s >= seconds:
        break
    wait_s = began + due_s - time.monotonic()
    if wait_s > 0:
        time.sleep(wait_s)
    header = struct.pack('>BBHII', 0x80, 96, packet & 0xFFFF, packet * 48 & 0xFFFFFFFF, 0x51195)
    wire.sendto(header + audio, (group, 5004))
    packet += 1
