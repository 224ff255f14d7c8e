"""The threshold: which stored entries are edges (the seed's letter A, S20).

An entry is let through if |w| > limit (``magnitude``), or if w > limit (``signed``, the seed's
literal reading). The limit is one number or one per column, that is per target node. What is not
let through sleeps: it stays stored until :func:`threshold` drops it. All functions are O(nnz + n)
on sparse input. An ndarray may have further axes, (m, n, k, k): its entries are kernels, and each of
their taps is an entry to the threshold.
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


def threshold(W: Matrix, limit: ArrayLike, mode: Mode = "magnitude") -> Matrix:
    """Keep only the entries that the threshold lets through (S20 A).

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n, …)
    limit : float or array_like, shape (n,)
        One number, or one per column; rounded to the dtype of `W` before the comparison.
    mode : {"magnitude", "signed"}
        Let w through if |w| > limit, or if w > limit (the seed's literal reading).

    Returns
    -------
    ndarray or csc_array, shape (m, n, …)
        The other entries are zero in an ndarray, and not stored in a sparse array.

    Raises
    ------
    TypeError, ValueError
        If limit is no number or has another shape or holds NaN, or mode has another name.

    Examples
    --------
    >>> threshold(np.array([[0.0, -0.5], [0.25, 0.75]]), 0.4)
    array([[ 0.  , -0.5 ],
           [ 0.  ,  0.75]])
    """
    W = check_matrix(W, kernel_axes=True)
    mask = _let_through(W, limit, mode)
    if isinstance(W, sparse.csc_array):
        return _stored.keep(W, mask)
    return np.where(mask, W, W.dtype.type(0))


def threshold_mask(W: Matrix, limit: ArrayLike, mode: Mode = "magnitude") -> BoolArray:
    """Tell which entries the threshold lets through, without changing the matrix (S20 A).

    Parameters
    ----------
    W, limit, mode
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
    return _let_through(check_matrix(W, kernel_axes=True), limit, mode)


def keep_limit(W: Matrix, n_keep: int, mode: Mode = "magnitude") -> float:
    """Return the limit that lets `n_keep` stored entries through: the strongest ones (S20 A).

    The limit is the score (|w| or w) of the strongest entry that is not to pass. So where entries
    tie with that one, all of them stay behind, and fewer than `n_keep` pass. To let all through it
    is the next number below the weakest score: that is below 0 where zeros are stored.

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
        If `n_keep` is no integer in range, or mode has another name.

    Examples
    --------
    >>> keep_limit(np.array([[0.0, -0.5], [0.25, 0.75]]), 1)
    0.5
    """
    scores = _scores(check_matrix(W, kernel_axes=True), mode)
    n_keep = check_integer("n_keep", n_keep, at_least=0)
    if n_keep > len(scores):
        raise ValueError(
            f"n_keep must be at most the number of stored entries, {len(scores)}; got {n_keep}"
        )
    return _limit_for(scores, n_keep)


def quantile_threshold(W: Matrix, quantile: float, mode: Mode = "magnitude") -> float:
    """Return the limit below which the lowest share `quantile` of the stored entries lies (S20 A).

    With nnz stored entries, ``round(quantile · nnz)`` of them (halves to even) stay behind, and the
    others pass: it is ``keep_limit(W, nnz - round(quantile · nnz), mode)``. Entries that tie with
    the strongest one left behind stay behind too.

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n, …)
        An ndarray stores its non-zero entries.
    quantile : float
        The share to leave behind, from 0 (all pass) to 1 (none does).
    mode : {"magnitude", "signed"}
        As for :func:`threshold`.

    Returns
    -------
    float
        A number of the dtype of `W`; 0.0 if nothing is stored.

    Raises
    ------
    TypeError, ValueError
        If `quantile` is no number from 0 to 1, or mode has another name.

    Examples
    --------
    >>> quantile_threshold(np.array([[0.1, -0.5], [0.25, 0.75]]), 0.25)
    0.1
    """
    scores = _scores(check_matrix(W, kernel_axes=True), mode)
    share = check_fraction("quantile", quantile)
    return _limit_for(scores, len(scores) - round(share * len(scores)))


def _let_through(W: Matrix, limit: ArrayLike, mode: Mode) -> BoolArray:
    check_choice("mode", mode, MODES)
    given = np.asarray(limit)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"limit must be a real number or one per column; got {limit!r}")
    if given.ndim and given.shape != (W.shape[1],):
        raise ValueError(
            f"limit must be one number or one per column ({W.shape[1]}); got shape {given.shape}"
        )
    if np.isnan(given).any():
        raise ValueError("limit must be a number; got nan")
    with np.errstate(over="ignore"):
        limits = given.astype(W.dtype)
    entries = W
    if isinstance(W, sparse.csc_array):
        entries = W.data
        limits = limits[_stored.column_of_entries(W)] if limits.ndim else limits
    elif limits.ndim:
        limits = limits.reshape(-1, *(1,) * (W.ndim - 2))
    scores = np.abs(entries) if mode == "magnitude" else entries
    let_through: BoolArray = scores > limits
    return let_through


def _scores(W: Matrix, mode: Mode) -> FloatArray:
    check_choice("mode", mode, MODES)
    stored = W.data if isinstance(W, sparse.csc_array) else W[W != 0]
    scores: FloatArray = np.abs(stored) if mode == "magnitude" else stored
    return scores


def _limit_for(scores: FloatArray, n_keep: int) -> float:
    if not scores.size:
        return 0.0
    if n_keep == scores.size:
        return float(np.nextafter(scores.min(), scores.dtype.type(-np.inf)))
    strongest_left = scores.size - n_keep - 1
    return float(np.partition(scores, strongest_left)[strongest_left])
