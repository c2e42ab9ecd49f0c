// Pictures that are compared with what was drawn, and clicks that belong to them: the commands of the case F. The arithmetic is
// that of peers/peerage/texture.rs, byte for byte; frames go in and out as luma and chroma, without a canvas between.
"use strict";

(() => {
  const { commands, connection, now } = window.interop;
  const SQUARE = 64;
  const [COLUMNS, ROWS] = [8, 4];
  // How far from the middle a cell must be to count as black or white.
  const MARGIN = 24;
  const READING_LIMIT = 20000;
  // Of pictures whose structure is compared, one in so many.
  const STRUCTURES = 10;
  // What two times of one picture differ by at most.
  const SAME_US = 1500;
  const SOUND_RATE = 48000;
  const BLOCK = SOUND_RATE / 100;
  const CLICK = { samples: SOUND_RATE / 50, frequency: 1000, level: 0.5 };
  const HEARD_LEVEL = 0.1;
  // Clicks that follow sooner are echoes of the one before.
  const APART_MS = 300;

  const slope = (at) => Math.abs((at & 127) - 64);

  const lowerLeft = (width, height) => {
    const top = (height >> 1) & ~1;
    return { top, width: Math.max(1, width >> 1), height: height - top };
  };

  // The luma of a numbered picture.
  function draw(n, width, height) {
    const luma = new Uint8Array(width * height);
    const span = Math.max(1, width - SQUARE);
    const turn = (3 * n) % (2 * span);
    const left = Math.min(turn, 2 * span - turn);
    const above = Math.max(0, (height >> 1) - SQUARE) >> 1;
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at++) {
        const [u, v] = [x - left, y - above];
        if (u >= 0 && u < SQUARE && v >= 0 && v < SQUARE) luma[at] = 100 + (u ^ v);
        else {
          const [a, b] = [x + 2 * n, y + n];
          luma[at] = 40 + slope(a) + slope(2 * b) + (((x - n) ^ (y + 2 * n)) & 7);
        }
      }
    }
    const region = lowerLeft(width, height);
    const bits = ((n << 16) | (~n & 0xffff)) >>> 0;
    for (let y = 0; y < region.height; y++) {
      const row = Math.floor((y * ROWS) / region.height);
      for (let x = 0; x < region.width; x++) {
        const column = Math.floor((x * COLUMNS) / region.width);
        const bit = (bits >>> (31 - (row * COLUMNS + column))) & 1;
        luma[(region.top + y) * width + x] = bit ? 235 : 16;
      }
    }
    return luma;
  }

  // The number of a picture; null where it cannot be read.
  function read(luma, width, height) {
    const region = lowerLeft(width, height);
    let bits = 0;
    for (let cell = 0; cell < COLUMNS * ROWS; cell++) {
      const [column, row] = [cell % COLUMNS, Math.floor(cell / COLUMNS)];
      const part = (size, at, all) => [Math.floor(((4 * at + 1) * size) / (4 * all)), Math.floor(((4 * at + 3) * size) / (4 * all))];
      const [left, right] = part(region.width, column, COLUMNS);
      const [top, bottom] = part(region.height, row, ROWS);
      let [sum, count] = [0, 0];
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++, count++) sum += luma[(region.top + y) * width + x];
      }
      const mean = count ? sum / count : 126;
      if (Math.abs(mean - 126) < MARGIN) return null;
      bits = ((bits << 1) | (mean > 126 ? 1 : 0)) >>> 0;
    }
    const [number, complement] = [bits >>> 16, bits & 0xffff];
    return number === (~complement & 0xffff) ? number : null;
  }

  // FNV-1a.
  function sum(luma) {
    let value = 0x811c9dc5;
    for (const byte of luma) value = Math.imul(value ^ byte, 0x01000193);
    return value >>> 0;
  }

  function psnr(one, other) {
    let squares = 0;
    for (let at = 0; at < one.length; at++) squares += (one[at] - other[at]) ** 2;
    return 10 * Math.log10(255 ** 2 / Math.max(squares / one.length, 1e-3));
  }

  // Structural similarity over blocks of 8 x 8, each moved on by 4.
  function ssim(width, one, other) {
    const [c1, c2] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2];
    const height = one.length / width;
    let [total, count] = [0, 0];
    for (let top = 0; top < height - 7; top += 4) {
      for (let left = 0; left < width - 7; left += 4, count++) {
        let [a, b, aa, bb, ab] = [0, 0, 0, 0, 0];
        for (let y = top; y < top + 8; y++) {
          for (let x = left; x < left + 8; x++) {
            const [p, q] = [one[y * width + x], other[y * width + x]];
            a += p;
            b += q;
            aa += p * p;
            bb += q * q;
            ab += p * q;
          }
        }
        [a, b, aa, bb, ab] = [a / 64, b / 64, aa / 64, bb / 64, ab / 64];
        const [ofA, ofB, both] = [aa - a * a, bb - b * b, ab - a * b];
        total += ((2 * a * b + c1) * (2 * both + c2)) / ((a * a + b * b + c1) * (ofA + ofB + c2));
      }
    }
    return total / Math.max(count, 1);
  }

  const later = (at, run) => setTimeout(run, Math.max(0, at - now()));

  class Fidelity {
    constructor({ width, height, rate }) {
      Object.assign(this, { width, height, rate, begin: now(), over: false });
      this.told = { drawn: [], shown: [], said: [], heard: [] };
      this.how = null;
    }

    keep(list, entry) {
      if (this.told[list].length < READING_LIMIT) this.told[list].push(entry);
    }

    // A track of the pictures, each as it is due.
    pictures() {
      const generator = new MediaStreamTrackGenerator({ kind: "video" });
      const writer = generator.writable.getWriter();
      const { width, height } = this;
      const chroma = 2 * ((width + 1) >> 1) * ((height + 1) >> 1);
      let n = 0;
      const next = () => {
        if (this.over) return;
        const at = now();
        const data = new Uint8Array(width * height + chroma).fill(128);
        data.set(draw(n & 0xffff, width, height));
        const frame = new VideoFrame(data, {
          format: "I420",
          codedWidth: width,
          codedHeight: height,
          timestamp: Math.round((at - this.begin) * 1000),
          colorSpace: { primaries: "smpte170m", transfer: "smpte170m", matrix: "smpte170m", fullRange: false },
        });
        this.keep("drawn", [n & 0xffff, at]);
        writer.write(frame).catch(() => (this.over = true));
        // What nobody could have seen in time is left out.
        n = Math.max(n + 1, Math.floor(((now() - this.begin) * this.rate) / 1000));
        later(this.begin + (n * 1000) / this.rate, next);
      };
      next();
      return generator;
    }

    // A track of silence with a click each second, in the moment of each picture whose number is a multiple of the rate.
    clicks() {
      const generator = new MediaStreamTrackGenerator({ kind: "audio" });
      const writer = generator.writable.getWriter();
      let block = 0;
      const next = () => {
        if (this.over) return;
        // A block is there when it has ended.
        while (now() >= this.begin + (block + 1) * 10) {
          const data = new Float32Array(BLOCK);
          for (let at = 0; at < BLOCK; at++) {
            const since = (block * BLOCK + at) % SOUND_RATE;
            if (since < CLICK.samples) data[at] = CLICK.level * Math.cos((2 * Math.PI * CLICK.frequency * since) / SOUND_RATE);
          }
          if ((block * BLOCK) % SOUND_RATE === 0) this.keep("said", this.begin + block * 10);
          const sound = new AudioData({
            format: "f32-planar",
            sampleRate: SOUND_RATE,
            numberOfFrames: BLOCK,
            numberOfChannels: 1,
            timestamp: block * 10000,
            data,
          });
          writer.write(sound).catch(() => (this.over = true));
          block += 1;
        }
        later(this.begin + (block + 1) * 10, next);
      };
      next();
      return generator;
    }

    // Compares what an element shows.
    watch(video) {
      video.requestVideoFrameCallback((_, { presentationTime, mediaTime }) => {
        this.watch(video);
        const frame = new VideoFrame(video);
        // A page that is late finds the picture after the one that it is called for.
        const same = Math.abs(frame.timestamp - mediaTime * 1e6) < SAME_US;
        const at = same ? performance.timeOrigin + presentationTime : now();
        this.compare(frame, at).finally(() => frame.close());
      });
    }

    async compare(frame, at) {
      this.how = frame.format;
      const { width, height } = frame.visibleRect;
      const data = new Uint8Array(frame.allocationSize());
      const [{ offset, stride }] = await frame.copyTo(data);
      const luma = new Uint8Array(width * height);
      for (let y = 0; y < height; y++) luma.set(data.subarray(offset + y * stride, offset + y * stride + width), y * width);
      const n = read(luma, width, height);
      const same = n !== null && width === this.width && height === this.height;
      const drawn = same ? draw(n, width, height) : null;
      const structure = same && n % STRUCTURES === 0 ? ssim(width, drawn, luma) : null;
      this.keep("shown", [at, n, same ? psnr(drawn, luma) : null, structure]);
    }

    // Waits for clicks in what is played.
    async listen(track) {
      const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
      let last = -Infinity;
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const at = now();
        const samples = new Float32Array(value.numberOfFrames);
        value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
        const begins = samples.findIndex((sample) => Math.abs(sample) > HEARD_LEVEL);
        const heard = at + (begins * 1000) / value.sampleRate;
        value.close();
        if (begins < 0) continue;
        if (heard - last > APART_MS) this.keep("heard", heard);
        last = heard;
      }
    }
  }

  Object.assign(commands, {
    // Sends these pictures, with `audio` clicks too, and compares what comes with them.
    fidelity: async ({ pc, audio, video, width, height, rate, bitrate }) => {
      const owner = connection(pc);
      const fidelity = new Fidelity({ width, height, rate });
      owner.fidelity = fidelity;
      const stream = new MediaStream();
      const named = [["video", video], ["audio", audio]].filter(([, name]) => name);
      for (const [kind, name] of named) {
        const track = kind === "video" ? fidelity.pictures() : fidelity.clicks();
        stream.addTrack(track);
        const sender = owner.pc.addTrack(track, stream);
        const transceiver = owner.pc.getTransceivers().find((t) => t.sender === sender);
        const is = (codec, other) => codec.mimeType.toLowerCase() === `${kind}/${other.toLowerCase()}`;
        const codecs = RTCRtpReceiver.getCapabilities(kind).codecs.filter((codec) => is(codec, name) || is(codec, "rtx"));
        transceiver.setCodecPreferences(codecs);
        if (kind === "video" && bitrate) {
          const parameters = sender.getParameters();
          parameters.encodings[0].maxBitrate = bitrate;
          await sender.setParameters(parameters);
        }
      }
      owner.pc.addEventListener("track", ({ track }) => {
        if (track.kind === "audio") fidelity.listen(track);
        else fidelity.watch(owner.elements.video);
      });
      return { sum: sum(draw(4711, width, height)) };
    },

    // What was drawn, shown, said and heard since the last time.
    fidelity_told: ({ pc }) => {
      const { fidelity } = connection(pc);
      const { told, how } = fidelity;
      fidelity.told = { drawn: [], shown: [], said: [], heard: [] };
      return { how, ...told };
    },
  });
})();
