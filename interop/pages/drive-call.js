// Uses the page of `peerage call` as a person would, and tells what was seen and heard on it. Run by WebDriver behind the parts
// of `media.js`; `step` says what is done, and the last argument is the function that takes the result.
"use strict";
const done = arguments[arguments.length - 1];
const $ = (id) => document.getElementById(id);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const { commands } = window.interop;

// `holds` may be asked for an error too: then the page may say one.
async function until(what, seconds, holds, quiet = true) {
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await pause(20)) {
    if (quiet && $("error").textContent) throw new Error(`the page says: ${$("error").textContent}`);
    const found = holds();
    if (found) return found;
  }
  throw new Error(`${what} did not happen within ${seconds} s; the page says: ${$("state").textContent}, ${$("error").textContent}`);
}

// Pictures that tell their number, and a tone, in place of the camera and the microphone.
async function standIn({ video, audio }) {
  const stream = new MediaStream();
  const [width, height, rate] = [640, 360, 30];
  if (video) {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d", { alpha: false });
    const begin = performance.now();
    const palette = ["#f00", "#0f0", "#00f", "#ff0", "#0ff", "#f0f"];
    const draw = () => {
      const number = Math.floor(((performance.now() - begin) * rate) / 1000) % 240;
      for (let column = 0; column < 8; column++) {
        const shade = (value) => ((value >> (7 - column)) & 1 ? "#fff" : "#000");
        const colour = palette[(Math.floor(number / 15) + column) % 6];
        [shade(number), shade(~number), colour, shade(0x0f)].forEach((style, row) => {
          context.fillStyle = style;
          context.fillRect((column * width) / 8, (row * height) / 4, width / 8, height / 4);
        });
      }
    };
    draw();
    setInterval(draw, 1000 / rate);
    stream.addTrack(canvas.captureStream(rate).getVideoTracks()[0]);
  }
  if (audio && devices && navigator.userAgent.includes("Firefox")) {
    // Without a sound device Firefox runs no AudioContext; its stand-in for a microphone gives this very tone.
    stream.addTrack((await devices({ audio: true })).getAudioTracks()[0]);
  } else if (audio) {
    const context = new AudioContext();
    const [oscillator, out] = [context.createOscillator(), context.createMediaStreamDestination()];
    oscillator.frequency.value = 1000;
    oscillator.connect(out);
    oscillator.start();
    stream.addTrack(out.stream.getAudioTracks()[0]);
  }
  return stream;
}
const devices = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
const setCamera = (getUserMedia) => Object.defineProperty(navigator, "mediaDevices", { value: { getUserMedia }, configurable: true });
const missing = async () => { throw new DOMException("Requested device not found", "NotFoundError"); };

// One click, and what is seen and heard until enough of both.
async function talk(button, seconds) {
  $(button).click();
  const began = performance.now();
  await until("a picture", 20, () => $("theirs").videoWidth === 640);
  const firstPicture = performance.now() - began;
  await commands.watch({});
  const { readings, heard } = { readings: [], heard: [] };
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await pause(200)) {
    heard.push(await commands.heard({}));
    readings.push(...commands.watched({}).readings);
    if ($("error").textContent) throw new Error(`the page says: ${$("error").textContent}`);
  }
  await until("the caption", 10, () => Number($("theirs").dataset.frames) > 0);
  return { firstPicture, readings, heard, text: $("theirs-text").textContent, note: $("note").textContent };
}

const steps = {
  // Whoever has no camera and no microphone still sees and hears, and is told; then hangs up and calls again, with both.
  async first() {
    setCamera(missing);
    const without = await talk("call", 2);
    if (!without.note.includes("neither")) throw new Error(`without a camera the page says: ${without.note}`);
    $("end").click();
    await until("hanging up", 5, () => !$("call").disabled);
    setCamera(standIn);
    // The other end takes a moment to complete its recording.
    for (const end = performance.now() + 10000; ; await pause(200)) {
      try { return await talk("call", SECONDS); } catch (error) {
        if (performance.now() > end || !String(error).includes("already")) throw error;
      }
    }
  },
  // The page was loaded anew in the middle of its call: it calls at once.
  async again() {
    setCamera(standIn);
    return talk("call", SECONDS);
  },
  // Somebody else has the page open as well.
  async twice() {
    sessionStorage.page = "0.somebody else";
    const reply = await (async () => {
      const connection = new RTCPeerConnection();
      connection.addTransceiver("video", { direction: "recvonly" });
      await connection.setLocalDescription();
      const body = JSON.stringify({ type: "offer", sdp: connection.localDescription.sdp, page: "somebody else" });
      const reply = await fetch("/offer", { method: "POST", headers: { "content-type": "application/json" }, body });
      connection.close();
      return reply;
    })();
    const { error } = await reply.json();
    await pause(1000);
    if ($("end").disabled || $("error").textContent) throw new Error(`the first call ended: ${$("error").textContent}`);
    return { status: reply.status, error };
  },
  // The other end was interrupted.
  async over() {
    const began = performance.now();
    await until("the end", 20, () => $("error").textContent, false);
    const text = $("error").textContent;
    if ($("call").disabled || $("theirs").srcObject) throw new Error("the page keeps the call that is over");
    $("listen").click();
    await until("the reason", 20, () => $("error").textContent.includes("still running"), false);
    return { text, took: performance.now() - began };
  },
};

steps[STEP]().then((result) => done(JSON.stringify({ result })), (error) => done(JSON.stringify({ error: String(error) })));
