"""The spectral radius: the growth of a network's signals per tick along its cycles.

The spectral radius is the largest magnitude of an eigenvalue of `W`. With nodes ordered by strongly connected
components, `W` is block triangular, so its eigenvalues are those of the components. A network without cycles has
radius 0 exactly.
"""

import inspect
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence, eigs

from graphops import _stored
from graphops.order import strongly_connected
from graphops.validation import FloatArray, Matrix, check_edges

LARGEST_DENSE = 400
"""Largest component whose eigenvalues are all computed, by LAPACK."""

_BATCH_PLACES = 1 << 22  # of equally large components whose eigenvalues are computed together
_N_VALUES, _N_VECTORS, _MAX_RESTARTS, _TOLERANCE = 4, 64, 20, 1e-10
_POWER_STEPS = 400


def spectral_radius(W: Matrix) -> float:
    """Return the largest magnitude of an eigenvalue.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
        Converted to float64. Stored zeros are ignored.

    Returns
    -------
    float
        0.0 exactly if the edges form no cycle.

    Raises
    ------
    ValueError
        If `W` is not a finite square matrix.

    Notes
    -----
    A strongly connected component of up to 400 nodes is solved by LAPACK, O(m³) for m nodes, backward stable. For a
    larger simple cycle the radius is the m-th root of the product of its weights. Other large components are solved by
    ARPACK from a fixed start vector, to a relative residual of 1e-10. If ARPACK does not converge within about 1,200
    matrix products, the radius is the geometric mean of the growth over the last 200 of 400 steps of the power
    iteration; eigenvalues of similar magnitude limit its accuracy to about 1 %. Eigenvalues of matrices far from normal
    are sensitive: rounding moves those of a defective matrix by up to the m-th root of the machine epsilon.

    References
    ----------
    R. B. Lehoucq, D. C. Sorensen and C. Yang, *ARPACK users' guide* (1998).

    Examples
    --------
    >>> W = np.array([[0.0, 4.0, 9.0], [1.0, 0.0, 9.0], [0.0, 0.0, 0.5]])
    >>> round(spectral_radius(W), 12)
    2.0
    >>> spectral_radius(np.triu(np.ones((4, 4)), k=1))
    0.0
    """
    edges = check_edges(W)
    edges = _stored.keep(edges, edges.data != 0).astype(np.float64)
    blocks = _blocks_of_equal_size(edges)
    return max((_largest_magnitude(block) for block in blocks), default=0.0)


def _blocks_of_equal_size(edges: sparse.csc_array) -> Iterator[FloatArray | sparse.csc_array]:
    """Yield the components with a cycle: small ones as stacks of ndarrays, large ones one by one."""
    label = strongly_connected(edges)
    targets = _stored.column_of_entries(edges)
    inside = label[edges.indices] == label[targets]
    weights = edges.data[inside]
    sources, targets = edges.indices[inside], targets[inside]
    component = label[targets]

    n_components = int(label.max(initial=-1)) + 1
    size = np.bincount(label, minlength=n_components)
    local = np.empty(len(label), dtype=np.intp)  # a node's place in its component
    by_label = np.argsort(label, kind="stable")
    local[by_label] = np.arange(len(label)) - np.repeat(np.cumsum(size) - size, size)

    cyclic = np.bincount(component, minlength=n_components) > 0
    by_component = np.argsort(component, kind="stable")
    start = np.searchsorted(component[by_component], np.arange(n_components + 1))
    for m in np.unique(size[cyclic]).tolist():
        alike = np.flatnonzero(cyclic & (size == m))
        n_together = max(1, _BATCH_PLACES // m**2) if m <= LARGEST_DENSE else 1
        for first in range(0, len(alike), n_together):
            batch = alike[first : first + n_together]
            lengths = start[batch + 1] - start[batch]
            chosen = by_component[_stored.ranges(start[batch], lengths)]
            rows, columns = local[sources[chosen]], local[targets[chosen]]
            if m > LARGEST_DENSE:
                parts = (weights[chosen], (rows, columns))
                yield sparse.csc_array(parts, shape=(m, m))
            else:
                stack = np.zeros((len(batch), m, m))
                stack[np.repeat(np.arange(len(batch)), lengths), rows, columns] = weights[chosen]
                yield stack


def _largest_magnitude(block: FloatArray | sparse.csc_array) -> float:
    if not isinstance(block, sparse.csc_array):
        return float(np.abs(np.linalg.eigvals(block)).max())
    m = block.shape[0]
    if block.nnz == m:  # strongly connected with in-degrees of 1: a simple cycle
        return float(np.exp(np.log(np.abs(block.data)).mean()))
    start = np.cos(np.arange(m, dtype=np.float64))  # any fixed vector is suitable
    try:
        values = eigs(
            block,
            k=_N_VALUES,
            ncv=_N_VECTORS,
            v0=start,
            maxiter=_MAX_RESTARTS,
            tol=_TOLERANCE,
            return_eigenvectors=False,
            **_restarts(),
        )
    except ArpackNoConvergence as error:
        found: NDArray[np.complex128] = error.eigenvalues
        return max(float(np.abs(found).max(initial=0.0)), _growth(block, start))
    return float(np.abs(values).max())


def _restarts() -> dict[str, np.random.Generator]:
    """Fix SciPy's draws for restarts of ARPACK; older versions of SciPy take no generator."""
    has_generator = "rng" in inspect.signature(eigs).parameters
    return {"rng": np.random.default_rng(0)} if has_generator else {}


def _growth(block: sparse.csc_array, vector: FloatArray) -> float:
    """Return the mean growth per step of the power iteration, over its last half."""
    logarithms = []
    for _ in range(_POWER_STEPS):
        vector = block @ vector
        length = float(np.linalg.norm(vector))
        if length == 0.0:
            return 0.0
        vector /= length
        logarithms.append(np.log(length))
    return float(np.exp(np.mean(logarithms[_POWER_STEPS // 2 :])))
