"""Numbers rounded to float32 on the way: some formulas magnify rounding, and the tables in use were computed so."""

from __future__ import annotations

import struct


def float32(number: float) -> float:
    """The nearest number that a float32 can hold."""
    return struct.unpack("f", struct.pack("f", number))[0]


def ramp(start: float, end: float, count: int) -> list[float]:
    """`count` evenly spaced numbers in float32, each counted from the nearer end; `start` alone if there is one."""
    start, end = float32(start), float32(end)
    stride = float32(float32(end - start) / max(count - 1, 1))
    half = (count + 1) // 2 if count > 1 else 1
    return [float32(start + stride * i if i < half else end - stride * (count - 1 - i)) for i in range(count)]
