// Commands of the page that concern media: reading the picture and the tone that the grid's own files show, and sending
// several layers. See "Test pictures" in interop/README.md.
"use strict";

(() => {
  const { commands, connection, now, pause } = window.interop;
  const READING_LIMIT = 5000;
  const [COLUMNS, ROWS] = [8, 4];
  // The canvas that pictures are read from, whatever their size.
  const [WIDTH, HEIGHT] = [160, 88];
  const [CELL_WIDTH, CELL_HEIGHT] = [WIDTH / COLUMNS, HEIGHT / ROWS];
  // Red, green, blue, yellow, cyan, magenta as bits of red, green, blue.
  const PALETTE = [0b100, 0b010, 0b001, 0b110, 0b011, 0b101];
  // How far from the middle a channel must be to count as on or off.
  const MARGIN = 24;
  const FFT_SIZE = 16384;
  const RECORDING_MS = 900;

  // The mean colour of the middle of a cell.
  function mean(data, column, row) {
    const sum = [0, 0, 0];
    const [left, top] = [column * CELL_WIDTH + CELL_WIDTH / 4, row * CELL_HEIGHT + CELL_HEIGHT / 4];
    let count = 0;
    for (let y = Math.ceil(top); y < top + CELL_HEIGHT / 2; y++) {
      for (let x = Math.ceil(left); x < left + CELL_WIDTH / 2; x++, count++) {
        for (let channel = 0; channel < 3; channel++) sum[channel] += data[(y * WIDTH + x) * 4 + channel];
      }
    }
    return sum.map((value) => value / count);
  }

  // The bits of a colour; null where a channel is neither on nor off.
  function bits(colour) {
    if (colour.some((value) => Math.abs(value - 128) < MARGIN)) return null;
    return colour.reduce((all, value) => (all << 1) | (value > 128 ? 1 : 0), 0);
  }

  // Black and white cells from `column` on, as a number; null where one is neither.
  function number(cells, row, column, count) {
    let value = 0;
    for (let at = column; at < column + count; at++) {
      const cell = cells[row * COLUMNS + at];
      if (cell !== 0b111 && cell !== 0) return null;
      value = (value << 1) | (cell ? 1 : 0);
    }
    return value;
  }

  // What a picture says: its number, its layer, whether its colours are those that belong to the number. A number is null
  // where the row of its complement does not agree.
  function decode(data) {
    const cells = [];
    for (let row = 0; row < ROWS; row++) {
      for (let column = 0; column < COLUMNS; column++) cells.push(bits(mean(data, column, row)));
    }
    const [index, inverse] = [number(cells, 0, 0, 8), number(cells, 1, 0, 8)];
    const [layer, other] = [number(cells, 3, 0, 4), number(cells, 3, 4, 4)];
    const valid = index !== null && inverse === 255 - index;
    const step = valid ? Math.floor(index / 15) : 0;
    let colours = 0;
    for (let column = 0; column < COLUMNS; column++) {
      if (cells[2 * COLUMNS + column] === PALETTE[(step + column) % PALETTE.length]) colours += 1;
    }
    return [valid ? index : null, layer !== null && other === 15 - layer ? layer : null, colours];
  }

  // Reads every picture that a video element shows.
  class Watch {
    constructor(video) {
      this.video = video;
      this.readings = [];
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [WIDTH, HEIGHT];
      this.context = canvas.getContext("2d", { willReadFrequently: true });
      this.how = video.requestVideoFrameCallback ? "callback" : "polling";
      if (this.how === "callback") this.next();
      else this.poll();
    }

    next() {
      this.video.requestVideoFrameCallback((_, { mediaTime, presentedFrames }) => {
        this.next();
        this.read(mediaTime, presentedFrames);
      });
    }

    async poll() {
      for (let last = -1; ; await pause(10)) {
        const time = this.video.currentTime;
        if (this.video.readyState < 2 || time === last) continue;
        last = time;
        this.read(time, null);
      }
    }

    read(mediaTime, presented) {
      if (this.readings.length >= READING_LIMIT) return;
      const { videoWidth, videoHeight } = this.video;
      this.context.drawImage(this.video, 0, 0, WIDTH, HEIGHT);
      const [index, layer, colours] = decode(this.context.getImageData(0, 0, WIDTH, HEIGHT).data);
      this.readings.push([now(), mediaTime, index, layer, colours, videoWidth, videoHeight, presented]);
    }
  }

  // The power of each frequency in decibels, up to half the sampling rate (Hann window, radix 2).
  function spectrum(samples) {
    const size = samples.length;
    const re = new Float64Array(size);
    const im = new Float64Array(size);
    const order = Math.log2(size);
    for (let at = 0; at < size; at++) {
      let to = 0;
      for (let bit = 0; bit < order; bit++) to |= ((at >> bit) & 1) << (order - 1 - bit);
      re[to] = samples[at] * (0.5 - 0.5 * Math.cos((2 * Math.PI * at) / size));
    }
    for (let half = 1; half < size; half *= 2) {
      for (let k = 0; k < half; k++) {
        const [c, s] = [Math.cos((Math.PI * k) / half), -Math.sin((Math.PI * k) / half)];
        for (let a = k; a < size; a += 2 * half) {
          const b = a + half;
          const [x, y] = [re[b] * c - im[b] * s, re[b] * s + im[b] * c];
          [re[b], im[b]] = [re[a] - x, im[a] - y];
          [re[a], im[a]] = [re[a] + x, im[a] + y];
        }
      }
    }
    return Float64Array.from({ length: size / 2 }, (_, k) => 10 * Math.log10((re[k] ** 2 + im[k] ** 2) / size ** 2 + 1e-20));
  }

  // Looks for the strongest tone in what an audio element plays.
  class Listen {
    constructor(audio) {
      this.stream = audio.srcObject;
      this.context = new AudioContext();
      this.analyser = new AnalyserNode(this.context, { fftSize: FFT_SIZE });
      this.context.createMediaStreamSource(this.stream).connect(this.analyser);
      this.context.resume();
    }

    // The last samples, and their rate. A browser that lets no context run without a loudspeaker (Firefox) still records.
    async samples() {
      if (this.context.state === "running") {
        const samples = new Float32Array(FFT_SIZE);
        this.analyser.getFloatTimeDomainData(samples);
        return [samples, this.context.sampleRate, "context"];
      }
      const recorder = new MediaRecorder(new MediaStream(this.stream.getAudioTracks()));
      const parts = [];
      recorder.ondataavailable = ({ data }) => parts.push(data);
      const stopped = new Promise((resolve) => (recorder.onstop = resolve));
      recorder.start();
      await pause(RECORDING_MS);
      recorder.stop();
      await stopped;
      const offline = new OfflineAudioContext(1, FFT_SIZE, 48000);
      const buffer = await offline.decodeAudioData(await new Blob(parts).arrayBuffer());
      const all = buffer.getChannelData(0);
      if (all.length < FFT_SIZE) return [null, buffer.sampleRate, "recorder"];
      return [all.slice(-FFT_SIZE), buffer.sampleRate, "recorder"];
    }

    async read() {
      const [samples, rate, how] = await this.samples();
      if (!samples || !samples.some((value) => value !== 0)) return { how, frequency: null };
      const power = spectrum(samples);
      let peak = 1;
      for (let bin = 1; bin < power.length - 1; bin++) if (power[bin] > power[peak]) peak = bin;
      const bin = rate / FFT_SIZE;
      // The top of the parabola through the three bins.
      const [before, top, after] = [power[peak - 1], power[peak], power[peak + 1]];
      const shift = (0.5 * (before - after)) / (before - 2 * top + after);
      // What else there is, a tenth and more away.
      let rest = -Infinity;
      for (let at = 4; at < power.length; at++) {
        if (Math.abs(at - peak) > peak / 10 && power[at] > rest) rest = power[at];
      }
      return { how, frequency: (peak + shift) * bin, bin, level: top, rest };
    }
  }

  const codecsOf = (kind, name) => {
    const is = (codec, other) => codec.mimeType.toLowerCase() === `${kind}/${other.toLowerCase()}`;
    const codecs = RTCRtpReceiver.getCapabilities(kind).codecs.filter((codec) => is(codec, name) || is(codec, "rtx"));
    if (!codecs.some((codec) => is(codec, name))) throw new Error(`this browser has no codec ${name}`);
    return codecs;
  };

  async function element(owner, kind, wait) {
    const end = now() + wait;
    while (!owner.elements[kind]) {
      if (now() > end) throw new Error(`no ${kind} came`);
      await pause(20);
    }
    return owner.elements[kind];
  }

  Object.assign(commands, {
    // Transceivers that receive, each under one codec.
    receive_media: ({ pc, audio, video }) => {
      for (const [kind, name] of [["audio", audio], ["video", video]]) {
        if (name) connection(pc).pc.addTransceiver(kind, { direction: "recvonly" }).setCodecPreferences(codecsOf(kind, name));
      }
    },

    // Reads what comes in, from now on.
    watch: async ({ pc, audio = true, video = true, timeout = 10000 }) => {
      const owner = connection(pc);
      if (video) owner.watch = new Watch(await element(owner, "video", timeout));
      if (audio) owner.listen = new Listen(await element(owner, "audio", timeout));
    },

    // What was read since the last time.
    watched: ({ pc }) => {
      const { watch } = connection(pc);
      return { how: watch?.how ?? null, readings: watch?.readings.splice(0) ?? [] };
    },

    // Sends back what is received, decoded and encoded again.
    loop: async ({ pc }) => {
      const sending = connection(pc).pc.getTransceivers().filter((t) => t.sender.track);
      for (const { sender, receiver } of sending) await sender.replaceTrack(receiver.track);
    },

    // What is heard now.
    heard: async ({ pc }) => (await connection(pc).listen?.read()) ?? {},

    // Sends the (fake) camera in several layers, the smallest first: from our offer on, or, answering, once the other end's
    // has asked for them.
    simulcast: async ({ pc, video, rids, width, height, rate = 30, bitrates = [], answering = false }) => {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { width, height, frameRate: rate } });
      const [track] = stream.getVideoTracks();
      const owner = connection(pc);
      const { pc: rtc } = owner;
      if (answering) {
        owner.attachLayers = async () => {
          const transceiver = rtc.getTransceivers().find((t) => t.receiver.track.kind === "video");
          await transceiver.sender.replaceTrack(track);
          transceiver.sender.setStreams(stream);
          transceiver.direction = "sendrecv";
          const parameters = transceiver.sender.getParameters();
          parameters.encodings.forEach((one, index) => (one.maxBitrate = bitrates[index] ?? one.maxBitrate));
          await transceiver.sender.setParameters(parameters);
        };
      } else {
        const sendEncodings = rids.map((rid, index) => ({
          rid,
          scaleResolutionDownBy: 2 ** (rids.length - 1 - index),
          ...(bitrates[index] && { maxBitrate: bitrates[index] }),
        }));
        const transceiver = rtc.addTransceiver(track, { direction: "sendrecv", streams: [stream], sendEncodings });
        transceiver.setCodecPreferences(codecsOf("video", video));
      }
      const { width: w, height: h } = track.getSettings();
      return { width: w, height: h };
    },
  });
})();
