"""A receiver that plays silence, and at its 20th callback does what its argument says."""

import math
import struct
import sys
import time

NEVER = 2**63 - 1
HELLO, PULL, END = 1, 6, 7


def send(kind, body):
    """Writes a message."""
    sys.stdout.buffer.write(struct.pack("<IB", 1 + len(body), kind) + body)


def audio(samples, frame=0, fraction=0.0, underruns=5):
    """Sends audio."""
    head = struct.pack("<Bqd4Iq", 1, frame, fraction, underruns, 0, 0, 0, 0)
    send(0x85, head + struct.pack(f"<{len(samples)}f", *samples))


def clock(state, at, rate):
    """Sends the state of the clock."""
    send(0x84, struct.pack("<BBqqd8s", state, 1, at, 0, rate, bytes(8)))


def misbehave(fault, silence, now):
    """Does the fault in the place of an answer to a callback, and returns its end."""
    wake = NEVER
    if fault == "exits":
        sys.exit(3)
    elif fault == "hangs":
        time.sleep(3600)
    elif fault == "floods":
        for _ in range(2000):
            send(0x83, b"again")
    elif fault == "prints":
        sys.stdout.buffer.write(b"hello, world\n")
    elif fault == "unknown":
        send(0x99, b"")
    elif fault == "cut":
        sys.stdout.buffer.write(struct.pack("<IB", 100, 0x85))
        sys.stdout.buffer.flush()
        sys.exit(0)
    elif fault == "no_audio":
        pass
    elif fault == "too_much":
        audio(silence + [0.0])
    elif fault == "too_little":
        audio(silence[1:])
    elif fault == "twice":
        audio(silence)
        audio(silence)
    elif fault == "nan":
        audio([math.nan] + silence[1:])
    elif fault == "position":
        audio(silence, 2**63 - 1)
    elif fault == "fraction":
        audio(silence, 0, math.inf)
    elif fault == "counts":
        audio(silence, underruns=4)
    else:
        audio(silence)
    if fault == "state":
        clock(9, now, 0.0)
    elif fault == "future":
        clock(2, now + 1, 0.0)
    elif fault == "rate":
        clock(2, now, math.nan)
    elif fault == "no_ptp":
        send(0x82, b"not a PTP message")
    elif fault == "not_utf8":
        send(0x83, b"\xff")
    elif fault == "long_done":
        send(0x86, bytes(13))
    elif fault == "short_clock":
        send(0x84, bytes(5))
    elif fault == "restless":
        wake = now
    return wake


def main():
    """Answers messages, and misbehaves once."""
    fault, pulls, wake, channels = sys.argv[1], 0, NEVER, 0
    while True:
        head = sys.stdin.buffer.read(4)
        if len(head) < 4:
            return
        message = sys.stdin.buffer.read(struct.unpack("<I", head)[0])
        kind, number, now = struct.unpack_from("<BIq", message)
        if kind == HELLO:
            (channels,) = struct.unpack_from("<H", message, 13 + 16)
            if fault != "no_hello":
                send(0x81, struct.pack("<H", 2 if fault == "version" else 1))
        elif kind == PULL:
            pulls += 1
            silence = [0.0] * (struct.unpack_from("<I", message, 13)[0] * channels)
            if pulls < 20:
                audio(silence)
            elif pulls == 20:
                wake = misbehave(fault, silence, now)
            else:
                audio(silence)
        elif fault != "restless":
            wake = NEVER
        number += fault == "miscounts" and pulls == 20
        send(0x86, struct.pack("<Iq", number, wake))
        if kind == END:
            if fault == "says_more":
                sys.stdout.buffer.write(b"more")
            sys.stdout.buffer.flush()
            if fault == "stays":
                sys.stdout.close()
                time.sleep(3600)
            sys.exit(4 if fault == "fails" else 0)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
