"""The interop protocol of interop/README.md for Python peers.

A peer supplies a `Library`: the few calls in which one WebRTC package differs from another.
"""

import asyncio
import hashlib
import json
import logging
import math
import os
import struct
import sys
import time

LOG_LIMIT = 512
BUCKET_MS = 250
BUCKET_LIMIT = 4096
HIGH_WATER = 1 << 20
LOW_WATER = 256 << 10
LEAVING_LIMIT = 5

# Commands that a library carries out itself, where it can.
MEDIA = (
    "media",
    "media_stats",
    "tracks",
    "add_track",
    "set_direction",
    "stop_transceiver",
    "replace_track",
    "rollback",
    "dtmf",
    "listen_dtmf",
    "heard_dtmf",
    "receive_media",
    "simulcast",
    "watch",
    "watched",
    "loop",
    "heard",
)


def _table():
    out = bytearray(65536)
    x = 0x9E3779B9
    for i in range(65536):
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        out[i] = x & 0xFF
    return bytes(out)


TABLE = _table()
TEXT = bytes(32 + b % 95 for b in TABLE)


def payload(table, seed, index, size):
    start = (seed * 7919 + index * 104729) % 65536
    rounds = (start + size) // 65536 + 1
    return (table * rounds)[start : start + size] if rounds > 1 else table[start : start + size]


class Unsupported(Exception):
    """This peer cannot do what was asked; the message says why."""


class Digest:
    def __init__(self):
        self.value = bytes(32)

    def add(self, kind, data):
        inner = hashlib.sha256(data).digest()
        self.value = hashlib.sha256(self.value + bytes([kind]) + inner).digest()
        return inner.hex()

    def read(self):
        return self.value.hex()


def now():
    return time.time() * 1000


class Leaving:
    """How long messages waited in the queue of a channel, as its bufferedAmount tells."""

    def __init__(self, raw):
        self.raw, self.total = raw, raw.bufferedAmount
        self.sent, self.waited = [], []

    def push(self, at, size):
        self.total += size
        self.sent.append((at, self.total))

    def look(self):
        gone = self.total - self.raw.bufferedAmount
        while len(self.waited) < len(self.sent) and self.sent[len(self.waited)][1] <= gone:
            self.waited.append(now() - self.sent[len(self.waited)][0])

    async def done(self):
        end = time.monotonic() + LEAVING_LIMIT
        self.look()
        while len(self.waited) < len(self.sent) and time.monotonic() < end:
            await asyncio.sleep(0.005)
            self.look()


class Channel:
    def __init__(self, peer, pc, label, raw, mode):
        self.peer, self.pc, self.label, self.raw, self.mode = peer, pc, label, raw, mode
        self.messages = self.bytes = 0
        self.first = self.last = None
        self.log, self.stamps, self.buckets = [], [], []
        self.digest = Digest()
        self.arrived = asyncio.Event()
        self.was_open = False
        peer.library.watch_channel(raw, self.on_open, self.on_close, self.on_message)

    def on_open(self):
        if not self.was_open:
            self.was_open = True
            self.peer.event("open", self.pc, channel=self.label, id=self.raw.id)

    def on_close(self):
        self.peer.event("close", self.pc, channel=self.label, id=self.raw.id)

    def on_message(self, data):
        text = isinstance(data, str)
        body = data.encode() if text else bytes(data)
        at = now()
        self.messages += 1
        self.bytes += len(body)
        self.first = self.first or at
        self.last = at
        bucket = int((at - self.first) // BUCKET_MS)
        if 0 <= bucket < BUCKET_LIMIT:
            self.buckets.extend([0] * (bucket + 1 - len(self.buckets)))
            self.buckets[bucket] += len(body)
        if self.mode == "stamps" and len(body) >= 12:
            index, sent = struct.unpack_from(">Id", body)
            self.stamps.append([index, at - sent])
        inner = self.digest.add(0 if text else 1, body)
        if len(self.log) < LOG_LIMIT:
            self.log.append({"kind": "text" if text else "binary", "size": len(body), "digest": inner})
        if self.mode == "echo":
            try:
                self.peer.library.send(self.raw, data)
            except Exception as error:  # a channel that closed meanwhile
                self.peer.event("log", self.pc, text=f"echo on {self.label}: {error}")
        self.arrived.set()

    async def receive(self, command):
        messages, size = command.get("messages", 0), command.get("bytes", 0)
        end = time.monotonic() + command.get("timeout", 0) / 1000
        enough = lambda: self.messages >= messages and self.bytes >= size
        while not enough() and time.monotonic() < end:
            self.arrived.clear()
            try:
                await asyncio.wait_for(self.arrived.wait(), max(0.001, end - time.monotonic()))
            except asyncio.TimeoutError:
                pass
        return {
            "complete": enough(),
            "messages": self.messages,
            "bytes": self.bytes,
            "digest": self.digest.read(),
            "first": self.first,
            "last": self.last,
            "log": self.log,
            "stamps": self.stamps,
            "buckets": self.buckets,
        }

    async def send(self, command):
        kind, size = command.get("kind", "binary"), command.get("size", 0)
        seed, interval, stamp = command.get("seed", 0), command.get("interval", 0), command.get("stamp", False)
        text, count = command.get("text"), command.get("count", 1)
        digest, total, start = Digest(), 0, now()
        leaving = Leaving(self.raw)
        for i in range(count):
            if stamp:
                leaving.look()
            if self.raw.bufferedAmount > HIGH_WATER:
                while self.raw.bufferedAmount > LOW_WATER:
                    if self.raw.readyState != "open":
                        raise RuntimeError(f"channel {self.label} closed while sending")
                    await asyncio.sleep(0.001)
            if interval:
                await asyncio.sleep(max(0, start + i * interval - now()) / 1000)
            elif i % 64 == 63:
                await asyncio.sleep(0)
            at = now()
            if text is not None:
                body = text.encode()
                self.peer.library.send(self.raw, text)
            else:
                body = payload(TEXT if kind == "text" else TABLE, seed, i, size)
                if stamp:
                    body = struct.pack(">Id", i, at) + body[12:]
                self.peer.library.send(self.raw, body.decode() if kind == "text" else body)
            digest.add(0 if kind == "text" or text is not None else 1, body)
            total += len(body)
            if stamp:
                leaving.push(at, len(body))
        ms = now() - start
        if stamp:
            await leaving.done()
        return {"messages": count, "bytes": total, "digest": digest.read(), "ms": ms, "waited": leaving.waited}

    async def bulk(self, command):
        count = math.ceil(command["total"] / command["size"])
        return await self.send({**command, "count": count})


class Connection:
    def __init__(self, peer, name, command):
        self.peer, self.name = peer, name
        self.incoming = command.get("incoming", "echo")
        self.channels = {}
        self.raw = peer.library.connection(command)
        peer.library.watch_connection(
            self.raw,
            lambda kind, value: peer.event("state", name, kind=kind, value=value),
            lambda candidate: peer.event("candidate", name, candidate=candidate),
            self.on_channel,
            lambda: peer.event("negotiation_needed", name),
        )

    def on_channel(self, raw):
        self.channels[raw.label] = Channel(self.peer, self.name, raw.label, raw, self.incoming)
        self.peer.event(
            "channel",
            self.name,
            channel=raw.label,
            id=raw.id,
            ordered=raw.ordered,
            protocol=raw.protocol,
            max_retransmits=raw.maxRetransmits,
            max_packet_life_time=raw.maxPacketLifeTime,
        )
        if raw.readyState == "open":
            self.channels[raw.label].on_open()

    def channel(self, label):
        if label not in self.channels:
            raise KeyError(f"no channel {label}")
        return self.channels[label]


class Peer:
    def __init__(self, library):
        self.library = library
        self.connections = {}
        self.tasks = set()

    def say(self, message):
        sys.stdout.write(json.dumps(message, default=str) + "\n")
        sys.stdout.flush()

    def event(self, name, pc, **fields):
        self.say({"event": name, "pc": pc, "t": now(), **fields})

    def connection(self, command):
        name = command["pc"]
        if name not in self.connections:
            raise KeyError(f"no connection {name}")
        return self.connections[name]

    async def reset(self):
        for connection in self.connections.values():
            await self.library.close(connection.raw)
        self.connections.clear()

    async def run_command(self, command):
        name, library = command["cmd"], self.library
        if name == "hello":
            return {"name": library.name, "version": library.version}
        if name == "reset":
            return await self.reset()
        if name == "create":
            self.connections[command["pc"]] = Connection(self, command["pc"], command)
            return None
        connection = self.connection(command)
        if name == "channel":
            label = command["channel"]
            raw = library.create_channel(connection.raw, label, command.get("init", {}))
            connection.channels[label] = Channel(self, connection.name, label, raw, command.get("mode", "record"))
            return None
        if name == "mode":
            connection.channel(command["channel"]).mode = command["mode"]
            return None
        if name == "offer":
            return {"sdp": await library.offer(connection.raw, command.get("ice_restart", False))}
        if name == "answer":
            return {"sdp": await library.answer(connection.raw, command["sdp"], command.get("attach", False))}
        if name == "accept":
            return await library.accept(connection.raw, command["sdp"])
        if name == "gathered":
            while connection.raw.iceGatheringState != "complete":
                await asyncio.sleep(0.01)
            return {"sdp": connection.raw.localDescription.sdp}
        if name == "candidate":
            return await library.candidate(connection.raw, command.get("candidate"))
        if name in ("send", "bulk", "receive"):
            return await getattr(connection.channel(command["channel"]), name)(command)
        if name == "close_channel":
            connection.channel(command["channel"]).raw.close()
            return None
        if name == "close":
            return await library.close(connection.raw)
        if name == "state":
            raw = connection.raw
            return {
                "connection": raw.connectionState,
                "ice": raw.iceConnectionState,
                "gathering": raw.iceGatheringState,
                "signaling": raw.signalingState,
                "channels": {label: channel.raw.readyState for label, channel in connection.channels.items()},
            }
        if name == "stats":
            return await library.stats(connection.raw)
        if name in MEDIA and hasattr(library, name):
            return await getattr(library, name)(connection.raw, command)
        raise Unsupported(f"this peer has no command {name}")

    async def answer_command(self, command):
        try:
            self.say({"id": command["id"], "result": await self.run_command(command) or {}})
        except Unsupported as error:
            self.say({"id": command["id"], "unsupported": str(error)})
        except Exception as error:
            self.say({"id": command["id"], "error": f"{type(error).__name__}: {error}"})

    async def serve(self):
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 24)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            command = json.loads(line)
            if command["cmd"] == "quit":
                break
            task = asyncio.ensure_future(self.answer_command(command))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        await self.reset()


def main(library):
    logging.basicConfig(level=os.environ.get("PEER_LOG", "WARNING"), stream=sys.stderr)
    asyncio.run(Peer(library).serve())
