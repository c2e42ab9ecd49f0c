"""Draws the grid's test pictures and sounds its tone for Python peers, and reads them from what they have decoded
(interop/README.md, "Test pictures")."""

import array
import asyncio
import cmath
import functools
import math

COLUMNS, ROWS = 8, 4
READING_LIMIT = 5000
# Red, green, blue, yellow, cyan, magenta as bits of red, green, blue.
PALETTE = (0b100, 0b010, 0b001, 0b110, 0b011, 0b101)
# The same in YUV (BT.601 of limited range), and black and white.
PAINTS = ((82, 90, 240), (145, 54, 34), (41, 240, 110), (210, 16, 146), (170, 166, 16), (107, 202, 222))
BLACK, WHITE = (16, 128, 128), (235, 128, 128)
# Numbers before they begin again.
NUMBERS = 240
# How far from the middle a channel must be to count as on or off.
MARGIN = 24
# Samples of a cell, each way.
STEPS = 4
# Samples in which the tone is looked for, once there are no more of them a second than it needs; and how many there are
# before, at most.
HEARD, ENOUGH, MOST = 4096, 12000, 16384


@functools.lru_cache(maxsize=NUMBERS)
def draw(index, width, height):
    """The planes of a picture that tells its number, one after another."""
    row = lambda value: [WHITE if value >> (COLUMNS - 1 - column) & 1 else BLACK for column in range(COLUMNS)]
    colours = [PAINTS[(index // 15 + column) % len(PAINTS)] for column in range(COLUMNS)]
    cells = [row(index), row(255 - index), colours, row(0x0F)]
    planes = b""
    for plane in range(3):
        columns, lines = (width, height) if plane == 0 else ((width + 1) // 2, (height + 1) // 2)
        line = lambda row: bytes(cells[row][x * COLUMNS // columns][plane] for x in range(columns))
        drawn = [line(row) for row in range(ROWS)]
        planes += b"".join(drawn[y * ROWS // lines] for y in range(lines))
    return planes


def tone(frequency, rate, samples, begin):
    """So many 16-bit samples of a sine, from the one of this number on."""
    turn = 2 * math.pi * frequency / rate
    return array.array("h", (int(8000 * math.sin(turn * (begin + i))) for i in range(samples))).tobytes()


class Plane:
    """One plane of a picture in YUV 4:2:0: its bytes, and the length of a line."""

    def __init__(self, data, stride, width, height):
        self.data, self.stride, self.width, self.height = data, stride, width, height

    def mean(self, column, row):
        """Of the middle of a cell."""
        total = 0
        for j in range(STEPS):
            y = int((row + 0.25 + 0.5 * (j + 0.5) / STEPS) * self.height / ROWS)
            line = y * self.stride
            for i in range(STEPS):
                x = (column + 0.25 + 0.5 * (i + 0.5) / STEPS) * self.width / COLUMNS
                total += self.data[line + int(x)]
        return total / STEPS**2


def bits(y, u, v):
    """Red, green and blue as bits; None where one is neither on nor off (BT.601 of limited range)."""
    y, u, v = 1.164 * (y - 16), u - 128, v - 128
    value = 0
    for channel in (y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u):
        if abs(channel - 128) < MARGIN:
            return None
        value = value << 1 | (channel > 128)
    return value


def number(cells, row, column, count):
    value = 0
    for cell in cells[row * COLUMNS + column : row * COLUMNS + column + count]:
        if cell not in (0, 0b111):
            return None
        value = value << 1 | (cell != 0)
    return value


def read(planes):
    """Number, layer and how many colours are right; None where the complement does not agree."""
    cells = [bits(*(plane.mean(column, row) for plane in planes)) for row in range(ROWS) for column in range(COLUMNS)]
    index, inverse = number(cells, 0, 0, 8), number(cells, 1, 0, 8)
    layer, other = number(cells, 3, 0, 4), number(cells, 3, 4, 4)
    valid = index is not None and inverse == 255 - index
    step = index // 15 if valid else 0
    colours = sum(cells[2 * COLUMNS + c] == PALETTE[(step + c) % len(PALETTE)] for c in range(COLUMNS))
    return [index if valid else None, layer if layer is not None and other == 15 - layer else None, colours]


def spectrum(samples):
    """The amplitude of each frequency up to half the sampling rate (Hann window, radix 2)."""
    size = len(samples)
    order = size.bit_length() - 1
    window = [s * (0.5 - 0.5 * math.cos(2 * math.pi * i / size)) for i, s in enumerate(samples)]
    values = [complex(window[int(f"{i:0{order}b}"[::-1], 2)]) for i in range(size)]
    half = 1
    while half < size:
        turns = [cmath.exp(-1j * math.pi * k / half) for k in range(half)]
        for start in range(0, size, 2 * half):
            for k in range(half):
                a, b = values[start + k], values[start + k + half] * turns[k]
                values[start + k], values[start + k + half] = a + b, a - b
        half *= 2
    return [abs(value) / size for value in values[: size // 2]]


class Ear:
    """The last third of a second of one channel of sound, and the strongest tone in it."""

    def __init__(self, rate=48000):
        self.samples, self.rate = array.array("f"), rate

    def take(self, samples, rate):
        self.rate = rate
        self.samples.extend(samples)
        del self.samples[:-MOST]

    async def hear(self):
        if len(self.samples) < MOST or not any(self.samples):
            return {"how": "decoder", "frequency": None}
        # In a thread: packets that came in meanwhile would seem to be late, and the path overused.
        return await asyncio.to_thread(self.strongest, self.samples[:])

    def strongest(self, all_of):
        step = max(1, self.rate // ENOUGH)
        all_of = all_of[-HEARD * step :]
        thin = [sum(all_of[i : i + step]) / step for i in range(0, len(all_of), step)]
        power = [20 * math.log10(value + 1e-10) for value in spectrum(thin)]
        peak = max(range(1, len(power) - 1), key=power.__getitem__)
        width = self.rate / step / HEARD
        # The top of the parabola through the three bins.
        before, top, after = power[peak - 1 : peak + 2]
        shift = 0.5 * (before - after) / (before - 2 * top + after)
        # What else there is, a tenth and more away.
        rest = max(power[at] for at in range(4, len(power)) if abs(at - peak) > peak / 10)
        return {"how": "decoder", "frequency": (peak + shift) * width, "bin": width, "level": top, "rest": rest}
