"""libwebrtc, through the Python package wrtc, as an interop peer."""

import asyncio
import importlib.metadata
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))

import webrtc  # noqa: E402

import common  # noqa: E402
from tracks import Tracks  # noqa: E402


SNAKE = {
    "maxRetransmits": "max_retransmits",
    "maxPacketLifeTime": "max_packet_life_time",
    "sdpMid": "sdp_mid",
    "sdpMLineIndex": "sdp_m_line_index",
    "usernameFragment": "username_fragment",
}


class Libwebrtc(Tracks):
    name = "libwebrtc"
    version = importlib.metadata.version("wrtc")

    def connection(self, command):
        if command.get("hide_addresses"):
            raise common.Unsupported("libwebrtc leaves mDNS candidates to the browser around it")
        return webrtc.RTCPeerConnection()

    def watch_connection(self, pc, on_state, on_candidate, on_channel, on_negotiation_needed):
        def candidate(event):
            found = event.candidate
            if not found or not found.candidate:
                return on_candidate(None)
            on_candidate(
                {
                    "candidate": found.candidate,
                    "sdpMid": found.sdpMid,
                    "sdpMLineIndex": found.sdpMLineIndex,
                    "usernameFragment": found.usernameFragment,
                }
            )

        pc.on("icecandidate", candidate)
        pc.on("connectionstatechange", lambda _: on_state("connection", text(pc.connectionState)))
        pc.on("iceconnectionstatechange", lambda _: on_state("ice", text(pc.iceConnectionState)))
        pc.on("icegatheringstatechange", lambda _: on_state("gathering", text(pc.iceGatheringState)))
        pc.on("negotiationneeded", lambda _: on_negotiation_needed())
        pc.on("signalingstatechange", lambda _: on_state("signaling", text(pc.signalingState)))
        pc.on("datachannel", lambda event: on_channel(event.channel))
        self.watch_tracks(pc)

    def watch_channel(self, channel, on_open, on_close, on_message):
        channel.binaryType = "arraybuffer"
        channel.on("open", lambda _: on_open())
        channel.on("close", lambda _: on_close())
        channel.on("message", lambda event: on_message(event.data))

    def create_channel(self, pc, label, init):
        snake = {SNAKE.get(key, key): value for key, value in init.items()}
        return pc.createDataChannel(label, webrtc.RTCDataChannelInit(**snake) if init else None)

    def send(self, channel, data):
        channel.send(data)

    async def offer(self, pc, ice_restart):
        await pc.setLocalDescription(await pc.createOffer(webrtc.RTCOfferOptions(ice_restart=ice_restart)))
        return pc.localDescription.sdp

    async def answer(self, pc, sdp, attach):
        await pc.setRemoteDescription(webrtc.RTCSessionDescription("offer", sdp))
        if attach:
            await self.attach(pc)
        await self.attach_layers(pc)
        await pc.setLocalDescription(await pc.createAnswer())
        return pc.localDescription.sdp

    async def accept(self, pc, sdp):
        await pc.setRemoteDescription(webrtc.RTCSessionDescription("answer", sdp))

    async def candidate(self, pc, init):
        if init and init.get("candidate"):
            snake = {SNAKE.get(key, key): value for key, value in init.items()}
            await pc.addIceCandidate(webrtc.RTCIceCandidateInit(**snake))

    async def close(self, pc):
        pc.close()
        await asyncio.sleep(0)

    async def stats(self, pc):
        report = {key: value.to_json() for key, value in (await pc.getStats()).items()}
        of_type = lambda name: [value for value in report.values() if value["type"] == name]
        transport = next(iter(of_type("transport")), {})
        pair = report.get(transport.get("selectedCandidatePairId")) or {}

        def candidate(key):
            found = report.get(pair.get(key))
            return found and {
                "type": found.get("candidateType"),
                "protocol": found.get("protocol"),
                "address": found.get("address"),
                "port": found.get("port"),
            }

        return {
            "dtls_version": {"FEFD": "1.2", "FEFC": "1.3"}.get(transport.get("tlsVersion", "").upper()),
            "dtls_group": transport.get("tlsGroup"),
            "dtls_cipher": transport.get("dtlsCipher"),
            "dtls_role": transport.get("dtlsRole"),
            "local": candidate("localCandidateId"),
            "remote": candidate("remoteCandidateId"),
            "rtp": [
                {**value, "codec": (report.get(value.get("codecId")) or {}).get("mimeType")}
                for name in ("inbound-rtp", "outbound-rtp", "remote-inbound-rtp")
                for value in of_type(name)
            ],
            "raw": [transport, pair, *of_type("data-channel")],
        }


def text(value):
    return getattr(value, "value", value)


common.main(Libwebrtc())
