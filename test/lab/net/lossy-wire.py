#!/usr/bin/env python3
"""lossy-wire.py FILE: a wire between the network devices v0 and e0, with delay and loss, in user space.

FILE holds "delay_ms loss_percent"; a loss of 100 is a partition in which packets vanish silently. It is read anew all the
time. In user space because not every kernel has sch_netem. It ends with its namespace, or with its standard output.
"""
import fcntl
import heapq
import os
import random
import selectors
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
LOOK_SECONDS = 0.05


def open_tap(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return fd


def send(fd, frame):
    try:
        os.write(fd, frame)
    except OSError:
        pass  # the namespace is going


def main(path):
    selector = selectors.DefaultSelector()
    ends = [open_tap("v0"), open_tap("e0")]
    for fd, out in (ends, reversed(ends)):
        selector.register(fd, selectors.EVENT_READ, out)
    print("ready", flush=True)
    waiting, number, look_at, delay, loss = [], 0, 0.0, 0.0, 0.0
    while True:
        now = time.monotonic()
        if now > look_at:
            look_at = now + LOOK_SECONDS
            with open(path) as file:
                words = file.read().split()
            if len(words) == 2:
                delay, loss = float(words[0]), float(words[1])
        patience = min(LOOK_SECONDS, max(0.0, waiting[0][0] - now)) if waiting else LOOK_SECONDS
        for key, _ in selector.select(patience):
            for _ in range(64):
                try:
                    frame = os.read(key.fd, 65536)
                except OSError:
                    break
                if random.random() * 100 >= loss:
                    number += 1
                    heapq.heappush(waiting, (time.monotonic() + delay / 1000, number, key.data, frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, out, frame = heapq.heappop(waiting)
            send(out, frame)


main(sys.argv[1])
