"""Media of the libwebrtc peer: its synthetic camera and microphone, and what its decoders tell of what comes back."""

import array
import asyncio
import math
import time

import webrtc

import common
import pictures

WIDTH, HEIGHT, RATE = 320, 180, 15
# What `canvas` names: another picture of another size.
OTHER_WIDTH, OTHER_HEIGHT = 240, 240

# The tone is written in blocks of 20 ms.
TONE_RATE, TONE_SAMPLES = 48000, 960

LIMIT = 10
# Of each second, what is looked at at once.
WINDOW = 0.0213
ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")
# How much of a window's energy the two frequencies of a key have at least.
SHARE = 0.7
QUIET = 1e-5
# Milliseconds; shorter than any pause between two keys.
INTERRUPTION = 40
# So many samples a second are enough for frequencies that low, and Python is slow. Fewer would fold the higher ones onto
# the lower, and a decoder's own rate may be 8000.
ENOUGH = 12000


def text(value):
    return getattr(value, "value", value)


async def source(kind, name):
    """A new track: the camera, a camera of another size for `canvas`, or the microphone."""
    if kind == "audio":
        wanted = webrtc.MediaStreamConstraints(audio=True)
    else:
        width, height = (OTHER_WIDTH, OTHER_HEIGHT) if name == "canvas" else (WIDTH, HEIGHT)
        video = webrtc.MediaTrackConstraints(width=width, height=height, frame_rate=RATE)
        wanted = webrtc.MediaStreamConstraints(video=video)
    stream = await webrtc.mediaDevices.getUserMedia(wanted)
    return stream.getTracks()[0], stream


def energy_at(samples, frequency, rate):
    """The energy at one frequency (Goertzel)."""
    k, a, b = 2 * math.cos(2 * math.pi * frequency / rate), 0.0, 0.0
    for sample in samples:
        a, b = sample + k * a - b, a
    return 2 * (a * a + b * b - k * a * b) / len(samples)


def key(samples, rate):
    """The key that sounds in these samples, or None."""
    total = sum(sample * sample for sample in samples)
    if total / len(samples) < QUIET:
        return None
    low, row = max((energy_at(samples, frequency, rate), index) for index, frequency in enumerate(ROWS))
    high, column = max((energy_at(samples, frequency, rate), index) for index, frequency in enumerate(COLUMNS))
    heard = (low + high) / total > SHARE and min(low, high) / total > 0.1
    return KEYS[row][column] if heard else None


async def numbered(kind, wanted):
    """A new track of the grid's test pictures or its tone, and what writes it."""
    generator = webrtc.MediaStreamTrackGenerator(kind)
    write = write_pictures if kind == "video" else write_tone
    return generator, asyncio.ensure_future(write(generator.writable.get_writer(), wanted))


async def write_pictures(writer, wanted):
    width, height, rate = wanted["width"], wanted["height"], wanted["rate"]
    began, index = time.monotonic(), 0
    while True:
        await asyncio.sleep(max(0, began + index / rate - time.monotonic()))
        # What was not drawn in time is left out.
        index = max(index, int((time.monotonic() - began) * rate))
        planes = pictures.draw(index % pictures.NUMBERS, width, height)
        init = webrtc.VideoFrameBufferInit("I420", width, height, int(index * 1e6 / rate))
        await writer.write(webrtc.VideoFrame(planes, init))
        index += 1


async def write_tone(writer, wanted):
    began, position = time.monotonic(), 0
    while True:
        await asyncio.sleep(max(0, began + position / TONE_RATE - time.monotonic()))
        samples = pictures.tone(wanted["tone"], TONE_RATE, TONE_SAMPLES, position)
        time_us = position * 1_000_000 // TONE_RATE
        init = webrtc.AudioDataInit("s16", TONE_RATE, TONE_SAMPLES, 1, time_us, samples)
        await writer.write(webrtc.AudioData(init))
        position += TONE_SAMPLES


class Listener:
    """Finds the keys in what is played of a track."""

    def __init__(self, track):
        self.tones, self.current, self.candidate = [], None, None
        self.since = self.began = self.position = 0
        self.task = asyncio.ensure_future(self.listen(track))

    async def listen(self, track):
        window = []
        async for samples, rate in sound(track):
            length = int(WINDOW * rate)
            window = (window + list(samples))[-length:]
            self.position += len(samples) / rate * 1000
            if len(window) == length:
                step = max(1, int(rate // ENOUGH))
                self.look(key(window[::step], rate / step), self.position)

    def look(self, heard, at):
        # Twice in a row, so that a window that is half a key and half another thing is none.
        if heard != self.candidate:
            self.candidate, self.since = heard, at
        elif heard != self.current:
            if self.current is not None:
                self.end(self.current, self.began, self.since)
            self.current, self.began = heard, self.since

    def end(self, tone, began, ended):
        """A key that sounds again at once was never let go: its sound was interrupted."""
        last = self.tones[-1] if self.tones else None
        if last and last["tone"] == tone and began - last["ended"] < INTERRUPTION:
            began = last["ended"] - last["ms"]
            self.tones.pop()
        self.tones.append({"tone": tone, "ended": ended, "ms": round(ended - began)})


class Watcher:
    """Reads the pictures of a track, or listens to its sound, as its decoder plays it."""

    def __init__(self, track):
        self.readings, self.ear = [], pictures.Ear()
        is_video = text(track.kind) == "video"
        self.task = asyncio.ensure_future(self.look(track) if is_video else self.listen(track))

    async def look(self, track):
        processor = webrtc.MediaStreamTrackProcessor(webrtc.MediaStreamTrackProcessorInit(track, 30))
        async for frame in processor.readable:
            data = bytearray(frame.allocationSize())
            layouts = await frame.copyTo(data)
            width, height = frame.coded_width, frame.coded_height
            time, kind = frame.timestamp / 1e6, text(frame.format)
            frame.close()
            if kind != "I420":
                raise RuntimeError(f"pictures are {kind}, not I420")
            if len(self.readings) >= pictures.READING_LIMIT:
                continue
            sizes = [(width, height)] + 2 * [((width + 1) // 2, (height + 1) // 2)]
            planes = [pictures.Plane(memoryview(data)[l.offset :], l.stride, *s) for l, s in zip(layouts, sizes)]
            self.readings.append([common.now(), time, *pictures.read(planes), width, height, None])

    async def listen(self, track):
        async for samples, rate in sound(track):
            self.ear.take(samples, rate)


async def sound(track):
    """The samples of the first channel of a track, and their rate."""
    options = webrtc.AudioDataCopyToOptions(plane_index=0, format="f32-planar")
    processor = webrtc.MediaStreamTrackProcessor(webrtc.MediaStreamTrackProcessorInit(track, 100))
    async for data in processor.readable:
        plane = bytearray(data.allocationSize(options))
        data.copyTo(plane, options)
        rate = int(data.sampleRate)
        data.close()
        yield array.array("f", bytes(plane)), rate


def preferred(kind, name):
    """One codec, with what belongs to it."""
    wanted = [f"{kind}/{name}".lower(), f"{kind}/rtx"]
    if name == "red":
        wanted.append("audio/opus")
    found = webrtc.RTCRtpReceiver.getCapabilities(kind).codecs
    found = [codec for codec in found if codec.mimeType.lower() in wanted]
    if not any(codec.mimeType.lower() == wanted[0] for codec in found):
        raise common.Unsupported(f"this build of libwebrtc has no codec {name}")
    found.sort(key=lambda codec: wanted.index(codec.mimeType.lower()))
    return found


def living(pc):
    return [t for t in pc.getTransceivers() if not t.stopped and text(t.direction) != "stopped"]


def of_mid(pc, mid):
    for transceiver in living(pc):
        if transceiver.mid == mid:
            return transceiver
    raise KeyError(f"no transceiver with mid {mid}")


def audio(pc):
    return next(t for t in living(pc) if text(t.receiver.track.kind) == "audio")


class Tracks:
    """The commands about media; mixed into the library's class."""

    def watch_tracks(self, pc):
        # Nothing else keeps what libwebrtc's own threads work on.
        self.kept = getattr(self, "kept", [])
        self.listeners = getattr(self, "listeners", {})
        self.watchers = getattr(self, "watchers", {})
        self.layers = getattr(self, "layers", {})
        pc.on("track", lambda event: self.kept.append(event.track))

    async def media(self, pc, command):
        for kind in ("audio", "video"):
            name = command.get(kind)
            if not name:
                continue
            codecs = preferred(kind, name)
            # Of the same clock: libwebrtc takes events at 8000 Hz where it can, and counts them in the audio's clock.
            event = lambda codec: codec.mimeType == "audio/telephone-event" and codec.clockRate == codecs[0].clockRate
            codecs += [codec for codec in webrtc.RTCRtpReceiver.getCapabilities(kind).codecs if event(codec)]
            if wanted := command.get("numbered"):
                track, task = await numbered(kind, wanted)
                self.kept += [track, task]
                sender = pc.addTrack(track)
            else:
                track, stream = await source(kind, None)
                self.kept += [track, stream]
                sender = pc.addTrack(track, stream)
            transceiver = next(t for t in pc.getTransceivers() if t.sender == sender)
            transceiver.setCodecPreferences(codecs)

    async def receive_media(self, pc, command):
        for kind in ("audio", "video"):
            if name := command.get(kind):
                transceiver = pc.addTransceiver(kind, webrtc.RTCRtpTransceiverInit(direction="recvonly"))
                transceiver.setCodecPreferences(preferred(kind, name))

    async def simulcast(self, pc, command):
        rids, rates = command["rids"], command.get("bitrates", [])
        size = {"width": command["width"], "height": command["height"], "frame_rate": command.get("rate", 30)}
        stream = await webrtc.mediaDevices.getUserMedia(
            webrtc.MediaStreamConstraints(video=webrtc.MediaTrackConstraints(**size))
        )
        track = stream.getTracks()[0]
        self.kept += [track, stream]
        if command.get("answering"):
            self.layers[id(pc)] = (track, rates)
            return
        encodings = [
            webrtc.RTCRtpEncodingParameters(
                rid=rid,
                scale_resolution_down_by=float(2 ** (len(rids) - 1 - index)),
                max_bitrate=rates[index] if index < len(rates) else None,
            )
            for index, rid in enumerate(rids)
        ]
        init = webrtc.RTCRtpTransceiverInit(direction="sendrecv", streams=[stream], send_encodings=encodings)
        pc.addTransceiver(track, init).setCodecPreferences(preferred("video", command["video"]))

    async def attach_layers(self, pc):
        """Sends what `simulcast` named in the layers that an offer has asked for."""
        if id(pc) not in self.layers:
            return
        track, rates = self.layers.pop(id(pc))
        transceiver = next(t for t in living(pc) if text(t.receiver.track.kind) == "video")
        await transceiver.sender.replaceTrack(track)
        transceiver.direction = "sendrecv"
        parameters = transceiver.sender.getParameters()
        for encoding, rate in zip(parameters.encodings, rates):
            encoding.max_bitrate = rate
        await transceiver.sender.setParameters(parameters)

    async def watch(self, pc, command):
        wanted = [kind for kind in ("audio", "video") if command.get(kind, True)]
        tracks = [t.receiver.track for t in living(pc) if text(t.receiver.track.kind) in wanted]
        self.watchers[command["pc"]] = {text(track.kind): Watcher(track) for track in tracks}

    async def watched(self, pc, command):
        watcher = self.watchers.get(command["pc"], {}).get("video")
        if watcher is None:
            return {"how": None, "readings": []}
        if watcher.task.done():
            watcher.task.result()
        readings, watcher.readings = watcher.readings, []
        return {"how": "decoder", "readings": readings}

    async def heard(self, pc, command):
        watcher = self.watchers.get(command["pc"], {}).get("audio")
        return await watcher.ear.hear() if watcher else {}

    async def loop(self, pc, command):
        for transceiver in living(pc):
            if transceiver.sender.track:
                await transceiver.sender.replaceTrack(transceiver.receiver.track)

    async def media_stats(self, pc, command):
        report = {key: value.to_json() for key, value in (await pc.getStats()).items()}
        inbound = lambda kind: next(
            (s for s in report.values() if s["type"] == "inbound-rtp" and s["kind"] == kind), {}
        )
        codec = lambda s: (report.get(s.get("codecId")) or {}).get("mimeType")
        audio, video = inbound("audio"), inbound("video")
        return {
            "audio": {
                "codec": codec(audio),
                "bytes": audio.get("bytesReceived"),
                "energy": audio.get("totalAudioEnergy"),
                "packets": audio.get("packetsReceived"),
                "concealed": audio.get("concealedSamples"),
            },
            "video": {
                "codec": codec(video),
                "frames_decoded": video.get("framesDecoded"),
                "frames_dropped": video.get("framesDropped"),
                "keyframes": video.get("keyFramesDecoded"),
                "freezes": video.get("freezeCount"),
                "width": video.get("frameWidth"),
                "height": video.get("frameHeight"),
                "nacks": video.get("nackCount"),
                "plis": video.get("pliCount"),
                "packets": video.get("packetsReceived"),
                "lost": video.get("packetsLost"),
            },
            "sent": [s for s in report.values() if s["type"] == "outbound-rtp"],
        }

    async def tracks(self, pc, command):
        report = [value.to_json() for value in (await pc.getStats()).values()]
        told = []
        for transceiver in living(pc):
            kind = text(transceiver.receiver.track.kind)
            inbound = next(
                (s for s in report if s["type"] == "inbound-rtp" and transceiver.mid and s.get("mid") == transceiver.mid),
                {},
            )
            current = text(transceiver.currentDirection)
            told.append(
                {
                    "mid": transceiver.mid,
                    "kind": kind,
                    "direction": text(transceiver.direction),
                    "current": current,
                    "sends": transceiver.sender.track is not None,
                    "received": inbound.get("packetsReceived" if kind == "audio" else "framesDecoded") or 0,
                    "width": inbound.get("frameWidth"),
                    "height": inbound.get("frameHeight"),
                }
            )
        return {"tracks": told}

    async def new_track(self, kind, name=None):
        track, stream = await source(kind, name)
        self.kept += [track, stream]
        return track, stream

    async def add_track(self, pc, command):
        pc.addTrack(*await self.new_track(command["kind"], command.get("source")))

    async def set_direction(self, pc, command):
        of_mid(pc, command["mid"]).direction = command["direction"]

    async def stop_transceiver(self, pc, command):
        of_mid(pc, command["mid"]).stop()

    async def replace_track(self, pc, command):
        transceiver, name = of_mid(pc, command["mid"]), command.get("source")
        track = None
        if name is not None:
            track, _ = await self.new_track(text(transceiver.receiver.track.kind), name)
        await transceiver.sender.replaceTrack(track)

    async def rollback(self, pc, command):
        await pc.setLocalDescription(webrtc.RTCSessionDescription("rollback", ""))

    async def attach(self, pc):
        """Gives every transceiver that an offer has made a track, to be sent both ways."""
        for transceiver in living(pc):
            if transceiver.sender.track is None and text(transceiver.direction) == "recvonly":
                track, _ = await self.new_track(text(transceiver.receiver.track.kind))
                await transceiver.sender.replaceTrack(track)
                transceiver.direction = "sendrecv"

    async def dtmf(self, pc, command):
        dtmf = audio(pc).sender.dtmf
        end = time.monotonic() + LIMIT
        while not dtmf.canInsertDTMF and time.monotonic() < end:
            await asyncio.sleep(0.02)
        sent, over = [], asyncio.Event()

        def changed(event):
            sent.append(event.tone)
            if event.tone == "":
                over.set()

        dtmf.on("tonechange", changed)
        dtmf.insertDTMF(command["tones"], command["duration"], command["gap"])
        try:
            await asyncio.wait_for(over.wait(), LIMIT)
        except asyncio.TimeoutError:
            pass
        return {"tones": sent}

    async def listen_dtmf(self, pc, command):
        self.listeners[command["pc"]] = Listener(audio(pc).receiver.track)

    async def heard_dtmf(self, pc, command):
        listener = self.listeners[command["pc"]]
        end = time.monotonic() + LIMIT
        while len(listener.tones) < command.get("count", 0) and time.monotonic() < end:
            await asyncio.sleep(0.02)
        return {"tones": listener.tones}
