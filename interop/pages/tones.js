// DTMF: what RTCDTMFSender sends, and what is heard of the other end's. Loaded before peer.js, which takes `toneCommands`.
"use strict";

(() => {
  const LIMIT_MS = 10000;
  const STEP_MS = 8;
  // How often the recorder tells what it has.
  const RECORDING_MS = 250;
  // Shorter than any pause between two keys.
  const INTERRUPTION_MS = 40;
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

  // Finds keys in windows of sound that follow one another.
  class Keys {
    constructor() {
      this.tones = [];
      this.current = null;
      this.candidate = null;
    }
    look(heard, at) {
      // Twice in a row, so that a window that is half a key and half another thing is none.
      if (heard !== this.candidate) {
        this.candidate = heard;
        this.since = at;
      } else if (heard !== this.current) {
        if (this.current !== null) this.end(this.current, this.began, this.since);
        this.current = heard;
        this.began = this.since;
      }
    }
    // A key that sounds again at once was never let go: its sound was interrupted.
    end(tone, began, ended) {
      const last = this.tones.at(-1);
      if (last?.tone === tone && began - last.ended < INTERRUPTION_MS) began = last.ended - last.ms;
      else this.tones.push({ tone });
      Object.assign(this.tones.at(-1), { ended, ms: Math.round(ended - began) });
    }
  }

  // Records what is played, and listens to it afterwards: a page that runs late misses nothing, and a browser that lets no
  // context run without a loudspeaker (Firefox) still records.
  class Recorder {
    constructor(track) {
      this.parts = [];
      this.recorder = new MediaRecorder(new MediaStream([track]), { audioBitsPerSecond: 128000 });
      this.recorder.ondataavailable = ({ data }) => this.parts.push(data);
      this.recorder.start(RECORDING_MS);
    }
    async tones() {
      const keys = new Keys();
      if (this.parts.length === 0) return keys.tones;
      const rate = 48000;
      const offline = new OfflineAudioContext(1, rate, rate);
      const samples = (await offline.decodeAudioData(await new Blob(this.parts).arrayBuffer())).getChannelData(0);
      const step = (rate * STEP_MS) / 1000;
      for (let at = 0; at + WINDOW <= samples.length; at += step) {
        keys.look(key(samples.subarray(at, at + WINDOW), rate), (at / rate) * 1000);
      }
      return keys.tones;
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
      listeners.set(pc, new Recorder(audio(connection(pc)).receiver.track));
    },
    heard_dtmf: async ({ pc, count = 0 }) => {
      const listening = listeners.get(pc);
      if (!listening) throw new Error("nobody listens");
      const end = performance.now() + LIMIT_MS;
      for (;;) {
        const tones = await listening.tones();
        if (tones.length >= count || performance.now() > end) return { tones };
        await pause(RECORDING_MS);
      }
    },
  });
})();
