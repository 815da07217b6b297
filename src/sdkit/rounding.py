"""float32 arithmetic in plain Python, for numbers that must be other programs' to the last digit.

Those compute sigmas in float32, and their Brownian noise is another where a sigma differs by 1e-6, which is a unit in
the last place of sigmas above 8. So what they round on the way is rounded here, too, operation by operation.
Transcendental functions are rounded correctly; those of other programs now and then are not, and on which numbers
depends on the processor.
"""

from __future__ import annotations

import math
import struct


def float32(number: float) -> float:
    """The nearest number that a float32 can hold; infinity for what is too large for one."""
    try:
        return struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)


def exp32(number: float) -> float:
    """e^number in float32."""
    return float32(math.exp(number))


def log32(number: float) -> float:
    """The natural logarithm in float32."""
    return float32(math.log(number))


def power32(number: float, exponent: float) -> float:
    """number^exponent in float32; a cube is two products, each rounded."""
    if exponent == 3:
        return float32(float32(number * number) * number)
    return float32(number ** float32(exponent))


def mix32(start: float, end: float, part: float) -> float:
    """(1 − part)·start + part·end in float32: both products are rounded before they are added."""
    return float32(float32(float32(1.0 - part) * start) + float32(part * end))


def ramp32(start: float, end: float, count: int) -> list[float]:
    """`count` evenly spaced numbers in float32, each counted from the nearer end; `start` alone if there is one."""
    start, end = float32(start), float32(end)
    stride = float32(float32(end - start) / max(count - 1, 1))
    half = max(count // 2, 1)
    return [float32(start + stride * i if i < half else end - stride * (count - 1 - i)) for i in range(count)]
