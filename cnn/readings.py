"""Readings: the ticks at which the outputs of sequences are compared with targets.

Sequences in one array are padded to one length. A reading is a pair of a sample and a tick, so readings also say where
each sequence ends: what a network computes after the last reading of a sample has no loss and no gradient.
"""

import numpy as np

from cnn.arrays import FloatVector, IntArray


def check_readings(readings: IntArray, n_samples: int, n_ticks: int) -> None:
    """Raise ValueError unless readings are those of all samples, in ascending order.

    Parameters
    ----------
    readings
        Samples and ticks, shape (2, n_readings).
    n_samples, n_ticks
        Number of samples; number of steps of the array that holds them.
    """
    if readings.ndim != 2 or len(readings) != 2 or readings.dtype.kind not in "iu":
        raise ValueError(
            "readings must be integers of shape (2, n_readings), samples and ticks; got "
            f"{readings.dtype} of shape {readings.shape}"
        )
    samples, ticks = readings
    if not samples.size:
        raise ValueError("readings must be one or more of each sample; got none")
    if ticks.min() < 0 or ticks.max() >= n_ticks:
        raise ValueError(
            f"readings must lie in the ticks 0 … {n_ticks - 1}; got {ticks.min()} to {ticks.max()}"
        )
    if (np.diff(samples * np.int64(n_ticks) + ticks) <= 0).any():
        raise ValueError("readings must be different and in ascending order, by sample and by tick")
    if samples[0] != 0 or samples[-1] != n_samples - 1 or (np.diff(samples) > 1).any():
        raise ValueError(
            f"readings must name each of the {n_samples} samples; got {len(np.unique(samples))} "
            f"samples from {samples[0]} to {samples[-1]}"
        )


def chosen_readings(readings: IntArray, chosen: IntArray) -> tuple[IntArray, IntArray]:
    """Return the readings of some samples, and the positions of their targets.

    Parameters
    ----------
    readings
        Samples and ticks, shape (2, n_readings), in ascending order.
    chosen
        Indices of the samples; one may stand there twice.

    Returns
    -------
    readings, positions
        Shapes (2, n) and (n,). The samples are numbered anew, in the order of `chosen`.

    Examples
    --------
    >>> readings, positions = chosen_readings(np.array([[0, 0, 1, 2], [3, 4, 1, 0]]), np.array([2, 0]))
    >>> readings.tolist(), positions.tolist()
    ([[0, 1, 1], [0, 3, 4]], [3, 0, 1])
    """
    first = np.searchsorted(readings[0], chosen)
    counts = np.searchsorted(readings[0], chosen, side="right") - first
    ends = np.cumsum(counts)
    positions = np.repeat(first - (ends - counts), counts) + np.arange(ends[-1])
    samples = np.repeat(np.arange(len(chosen)), counts)
    return np.stack([samples, readings[1, positions]]), positions


def mean_weights(readings: IntArray, weights: FloatVector) -> FloatVector:
    """Return the mean weight of the readings of each sample.

    Examples
    --------
    >>> mean_weights(np.array([[0, 0, 1], [3, 4, 1]]), np.array([1.0, 2.0, 5.0])).tolist()
    [1.5, 5.0]
    """
    means: FloatVector = np.bincount(readings[0], weights) / np.bincount(readings[0])
    return means


def weights_of_readings(
    readings: IntArray, weights: FloatVector | None, n_samples: int
) -> FloatVector | None:
    """Return the weight of each reading in a loss that is a mean over readings.

    The loss of a sequence is the mean over its readings, and sequences count by their weights: Σ_b w_b / batch ·
    Σ_r E_r / n_b, where n_b is the number of readings of sample b. If readings have weights, w_r stands beside E_r.

    Parameters
    ----------
    readings
        Samples and ticks, shape (2, n_readings).
    weights
        Weight of each sample, shape (n_samples,), or of each reading, shape (n_readings,); None if all weigh 1.
    n_samples
        Size of the batch.

    Returns
    -------
    ndarray, shape (n_readings,), or None
        None if all readings weigh 1.
    """
    samples, n_readings = readings[0], readings.shape[1]
    if n_readings == n_samples:  # one of each
        return weights
    share = n_readings / n_samples / np.bincount(samples, minlength=n_samples)
    if weights is not None and len(weights) == n_samples:
        share = share * weights
    of_readings: FloatVector = share[samples]
    if weights is not None and len(weights) == n_readings:
        of_readings = of_readings * weights
    return of_readings
