#!/usr/bin/env python3
"""A receiver for the simulator: a jitter buffer whose level sets the speed of playback.

The protocol is described in docs/own-receiver.md; a scenario names this program by
process.command = ["python3", "receiver.py"]. It needs no packages. Messages to a person go to
standard error, because standard output belongs to the protocol.
"""

import struct
import sys

VERSION = 1
NEVER = 2**63 - 1
HELLO, TIMEOUT, PTP, MEDIA, TRANSMITTED, PULL, END = range(1, 8)

# Frames that the buffer holds: a power of two.
CAPACITY = 1 << 16
# Bandwidth of the loop, rad/s, and the time over which the level is averaged, s.
BANDWIDTH = 0.12
AVERAGED_S = 1.0


def signed(timestamp):
    """The difference of two 32-bit timestamps."""
    return (timestamp + 2**31) % 2**32 - 2**31


class Receiver:
    """Plays one stream."""

    def __init__(self, fields):
        (_, version, _, flags, self.rate, card_rate, self.channels, self.bits, _, _, self.payload_type, _, _, depth_ns) = fields
        if version != VERSION or not flags & 1 or card_rate != self.rate:
            sys.exit(f"receiver.py: protocol {version}, flags {flags}, {self.rate} Hz to {card_rate} Hz is not for me")
        self.target = depth_ns * self.rate / 1e9
        self.silence = (0.0,) * self.channels
        self.ring = [self.silence] * CAPACITY
        # The frame that each place of the ring has, so that what is lost or old is not played.
        self.frames = [-1] * CAPACITY
        self.end = None
        # Frame number and fraction of the next frame to be played.
        self.position = None
        self.fill = self.average = self.integral = 0.0
        self.underruns = self.late = self.overruns = self.jumps = 0

    def media(self, datagram):
        """Stores a packet (RFC 3550, 5.1) at the place of its timestamp."""
        if len(datagram) < 12 or datagram[0] >> 6 != 2 or datagram[1] & 127 != self.payload_type:
            return
        start = 12 + 4 * (datagram[0] & 15)
        if datagram[0] & 16:
            start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
        timestamp = int.from_bytes(datagram[4:8], "big")
        first = timestamp if self.end is None else self.end + signed(timestamp - self.end)
        size = self.bits // 8
        scale = 1.0 / (1 << (self.bits - 1))
        frame_bytes = size * self.channels
        count = (len(datagram) - start) // frame_bytes
        if self.position is not None and first < self.position:
            self.late += 1
        for i in range(count):
            at = start + i * frame_bytes
            samples = tuple(
                int.from_bytes(datagram[at + c * size : at + (c + 1) * size], "big", signed=True) * scale
                for c in range(self.channels)
            )
            self.ring[(first + i) % CAPACITY] = samples
            self.frames[(first + i) % CAPACITY] = first + i
        self.end = max(self.end or 0, first + count)

    def frame(self, number):
        """A frame, or silence where it is lost."""
        place = number % CAPACITY
        return self.ring[place] if self.frames[place] == number else self.silence

    def speed(self, frames):
        """Media frames per frame of the card: a PI loop on the averaged level."""
        seconds = frames / self.rate
        level = self.end - self.position
        self.average += (level - self.average) * min(1.0, seconds / AVERAGED_S)
        error_s = (self.average - self.target) / self.rate
        self.integral += BANDWIDTH * BANDWIDTH * error_s * seconds
        return 1.0 + 2.0 * BANDWIDTH * error_s + self.integral

    def pull(self, frames):
        """Plays a block: cubic interpolation (Catmull-Rom) between frames."""
        out = []
        level = 0.0 if self.end is None or self.position is None else self.end - self.position
        if self.position is None and self.end is not None and self.filled():
            self.position = float(self.end) - self.target
            level = self.average = self.target
        if self.position is not None:
            step = self.speed(frames)
            if level < frames * step + 2:
                self.underruns += 1
                self.jumps += 1
                self.position = None
            else:
                self.play(frames, step, out)
        self.fill = level
        return out or [0.0] * (frames * self.channels)

    def filled(self):
        """Whether the buffer has everything from the target level on."""
        first = int(self.end - self.target) - 2
        return self.frames[first % CAPACITY] == first

    def play(self, frames, step, out):
        """Appends a block to `out`."""
        number = int(self.position)
        fraction = self.position - number
        a, b, c, d = (self.frame(number + i) for i in (-1, 0, 1, 2))
        for _ in range(frames):
            for p, q, r, s in zip(a, b, c, d):
                slope = 0.5 * (r - p)
                bend = p - 2.5 * q + 2.0 * r - 0.5 * s
                twist = 0.5 * (s - p) + 1.5 * (q - r)
                out.append(q + fraction * (slope + fraction * (bend + fraction * twist)))
            fraction += step
            while fraction >= 1.0:
                fraction -= 1.0
                number += 1
                a, b, c, d = b, c, d, self.frame(number + 2)
        self.position = number + fraction


def send(kind, body):
    """Writes a message."""
    sys.stdout.buffer.write(struct.pack("<IB", 1 + len(body), kind) + body)


def read(count):
    """Reads bytes, or ends with the simulator."""
    data = sys.stdin.buffer.read(count)
    if len(data) < count:
        sys.exit(0)
    return data


def main():
    """Answers messages until the end."""
    receiver = None
    while True:
        (length,) = struct.unpack("<I", read(4))
        message = read(length)
        kind, number, _now = struct.unpack_from("<BIq", message)
        body = message[13:]
        if kind == HELLO:
            receiver = Receiver(struct.unpack_from("<4sHBBIIHHHHHHIq", body))
            send(0x81, struct.pack("<H", VERSION))
            send(0x83, b"receiver.py plays by the level of its buffer")
        elif kind == MEDIA and body[0] == 0:
            receiver.media(body[5:])
        elif kind == PULL:
            (frames,) = struct.unpack("<I", body)
            samples = receiver.pull(frames)
            playing = receiver.position is not None
            position = receiver.position if playing else 0.0
            counts = (receiver.underruns, receiver.late, receiver.overruns, receiver.jumps)
            fill_ns = int(receiver.fill * 1e9 / receiver.rate)
            head = struct.pack("<Bqd4Iq", playing, int(position), position - int(position), *counts, fill_ns)
            send(0x85, head + struct.pack(f"<{len(samples)}f", *samples))
        send(0x86, struct.pack("<Iq", number, NEVER))
        sys.stdout.buffer.flush()
        if kind == END:
            return


if __name__ == "__main__":
    main()
