"""aiortc as an interop peer."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))

import aiortc  # noqa: E402
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription  # noqa: E402
from aiortc.sdp import candidate_from_sdp  # noqa: E402

import common  # noqa: E402
from tracks import Tracks  # noqa: E402


class Aiortc(Tracks):
    name = "aiortc"
    version = aiortc.__version__

    def connection(self, command):
        if command.get("hide_addresses"):
            raise common.Unsupported("aiortc has no mDNS candidates of its own")
        servers = command.get("config", {}).get("iceServers", [])
        servers = [
            RTCIceServer(server["urls"], server.get("username"), server.get("credential")) for server in servers
        ]
        return RTCPeerConnection(RTCConfiguration(iceServers=servers))

    def watch_connection(self, pc, on_state, on_candidate, on_channel, on_negotiation_needed):
        pc.on("connectionstatechange", lambda: on_state("connection", pc.connectionState))
        pc.on("iceconnectionstatechange", lambda: on_state("ice", pc.iceConnectionState))
        pc.on("icegatheringstatechange", lambda: on_state("gathering", pc.iceGatheringState))
        pc.on("signalingstatechange", lambda: on_state("signaling", pc.signalingState))
        pc.on("datachannel", on_channel)
        self.watch_tracks(pc)

    def watch_channel(self, channel, on_open, on_close, on_message):
        channel.on("open", on_open)
        channel.on("close", on_close)
        channel.on("message", on_message)

    def create_channel(self, pc, label, init):
        if "priority" in init:
            init = {key: value for key, value in init.items() if key != "priority"}
        return pc.createDataChannel(label, **init)

    def send(self, channel, data):
        channel.send(data)

    async def offer(self, pc, ice_restart):
        if ice_restart:
            raise common.Unsupported("aiortc cannot restart ICE")
        await pc.setLocalDescription(await pc.createOffer())
        return pc.localDescription.sdp

    async def answer(self, pc, sdp, attach):
        await pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        if attach:
            self.attach(pc)
        await pc.setLocalDescription(await pc.createAnswer())
        return pc.localDescription.sdp

    async def accept(self, pc, sdp):
        await pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def candidate(self, pc, init):
        if not init or not init.get("candidate"):
            return await pc.addIceCandidate(None)
        candidate = candidate_from_sdp(init["candidate"].split(":", 1)[1])
        candidate.sdpMid = init.get("sdpMid")
        candidate.sdpMLineIndex = init.get("sdpMLineIndex")
        await pc.addIceCandidate(candidate)

    async def close(self, pc):
        await pc.close()

    async def stats(self, pc):
        carriers = [pc.sctp, *pc.getSenders()]
        dtls = next(carrier.transport for carrier in carriers if carrier and carrier.transport)
        # pyOpenSSL tells the version and suite of the connection beneath; there is no public way.
        ssl = dtls._ssl
        names = {"DTLSv1.2": "1.2", "DTLSv1": "1.0"}
        version = ssl.get_protocol_version_name()
        pair = dtls.transport._connection._nominated.get(1)
        describe = lambda c: {"type": c.type, "protocol": c.transport, "address": c.host, "port": c.port}
        return {
            "dtls_version": names.get(version, version),
            "dtls_group": None,
            "dtls_cipher": ssl.get_cipher_name(),
            "dtls_role": dtls._role,
            "local": describe(pair.local_candidate) if pair else None,
            "remote": describe(pair.remote_candidate) if pair else None,
            "raw": {},
        }


common.main(Aiortc())
