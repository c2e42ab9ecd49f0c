"""Judges speech that went through a network beside what was said.

    judge.py reference.raw heard.raw ...

All files have 16-bit samples at 16 kHz and begin at the same moment. Prints a line for each heard one: PLCMOS, PESQ
(wide band), and the delay in ms, which is the median over seconds that have speech.
"""

import sys

import numpy
from pesq import pesq
from speechmos import plcmos

RATE = 16000
# Beginnings are left out: no receiver knows the network yet.
SKIP = 3 * RATE
LONGEST = int(0.6 * RATE)


def read(path):
    return numpy.fromfile(path, dtype="<i2").astype(numpy.float32) / 32768


def delays(reference, heard):
    found = []
    for start in range(SKIP, len(reference) - 2 * RATE, RATE // 2):
        said = reference[start : start + RATE]
        if numpy.sqrt(numpy.mean(said**2)) < 0.01:
            continue
        window = heard[start : start + RATE + LONGEST]
        if len(window) < RATE + LONGEST:
            break
        size = 1 << 16
        spectrum = numpy.fft.rfft(window, size) * numpy.conj(numpy.fft.rfft(said, size))
        correlation = numpy.fft.irfft(spectrum, size)[:LONGEST]
        found.append(numpy.argmax(correlation))
    return numpy.array(found) / RATE * 1000


def main():
    reference = read(sys.argv[1])
    for path in sys.argv[2:]:
        heard = read(path)
        delay = numpy.median(delays(reference, heard))
        shift = int(delay * RATE / 1000)
        length = min(len(reference), len(heard) - shift)
        said = reference[SKIP:length]
        played = heard[SKIP + shift : length + shift]
        mos = plcmos.run(numpy.clip(played, -1, 1), RATE, return_df=False)["plcmos"]
        # PESQ is made for some ten seconds: parts are judged each for itself.
        part = 8 * RATE
        scores = [
            pesq(RATE, said[start : start + part], played[start : start + part], "wb")
            for start in range(0, len(said) - part + 1, part)
        ]
        print(f"{mos:.3f} {numpy.mean(scores):.3f} {delay:.1f}", flush=True)


main()
