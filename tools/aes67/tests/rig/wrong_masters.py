#!/usr/bin/python3
"""PTP masters that do one thing wrong each: wrong_masters.py ADDRESS KIND:DOMAIN...

All of them are one clock identity, on the address's interface, and tell this machine's time as TAI.
"""
import select
import socket
import struct
import sys
import time

ADDRESS = sys.argv[1]
KINDS = [(kind, int(domain)) for kind, domain in (word.split(":") for word in sys.argv[2:])]
IDENTITY = bytes.fromhex("dca600fffeff2eea")
PORT = 2
GROUP = "224.0.1.129"
TAI_MINUS_UTC = 37 * 10**9
TWO_STEP, PTP_TIMESCALE = 0x0200, 0x0008
SYNC, DELAY_REQ, FOLLOW_UP, DELAY_RESP, ANNOUNCE = 0, 1, 8, 9, 11
ZERO = bytes(10)


def open_socket(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", port))
    own = socket.inet_aton(ADDRESS)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + own)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    return s


EVENT, GENERAL = open_socket(319), open_socket(320)


def now():
    return time.time_ns() + TAI_MINUS_UTC


def timestamp(ns):
    return struct.pack(">HII", 0, ns // 10**9, ns % 10**9)


def send(kind, domain, sequence, flags, interval, body):
    header = struct.pack(
        ">BBHBBHqI8sHHBb", kind, 2, 34 + len(body), domain, 0, flags, 0, 0, IDENTITY, PORT, sequence & 0xFFFF, 5, interval
    )
    (EVENT if kind == SYNC else GENERAL).sendto(header + body, (GROUP, 319 if kind == SYNC else 320))


def announce(wrong, domain, sequence):
    if wrong == "unannounced":
        return
    steps = 300 if wrong == "far" else 0
    body = ZERO + struct.pack(">hBBBBHB8sHB", 37, 0, 100, 6, 0x21, 0x4E5D, 128, IDENTITY, steps, 0x20)
    send(ANNOUNCE, domain, sequence, PTP_TIMESCALE, 0, body)


def sync(wrong, domain, sequence):
    if wrong == "no-sync":
        return
    sent = timestamp(now() - (5_000_000 if wrong == "early" else 0))
    send(SYNC, domain, sequence, 0 if wrong == "unflagged" else TWO_STEP, -3, ZERO)
    if wrong != "no-follow-up":
        send(FOLLOW_UP, domain, sequence, 0, -3, ZERO if wrong == "zero-follow-up" else sent)


def answer(request):
    received = now()
    if len(request) < 44 or request[0] & 15 != DELAY_REQ:
        return
    for wrong, domain in KINDS:
        if domain != request[4] or wrong == "mute":
            continue
        received -= TAI_MINUS_UTC if wrong == "utc" else 0
        (sequence,) = struct.unpack(">H", request[30:32])
        send(DELAY_RESP, domain, sequence, 0, 0, timestamp(received) + request[20:30])


sequence, next_sync = 0, time.monotonic()
while True:
    if time.monotonic() >= next_sync:
        next_sync += 0.125
        for wrong, domain in KINDS:
            if sequence % 8 == 0:
                announce(wrong, domain, sequence // 8)
            sync(wrong, domain, sequence)
        sequence += 1
    ready, _, _ = select.select([EVENT, GENERAL], [], [], max(0, next_sync - time.monotonic()))
    for s in ready:
        answer(s.recv(1500))
