"""Media of the aiortc peer: a generated picture and tone, and a count of what comes back decoded."""

import array
import asyncio
import collections
import fractions
import math
import time

from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

import common
import pictures

WIDTH, HEIGHT, RATE = 320, 180, 15
# What `canvas` names: another picture of another size.
OTHER_WIDTH, OTHER_HEIGHT = 240, 240
SAMPLES, SAMPLE_RATE = 960, 48000
EPOCH = time.monotonic()
# 500 Hz: ten milliseconds hold whole periods.
TONE = array.array("h", (int(8000 * math.sin(2 * math.pi * 500 * i / SAMPLE_RATE)) for i in range(SAMPLES))).tobytes()


class Generated(MediaStreamTrack):
    def __init__(self):
        super().__init__()
        self.began, self.index = time.monotonic(), 0

    async def turn(self, rate):
        """Waits until the next frame is due; its index."""
        await asyncio.sleep(max(0, self.began + self.index / rate - time.monotonic()))
        if self.readyState != "live":
            raise MediaStreamError
        self.index += 1
        return self.index - 1


class Tone(Generated):
    kind = "audio"

    async def recv(self):
        index = await self.turn(SAMPLE_RATE / SAMPLES)
        frame = AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        frame.planes[0].update(TONE.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.pts, frame.sample_rate = index * SAMPLES, SAMPLE_RATE
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE)
        return frame


class Picture(Generated):
    kind = "video"

    def __init__(self, name=None):
        super().__init__()
        self.size = (OTHER_WIDTH, OTHER_HEIGHT) if name == "canvas" else (WIDTH, HEIGHT)

    async def recv(self):
        index = await self.turn(RATE)
        frame = VideoFrame(*self.size, "yuv420p")
        for number, plane in enumerate(frame.planes):
            # A ramp that moves, in brightness and in one colour.
            line = bytes((x + (4 * index if number < 2 else 0)) % 220 + 16 for x in range(plane.line_size))
            plane.update(line * plane.height)
        # One clock for all, so that one picture can take the place of another.
        frame.pts = int((time.monotonic() - EPOCH) * 90000)
        frame.time_base = fractions.Fraction(1, 90000)
        return frame


class NumberedTone(Generated):
    kind = "audio"

    def __init__(self, wanted):
        super().__init__()
        self.frequency = wanted["tone"]

    async def recv(self):
        index = await self.turn(SAMPLE_RATE / SAMPLES)
        frame = AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        samples = pictures.tone(self.frequency, SAMPLE_RATE, SAMPLES, index * SAMPLES)
        frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.pts, frame.sample_rate = index * SAMPLES, SAMPLE_RATE
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE)
        return frame


class NumberedPicture(Generated):
    kind = "video"

    def __init__(self, wanted):
        super().__init__()
        self.size, self.rate = (wanted["width"], wanted["height"]), wanted["rate"]

    async def recv(self):
        index = await self.turn(self.rate)
        # What was not drawn in time is left out.
        index = max(index, int((time.monotonic() - self.began) * self.rate))
        self.index = index + 1
        width, height = self.size
        drawn, at = pictures.draw(index % pictures.NUMBERS, width, height), 0
        frame = VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            rows = [drawn[at + y * plane.width : at + (y + 1) * plane.width] for y in range(plane.height)]
            plane.update(b"".join(row.ljust(plane.line_size, b"\0") for row in rows))
            at += plane.width * plane.height
        frame.pts, frame.time_base = int(index * 90000 / self.rate), fractions.Fraction(1, 90000)
        return frame


def codecs(kind, name):
    """One codec alone, with its retransmissions."""
    wanted = f"{kind}/{name}".lower()
    found = RTCRtpSender.getCapabilities(kind).codecs
    found = [codec for codec in found if codec.mimeType.lower() in (wanted, f"{kind}/rtx")]
    if not any(codec.mimeType.lower() == wanted for codec in found):
        raise common.Unsupported(f"aiortc has no codec {name}")
    return found


def source(kind, name):
    return Tone() if kind == "audio" else Picture(name)


def of_mid(pc, mid):
    for transceiver in pc.getTransceivers():
        if transceiver.mid == mid:
            return transceiver
    raise KeyError(f"no transceiver with mid {mid}")


class Player:
    """What was decoded of a track of the peer's."""

    def __init__(self, track):
        self.frames, self.energy = 0, 0.0
        self.freezes, self.shown, self.pauses = 0, None, collections.deque(maxlen=30)
        self.width = self.height = None
        self.watching, self.readings, self.ear = False, [], pictures.Ear()
        self.task = asyncio.ensure_future(self.play(track))

    def count_freezes(self, now):
        """As in webrtc-stats, `freezeCount`: a pause of three usual ones, and of a usual one and 150 ms."""
        if self.shown is not None:
            pause = now - self.shown
            if len(self.pauses) == self.pauses.maxlen:
                usual = sum(self.pauses) / len(self.pauses)
                self.freezes += pause > max(3 * usual, usual + 0.15)
            self.pauses.append(pause)
        self.shown = now

    async def play(self, track):
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            self.frames += 1
            if track.kind == "video":
                self.count_freezes(time.monotonic())
                self.width, self.height = frame.width, frame.height
                if self.watching and len(self.readings) < pictures.READING_LIMIT:
                    planes = [pictures.Plane(bytes(p), p.line_size, p.width, p.height) for p in frame.planes]
                    size = [frame.width, frame.height, None]
                    self.readings.append([common.now(), frame.time, *pictures.read(planes), *size])
            else:
                # Every sixteenth sample tells enough of how loud it is.
                heard = array.array("h", bytes(frame.planes[0])[: 2 * frame.samples])[::16]
                power = sum(sample * sample for sample in heard) / max(1, len(heard)) / 32768**2
                self.energy += power * frame.samples / frame.sample_rate
                if self.watching:
                    samples = array.array("h", bytes(frame.planes[0]))[: frame.samples * len(frame.layout.channels)]
                    left = samples[:: len(frame.layout.channels)]
                    self.ear.take([sample / 32768 for sample in left], frame.sample_rate)


class Tracks:
    """The commands about media; mixed into the library's class."""

    def watch_tracks(self, pc):
        pc.players = {}
        pc.on("track", lambda track: pc.players.__setitem__(track, Player(track)))

    async def media(self, pc, command):
        drawn = command.get("numbered")
        for kind, track, readable in (("audio", Tone, NumberedTone), ("video", Picture, NumberedPicture)):
            if name := command.get(kind):
                wanted = codecs(kind, name)
                sender = pc.addTrack(readable(drawn) if drawn else track())
                transceiver = next(t for t in pc.getTransceivers() if t.sender == sender)
                transceiver.setCodecPreferences(wanted)

    async def receive_media(self, pc, command):
        for kind in ("audio", "video"):
            if name := command.get(kind):
                pc.addTransceiver(kind, direction="recvonly").setCodecPreferences(codecs(kind, name))

    async def watch(self, pc, command):
        end = time.monotonic() + 10
        for kind in ("audio", "video"):
            while command.get(kind, True) and not any(track.kind == kind for track in pc.players):
                if time.monotonic() > end:
                    raise RuntimeError(f"no {kind} came")
                await asyncio.sleep(0.02)
        for player in pc.players.values():
            player.watching = True

    async def watched(self, pc, command):
        readings = []
        for player in pc.players.values():
            readings, player.readings = readings + player.readings, []
        return {"how": "decoder", "readings": readings}

    async def heard(self, pc, command):
        ears = [player.ear for track, player in pc.players.items() if track.kind == "audio"]
        return await ears[0].hear() if ears else {}

    async def media_stats(self, pc, command):
        told = {}
        for transceiver in pc.getTransceivers():
            player = pc.players.get(transceiver.receiver.track)
            # There is no public way to the codec agreed on.
            codec = next(iter(transceiver._codecs), None)
            told[transceiver.kind] = {
                "codec": codec and codec.mimeType,
                "energy": player and player.energy,
                "frames_decoded": player and player.frames,
                "freezes": player and player.freezes,
                "width": player and player.width,
                "height": player and player.height,
            }
        return {"audio": {}, "video": {}, **told}

    async def tracks(self, pc, command):
        told = []
        for transceiver in pc.getTransceivers():
            player = pc.players.get(transceiver.receiver.track)
            told.append(
                {
                    "mid": transceiver.mid,
                    "kind": transceiver.kind,
                    "direction": transceiver.direction,
                    "current": transceiver.currentDirection,
                    "sends": transceiver.sender.track is not None,
                    "received": player.frames if player else 0,
                    "width": player and player.width,
                    "height": player and player.height,
                }
            )
        return {"tracks": told}

    async def add_track(self, pc, command):
        pc.addTrack(source(command["kind"], command.get("source")))

    def attach(self, pc):
        """Gives every transceiver that an offer has made a track, to be sent both ways."""
        for transceiver in pc.getTransceivers():
            if transceiver.sender.track is None and transceiver.direction == "recvonly":
                transceiver.sender.replaceTrack(source(transceiver.kind, None))
                transceiver.direction = "sendrecv"

    async def set_direction(self, pc, command):
        of_mid(pc, command["mid"]).direction = command["direction"]

    async def replace_track(self, pc, command):
        transceiver, name = of_mid(pc, command["mid"]), command.get("source")
        # The track before is not stopped: the sender would end with it.
        transceiver.sender.replaceTrack(None if name is None else source(transceiver.kind, name))
