"""A wire between two network namespaces that loses and delays packets, in user space: what `tc netem`
does, for kernels without it. Makes a TUN device `wire0` in each namespace and carries IP packets
between them.

usage: impaired_wire.py NAMESPACE_A NAMESPACE_B [SEED]

Reads lines `LOSS_PERCENT DELAY_MS [PORT [PROTOCOL]]` on standard input, each of which holds from then on
for both directions; starts with no loss and no delay. Of PORT nothing gets through: a firewall, for UDP
and TCP or for the one PROTOCOL, `udp` or `tcp`. Prints `ready` when the devices exist. Ends with its input.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
CLONE_NEWNET = 0x40000000
QUEUE_LIMIT = 10_000  # packets on the wire, as the netem command of the tests sets

libc = ctypes.CDLL(None, use_errno=True)


def open_tun(namespace):
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(there, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter namespace {namespace}")
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", b"wire0", IFF_TUN | IFF_NO_PI))
        return tun
    finally:
        libc.setns(home, CLONE_NEWNET)
        os.close(home)
        os.close(there)


PROTOCOLS = {"": (6, 17), "tcp": (6,), "udp": (17,)}


def has_port(packet, port, protocols):
    """Whether an IPv4 packet goes to or comes from that port of one of the protocols."""
    if not packet or packet[0] >> 4 != 4 or packet[9] not in protocols:
        return False
    start = (packet[0] & 15) * 4
    return len(packet) >= start + 4 and port in struct.unpack_from("!HH", packet, start)


def main():
    ends = [open_tun(sys.argv[1]), open_tun(sys.argv[2])]
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    dice = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    loss, delay, blocked, protocols = 0.0, 0.0, 0, PROTOCOLS[""]
    queue = []  # (due, order, end, packet)
    order = 0
    print("ready", flush=True)
    while True:
        timeout = max(0.0, queue[0][0] - time.monotonic()) if queue else None
        readable, _, _ = select.select([*ends, 0], [], [], timeout)
        now = time.monotonic()
        for fd in readable:
            if fd == 0:
                line = os.read(0, 4096).decode()
                if not line:
                    return
                percent, ms, *rest = line.strip().splitlines()[-1].split()
                loss, delay = float(percent) / 100, float(ms) / 1000
                blocked = int(rest[0]) if rest else 0
                protocols = PROTOCOLS[rest[1] if len(rest) > 1 else ""]
                continue
            try:
                packet = os.read(fd, 65536)
            except BlockingIOError:
                continue
            if blocked and has_port(packet, blocked, protocols):
                continue
            if dice.random() < loss or len(queue) >= QUEUE_LIMIT:
                continue
            heapq.heappush(queue, (now + delay, order, other[fd], packet))
            order += 1
        while queue and queue[0][0] <= now:
            _, _, fd, packet = heapq.heappop(queue)
            try:
                os.write(fd, packet)
            except OSError:
                pass  # the other host is down or its queue is full: lost, as on any wire


main()
