"""A link between two network namespaces, packet by packet: delay, loss, rate and queue each way.

It stands in for tc netem, which not every kernel has. It lives in a network namespace of its own
that has no name: when this process ends, however it ends, its interfaces end with it.

    namespace a          no name            namespace b
    wan0 ── veth ── to-a | this process | to-b ── veth ── wan0

Offloads are off, so that what passes are the packets of a real wire and not 64 KiB bundles of
them; multicast stays out unless it is asked for. Packets are moved in batches by recvmmsg and
sendmmsg, and never copied here; a batch keeps the time at which it came.

Standard input takes one JSON object a line and standard output answers each with one:
    {"a": "<namespace>", "b": "<namespace>"}      the first line: attach; answers {"ready": true}
        seed, names: {"a": "wan0", "b": "wan0"} of the interfaces, multicast: true lets it pass
    {"shape": {"ab": way, "ba": way}}             way: delayMs, loss, rateBps (0: none), queueBytes,
        jitterMs: up to so much more delay, which drifts, so that packets stay in order;
        burst: lost packets follow each other, so many on average (Gilbert-Elliott, all lost in the
        bad state, none in the good one, `loss` of all packets in the long run)
    {"stats": true}                               counts each way since the last shape
    {"trace": true} {"trace": false}              begin; end, and answer with what passed
The end of standard input ends the link.
"""

import array
import collections
import ctypes
import fcntl
import json
import mmap
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import time

PACKETS = 64
SLOT = 2048
# mmsghdr of 64-bit Linux as eight words; the last one holds the length.
HEADER_WORDS = 8
RECEIVE_BUFFER = 32 << 20
CLONE_NEWNET = 0x40000000
SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
SOL_PACKET = 263
PACKET_STATISTICS = 6
SIOCETHTOOL = 0x8946
# Classic BPF: the kind of a packet (linux/if_packet.h), and none that is for everybody, for a
# group, or our own: chatter of IPv6 would be counted, and neighbours are written down.
ETH_P_ALL = 3
KIND = 0xFFFFF004
FILTER = (
    (0x30, 0, 0, KIND),
    (0x15, 3, 0, 1),
    (0x15, 2, 0, 2),
    (0x15, 1, 0, 4),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)
# The same with multicast and broadcast: only what we sent ourselves stays out.
FILTER_MULTICAST = (FILTER[0], (0x15, 1, 0, 4), *FILTER[4:])
# ETHTOOL_STXCSUM, SSG, STSO, SGSO, SGRO
OFFLOADS = (0x17, 0x19, 0x1F, 0x24, 0x2C)
PR_SET_TIMERSLACK = 29
TRACE_BYTES = 160
TRACE_MAX = 200_000
# Packets of a shaped direction that leave within this are sent together.
TOGETHER_S = 0.0002
JITTER_S = 0.1

libc = ctypes.CDLL(None, use_errno=True)


class Batch:
    """Room for PACKETS packets, with the headers that both system calls want."""

    def __init__(self):
        self.memory = mmap.mmap(-1, PACKETS * SLOT)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.vectors = array.array("Q", [0]) * (2 * PACKETS)
        vectors, _ = self.vectors.buffer_info()
        self.headers = array.array("Q", [0]) * (HEADER_WORDS * PACKETS)
        self.address, _ = self.headers.buffer_info()
        for i in range(PACKETS):
            self.vectors[2 * i] = base + i * SLOT
            self.headers[HEADER_WORDS * i + 2] = vectors + 16 * i
            self.headers[HEADER_WORDS * i + 3] = 1
        self.full = array.array("Q", [SLOT]) * PACKETS
        self.waiting = 0

    def receive(self, fd):
        self.vectors[1::2] = self.full
        return libc.recvmmsg(fd, ctypes.c_void_p(self.address), PACKETS, 0x40, None)

    def lengths(self, count):
        """The length of each packet; sending takes them from the vectors."""
        found = self.headers[7 : HEADER_WORDS * count : HEADER_WORDS]
        self.vectors[1 : 2 * count : 2] = found
        return found

    def send(self, fd, first, count):
        at = ctypes.c_void_p(self.address + 8 * HEADER_WORDS * first)
        return libc.sendmmsg(fd, at, count, 0x40)


class Way:
    """One direction: what came in at `source` leaves at `sink` when its time has come."""

    pool = []

    def __init__(self, name, source, sink, seed):
        self.name, self.source, self.sink = name, source, sink
        self.random = random.Random(seed)
        self.queue = collections.deque()
        self.trace = None
        self.shape({})

    def shape(self, way):
        self.delay = way.get("delayMs", 0) / 1000
        self.jitter = way.get("jitterMs", 0) / 1000
        self.loss = way.get("loss", 0)
        # Leaving the bad state, and entering it: chances at each packet.
        self.leave = 1 / max(1, way.get("burst", 1))
        self.enter = self.leave * self.loss / max(1e-9, 1 - self.loss)
        self.bursts = way.get("burst", 1) > 1
        self.bad = False
        self.latest = 0.0
        self.drift = (0.0, 0.0, 0.0)
        self.rate = way.get("rateBps", 0) / 8
        self.limit = way.get("queueBytes", 1 << 20)
        self.free = 0.0
        self.counts = {"packets": 0, "bytes": 0, "lost": 0, "overflowed": 0, "sent": 0}
        self.counts.update(refused=0, longest=0)
        self.source.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)

    def stats(self):
        _, missed = struct.unpack("II", self.source.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self.counts["overflowed"] += missed
        return self.counts

    def take(self):
        """Reads what waits; false when that was all of it."""
        batch = self.pool.pop() if self.pool else Batch()
        count = batch.receive(self.source.fileno())
        if count <= 0:
            self.pool.append(batch)
            return False
        now = time.monotonic()
        lengths = batch.lengths(count)
        total = sum(lengths)
        self.counts["packets"] += count
        self.counts["bytes"] += total
        self.counts["longest"] = max(self.counts["longest"], max(lengths))
        if self.trace is not None:
            self.note(batch, lengths, now)
        shaped = self.loss or self.rate or self.jitter
        runs = self.runs(count, lengths, now) if shaped else [(now, 0, count)]
        batch.waiting = len(runs)
        if not runs:
            self.pool.append(batch)
        for due, first, length in runs:
            if self.delay or self.rate or self.jitter:
                self.queue.append((due + self.delay, batch, first, length))
            else:
                self.put(batch, first, length)
        return count == PACKETS

    def runs(self, count, lengths, now):
        """Neighbours that leave together, without those that are lost or find the queue full."""
        runs = []
        for i in range(count):
            if self.loss and self.is_lost():
                self.counts["lost"] += 1
                continue
            due = now
            if self.rate:
                start = max(now, self.free)
                if (start - now) * self.rate > self.limit:
                    self.counts["overflowed"] += 1
                    continue
                due = self.free = start + lengths[i] / self.rate
            if self.jitter:
                due = self.latest = max(self.latest, due + self.jitter * self.drifted(now))
            if runs and sum(runs[-1][1:]) == i and due - runs[-1][0] < TOGETHER_S:
                runs[-1] = (runs[-1][0], runs[-1][1], runs[-1][2] + 1)
            else:
                runs.append((due, i, 1))
        return runs

    def drifted(self, now):
        """Between 0 and 1: from one random value to the next in JITTER_S."""
        since, last, following = self.drift
        passed = (now - since) / JITTER_S
        if passed >= 1:
            last = following if passed < 2 else self.random.random()
            self.drift = (now, last, self.random.random())
            return last
        return last + (following - last) * passed

    def is_lost(self):
        if not self.bursts:
            return self.random.random() < self.loss
        chance = self.leave if self.bad else self.enter
        if self.random.random() < chance:
            self.bad = not self.bad
        return self.bad

    def put(self, batch, first, count):
        last = first + count
        while first < last:
            sent = batch.send(self.sink.fileno(), first, last - first)
            # What the other end refuses, as when it is down, is lost as on a wire.
            self.counts["refused" if sent <= 0 else "sent"] += max(1, sent)
            first += max(1, sent)
        batch.waiting -= 1
        if batch.waiting == 0:
            self.pool.append(batch)

    def release(self):
        """Sends what is due; the seconds until the next is, or None."""
        queue = self.queue
        while queue:
            left = queue[0][0] - time.monotonic()
            if left > 0:
                return left
            _, batch, first, count = queue.popleft()
            self.put(batch, first, count)
        return None

    def note(self, batch, lengths, now):
        for i, length in enumerate(lengths):
            if len(self.trace) >= TRACE_MAX:
                return
            start = batch.memory[i * SLOT : i * SLOT + min(length, TRACE_BYTES)]
            self.trace.append((round(now * 1e6), self.name, length, start.hex()))


def offloads_off(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in OFFLOADS:
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            fcntl.ioctl(control, SIOCETHTOOL, request)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def attach(end, namespace, name, packet_filter):
    near, far = f"to-{end}", f"from-{end}"
    ip("link", "add", near, "type", "veth", "peer", "name", far)
    for interface in (near, far):
        offloads_off(interface)
        ip("link", "set", interface, "txqueuelen", "10000")
    ip("link", "set", far, "netns", namespace, "name", name)
    ip("link", "set", near, "up")
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    code = array.array("B", b"".join(struct.pack("HBBI", *line) for line in packet_filter))
    program = struct.pack("HP", len(packet_filter), code.buffer_info()[0])
    packets.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    packets.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    packets.bind((near, ETH_P_ALL))
    packets.setblocking(False)
    return packets


def answer(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def obey(message, ways):
    if "shape" in message:
        for name, way in message["shape"].items():
            ways[name].shape(way)
        return {"shaped": True}
    if message.get("stats"):
        return {name: way.stats() for name, way in ways.items()}
    if message.get("trace"):
        shared = []
        for way in ways.values():
            way.trace = shared
        return {"tracing": True}
    noted = next(iter(ways.values())).trace or []
    for way in ways.values():
        way.trace = None
    return {"trace": noted}


def commands(pending):
    """The lines that wait at standard input; None at its end."""
    data = os.read(0, 65_536)
    if not data:
        return None
    pending.extend(data)
    *lines, rest = bytes(pending).split(b"\n")
    pending[:] = rest
    return [json.loads(line) for line in lines]


def take_some(way):
    for _ in range(8):
        if not way.take():
            return


def run(ways):
    sources = {way.source.fileno(): way for way in ways.values()}
    pending = bytearray()
    while True:
        waits = [left for left in (way.release() for way in ways.values()) if left is not None]
        ready, _, _ = select.select([0, *sources], [], [], min(waits, default=1))
        for fd in ready:
            if fd != 0:
                take_some(sources[fd])
                continue
            messages = commands(pending)
            if messages is None:
                return
            for message in messages:
                answer(obey(message, ways))


def main():
    # Control-C goes to the whole group; the link ends when its owner does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    first = json.loads(sys.stdin.buffer.raw.readline())
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")
    libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    names = first.get("names", {"a": "wan0", "b": "wan0"})
    packet_filter = FILTER_MULTICAST if first.get("multicast") else FILTER
    a, b = (attach(end, first[end], names[end], packet_filter) for end in "ab")
    seed = first.get("seed", 1)
    ways = {"ab": Way("ab", a, b, seed), "ba": Way("ba", b, a, seed + 1)}
    answer({"ready": True})
    run(ways)


main()
