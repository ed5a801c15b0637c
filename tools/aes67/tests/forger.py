"""Forges packets of a stream that it hears.

forger.py GROUP INTERFACE_ADDRESS SENDER_ADDRESS AFTER_PACKETS PACKETS

For each packet that it hears it sends some with the stream's SSRC, louder, from the sender's
forged address (which takes a raw socket): 500 ms back, 400 ms ahead, with a number that jumps, a
copy, and at random. And one from its own address, that goes on with the stream. The copy is of a
packet of 20 ms ago: that of the newest one may overtake it on the way to a receiver, and nobody
can tell the two apart then.
"""
import random, socket, struct, sys

group, interface, sender = sys.argv[1:4]
after, count = map(int, sys.argv[4:])
port = 5004
ears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ears.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
ears.bind((group, port))
ears.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(interface))
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for wire in (own, raw):
    wire.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
    wire.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
audio = b'\x70\0\0' * 96
random.seed(1)


def rtp(sequence, timestamp, ssrc):
    return struct.pack('>BBHII', 0x80, 96, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + audio


def forge(datagram):
    udp = struct.pack('>HHHH', port, port, 8 + len(datagram), 0)
    # The kernel fills in the length, the identification and the checksum of the header.
    ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 0, 0, 0, 8, 17, 0, socket.inet_aton(sender), socket.inet_aton(group))
    raw.sendto(ip + udp + datagram, (group, port))


heard = 0
while heard < after + count:
    datagram, (address, _) = ears.recvfrom(2048)
    if address != sender or datagram[12] == 0x70:
        continue
    heard += 1
    if heard <= after:
        continue
    sequence, timestamp, ssrc = struct.unpack('>HII', datagram[2:12])
    forge(rtp(sequence + 1, timestamp - 24_000, ssrc))
    forge(rtp(sequence + 2, timestamp + 19_200, ssrc))
    forge(rtp(sequence + 1000, timestamp + 48, ssrc))
    forge(rtp(sequence - 20, timestamp - 20 * 48, ssrc))
    forge(rtp(random.getrandbits(16), random.getrandbits(32), ssrc))
    own.sendto(rtp(sequence + 1, timestamp + 48, ssrc), (group, port))
