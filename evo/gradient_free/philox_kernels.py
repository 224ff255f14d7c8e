"""Random numbers by counting: draw k of a stream is a function of names, not of what was drawn before it elsewhere.

Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011) mixes a counter of
four 32-bit words under a key of two into four words that pass the usual batteries of tests. Here the counter is (block,
individual, generation, 0) and the key comes from the run's seed and a purpose, so every individual has a stream of its
own: streams never overlap, nothing is stored between calls, and work may be cut into chunks in any way.

An open stream is an array of :data:`STREAM_SIZE` words that one thread uses; ``open_stream`` names it anew.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import exact_kernel

Words = NDArray[np.uint64]
"""32-bit words, each kept in 64 bits so that products do not overflow."""

KEY, COUNTER, DRAWN, POSITION, STREAM_SIZE = 0, 2, 6, 10, 11
"""Layout of a stream: where the key, the counter and the four drawn words begin, where the number of the next of these
words stands, and how long it is."""

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


@exact_kernel
def refill(stream: Words) -> None:
    """Draw the four words that belong to the stream's key and counter."""
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


@exact_kernel
def open_stream(stream: Words, key: Words, generation: int, individual: int) -> None:
    """Make a stream that of one individual, at its beginning."""
    stream[KEY], stream[KEY + 1] = key[0], key[1]
    stream[COUNTER], stream[COUNTER + 1] = 0, individual
    stream[COUNTER + 2], stream[COUNTER + 3] = generation, 0
    stream[POSITION] = EXHAUSTED


@exact_kernel
def draw_word(stream: Words) -> Any:
    """Draw 32 bits."""
    if stream[POSITION] == EXHAUSTED:
        refill(stream)
        stream[COUNTER] += ONE
    word = stream[DRAWN + np.int64(stream[POSITION])]
    stream[POSITION] += ONE
    return word


@exact_kernel
def draw_uniform(stream: Words) -> Any:
    """Draw from [0, 1): a multiple of 2⁻³²."""
    return UNIT * np.float64(draw_word(stream))


@exact_kernel
def draw_integer(stream: Words, n: int) -> Any:
    """Draw from 0 … n − 1; no value is likelier than another by more than n / 2³² of it."""
    return np.int64((draw_word(stream) * np.uint64(n)) >> HALF)


@exact_kernel
def draw_normal(stream: Words) -> Any:
    """Draw from the standard normal distribution, by Box and Muller's transform; within ±6.8."""
    radius = math.sqrt(-2.0 * math.log(UNIT * (np.float64(draw_word(stream)) + 0.5)))
    return radius * math.cos(2.0 * math.pi * draw_uniform(stream))
