"""Random numbers by counting: Philox as published, streams by name, and what is drawn from them."""

import numpy as np
import pytest
from scipy import stats

from cnn.compile.compilation import allocating_kernel
from evo.gradient_free.philox_kernels import (
    COUNTER,
    DRAWN,
    KEY,
    POSITION,
    STREAM_SIZE,
    draw_integer,
    draw_normal,
    draw_uniform,
    draw_word,
    open_stream,
    refill,
)

PI = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]


def stream_of(individual=0, generation=0, key=(1, 2)):
    stream = np.zeros(STREAM_SIZE, np.uint64)
    open_stream(stream, np.array(key, np.uint64), generation, individual)
    return stream


def draws(draw, n, **name):
    stream = stream_of(**name)
    return np.array([draw(stream) for _ in range(n)])


@allocating_kernel
def first_draws(key, individuals, out):
    stream = np.empty(STREAM_SIZE, np.uint64)
    for p in range(individuals):
        open_stream(stream, key, 3, p)
        for k in range(out.shape[1]):
            out[p, k] = draw_uniform(stream)


@pytest.mark.parametrize(
    ("key", "counter", "words"),
    [
        ([0] * 2, [0] * 4, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 2, [0xFFFFFFFF] * 4, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        ([0xA4093822, 0x299F31D0], PI, [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
    ],
)
def test_the_authors_known_answers(key, counter, words):
    stream = np.zeros(STREAM_SIZE, np.uint64)
    stream[KEY:COUNTER] = key
    stream[COUNTER:DRAWN] = counter
    refill(stream)
    assert stream[DRAWN:POSITION].tolist() == words


def test_a_stream_is_a_function_of_its_name():
    assert np.array_equal(draws(draw_word, 9, individual=4), draws(draw_word, 9, individual=4))
    names = [{"individual": 1}, {"generation": 1}, {"key": (2, 1)}, {"key": (1, 3)}, {}]
    firsts = {tuple(draws(draw_word, 4, **name)) for name in names}
    assert len(firsts) == len(names)


def test_a_stream_does_not_repeat_its_blocks():
    assert len(set(draws(draw_word, 4000).tolist())) > 3990


def test_uniform_numbers_of_many_streams_are_even_and_unrelated():
    numbers = np.empty((20_000, 8))
    first_draws(np.array([7, 8], np.uint64), len(numbers), numbers)
    assert (numbers.min() >= 0) & (numbers.max() < 1)
    flat = numbers.ravel()
    tolerance = 4 / np.sqrt(len(flat))
    assert abs(flat.mean() - 1 / 2) < tolerance
    assert abs(flat.var() - 1 / 12) < tolerance
    assert stats.kstest(flat, "uniform").pvalue > 1e-3
    # Neither draws of one stream nor the same draw of neighbouring individuals go together.
    between_draws = np.corrcoef(numbers.T) - np.eye(8)
    between_individuals = [np.corrcoef(column[:-1], column[1:])[0, 1] for column in numbers.T]
    for correlations in (between_draws, between_individuals):
        assert np.abs(correlations).max() < 5 / np.sqrt(len(numbers))


def test_integers_come_evenly_and_in_range():
    counts = np.bincount(draws(lambda stream: draw_integer(stream, 7), 14_000), minlength=7)
    assert len(counts) == 7
    assert stats.chisquare(counts).pvalue > 1e-3


def test_normal_numbers_are_normal():
    numbers = draws(draw_normal, 20_000)
    assert stats.kstest(numbers, "norm").pvalue > 1e-3
    assert np.abs(numbers).max() < 6.8
