"""Problems of memory: sequences and a series, drawn at random or computed, and digits read row by row."""

import numpy as np
from numpy.typing import NDArray

from evo.errors import SettingsError
from experiments.datasets.bundled import digits
from experiments.datasets.dataset import Dataset


def adding_problem(
    n_samples: int = 1000, shortest: int = 10, longest: int = 20, seed: int = 0
) -> Dataset:
    """Draw sequences of numbers of which two are marked; the target is their sum (Hochreiter & Schmidhuber 1997).

    The first mark stands in the first half of a sequence, the second in the second half.

    Parameters
    ----------
    n_samples : int, default 1000
        Number of sequences, at least 4.
    shortest, longest : int, default 10 and 20
        Lengths are uniform between these, at least 2.
    seed : int, default 0
        Seed of the draw.

    Returns
    -------
    Dataset
        Sequences with the features number, uniform in [0, 1], and mark, 0 or 1; targets from 0 to 2.

    Raises
    ------
    SettingsError
        If an option is out of range.
    """
    _check("adding-problem", n_samples=(n_samples, 4), shortest=(shortest, 2), seed=(seed, 0))
    _check("adding-problem", longest=(longest, shortest))
    rng = np.random.default_rng(seed)
    sequences, sums = [], np.empty(n_samples)
    for k, length in enumerate(rng.integers(shortest, longest + 1, n_samples)):
        numbers, marks = rng.random(length), np.zeros(length)
        marks[[rng.integers(length // 2), rng.integers(length // 2, length)]] = 1
        sums[k] = numbers @ marks
        sequences.append(np.stack([numbers, marks], axis=1).astype(np.float32))
    return Dataset.from_sequences(
        sequences,
        sums,
        name="adding-problem",
        feature_names=["number", "mark"],
        target_names=["sum"],
    )


def delayed_xor(
    n_samples: int = 400, shortest: int = 8, longest: int = 16, delay: int = 2, seed: int = 0
) -> Dataset:
    """Draw sequences of bits; each step has as its class the exclusive or of two earlier bits.

    The target of step t is x(t − delay) xor x(t − delay − 1). The first delay + 1 steps have none.

    Parameters
    ----------
    n_samples, seed
        As for :func:`adding_problem`.
    shortest, longest : int, default 8 and 16
        Lengths are uniform between these, above delay + 1.
    delay : int, default 2
        Number of steps, at least 0.

    Returns
    -------
    Dataset
        Sequences of −1 and 1; classes 0 and 1, one for each step.

    Raises
    ------
    SettingsError
        If an option is out of range.
    """
    _check("delayed-xor", n_samples=(n_samples, 4), delay=(delay, 0), seed=(seed, 0))
    _check("delayed-xor", shortest=(shortest, delay + 2), longest=(longest, shortest))
    rng = np.random.default_rng(seed)
    bits = [rng.integers(0, 2, length) for length in rng.integers(shortest, longest + 1, n_samples)]
    return Dataset.from_sequences(
        [(2 * one - 1).astype(np.float32) for one in bits],
        [np.roll(one, delay) ^ np.roll(one, delay + 1) for one in bits],
        name="delayed-xor",
        task="classification",
        per_step=True,
        with_target=[np.arange(len(one)) > delay for one in bits],
    )


def mackey_glass(
    n_times: int = 1500, window: int = 20, horizon: int = 6, tau: int = 17, stride: int = 1
) -> Dataset:
    """Compute the series of Mackey & Glass (1977); windows of it predict a later value.

    dx/dt = 0.2 x(t − τ) / (1 + x(t − τ)¹⁰) − 0.1 x(t), by the Runge-Kutta method with steps of 0.1, between which the
    delayed value is interpolated, with x = 1.2 before time 0. The first 300 times are left out. For τ = 17 the series
    is chaotic.

    Parameters
    ----------
    n_times : int, default 1500
        Number of times, at least 10.
    window, horizon, stride : int
        See :meth:`Dataset.from_series`.
    tau : int, default 17
        Delay τ, at least 1.

    Returns
    -------
    Dataset
        Windows (window, 1), targets (1,); parts follow one another in time.

    Raises
    ------
    SettingsError
        If an option is out of range.
    DataError
        If the series is shorter than a window and its horizon.
    """
    _check("mackey-glass", n_times=(n_times, 10), tau=(tau, 1), window=(window, 1))
    _check("mackey-glass", horizon=(horizon, 1), stride=(stride, 1))
    series = mackey_glass_series(n_times + SKIPPED, tau)[SKIPPED:]
    return Dataset.from_series(
        series, window=window, horizon=horizon, stride=stride, name="mackey-glass"
    )


SKIPPED = 300
"""Times at the beginning of the series that depend on the values before time 0."""

STEPS_PER_TIME = 10
"""Steps of the integration between two times of the series."""


def mackey_glass_series(n_times: int, tau: int) -> NDArray[np.float64]:
    """Return x(0), x(1), …, float64 of shape (n_times,).

    Examples
    --------
    >>> mackey_glass_series(3, 17).round(4).tolist()
    [1.2, 1.1176, 1.043]
    """
    h, delay = 1 / STEPS_PER_TIME, tau * STEPS_PER_TIME
    x = np.full(delay + n_times * STEPS_PER_TIME, 1.2)

    def slope(now: float, before: float) -> float:
        power = before * before
        power = power * power * before  # x⁵; no call of a library rounds in its own way
        return 0.2 * before / (1 + power * power) - 0.1 * now

    for k in range(delay, len(x) - 1):
        first, last = float(x[k - delay]), float(x[k - delay + 1])
        middle, now = (first + last) / 2, float(x[k])
        k1 = slope(now, first)
        k2 = slope(now + h / 2 * k1, middle)
        k3 = slope(now + h / 2 * k2, middle)
        k4 = slope(now + h * k3, last)
        x[k + 1] = now + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x[delay::STEPS_PER_TIME]


def sequential_digits(pixels_per_step: int = 8) -> Dataset:
    """Return the digits of scikit-learn, read some pixels a step, from left to right and top to bottom.

    Parameters
    ----------
    pixels_per_step : int, default 8
        A divisor of 64; 8 is a row a step, 1 is a pixel.

    Returns
    -------
    Dataset
        Sequences (64 / pixels_per_step, pixels_per_step), ink in 0 … 16; classes 0 … 9.

    Raises
    ------
    SettingsError
        If `pixels_per_step` does not divide 64.
    """
    if pixels_per_step < 1 or 64 % pixels_per_step:
        raise SettingsError(
            f"data set 'sequential-digits': pixels_per_step must divide 64; got {pixels_per_step}"
        )
    whole = digits()
    steps = np.asarray(whole.inputs).reshape(len(whole), -1, pixels_per_step)
    return Dataset.from_sequences(steps, whole.targets, name="sequential-digits")


def _check(name: str, **options: tuple[int, int]) -> None:
    """Raise SettingsError for an option that is below its least value."""
    for option, (value, least) in options.items():
        if value < least:
            raise SettingsError(
                f"data set {name!r}: {option} must be at least {least}; got {value}"
            )
