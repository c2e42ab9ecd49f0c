// Transceivers one by one: the commands of the cases G and X. Loaded before peer.js, which takes `trackCommands`.
"use strict";

(() => {
  const RATE = 15;
  const CAMERA = { width: 320, height: 180, frameRate: RATE };
  const CANVAS = { width: 240, height: 240 };

  // A picture that moves, of another size than the camera's.
  function canvasTrack() {
    const canvas = Object.assign(document.createElement("canvas"), CANVAS);
    const context = canvas.getContext("2d");
    let turn = 0;
    const draw = () => {
      turn += 1;
      context.fillStyle = `hsl(${(turn * 5) % 360} 80% 50%)`;
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.fillStyle = "white";
      context.fillRect((turn * 7) % canvas.width, 60, 40, 40);
    };
    draw();
    const timer = setInterval(draw, 1000 / RATE);
    const track = canvas.captureStream(RATE).getVideoTracks()[0];
    track.addEventListener("ended", () => clearInterval(timer));
    return track;
  }

  // A new track: the microphone, the camera, or for `canvas` a picture of another size.
  async function source(kind, name) {
    if (kind === "video" && name === "canvas") return canvasTrack();
    const wanted = kind === "audio" ? { audio: true } : { video: CAMERA };
    return (await navigator.mediaDevices.getUserMedia(wanted)).getTracks()[0];
  }

  // What came in on a transceiver: pictures that were decoded, or packets of sound.
  async function received({ receiver }) {
    const report = await receiver.getStats();
    const inbound = [...report.values()].find((s) => s.type === "inbound-rtp") ?? {};
    const count = receiver.track.kind === "audio" ? inbound.packetsReceived : inbound.framesDecoded;
    return { received: count ?? 0, width: inbound.frameWidth ?? null, height: inbound.frameHeight ?? null };
  }

  const living = (rtc) => rtc.getTransceivers().filter((t) => t.currentDirection !== "stopped" && t.direction !== "stopped");

  function ofMid(rtc, mid) {
    const found = living(rtc).find((t) => t.mid === mid);
    if (!found) throw new Error(`no transceiver with mid ${mid}`);
    return found;
  }

  // Gives every transceiver that an offer has made a track, to be sent both ways.
  window.attachTracks = async (rtc) => {
    for (const transceiver of living(rtc)) {
      if (!transceiver.sender.track && transceiver.direction === "recvonly") {
        await transceiver.sender.replaceTrack(await source(transceiver.receiver.track.kind));
        transceiver.direction = "sendrecv";
      }
    }
  };

  window.trackCommands = (connection) => ({
    tracks: async ({ pc }) => {
      const told = living(connection(pc)).map(async (t) => ({
        mid: t.mid,
        kind: t.receiver.track.kind,
        direction: t.direction,
        current: t.currentDirection,
        sends: Boolean(t.sender.track),
        ...(await received(t)),
      }));
      return { tracks: await Promise.all(told) };
    },
    add_track: async ({ pc, kind, source: name }) => {
      const track = await source(kind, name);
      connection(pc).addTrack(track, new MediaStream([track]));
    },
    set_direction: ({ pc, mid, direction }) => void (ofMid(connection(pc), mid).direction = direction),
    stop_transceiver: ({ pc, mid }) => {
      const transceiver = ofMid(connection(pc), mid);
      const { track } = transceiver.sender;
      transceiver.stop();
      if (track) track.stop();
    },
    replace_track: async ({ pc, mid, source: name = null }) => {
      const { sender, receiver } = ofMid(connection(pc), mid);
      const before = sender.track;
      await sender.replaceTrack(name === null ? null : await source(receiver.track.kind, name));
      if (before) before.stop();
    },
    rollback: ({ pc }) => connection(pc).setLocalDescription({ type: "rollback" }),
  });
})();
