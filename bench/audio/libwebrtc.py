"""Sends speech from libwebrtc to libwebrtc through packet traces, in real time, and keeps what is heard.

    libwebrtc.py speech.raw traces/ heard/

Wants `pip install wrtc`. Speech and what is heard have 16-bit samples at 16 kHz. The traces are what `bench-audio` writes with
PEERAGE_AUDIO_TRACES: for each packet how late it comes in µs, or `lost`. Prints what the receiver's statistics say of each.
"""

import asyncio
import pathlib
import socket
import sys
import time

import numpy
import webrtc

webrtc.allow_loopback()
RATE = 16000
BLOCK = RATE // 100


class Wire(asyncio.DatagramProtocol):
    """One end's view of the other: what comes in here leaves from the other wire."""

    def __init__(self):
        self.peer = None  # where packets that leave here go
        self.other = None
        self.trace = None
        self.first = None
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, _):
        # RTP of Opus: its sequence number is in the clear.
        delay = 20_000
        if len(data) > 12 and 128 <= data[0] < 192 and data[1] & 0x7F == 111 and self.trace is not None:
            number = int.from_bytes(data[2:4], "big")
            if self.first is None:
                self.first = number
            index = (number - self.first) & 0xFFFF
            delay = self.trace[index % len(self.trace)]
            if delay is None:
                return
        loop = asyncio.get_running_loop()
        loop.call_later(delay / 1e6, self.other.send, data)

    def send(self, data):
        if self.peer and not self.transport.is_closing():
            self.transport.sendto(data, self.peer)


async def run(speech, trace):
    loop = asyncio.get_running_loop()
    wires = []
    for _ in range(2):
        _, wire = await loop.create_datagram_endpoint(Wire, local_addr=("127.0.0.1", 0), family=socket.AF_INET)
        wires.append(wire)
    to_a, to_b = wires[0], wires[1]
    to_a.other, to_b.other = to_b, to_a
    a, b = webrtc.RTCPeerConnection(), webrtc.RTCPeerConnection()

    def relay(candidate, seen_by, own):
        # `own` stands for the one who has the candidate, towards the other.
        parts = candidate.candidate.split()
        if len(parts) < 8 or parts[2].lower() != "udp" or parts[4] != "127.0.0.1":
            return
        own.peer = (parts[4], int(parts[5]))
        parts[5] = str(own.other.transport.get_extra_info("sockname")[1])
        changed = webrtc.RTCIceCandidateInit(" ".join(parts), candidate.sdp_mid, candidate.sdp_m_line_index)
        asyncio.ensure_future(seen_by.add_ice_candidate(changed))

    held = []
    ready = False

    def trickle(event, seen_by, own):
        if not event.candidate:
            return
        if ready:
            relay(event.candidate, seen_by, own)
        else:
            held.append((event.candidate, seen_by, own))

    a.on("icecandidate", lambda event: trickle(event, b, to_a))
    b.on("icecandidate", lambda event: trickle(event, a, to_b))
    track = loop.create_future()
    b.on("track", lambda event: track.set_result(event.track))
    generator = webrtc.MediaStreamTrackGenerator("audio")
    a.add_track(generator)
    offer = await a.create_offer()
    await a.set_local_description(offer)
    await b.set_remote_description(offer)
    answer = await b.create_answer()
    await b.set_local_description(answer)
    await a.set_remote_description(answer)
    ready = True
    for candidate in held:
        relay(*candidate)
    for _ in range(500):
        if a.connection_state == "connected" and b.connection_state == "connected":
            break
        await asyncio.sleep(0.02)
    else:
        raise RuntimeError("no connection")

    processor = webrtc.MediaStreamTrackProcessor(webrtc.MediaStreamTrackProcessorInit(await track, 100))
    heard, times = [], []
    done = False

    async def listen():
        reader = processor.readable.get_reader()
        while not done:
            result = await reader.read()
            if result.done:
                break
            times.append(time.monotonic())
            with result.value as data:
                raw = bytearray(data.allocation_size(webrtc.AudioDataCopyToOptions(0)))
                data.copy_to(raw, webrtc.AudioDataCopyToOptions(0))
                samples = numpy.frombuffer(bytes(raw), "<i2").astype(numpy.float32)
                samples = samples.reshape(-1, data.number_of_channels).mean(axis=1)
                factor = int(data.sample_rate) // RATE
                heard.append((samples, factor))

    listener = asyncio.ensure_future(listen())
    for wire in wires:
        wire.trace = trace
    writer = generator.writable.get_writer()
    start = time.monotonic()
    for index in range(len(speech) // BLOCK):
        # A block can be written once its last sample was heard by the microphone.
        wait = start + (index + 1) * 0.01 - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        block = speech[index * BLOCK : (index + 1) * BLOCK].tobytes()
        init = webrtc.AudioDataInit("s16", RATE, BLOCK, 1, index * 10_000, block)
        await writer.write(webrtc.AudioData(init))
    await asyncio.sleep(0.7)
    done = True
    report = await b.get_stats()
    statistics = {}
    for entry in report.values():
        if getattr(entry, "type", None) == "inbound-rtp" or "inbound" in str(getattr(entry, "type", "")):
            statistics = entry
    if listener.done():
        listener.result()
    listener.cancel()
    a.close()
    b.close()
    for wire in wires:
        wire.transport.close()
    # The block that is read at a moment begins to be heard then; the earliest of many tells when, for reading is late at times.
    begin = min(when - index * 0.01 for index, when in enumerate(times)) - start
    sound = numpy.concatenate([samples for samples, _ in heard])
    factor = heard[-1][1]
    if factor > 1:
        # A windowed sinc below the new half rate.
        taps = numpy.arange(-64, 65)
        low = numpy.sinc(taps / factor) * numpy.hamming(129) / factor
        sound = numpy.convolve(sound, low, "same")[::factor]
    offset = int(begin * RATE)
    sound = sound[-offset:] if offset < 0 else numpy.concatenate([numpy.zeros(offset), sound])
    return numpy.clip(sound, -32768, 32767).astype("<i2"), statistics


def main():
    speech = numpy.fromfile(sys.argv[1], "<i2")[: 20 * RATE]
    out = pathlib.Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(pathlib.Path(sys.argv[2]).glob("*.txt")):
        if "drift" in path.name:
            continue
        trace = [None if line == "lost" else int(line) for line in path.read_text().split("\n")]
        sound, statistics = asyncio.run(run(speech, trace))
        sound.tofile(out / (path.stem + ".raw"))
        get = lambda name: getattr(statistics, name, None)
        count = get("jitter_buffer_emitted_count") or 1
        print(
            path.stem,
            "buffer ms", round(1000 * (get("jitter_buffer_delay") or 0) / count, 1),
            "made up", round((get("concealed_samples") or 0) / (get("total_samples_received") or 1), 4),
            flush=True,
        )


main()
