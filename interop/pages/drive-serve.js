// Uses the page of `peerage serve` as a person would, and tells what it showed. Run by WebDriver; the last argument is
// the function that takes the result.
"use strict";
const done = arguments[arguments.length - 1];
const $ = (id) => document.getElementById(id);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, seconds, holds) {
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await pause(20)) {
    if ($("error").textContent) throw new Error(`the page says: ${$("error").textContent}`);
    const found = holds();
    if (found) return found;
  }
  throw new Error(`${what} did not happen within ${seconds} s; the log: ${$("log").innerText}`);
}
const logged = (text) => [...document.querySelectorAll("#log .good")].map((line) => line.textContent).find((line) => line.includes(text));

// The page comes from another machine by plain http, where browsers give out no camera: a picture that moves, and a tone.
function standIn() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [640, 360];
  const context = canvas.getContext("2d");
  setInterval(() => {
    context.fillStyle = `hsl(${(performance.now() / 20) % 360} 80% 50%)`;
    context.fillRect(0, 0, 640, 360);
    context.fillStyle = "#000";
    context.fillRect((performance.now() / 5) % 600, 160, 40, 40);
  }, 33);
  const audio = new AudioContext();
  const sound = audio.createMediaStreamDestination();
  const tone = audio.createOscillator();
  tone.connect(sound);
  tone.start();
  return new MediaStream([...canvas.captureStream(30).getTracks(), ...sound.stream.getTracks()]);
}
if (!navigator.mediaDevices) Object.defineProperty(navigator, "mediaDevices", { value: { getUserMedia: async () => standIn() } });

async function drive() {
  await until("the channel opening", 25, () => $("channel").textContent === "open" && $("connection").textContent === "connected");
  $("text").value = "grüße 你好";
  $("send").click();
  const text = await until("the text coming back", 10, () => logged("← \"grüße 你好\""));
  $("binary").click();
  const binary = await until("64 KiB coming back", 10, () => logged("← 65536 bytes"));
  $("measure").click();
  const bulk = await until("16 MiB coming back", 45, () => logged("← 16 MiB"));
  $("close").click();
  await until("closing", 5, () => $("connection").textContent === "closed" && !$("connect").disabled);
  $("connect").click();
  await until("the second channel opening", 25, () => $("channel").textContent === "open");
  $("camera").click();
  await until("the camera coming back", 40, () => Number($("back").dataset.frames) >= 30 && $("back").videoWidth === 640);
  const picture = $("back-text").textContent;
  $("camera").click();
  await until("the third channel opening", 25, () => $("channel").textContent === "open" && $("media").hidden);
  return { text, binary, picture, bulk, trip: $("trip").textContent, rate: $("rate").textContent };
}

drive().then((result) => done(JSON.stringify({ result })), (error) => done(JSON.stringify({ error: String(error) })));
