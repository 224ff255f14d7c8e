"""Compiled losses and their gradients. Scores have the shape (n_outputs, batch), batch innermost.

A kernel named after a loss returns the mean loss over the batch and writes the gradient of this mean by the scores.
The kernel `<loss>_of_samples` writes the loss of each sample, from which `weigh` makes the weighted loss.
Kernels with smoothed labels have a further argument, the smoothing.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector, IntArray
from cnn.compile.compilation import allocating_kernel, kernel
from cnn.compile.elementary_kernels import fast_exp, fast_log


@allocating_kernel
def write_softmax(scores: FloatArray, out: FloatArray) -> FloatArray:
    """Write the softmax of each column to `out`; return the log of each column's sum of exponentials.

    Parameters
    ----------
    scores
        Shape (n_outputs, batch).
    out
        Same shape; overwritten.

    Returns
    -------
    FloatArray
        log Σ_i exp(s_i), shape (batch,), in the dtype of the scores.
    """
    n_outputs, batch = scores.shape
    largest: FloatArray = scores[0].copy()
    for i in range(1, n_outputs):
        for b in range(batch):
            largest[b] = max(largest[b], scores[i, b])
    total = np.zeros_like(largest)
    for i in range(n_outputs):
        for b in range(batch):
            out[i, b] = fast_exp(scores[i, b] - largest[b])  # ≤ 1: no overflow
            total[b] += out[i, b]
    for i in range(n_outputs):
        for b in range(batch):
            out[i, b] /= total[b]
    for b in range(batch):
        total[b] = largest[b] + fast_log(total[b])
    return total


@kernel
def check_classes(classes: IntArray, n_outputs: int, batch: int) -> None:
    """Raise ValueError unless there is one class per sample, each in 0 … n_outputs - 1."""
    if classes.shape[0] != batch:
        raise ValueError("targets must hold one class per sample of the batch")
    for b in range(batch):
        if classes[b] < 0 or classes[b] >= n_outputs:
            raise ValueError("target classes must lie in 0 ... n_outputs - 1")


@allocating_kernel
def cross_entropy(scores: FloatArray, targets: IntArray, delta_out: FloatArray) -> float:
    """Softmax and cross-entropy together: E = −log o_t, and ∂E/∂s = o − t with t one-hot (S4).

    Parameters
    ----------
    scores
        Net inputs s of the output layer, shape (n_outputs, batch).
    targets
        Classes 0 … n_outputs − 1, integers of shape (batch,).
    delta_out
        Receives ∂(mean E)/∂s, shape (n_outputs, batch).

    Returns
    -------
    float
        Mean of E over the batch.

    Raises
    ------
    ValueError
        If a class is out of range, or the lengths differ.
    """
    n_outputs, batch = scores.shape
    check_classes(targets, n_outputs, batch)
    log_total = write_softmax(scores, delta_out)  # o
    value = 0.0
    for b in range(batch):
        value += log_total[b] - scores[targets[b], b]  # E = log Σ exp(s_i) − s_t
        delta_out[targets[b], b] -= 1  # o − t
    share = scores.dtype.type(1.0 / batch)
    for i in range(n_outputs):
        for b in range(batch):
            delta_out[i, b] *= share
    return float(value / batch)


@kernel
def squared_error(scores: FloatArray, targets: FloatArray, delta_out: FloatArray) -> float:
    """Half the squared distance, outputs o = s: E = ½ Σ (t − o)², and ∂E/∂s = o − t (S3).

    Parameters
    ----------
    scores
        Outputs o of the output layer, shape (n_outputs, batch).
    targets
        Targets t, floats of the same shape.
    delta_out
        Receives ∂(mean E)/∂s, same shape.

    Returns
    -------
    float
        Mean of E over the batch.

    Raises
    ------
    ValueError
        If scores and targets differ in shape.
    """
    n_outputs, batch = scores.shape
    if targets.shape[0] != n_outputs or targets.shape[1] != batch:
        raise ValueError("targets must have the shape of the scores")
    share = scores.dtype.type(1.0 / batch)
    value = 0.0
    for i in range(n_outputs):
        part: Any = scores.dtype.type(0)
        for b in range(batch):
            residual = scores[i, b] - scores.dtype.type(targets[i, b])  # o − t
            part += residual * residual
            delta_out[i, b] = residual * share
        value += float(part)
    return float(0.5 * value / batch)


@allocating_kernel
def softmax_squared_error(scores: FloatArray, targets: IntArray, delta_out: FloatArray) -> float:
    """Squared error of softmax outputs, by the full Jacobian ∂o_i/∂s_j = o_i (δ_ij − o_j) (S4).

    Parameters
    ----------
    scores
        Net inputs s of the output layer, shape (n_outputs, batch).
    targets
        Classes 0 … n_outputs − 1, integers of shape (batch,).
    delta_out
        Receives ∂(mean E)/∂s, shape (n_outputs, batch).

    Returns
    -------
    float
        Mean over the batch of E = ½ Σ (t − o)², t one-hot.

    Raises
    ------
    ValueError
        If a class is out of range, or the lengths differ.
    """
    n_outputs, batch = scores.shape
    check_classes(targets, n_outputs, batch)
    write_softmax(scores, delta_out)  # o
    value = 0.0
    for b in range(batch):
        squares = 0.0
        projection = 0.0
        for i in range(n_outputs):
            o = delta_out[i, b]
            g = o - (i == targets[b])  # ∂E/∂o = o − t
            squares += g * g
            projection += g * o
        value += squares
        for i in range(n_outputs):
            o = delta_out[i, b]
            g = o - (i == targets[b])
            delta_out[i, b] = o * (g - projection) / batch  # o_i (g_i − Σ_j g_j o_j)
    return float(0.5 * value / batch)


@allocating_kernel
def cross_entropy_of_samples(
    scores: FloatArray, targets: IntArray, losses: npt.NDArray[np.float64]
) -> None:
    """Write E = −log o_t of each sample to `losses`, shape (batch,); targets are checked by `cross_entropy`."""
    log_total = write_softmax(scores, np.empty_like(scores))
    for b in range(scores.shape[1]):
        losses[b] = log_total[b] - scores[targets[b], b]


@kernel
def squared_error_of_samples(
    scores: FloatArray, targets: FloatArray, losses: npt.NDArray[np.float64]
) -> None:
    """Write E = ½ Σ (t − o)² of each sample to `losses`, shape (batch,)."""
    losses[:] = 0.0
    for i in range(scores.shape[0]):
        for b in range(scores.shape[1]):
            residual = float(scores[i, b] - scores.dtype.type(targets[i, b]))
            losses[b] += 0.5 * residual * residual


@allocating_kernel
def softmax_squared_error_of_samples(
    scores: FloatArray, targets: IntArray, losses: npt.NDArray[np.float64]
) -> None:
    """Write E = ½ Σ (t − o)² of each sample, t one-hot, to `losses`, shape (batch,)."""
    outputs = np.empty_like(scores)
    write_softmax(scores, outputs)
    losses[:] = 0.0
    for i in range(scores.shape[0]):
        for b in range(scores.shape[1]):
            residual = float(outputs[i, b]) - (i == targets[b])
            losses[b] += 0.5 * residual * residual


@allocating_kernel
def smoothed_cross_entropy(
    scores: FloatArray, targets: IntArray, smoothing: float, delta_out: FloatArray
) -> float:
    """Cross-entropy with smoothed labels (Szegedy et al. 2016): E = −Σ_i t_i log o_i, and ∂E/∂s = o − t.

    The target t_i of K classes is 1 − ε + ε/K for the class of the sample and ε/K for the others, with ε = `smoothing`.

    Parameters
    ----------
    scores, targets, delta_out
        As for `cross_entropy`.
    smoothing
        ε, in [0, 1).

    Returns
    -------
    float
        Mean of E over the batch.

    Raises
    ------
    ValueError
        If a class is out of range, or the lengths differ.
    """
    n_outputs, batch = scores.shape
    check_classes(targets, n_outputs, batch)
    log_total = write_softmax(scores, delta_out)  # o
    losses = np.empty(batch, np.float64)
    _smoothed_losses(scores, targets, smoothing, log_total, losses)
    real = scores.dtype.type
    of_class, of_each = real(1.0 - smoothing), real(smoothing / n_outputs)
    value = 0.0
    for b in range(batch):
        value += losses[b]
        delta_out[targets[b], b] -= of_class
    share = real(1.0 / batch)
    for i in range(n_outputs):
        for b in range(batch):
            delta_out[i, b] = (delta_out[i, b] - of_each) * share
    return float(value / batch)


@allocating_kernel
def smoothed_cross_entropy_of_samples(
    scores: FloatArray, targets: IntArray, smoothing: float, losses: npt.NDArray[np.float64]
) -> None:
    """Write E of `smoothed_cross_entropy` of each sample to `losses`, shape (batch,)."""
    log_total = write_softmax(scores, np.empty_like(scores))
    _smoothed_losses(scores, targets, smoothing, log_total, losses)


@kernel
def _smoothed_losses(
    scores: FloatArray,
    targets: IntArray,
    smoothing: float,
    log_total: FloatArray,
    losses: npt.NDArray[np.float64],
) -> None:
    """Write E = log Σ exp(s_i) − (1 − ε) s_t − ε/K Σ s_i of each sample, given the first term."""
    n_outputs, batch = scores.shape
    losses[:] = 0.0
    for i in range(n_outputs):
        for b in range(batch):
            losses[b] += scores[i, b]
    for b in range(batch):
        smooth = smoothing * (losses[b] / n_outputs - scores[targets[b], b])
        losses[b] = log_total[b] - scores[targets[b], b] - smooth


@kernel
def weigh(losses: npt.NDArray[np.float64], weights: FloatVector, deltas: FloatArray) -> float:
    """Turn the gradient of the mean loss into that of the weighted loss, and return the weighted loss.

    Parameters
    ----------
    losses
        Loss E_b of each sample, shape (batch,).
    weights
        Weight w_b of each sample, shape (batch,).
    deltas
        ∂(mean E)/∂s, shape (n_outputs, batch). Column b is multiplied by w_b.

    Returns
    -------
    float
        Σ w_b E_b / batch. The sum is divided by the number of samples, not by Σ w_b.
    """
    value = 0.0
    for b in range(losses.shape[0]):
        value += weights[b] * losses[b]
    for i in range(deltas.shape[0]):
        for b in range(deltas.shape[1]):
            deltas[i, b] *= weights[b]
    return float(value / losses.shape[0])
