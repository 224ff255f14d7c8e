"""The threshold that selects the edges among the stored entries (the seed's letter A, S20).

An entry w is active, that is an edge, if |w| > threshold (``magnitude``), or if w > threshold (``signed``, the seed's
literal reading). The threshold is one number, or one per column and so per target node. A dormant entry stays stored
until :func:`threshold` drops it. All functions are O(nnz + n) on sparse input. An ndarray may have further axes,
(m, n, k, k): its entries are kernels, and each tap is compared with the threshold.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from graphops import _stored
from graphops.validation import (
    MODES,
    BoolArray,
    FloatArray,
    Matrix,
    Mode,
    check_choice,
    check_fraction,
    check_integer,
    check_matrix,
)


def threshold(W: Matrix, threshold: ArrayLike, mode: Mode = "magnitude") -> Matrix:
    """Keep only the active entries (S20 A).

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n, …)
    threshold : float or array_like, shape (n,)
        One number, or one per column; rounded to the dtype of `W` before the comparison.
    mode : {"magnitude", "signed"}
        An entry w is active if |w| > threshold, or if w > threshold.

    Returns
    -------
    ndarray or csc_array, shape (m, n, …)
        The other entries are zero in an ndarray, and not stored in a sparse array.

    Raises
    ------
    TypeError, ValueError
        If `threshold` is not a number, has another shape or holds NaN, or `mode` is unknown.

    Examples
    --------
    >>> threshold(np.array([[0.0, -0.5], [0.25, 0.75]]), 0.4)
    array([[ 0.  , -0.5 ],
           [ 0.  ,  0.75]])
    """
    W = check_matrix(W, kernel_axes=True)
    mask = _active(W, threshold, mode)
    if isinstance(W, sparse.csc_array):
        return _stored.keep(W, mask)
    return np.where(mask, W, W.dtype.type(0))


def threshold_mask(W: Matrix, threshold: ArrayLike, mode: Mode = "magnitude") -> BoolArray:
    """Return which entries are active (S20 A).

    Parameters
    ----------
    W, threshold, mode
        As for :func:`threshold`.

    Returns
    -------
    ndarray of bool
        Over the stored entries in CSC order, shape (nnz,); for an ndarray of the shape of `W`.

    Raises
    ------
    TypeError, ValueError
        As for :func:`threshold`.

    Examples
    --------
    >>> threshold_mask(np.array([[0.0, -0.5], [0.25, 0.75]]), [0.2, 0.6])
    array([[False, False],
           [ True,  True]])
    """
    return _active(check_matrix(W, kernel_axes=True), threshold, mode)


def count_threshold(W: Matrix, n_keep: int, mode: Mode = "magnitude") -> float:
    """Return the threshold that leaves the `n_keep` strongest stored entries active (S20 A).

    The threshold is the score (|w| or w) of the strongest dormant entry. Entries with an equal score are dormant too,
    so ties may leave fewer than `n_keep` entries active. To leave all entries active, the threshold is the next number
    below the lowest score; it is negative if zeros are stored.

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n, …)
        An ndarray stores its non-zero entries.
    n_keep : int
        From 0 to the number of stored entries.
    mode : {"magnitude", "signed"}
        As for :func:`threshold`.

    Returns
    -------
    float
        A number of the dtype of `W`; 0.0 if nothing is stored.

    Raises
    ------
    TypeError, ValueError
        If `n_keep` is not an integer in range, or `mode` is unknown.

    Examples
    --------
    >>> count_threshold(np.array([[0.0, -0.5], [0.25, 0.75]]), 1)
    0.5
    """
    scores = _scores(check_matrix(W, kernel_axes=True), mode)
    n_keep = check_integer("n_keep", n_keep, at_least=0)
    if n_keep > len(scores):
        raise ValueError(
            f"n_keep must be at most the number of stored entries, {len(scores)}; got {n_keep}"
        )
    return _threshold_for(scores, n_keep)


def quantile_threshold(W: Matrix, quantile: float, mode: Mode = "magnitude") -> float:
    """Return the threshold that makes the fraction `quantile` of the stored entries dormant (S20 A).

    With nnz stored entries it is ``count_threshold(W, nnz - round(quantile · nnz), mode)``, with halves rounded to
    even. Entries with the score of the strongest dormant entry are dormant too.

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n, …)
        An ndarray stores its non-zero entries.
    quantile : float
        Fraction of dormant entries, from 0 (all entries active) to 1 (none active).
    mode : {"magnitude", "signed"}
        As for :func:`threshold`.

    Returns
    -------
    float
        A number of the dtype of `W`; 0.0 if nothing is stored.

    Raises
    ------
    TypeError, ValueError
        If `quantile` is not a number from 0 to 1, or `mode` is unknown.

    Examples
    --------
    >>> quantile_threshold(np.array([[0.1, -0.5], [0.25, 0.75]]), 0.25)
    0.1
    """
    scores = _scores(check_matrix(W, kernel_axes=True), mode)
    share = check_fraction("quantile", quantile)
    return _threshold_for(scores, len(scores) - round(share * len(scores)))


def _active(W: Matrix, threshold: ArrayLike, mode: Mode) -> BoolArray:
    check_choice("mode", mode, MODES)
    given = np.asarray(threshold)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"threshold must be a real number or one per column; got {threshold!r}")
    if given.ndim and given.shape != (W.shape[1],):
        raise ValueError(
            f"threshold must be one number or one per column ({W.shape[1]}); got shape {given.shape}"
        )
    if np.isnan(given).any():
        raise ValueError("threshold must be a number; got nan")
    with np.errstate(over="ignore"):
        thresholds = given.astype(W.dtype)
    entries = W
    if isinstance(W, sparse.csc_array):
        entries = W.data
        thresholds = thresholds[_stored.column_of_entries(W)] if thresholds.ndim else thresholds
    elif thresholds.ndim:
        thresholds = thresholds.reshape(-1, *(1,) * (W.ndim - 2))
    scores = np.abs(entries) if mode == "magnitude" else entries
    active: BoolArray = scores > thresholds
    return active


def _scores(W: Matrix, mode: Mode) -> FloatArray:
    check_choice("mode", mode, MODES)
    stored = W.data if isinstance(W, sparse.csc_array) else W[W != 0]
    scores: FloatArray = np.abs(stored) if mode == "magnitude" else stored
    return scores


def _threshold_for(scores: FloatArray, n_keep: int) -> float:
    if not scores.size:
        return 0.0
    if n_keep == scores.size:
        return float(np.nextafter(scores.min(), scores.dtype.type(-np.inf)))
    strongest_dormant = scores.size - n_keep - 1
    return float(np.partition(scores, strongest_dormant)[strongest_dormant])
