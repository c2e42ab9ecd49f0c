"""Rooms, noises and judges for what a microphone's processing does to speech.

    voice.py make SET FOLDER       writes the material of a set, `final` or `tune`, all of it by seeds
    voice.py libwebrtc FOLDER      processes it with libwebrtc's AudioProcessingModule (pip `livekit`)
    voice.py judge FOLDER          prints the tables

`cargo xtask bench audio` has all that it wants; elsewhere: pip install pyroomacoustics soundfile speechmos librosa onnxruntime scipy, and
for its own step livekit. Speech comes from the folder
that PEERAGE_CORPORA names; the set `tune` has other rooms, seeds and speakers: the telephone prompts of
Debian's asterisk-core-sounds-*-g722, and ffmpeg to read them. Samples are 32-bit floats at 48 kHz without a header.

Each clip is a line in FOLDER/clips.txt: its name; FOLDER/CLIP/mic.raw, far.raw and what near.raw and echo.raw the microphone's sound
is made of. What a way makes of it is FOLDER/CLIP/WAY.raw.
"""

import os
import pathlib
import subprocess
import sys

import numpy as np
from scipy.signal import butter, fftconvolve, lfilter, resample_poly, sosfilt

RATE = 48000
SECONDS = 20
LENGTH = SECONDS * RATE
# What is played is heard this much later, sound's way through the room not counted.
DEVICE_MS = 40

ECHOES = ["far alone", "both", "far, jump", "both, jump", "far, loud", "both, loud", "both, noise", "both, moved", "near alone"]
NOISES = ["pink", "fan", "babble", "keys"]
SNRS = [0, 5, 10, 20]


def level(sound, wanted):
    """Brings the active parts to `wanted` dB below full scale."""
    frames = sound[: len(sound) // 480 * 480].reshape(-1, 480)
    power = np.mean(frames**2, axis=1)
    active = power[power > 1e-3 * power.max()].mean()
    return sound * np.sqrt(10 ** (wanted / 10) / active)


def corpora():
    here = pathlib.Path(__file__).resolve().parent
    return pathlib.Path(os.environ.get("PEERAGE_CORPORA", here / "../../../shared/corpora")) / "libwebrtc"


def voices(which):
    """Speakers, each some sound at 48 kHz."""
    import soundfile

    if which == "tune":
        found = []
        for folder in sorted(pathlib.Path("/usr/share/asterisk/sounds").glob("*_*_*")):
            files = sorted(folder.glob("vm-*.g722")) + sorted(folder.glob("conf-*.g722"))
            listing = "concat:" + "|".join(str(f) for f in files[:70])
            command = ["ffmpeg", "-v", "error", "-f", "g722", "-i", listing, "-f", "f32le", "-ac", "1", "-ar", "48000", "-"]
            found.append(np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<f4").astype(float))
        return found
    folder = corpora()
    one = np.fromfile(folder / "media/audio_short48.pcm", "<i2") / 32768
    two, rate = soundfile.read(folder / "voice_engine/audio_long16.flac")
    three = resample_poly(np.fromfile(folder / "rnn_vad/samples.pcm", "<i2") / 32768, 2, 1)
    two = resample_poly(two, RATE // rate, 1)
    half = len(two) // 2
    return [one, two[:half], np.tile(three, 2), two[half:]]


def part(voice, seconds, offset=0):
    voice = np.roll(voice, -int(offset * RATE))
    count = int(seconds * RATE)
    return np.tile(voice, count // len(voice) + 1)[:count]


def pink(random, count):
    spectrum = np.fft.rfft(random.standard_normal(count))
    at = np.fft.rfftfreq(count, 1 / RATE)
    spectrum /= np.sqrt(np.maximum(at, 20))
    return np.fft.irfft(spectrum, count)


def fan(random, count):
    """Air, falling with frequency, and the blades' tones."""
    air = lfilter([0.05], [1, -0.95], random.standard_normal(count))
    air /= air.std()
    t = np.arange(count) / RATE
    turn = random.uniform(90, 140)
    wobble = 1 + 0.002 * np.sin(2 * np.pi * 0.7 * t)
    phase = np.cumsum(turn * wobble) / RATE
    return air + sum(0.4 / n * np.sin(2 * np.pi * n * phase + n) for n in range(1, 6))


def babble(random, count, speakers):
    """Eight people who talk across each other, at heights of their own."""
    out = np.zeros(count)
    for n in range(8):
        voice = speakers[n % len(speakers)]
        up = random.integers(88, 113)
        voice = part(voice, count / RATE * 1.3, random.uniform(0, 100))
        voice = resample_poly(voice, 100, int(up))[:count]
        out += level(voice, -26)
    return out


def keys(random, count):
    """Somebody types: clicks of two bursts, of metal and of wood, over a quiet room."""
    out = 0.004 * pink(random, count) / pink(random, count).std()
    at = 0.0
    while at < count / RATE - 0.2:
        for delay, gain in ((0.0, 1.0), (random.uniform(0.06, 0.11), random.uniform(0.3, 0.6))):
            n = int((at + delay) * RATE)
            size = int(0.03 * RATE)
            t = np.arange(size) / RATE
            strike = random.standard_normal(size) * np.exp(-t / 0.004)
            ring = np.sin(2 * np.pi * random.uniform(900, 3500) * t) * np.exp(-t / 0.008)
            out[n : n + size] += gain * random.uniform(0.5, 1.2) * (strike + ring)[: count - n]
        at += random.uniform(0.09, 0.35)
    return out


def noise(kind, random, count, speakers):
    if kind == "pink":
        return pink(random, count)
    if kind == "fan":
        return fan(random, count)
    if kind == "babble":
        return babble(random, count, speakers)
    return keys(random, count)


def room(size, decay, places, microphone):
    """How the microphone hears each place: its impulse responses."""
    import pyroomacoustics

    # The image sources' order is held, for what is later is weak.
    absorption, order = pyroomacoustics.inverse_sabine(decay, size)
    shoebox = pyroomacoustics.ShoeBox(size, fs=16000, materials=pyroomacoustics.Material(absorption), max_order=min(order, 24))
    for place in places:
        shoebox.add_source(place)
    shoebox.add_microphone(microphone)
    shoebox.compute_rir()
    # At 16 kHz, for a loudspeaker's sound has little above 8; the filter's own delay is left out.
    responses = [resample_poly(response, 3, 1) * 3 for response in shoebox.rir[0]]
    return [response[110:] for response in responses]


ROOMS = {
    # Size, decay, loudspeaker, where it stands later, who speaks, microphone; near against echo in dB.
    "final": [
        ((3.4, 2.8, 2.5), 0.22, (1.2, 1.0, 0.9), (1.45, 1.2, 0.9), (1.6, 1.5, 1.2), (1.35, 1.05, 0.95), 5),
        ((5.2, 4.1, 2.7), 0.38, (2.0, 1.8, 1.0), (2.3, 2.1, 1.0), (2.9, 2.2, 1.2), (2.4, 1.9, 1.0), 0),
        ((7.5, 5.5, 3.0), 0.55, (3.0, 2.4, 1.1), (3.5, 2.8, 1.1), (3.7, 3.0, 1.2), (3.3, 2.4, 0.9), -5),
    ],
    "tune": [
        ((2.9, 3.6, 2.4), 0.3, (1.0, 1.6, 0.8), (1.3, 1.7, 0.8), (1.5, 2.0, 1.3), (1.15, 1.7, 0.9), -3),
        ((6.1, 4.6, 2.8), 0.45, (2.4, 2.0, 1.0), (2.0, 2.2, 1.0), (3.1, 2.6, 1.2), (2.7, 2.3, 0.9), 3),
    ],
}


def through(response, sound):
    return fftconvolve(sound, response)[: len(sound)]


def late(sound, ms):
    count = int(ms * RATE / 1000)
    return np.concatenate([np.zeros(count), sound])[: len(sound)]


def loud(sound):
    """A small loudspeaker driven hard: it clips softly, more so one way."""
    return np.where(sound > 0, np.tanh(4.5 * sound) / 4.5, np.tanh(3 * sound) / 3) * 1.6


def make(which, folder):
    speakers = voices(which)
    clips = []
    base = 1000 if which == "final" else 5000

    def write(name, far, near, echo, other):
        at = folder / name
        at.mkdir(parents=True, exist_ok=True)
        microphone = near + echo + other
        microphone *= min(1, 0.98 / np.abs(microphone).max())
        for file, sound in (("far", far), ("near", near), ("echo", echo), ("mic", microphone)):
            sound.astype("<f4").tofile(at / f"{file}.raw")
        clips.append(name)

    for index, (size, decay, loudspeaker, moved, speaker, microphone, ratio) in enumerate(ROOMS[which]):
        random = np.random.default_rng(base + index)
        to_ear, to_ear_moved, from_mouth = room(size, decay, [loudspeaker, moved, speaker], microphone)
        far = level(part(speakers[(index + 1) % len(speakers)], SECONDS, 3 * index), -24)
        voice = level(part(speakers[index % len(speakers)], SECONDS, 2), -26)
        near = level(through(from_mouth, voice), -28)
        near[: 5 * RATE] = 0
        hiss = 10 ** (-72 / 20) * random.standard_normal(LENGTH)
        linear = through(to_ear, far)
        gain = np.std(level(linear, -28 - ratio)) / np.std(linear)
        linear = gain * linear
        echo = late(linear, DEVICE_MS)
        silence = np.zeros(LENGTH)
        write(f"far alone {index}", far, silence, echo, hiss)
        write(f"both {index}", far, near, echo, hiss)
        # The devices' buffers become 100 ms longer, and in the next room shorter.
        jump = 9 * RATE
        after = late(linear, DEVICE_MS + 100)
        before, after = (echo, after) if index % 2 == 0 else (after, echo)
        jumped = np.concatenate([before[:jump], after[jump:]])
        write(f"far, jump {index}", far, silence, jumped, hiss)
        write(f"both, jump {index}", far, near, jumped, hiss)
        driven = late(gain * through(to_ear, loud(far)), DEVICE_MS)
        write(f"far, loud {index}", far, silence, driven, hiss)
        write(f"both, loud {index}", far, near, driven, hiss)
        air = pink(random, LENGTH) + fan(random, LENGTH)
        air *= np.std(near[5 * RATE :]) / np.std(air) * 10 ** (-15 / 20)
        write(f"both, noise {index}", far, near, echo, hiss + air)
        # From 9 s to 9.5 s the loudspeaker is carried elsewhere.
        share = np.clip((np.arange(LENGTH) / RATE - 9) * 2, 0, 1)
        elsewhere = late(gain * through(to_ear_moved, far), DEVICE_MS)
        write(f"both, moved {index}", far, near, (1 - share) * echo + share * elsewhere, hiss)
        write(f"near alone {index}", silence, near, silence, hiss)

    for kind in NOISES:
        for snr in SNRS:
            for index in range(2):
                random = np.random.default_rng(base + 100 * NOISES.index(kind) + index)
                voice = level(part(speakers[2 * index % len(speakers)], SECONDS, 1), -26)
                others = [v for n, v in enumerate(speakers) if n % 2 == 1]
                sound = level(noise(kind, random, LENGTH, others), -26)
                active = np.mean(voice[np.convolve(voice**2, np.ones(480) / 480, "same") > 2.5e-6] ** 2)
                sound *= np.sqrt(active / np.mean(sound**2)) * 10 ** (-snr / 20)
                if kind == "keys":
                    # Between strokes there is none: against what is struck, not against the mean.
                    sound *= 2
                write(f"{kind} {snr} {index}", np.zeros(LENGTH), voice, np.zeros(LENGTH), sound)
    (folder / "clips.txt").write_text("".join(name + "\n" for name in clips))


def read(path):
    return np.fromfile(path, "<f4").astype(float)


def libwebrtc(folder):
    from livekit import rtc

    def process(name, way, **stages):
        module = rtc.AudioProcessingModule(**stages)
        microphone = (np.clip(read(folder / name / "mic.raw"), -1, 1) * 32767).round().astype("<i2")
        far = (np.clip(read(folder / name / "far.raw"), -1, 1) * 32767).round().astype("<i2")
        heard = []
        for n in range(0, LENGTH, 480):
            if stages.get("echo_cancellation"):
                module.process_reverse_stream(rtc.AudioFrame(far[n : n + 480].tobytes(), RATE, 1, 480))
                module.set_stream_delay_ms(DEVICE_MS)
            frame = rtc.AudioFrame(bytearray(microphone[n : n + 480].tobytes()), RATE, 1, 480)
            module.process_stream(frame)
            heard.append(np.frombuffer(bytes(frame.data), "<i2").copy())
        (np.concatenate(heard) / 32768).astype("<f4").tofile(folder / name / f"{way}.raw")

    for name in (folder / "clips.txt").read_text().splitlines():
        if name.split()[0] in NOISES:
            process(name, "libwebrtc", noise_suppression=True, high_pass_filter=True)
        else:
            process(name, "libwebrtc", echo_cancellation=True, high_pass_filter=True)


def shift_of(reference, heard):
    """How many samples later it is heard."""
    size = 1 << int(np.ceil(np.log2(2 * len(reference))))
    correlation = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(reference, size)), size)
    return int(np.argmax(np.abs(correlation[:2400])))


def distortion(reference, heard):
    """SI-SDR in dB at the delay at which it is best. High-pass filters and bands that are split turn phases, which is no noise: the
    reference may go through a filter of 32 ms."""
    from scipy.linalg import solve_toeplitz

    delay = max(0, shift_of(reference, heard) - 128)
    count = len(reference) - delay
    reference, heard = reference[:count], heard[delay : delay + count]
    size = 1 << int(np.ceil(np.log2(2 * count)))
    spectrum = np.fft.rfft(reference, size)
    own = np.fft.irfft(np.abs(spectrum) ** 2, size)[:512]
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(spectrum), size)[:512]
    own[0] *= 1 + 1e-6
    target = fftconvolve(reference, solve_toeplitz(own, cross))[:count]
    return 10 * np.log10(np.sum(target**2) / np.sum((heard - target) ** 2))


def judge(folder):
    from speechmos import aecmos, dnsmos

    down = lambda sound: np.clip(resample_poly(sound, 1, 3), -1, 1)
    clips = (folder / "clips.txt").read_text().splitlines()
    chosen = os.environ.get("PEERAGE_VOICE_ONLY", "").split(";")
    clips = [name for name in clips if any(part in name for part in chosen)]
    ways = sorted({p.stem for name in clips for p in (folder / name).glob("*.raw")} - {"mic", "far", "near", "echo"})
    only = os.environ.get("PEERAGE_VOICE_WAYS")
    if only:
        ways = [way for way in ways if way in only.split(";")]
    table = {}
    for name in clips:
        kind = " ".join(name.split()[:-1])
        sounds = {file: read(folder / name / f"{file}.raw") for file in ("mic", "far", "near", "echo")}
        for way in ways:
            path = folder / name / f"{way}.raw"
            if not path.exists():
                continue
            heard = read(path)
            if name.split()[0] in NOISES:
                start = 3 * RATE
                mos = dnsmos.run(down(heard[start:]), 16000)
                sdr = distortion(down(sounds["near"])[48000:], down(heard)[48000:])
                figures = (mos["ovrl_mos"], mos["sig_mos"], mos["bak_mos"], sdr)
            else:
                # Jumps and moves are judged from there on.
                start, end = (9, 17) if "jump" in name or "moved" in name else (5, 20)
                cut = slice(start * RATE, end * RATE)
                talk = "st" if name.startswith("far") else "nst" if name.startswith("near") else "dt"
                clip = {"lpb": down(sounds["far"][cut]), "mic": down(sounds["mic"][cut]), "enh": down(heard[cut])}
                mos = aecmos.run(clip, 16000, talk)
                power = np.mean(heard[cut] ** 2) + 1e-12
                if talk == "st":
                    last = 10 * np.log10(np.mean(sounds["echo"][cut] ** 2) / power)
                else:
                    last = distortion(down(sounds["near"][cut]), down(heard[cut]))
                figures = (mos["echo_mos"], mos["deg_mos"], last)
            table.setdefault((kind, way), []).append(figures)
    mean = {key: np.mean(values, axis=0) for key, values in table.items()}
    order = {kind: n for n, kind in enumerate(ECHOES + [f"{k} {s}" for k in NOISES for s in SNRS])}
    last = None
    for (kind, way), figures in sorted(mean.items(), key=lambda item: (order[item[0][0]], item[0][1])):
        if len(figures) == 4 and (last is None or len(last) == 3):
            print(f"\n{'noise, dB':<14}{'way':<26}{'DNSMOS':>8}{'signal':>8}{'backgr.':>8}{'SI-SDR':>8}")
        elif last is None:
            print(f"{'echo':<14}{'way':<26}{'echo':>8}{'other':>8}{'ERLE/SI-SDR dB':>16}")
        elif kind != before:
            print()
        last, before = figures, kind
        print(f"{kind:<14}{way:<26}" + "".join(f"{figure:>8.2f}" for figure in figures), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], pathlib.Path(sys.argv[3]))
    elif sys.argv[1] == "libwebrtc":
        libwebrtc(pathlib.Path(sys.argv[2]))
    else:
        judge(pathlib.Path(sys.argv[2]))
