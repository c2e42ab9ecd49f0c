"""Media of the libwebrtc peer: its synthetic camera and microphone, and what its decoders tell of what comes back."""

import array
import asyncio
import math

import webrtc

import common

WIDTH, HEIGHT, RATE = 320, 180, 15
# What `canvas` names: another picture of another size.
OTHER_WIDTH, OTHER_HEIGHT = 240, 240


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


class Tracks:
    """The commands about media; mixed into the library's class."""

    def watch_tracks(self, pc):
        # Nothing else keeps what libwebrtc's own threads work on.
        self.kept = getattr(self, "kept", [])
        pc.on("track", lambda event: self.kept.append(event.track))

    async def media(self, pc, command):
        for kind in ("audio", "video"):
            name = command.get(kind)
            if not name:
                continue
            wanted = [f"{kind}/{name}".lower(), f"{kind}/rtx"]
            if name == "red":
                wanted.append("audio/opus")
            codecs = webrtc.RTCRtpReceiver.getCapabilities(kind).codecs
            codecs = [codec for codec in codecs if codec.mimeType.lower() in wanted]
            if not any(codec.mimeType.lower() == wanted[0] for codec in codecs):
                raise common.Unsupported(f"this build of libwebrtc has no codec {name}")
            codecs.sort(key=lambda codec: wanted.index(codec.mimeType.lower()))
            track, stream = await source(kind, None)
            self.kept += [track, stream]
            sender = pc.addTrack(track, stream)
            transceiver = next(t for t in pc.getTransceivers() if t.sender == sender)
            transceiver.setCodecPreferences(codecs)

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
