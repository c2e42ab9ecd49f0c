// Makes a browser an interop peer: the commands and events of interop/README.md, carried by WebDriver.
// `window.interop.exchange(commands, waitMs)` takes commands and resolves to what the page has to say.
"use strict";

(() => {
  const LOG_LIMIT = 512;
  const BUCKET_MS = 250;
  const BUCKET_LIMIT = 4096;
  const HIGH_WATER = 1 << 20;
  const LOW_WATER = 256 << 10;
  const LEAVING_LIMIT_MS = 5000;
  const outbox = [];
  let wake = null;
  const connections = new Map();

  const now = () => performance.timeOrigin + performance.now();
  const say = (message) => {
    outbox.push(message);
    if (wake) wake();
  };
  const event = (name, pc, fields) => say({ event: name, pc, t: now(), ...fields });
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  // The shared payload table; see "Payloads" in the README.
  const TABLE = new Uint8Array(65536);
  const TEXT = new Uint8Array(65536);
  for (let i = 0, x = 0x9e3779b9; i < 65536; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    TABLE[i] = x & 0xff;
    TEXT[i] = 32 + (TABLE[i] % 95);
  }

  function payload(table, seed, index, size) {
    const out = new Uint8Array(size);
    let from = (seed * 7919 + index * 104729) % 65536;
    for (let at = 0; at < size; ) {
      const n = Math.min(size - at, 65536 - from);
      out.set(table.subarray(from, from + n), at);
      at += n;
      from = 0;
    }
    return out;
  }

  const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

  // A chained digest. Hashing is asynchronous, so updates queue behind one another.
  class Digest {
    constructor() {
      this.value = new Uint8Array(32);
      this.tail = Promise.resolve();
    }
    add(kind, bytes, done) {
      this.tail = this.tail.then(async () => {
        const inner = await sha256(bytes);
        const chained = new Uint8Array(65);
        chained.set(this.value, 0);
        chained[32] = kind;
        chained.set(inner, 33);
        this.value = await sha256(chained);
        if (done) done(hex(inner));
      });
    }
    async read() {
      await this.tail;
      return hex(this.value);
    }
  }

  const encoder = new TextEncoder();

  // How long messages waited in the queue of a channel, as its bufferedAmount tells.
  class Leaving {
    constructor(channel) {
      this.channel = channel;
      this.total = channel.bufferedAmount;
      this.sent = [];
      this.waited = [];
    }
    push(at, size) {
      this.total += size;
      this.sent.push({ at, end: this.total });
    }
    look() {
      const gone = this.total - this.channel.bufferedAmount;
      while (this.waited.length < this.sent.length && this.sent[this.waited.length].end <= gone) {
        this.waited.push(now() - this.sent[this.waited.length].at);
      }
    }
    async done() {
      const end = now() + LEAVING_LIMIT_MS;
      for (this.look(); this.waited.length < this.sent.length && now() < end; this.look()) await pause(5);
    }
  }

  class Channel {
    constructor(owner, channel, mode) {
      this.channel = channel;
      this.mode = mode;
      this.messages = 0;
      this.bytes = 0;
      this.first = null;
      this.last = null;
      this.log = [];
      this.stamps = [];
      this.buckets = [];
      this.digest = new Digest();
      this.watchers = new Set();
      channel.binaryType = "arraybuffer";
      channel.onopen = () => event("open", owner.name, { channel: channel.label, id: channel.id });
      channel.onclose = () => event("close", owner.name, { channel: channel.label, id: channel.id });
      channel.onmessage = ({ data }) => this.take(data);
    }

    take(data) {
      const text = typeof data === "string";
      const bytes = text ? encoder.encode(data) : new Uint8Array(data);
      const at = now();
      this.messages += 1;
      this.bytes += bytes.length;
      this.first ??= at;
      this.last = at;
      const bucket = Math.floor((at - this.first) / BUCKET_MS);
      if (bucket >= 0 && bucket < BUCKET_LIMIT) {
        while (this.buckets.length <= bucket) this.buckets.push(0);
        this.buckets[bucket] += bytes.length;
      }
      if (this.mode === "stamps" && bytes.length >= 12) {
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        this.stamps.push([view.getUint32(0), at - view.getFloat64(4)]);
      }
      const entry = this.log.length < LOG_LIMIT ? { kind: text ? "text" : "binary", size: bytes.length } : null;
      if (entry) this.log.push(entry);
      this.digest.add(text ? 0 : 1, bytes, entry && ((inner) => (entry.digest = inner)));
      if (this.mode === "echo" && this.channel.readyState === "open") this.channel.send(data);
      for (const watcher of this.watchers) watcher();
    }

    async receive({ messages, bytes, timeout = 0 }) {
      const enough = () => (messages === undefined || this.messages >= messages) && (bytes === undefined || this.bytes >= bytes);
      if (!enough() && timeout > 0) {
        await new Promise((resolve) => {
          const finish = () => {
            this.watchers.delete(check);
            clearTimeout(timer);
            resolve();
          };
          const check = () => enough() && finish();
          const timer = setTimeout(finish, timeout);
          this.watchers.add(check);
        });
      }
      const digest = await this.digest.read();
      const { first, last, log, stamps, buckets } = this;
      return { complete: enough(), messages: this.messages, bytes: this.bytes, digest, first, last, log, stamps, buckets };
    }

    async drained() {
      const { channel } = this;
      channel.bufferedAmountLowThreshold = LOW_WATER;
      while (channel.bufferedAmount > LOW_WATER) {
        if (channel.readyState !== "open") throw new Error(`channel ${channel.label} closed while sending`);
        // The event can come before anyone waits for it, so look again now and then.
        await Promise.race([new Promise((resolve) => (channel.onbufferedamountlow = resolve)), pause(50)]);
      }
    }

    async send({ kind = "binary", size = 0, count = 1, seed = 0, interval = 0, stamp = false, text }) {
      const digest = new Digest();
      let total = 0;
      const start = now();
      const leaving = new Leaving(this.channel);
      for (let i = 0; i < count; i++) {
        if (stamp) leaving.look();
        if (this.channel.bufferedAmount > HIGH_WATER) await this.drained();
        if (interval > 0) {
          const wait = start + i * interval - now();
          if (wait > 0) await pause(wait);
        }
        let body;
        if (text !== undefined) body = encoder.encode(text);
        else body = payload(kind === "text" ? TEXT : TABLE, seed, i, size);
        const at = now();
        if (stamp) {
          const view = new DataView(body.buffer);
          view.setUint32(0, i);
          view.setFloat64(4, at);
        }
        if (text !== undefined) this.channel.send(text);
        else if (kind === "text") this.channel.send(new TextDecoder().decode(body));
        else this.channel.send(body);
        digest.add(kind === "text" || text !== undefined ? 0 : 1, body);
        total += body.length;
        if (stamp) leaving.push(at, body.length);
      }
      const ms = now() - start;
      if (stamp) await leaving.done();
      return { messages: count, bytes: total, digest: await digest.read(), ms, waited: leaving.waited };
    }

    bulk({ total, size, seed = 0 }) {
      return this.send({ kind: "binary", size, count: Math.ceil(total / size), seed });
    }
  }

  class Connection {
    constructor(name, { incoming = "echo", config = {} }) {
      this.name = name;
      this.incoming = incoming;
      this.channels = new Map();
      this.elements = {};
      this.pc = new RTCPeerConnection(config);
      const { pc } = this;
      pc.onicecandidate = ({ candidate }) => event("candidate", name, { candidate: candidate && candidate.candidate ? candidate.toJSON() : null });
      pc.onconnectionstatechange = () => event("state", name, { kind: "connection", value: pc.connectionState });
      pc.oniceconnectionstatechange = () => event("state", name, { kind: "ice", value: pc.iceConnectionState });
      pc.onicegatheringstatechange = () => event("state", name, { kind: "gathering", value: pc.iceGatheringState });
      pc.onsignalingstatechange = () => event("state", name, { kind: "signaling", value: pc.signalingState });
      pc.onnegotiationneeded = () => event("negotiation_needed", name, {});
      pc.ontrack = ({ track, streams }) => {
        const element = document.createElement(track.kind);
        element.autoplay = element.playsInline = true;
        element.srcObject = streams[0] ?? new MediaStream([track]);
        this.elements[track.kind] = element;
        document.body.append(element);
      };
      pc.ondatachannel = ({ channel }) => {
        this.channels.set(channel.label, new Channel(this, channel, this.incoming));
        event("channel", name, {
          channel: channel.label,
          id: channel.id,
          ordered: channel.ordered,
          protocol: channel.protocol,
          max_retransmits: channel.maxRetransmits,
          max_packet_life_time: channel.maxPacketLifeTime,
        });
      };
    }

    channel(label) {
      const channel = this.channels.get(label);
      if (!channel) throw new Error(`no channel ${label}`);
      return channel;
    }

    // A picture that takes any bitrate: the camera's stand-in is too simple to fill a wire. Shades with noise on them, moved
    // about slowly: of bare noise that jumps, encoders make a smaller picture or fewer of them.
    noise() {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [640, 360];
      const context = canvas.getContext("2d");
      const tile = new OffscreenCanvas(960, 540);
      const pixels = tile.getContext("2d").createImageData(960, 540);
      for (let at = 0; at < pixels.data.length; at += 4) {
        const [x, y] = [(at >> 2) % 960, Math.floor((at >> 2) / 960)];
        const shade = 128 + 50 * Math.sin(x / 40) + 40 * Math.sin(y / 30) + (TABLE[((at >> 2) * 7) % 65536] - 128) / 4;
        pixels.data.set([shade, shade, shade, 255], at);
      }
      tile.getContext("2d").putImageData(pixels, 0, 0);
      let step = 0;
      const draw = () => {
        step += 1;
        context.drawImage(tile, -Math.floor(160 * (1 + Math.sin(step / 20))), -Math.floor(90 * (1 + Math.cos(step / 27))));
      };
      draw();
      this.drawing = setInterval(draw, 33);
      return canvas.captureStream(30);
    }

    // The grid's test pictures and its tone, as "Test pictures" in the README has them, drawn here.
    async numbered({ audio, video, width, height, rate, tone }) {
      const stream = new MediaStream();
      if (video) {
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        const context = canvas.getContext("2d", { alpha: false });
        const begin = performance.now();
        const palette = ["#f00", "#0f0", "#00f", "#ff0", "#0ff", "#f0f"];
        const shade = (bit) => (bit ? "#fff" : "#000");
        const draw = () => {
          const number = Math.floor(((performance.now() - begin) * rate) / 1000) % 240;
          for (let column = 0; column < 8; column++) {
            const bit = (value) => shade((value >> (7 - column)) & 1);
            const colour = palette[(Math.floor(number / 15) + column) % 6];
            [bit(number), bit(~number), colour, bit(0x0f)].forEach((style, row) => {
              context.fillStyle = style;
              context.fillRect((column * width) / 8, (row * height) / 4, width / 8, height / 4);
            });
          }
        };
        draw();
        this.drawing = setInterval(draw, 1000 / rate);
        stream.addTrack(canvas.captureStream(rate).getVideoTracks()[0]);
      }
      // Without a sound device Firefox runs no AudioContext; its stand-in for a microphone gives this very tone.
      if (audio && navigator.userAgent.includes("Firefox")) {
        const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
        stream.addTrack(microphone.getAudioTracks()[0]);
      } else if (audio) {
        const context = new AudioContext();
        await context.resume();
        const [oscillator, gain] = [context.createOscillator(), context.createGain()];
        const out = context.createMediaStreamDestination();
        oscillator.frequency.value = tone;
        gain.gain.value = 0.25;
        oscillator.connect(gain).connect(out);
        oscillator.start();
        stream.addTrack(out.stream.getAudioTracks()[0]);
      }
      return stream;
    }

    // Sends the (fake) microphone and camera, each under one codec; in place of the camera noise, where a file stands for it,
    // or pictures and a tone that can be read.
    async media({ audio, video, file, numbered, bitrate, fec = [] }) {
      const wanted = { audio: Boolean(audio), video: video ? { width: 640, height: 360, frameRate: 30 } : false };
      const stream = file
        ? this.noise()
        : numbered
          ? await this.numbered({ audio, video, ...numbered })
          : await navigator.mediaDevices.getUserMedia(wanted);
      for (const track of stream.getTracks()) {
        const sender = this.pc.addTrack(track, stream);
        const name = track.kind === "audio" ? audio : video;
        const transceiver = this.pc.getTransceivers().find((t) => t.sender === sender);
        const is = (codec, other) => codec.mimeType.toLowerCase() === `${track.kind}/${other.toLowerCase()}`;
        const all = RTCRtpReceiver.getCapabilities(track.kind).codecs;
        const own = all.filter((codec) => is(codec, name));
        // Of the same clock: browsers take events at 8000 Hz where they can, and count them in the audio's clock.
        const event = (codec) => is(codec, "telephone-event") && codec.clockRate === own[0]?.clockRate;
        const fecs = track.kind === "video" ? fec : [];
        const repair = (codec) => is(codec, "rtx") || fecs.some((one) => is(codec, one));
        const beside = all.filter((codec) => repair(codec) || event(codec) || (name === "red" && is(codec, "opus")));
        const codecs = own.concat(beside);
        for (const one of [name, ...fecs]) {
          if (!codecs.some((codec) => is(codec, one))) throw new Error(`this browser has no codec ${one}`);
        }
        transceiver.setCodecPreferences(codecs);
        if (bitrate && track.kind === "video") {
          const parameters = sender.getParameters();
          parameters.encodings[0].maxBitrate = bitrate;
          await sender.setParameters(parameters);
        }
      }
    }

    async mediaStats() {
      const report = await this.pc.getStats();
      const inbound = (kind) => [...report.values()].find((s) => s.type === "inbound-rtp" && s.kind === kind) ?? {};
      const codec = (s) => report.get(s.codecId)?.mimeType ?? null;
      const [audio, video] = [inbound("audio"), inbound("video")];
      return {
        audio: { codec: codec(audio), bytes: audio.bytesReceived, energy: audio.totalAudioEnergy, packets: audio.packetsReceived, concealed: audio.concealedSamples },
        video: {
          codec: codec(video),
          frames_decoded: video.framesDecoded,
          frames_dropped: video.framesDropped,
          keyframes: video.keyFramesDecoded,
          freezes: video.freezeCount,
          width: video.frameWidth,
          height: video.frameHeight,
          nacks: video.nackCount,
          plis: video.pliCount,
          packets: video.packetsReceived,
          lost: video.packetsLost,
          bytes: video.bytesReceived,
          frozen_s: video.totalFreezesDuration,
          retransmitted: video.retransmittedPacketsReceived,
          fec: video.fecPacketsReceived,
          fec_discarded: video.fecPacketsDiscarded,
        },
        made: ((s) => ({ frames: s.framesSent, bytes: s.bytesSent }))(
          [...report.values()].find((s) => s.type === "outbound-rtp" && s.kind === "video") ?? {},
        ),
        sent: [...report.values()].filter((s) => ["outbound-rtp", "remote-inbound-rtp"].includes(s.type)),
      };
    }

    async stats() {
      const report = await this.pc.getStats();
      const all = [...report.values()];
      const transport = all.find((s) => s.type === "transport");
      const pair =
        report.get(transport?.selectedCandidatePairId) ??
        all.find((s) => s.type === "candidate-pair" && s.state === "succeeded" && (s.selected ?? s.nominated));
      const candidate = (id) => {
        const c = report.get(id);
        return c && { type: c.candidateType, protocol: c.protocol, relay: c.relayProtocol ?? null, address: c.address, port: c.port };
      };
      const version = { FEFF: "1.0", FEFD: "1.2", FEFC: "1.3" }[transport?.tlsVersion?.toUpperCase()] ?? transport?.tlsVersion ?? null;
      return {
        dtls_version: version,
        dtls_group: transport?.tlsGroup ?? null,
        dtls_cipher: transport?.dtlsCipher ?? null,
        dtls_role: transport?.dtlsRole ?? null,
        // Firefox counts none.
        transports: all.filter((s) => s.type === "transport").length || null,
        local: candidate(pair?.localCandidateId) ?? null,
        remote: candidate(pair?.remoteCandidateId) ?? null,
        rtp: all
          .filter((s) => ["inbound-rtp", "outbound-rtp", "remote-inbound-rtp"].includes(s.type))
          .map((s) => ({ ...s, codec: report.get(s.codecId)?.mimeType })),
        raw: all.filter((s) => ["transport", "candidate-pair", "data-channel", "peer-connection"].includes(s.type)),
      };
    }
  }

  const commands = {
    hello: () => ({ name: navigator.userAgent.includes("Firefox") ? "firefox" : "chromium", version: navigator.userAgent }),
    create: (command) => void connections.set(command.pc, new Connection(command.pc, command)),
    channel: ({ pc, channel, mode = "record", init = {} }) => {
      const owner = connection(pc);
      owner.channels.set(channel, new Channel(owner, owner.pc.createDataChannel(channel, init), mode));
    },
    mode: ({ pc, channel, mode }) => void (connection(pc).channel(channel).mode = mode),
    offer: async ({ pc, ice_restart = false }) => {
      const { pc: rtc } = connection(pc);
      await rtc.setLocalDescription(await rtc.createOffer({ iceRestart: ice_restart }));
      return { sdp: rtc.localDescription.sdp };
    },
    answer: async ({ pc, sdp, attach = false }) => {
      const { pc: rtc, attachLayers } = connection(pc);
      await rtc.setRemoteDescription({ type: "offer", sdp });
      if (attach) await window.attachTracks(rtc);
      await attachLayers?.();
      await rtc.setLocalDescription(await rtc.createAnswer());
      return { sdp: rtc.localDescription.sdp };
    },
    accept: ({ pc, sdp }) => connection(pc).pc.setRemoteDescription({ type: "answer", sdp }),
    gathered: async ({ pc }) => {
      const { pc: rtc } = connection(pc);
      while (rtc.iceGatheringState !== "complete") await pause(10);
      return { sdp: rtc.localDescription.sdp };
    },
    candidate: async ({ pc, candidate }) => {
      const rtc = connection(pc).pc;
      if (candidate) await rtc.addIceCandidate(candidate);
      else await rtc.addIceCandidate();
    },
    send: (command) => connection(command.pc).channel(command.channel).send(command),
    bulk: (command) => connection(command.pc).channel(command.channel).bulk(command),
    receive: (command) => connection(command.pc).channel(command.channel).receive(command),
    close_channel: ({ pc, channel }) => connection(pc).channel(channel).channel.close(),
    close: ({ pc }) => connection(pc).pc.close(),
    state: ({ pc }) => {
      const { pc: rtc, channels } = connection(pc);
      return {
        connection: rtc.connectionState,
        ice: rtc.iceConnectionState,
        gathering: rtc.iceGatheringState,
        signaling: rtc.signalingState,
        channels: Object.fromEntries([...channels].map(([label, c]) => [label, c.channel.readyState])),
      };
    },
    stats: ({ pc }) => connection(pc).stats(),
    media: (command) => connection(command.pc).media(command),
    media_stats: ({ pc }) => connection(pc).mediaStats(),
    // What stands for a camera sends nothing more.
    media_hold: ({ pc }) => connection(pc).pc.getSenders().forEach(({ track }) => track?.stop()),
    ...window.trackCommands((name) => connection(name).pc),
    ...window.toneCommands((name) => connection(name).pc),
  };

  function connection(name) {
    const found = connections.get(name);
    if (!found) throw new Error(`no connection ${name}`);
    return found;
  }

  async function run(command) {
    try {
      const handler = commands[command.cmd];
      if (!handler) return say({ id: command.id, unsupported: `the page has no command ${command.cmd}` });
      say({ id: command.id, result: (await handler(command)) ?? {} });
    } catch (error) {
      say({ id: command.id, error: String(error) });
    }
  }

  addEventListener("error", (e) => say({ event: "log", t: now(), text: `page error: ${e.message}` }));
  addEventListener("unhandledrejection", (e) => say({ event: "log", t: now(), text: `unhandled: ${e.reason}` }));

  window.interop = {
    // For media.js, which adds commands.
    commands,
    connection,
    now,
    pause,
    async exchange(incoming, wait) {
      for (const command of incoming) run(command);
      if (outbox.length === 0) {
        await new Promise((resolve) => {
          const timer = setTimeout(resolve, wait);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        wake = null;
      }
      return JSON.stringify(outbox.splice(0));
    },
  };
})();
