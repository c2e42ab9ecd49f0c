// DTMF: what RTCDTMFSender sends, and what is heard of the other end's. Loaded before peer.js, which takes `toneCommands`.
"use strict";

(() => {
  const LIMIT_MS = 10000;
  const STEP_MS = 8;
  const WINDOW = 1024;
  const ROWS = [697, 770, 852, 941];
  const COLUMNS = [1209, 1336, 1477, 1633];
  const KEYS = ["123A", "456B", "789C", "*0#D"];
  // How much of a window's energy the two frequencies of a key have at least; voices and beeps have less.
  const SHARE = 0.7;
  const QUIET = 1e-5;

  const listeners = new Map();

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  // The energy at one frequency, as a share of all there could be (Goertzel).
  function energyAt(samples, frequency, rate) {
    const k = 2 * Math.cos((2 * Math.PI * frequency) / rate);
    let [a, b] = [0, 0];
    for (const sample of samples) [a, b] = [sample + k * a - b, a];
    return (2 * (a * a + b * b - k * a * b)) / samples.length;
  }

  // The key that sounds in these samples, or null.
  function key(samples, rate) {
    let total = 0;
    for (const sample of samples) total += sample * sample;
    if (total / samples.length < QUIET) return null;
    const best = (frequencies) => {
      const energies = frequencies.map((frequency) => energyAt(samples, frequency, rate));
      const most = Math.max(...energies);
      return [energies.indexOf(most), most];
    };
    const [[row, low], [column, high]] = [best(ROWS), best(COLUMNS)];
    return (low + high) / total > SHARE && Math.min(low, high) / total > 0.1 ? KEYS[row][column] : null;
  }

  class Listener {
    constructor(track) {
      this.context = new AudioContext({ sampleRate: 48000 });
      this.node = this.context.createMediaStreamSource(new MediaStream([track]));
      this.analyser = new AnalyserNode(this.context, { fftSize: WINDOW });
      this.node.connect(this.analyser);
      this.samples = new Float32Array(WINDOW);
      this.tones = [];
      this.current = null;
      this.candidate = null;
      this.timer = setInterval(() => this.look(), STEP_MS);
    }
    look() {
      this.analyser.getFloatTimeDomainData(this.samples);
      const heard = key(this.samples, this.context.sampleRate);
      const at = this.context.currentTime * 1000;
      // Twice in a row, so that a window that is half a key and half another thing is none.
      if (heard !== this.candidate) {
        this.candidate = heard;
        this.since = at;
      } else if (heard !== this.current) {
        if (this.current !== null) this.tones.push({ tone: this.current, ms: Math.round(this.since - this.began) });
        this.current = heard;
        this.began = this.since;
      }
    }
    async stop() {
      clearInterval(this.timer);
      await this.context.close();
    }
  }

  const audio = (rtc) => {
    const found = rtc.getTransceivers().find((t) => t.receiver.track.kind === "audio");
    if (!found) throw new Error("no transceiver of audio");
    return found;
  };

  window.toneCommands = (connection) => ({
    dtmf: async ({ pc, tones, duration, gap }) => {
      const { dtmf } = audio(connection(pc)).sender;
      const end = performance.now() + LIMIT_MS;
      while (!dtmf.canInsertDTMF && performance.now() < end) await pause(20);
      const sent = [];
      const over = new Promise((resolve) => {
        dtmf.ontonechange = ({ tone }) => {
          sent.push(tone);
          if (tone === "") resolve();
        };
      });
      dtmf.insertDTMF(tones, duration, gap);
      await Promise.race([over, pause(LIMIT_MS)]);
      return { tones: sent };
    },
    listen_dtmf: async ({ pc }) => {
      listeners.set(pc, new Listener(audio(connection(pc)).receiver.track));
      await listeners.get(pc).context.resume();
    },
    heard_dtmf: async ({ pc, count = 0 }) => {
      const listener = listeners.get(pc);
      if (!listener) throw new Error("nobody listens");
      const end = performance.now() + LIMIT_MS;
      while (listener.tones.length < count && performance.now() < end) await pause(20);
      return { tones: listener.tones };
    },
  });
})();
