"""Small classification problems, drawn at random."""

import math

import numpy as np

from cnn.arrays import of_each
from evo.errors import SettingsError
from experiments.datasets.dataset import Dataset

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


def xor(n_samples: int = 400, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Draw points around the corners of the unit square; the class is the exclusive or of the corner (S2).

    The problem has only four points. Training, validation and test parts need more, so points get noise. Without noise
    the first four samples are the truth table.

    Parameters
    ----------
    n_samples : int, default 400
        Number of samples, at least 4; corners take turns.
    noise : float, default 0.1
        Standard deviation of the normal noise; the side of the square is 1.
    seed : int, default 0
        Seed of the noise.

    Returns
    -------
    Dataset
        Inputs (n_samples, 2), classes 0 and 1.

    Raises
    ------
    SettingsError
        If an option is out of range.
    """
    _check("xor", n_samples, noise, seed)
    corners = CORNERS[np.arange(n_samples) % 4]
    rng = np.random.default_rng(seed)
    points = corners + noise * rng.standard_normal((n_samples, 2))
    return Dataset.from_arrays(points.astype(np.float32), corners[:, 0] ^ corners[:, 1], name="xor")


def parity(n_samples: int = 400, bits: int = 3, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Draw noisy copies of bit strings; the class is the exclusive or of all bits.

    With ``founders = { sequence = true, ticks = bits }`` a network reads one bit per tick and has to remember.

    Parameters
    ----------
    n_samples, noise, seed
        As for :func:`xor`; the 2ᵇ strings take turns.
    bits : int, default 3
        Number b of bits of a string, from 1 to 16.

    Returns
    -------
    Dataset
        Inputs (n_samples, bits), classes 0 and 1.

    Raises
    ------
    SettingsError
        If an option is out of range.
    """
    _check("parity", n_samples, noise, seed)
    if not 1 <= bits <= 16:
        raise SettingsError(f"data set 'parity': bits must be from 1 to 16; got {bits}")
    strings = (np.arange(n_samples)[:, np.newaxis] >> np.arange(bits)) & 1  # (n, bits)
    rng = np.random.default_rng(seed)
    inputs = strings + noise * rng.standard_normal(strings.shape)
    return Dataset.from_arrays(inputs.astype(np.float32), strings.sum(axis=1) % 2, name="parity")


def spirals(
    n_samples: int = 400, noise: float = 0.02, turns: float = 1.5, seed: int = 0
) -> Dataset:
    """Draw points on two interleaved spirals, one for each class (after Lang & Witbrock 1988).

    Arm c is r·(cos, sin)(2π·turns·r + π·c) for r in (0, 1]. Radii are drawn so that the density of points is about the
    same everywhere. Along a ray, arms of different classes are 1/(2·turns) apart.

    Parameters
    ----------
    n_samples, noise, seed
        As for :func:`xor`; arms take turns, the radius of the disc is 1, and radii are drawn too.
    turns : float, default 1.5
        Number of turns of an arm around the centre; more is harder.

    Returns
    -------
    Dataset
        Inputs (n_samples, 2), classes 0 and 1.

    Raises
    ------
    SettingsError
        If an option is out of range.
    """
    _check("spirals", n_samples, noise, seed)
    if not 0 < turns < math.inf:
        raise SettingsError(f"data set 'spirals': turns must be positive; got {turns}")
    arm = np.arange(n_samples) % 2
    rng = np.random.default_rng(seed)
    radius = np.sqrt(1 - rng.random(n_samples))  # (0, 1]
    angle = 2 * np.pi * turns * radius + np.pi * arm
    circle = np.column_stack([of_each(math.cos, angle), of_each(math.sin, angle)])
    points = radius[:, np.newaxis] * circle  # (n, 2)
    points += noise * rng.standard_normal((n_samples, 2))
    return Dataset.from_arrays(points.astype(np.float32), arm, name="spirals")


def _check(name: str, n_samples: int, noise: float, seed: int) -> None:
    if n_samples < 4:
        raise SettingsError(f"data set {name!r}: n_samples must be at least 4; got {n_samples}")
    if not 0 <= noise < math.inf:
        raise SettingsError(f"data set {name!r}: noise must not be negative; got {noise}")
    if seed < 0:
        raise SettingsError(f"data set {name!r}: seed must not be negative; got {seed}")
