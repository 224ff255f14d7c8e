"""Counter-based random numbers: draw k of an individual's stream does not depend on other draws.

Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011) maps a counter of
four 32-bit words and a key of two words to four random words. Here the counter is (block, individual, generation, 0),
and the key comes from the run's seed and a purpose. So each individual has its own stream, streams never overlap,
nothing is stored between calls, and work may be split into chunks in any way.

A stream is an array of :data:`STREAM_SIZE` words for one thread; ``open_stream`` starts the stream of an individual.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import kernel

Words = NDArray[np.uint64]
"""32-bit words in 64 bits, so that products do not overflow."""

KEY, COUNTER, DRAWN, POSITION, STREAM_SIZE = 0, 2, 6, 10, 11
"""Layout of a stream: the first index of the key, of the counter and of the four drawn words; the index of the number
of the next word; the length."""

MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
MULTIPLIER_0 = np.uint64(0xD2511F53)
MULTIPLIER_1 = np.uint64(0xCD9E8D57)
WEYL_0 = np.uint64(0x9E3779B9)
WEYL_1 = np.uint64(0xBB67AE85)
ONE = np.uint64(1)
EXHAUSTED = np.uint64(4)
ROUNDS = 10
UNIT = 2.0**-32


@kernel
def refill(stream: Words) -> None:
    """Compute the four words of the stream's key and counter."""
    c0, c1 = stream[COUNTER], stream[COUNTER + 1]
    c2, c3 = stream[COUNTER + 2], stream[COUNTER + 3]
    k0, k1 = stream[KEY], stream[KEY + 1]
    for _ in range(ROUNDS):
        product_0 = MULTIPLIER_0 * c0
        product_1 = MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            (product_1 >> HALF) ^ c1 ^ k0,
            product_1 & MASK,
            (product_0 >> HALF) ^ c3 ^ k1,
            product_0 & MASK,
        )
        k0 = (k0 + WEYL_0) & MASK
        k1 = (k1 + WEYL_1) & MASK
    stream[DRAWN], stream[DRAWN + 1] = c0, c1
    stream[DRAWN + 2], stream[DRAWN + 3] = c2, c3
    stream[POSITION] = 0


@kernel
def open_stream(stream: Words, key: Words, generation: int, individual: int) -> None:
    """Start the stream of one individual."""
    stream[KEY], stream[KEY + 1] = key[0], key[1]
    stream[COUNTER], stream[COUNTER + 1] = 0, individual
    stream[COUNTER + 2], stream[COUNTER + 3] = generation, 0
    stream[POSITION] = EXHAUSTED


@kernel
def draw_word(stream: Words) -> Any:
    """Draw 32 bits."""
    if stream[POSITION] == EXHAUSTED:
        refill(stream)
        stream[COUNTER] += ONE
    word = stream[DRAWN + np.int64(stream[POSITION])]
    stream[POSITION] += ONE
    return word


@kernel
def draw_uniform(stream: Words) -> Any:
    """Draw a multiple of 2⁻³² from [0, 1)."""
    return UNIT * np.float64(draw_word(stream))


@kernel
def draw_integer(stream: Words, n: int) -> Any:
    """Draw from 0 … n − 1; relative probabilities differ by at most n / 2³²."""
    return np.int64((draw_word(stream) * np.uint64(n)) >> HALF)


@kernel
def draw_normal(stream: Words) -> Any:
    """Draw from the standard normal distribution by the Box–Muller transform, within ±6.8."""
    radius = math.sqrt(-2.0 * math.log(UNIT * (np.float64(draw_word(stream)) + 0.5)))
    return radius * math.cos(2.0 * math.pi * draw_uniform(stream))
