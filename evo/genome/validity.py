"""The check of a genome's parts against each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.checks import brief, is_whole
from evo.genome import validity_kernels
from evo.genome.activations import ACTIVATIONS, activation_name
from evo.genome.feature_maps import DOWNSAMPLINGS
from evo.genome.roles import Role

_DTYPES = (
    dict.fromkeys(("indptr", "ids"), np.dtype(np.int64))
    | dict.fromkeys(("indices", "map_sizes"), np.dtype(np.int32))
    | dict.fromkeys(("roles", "activations"), np.dtype(np.uint8))
)

_N_BUILT_IN = len(ACTIVATIONS.built_in)

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def check_genome(genome: Any) -> None:
    """Raise ValueError at the first part of a genome that does not fit the others."""
    n, nnz = len(genome.ids), len(genome.values)
    for name, dtype in _DTYPES.items():
        _require(getattr(genome, name).dtype == dtype, name, dtype, getattr(genome, name).dtype)
    for name in ("indptr", "indices"):
        shape = getattr(genome, name).shape
        _require(len(shape) == 1, name, "a vector", f"shape {shape}")
    for name in ("ids", "roles", "activations", "map_sizes"):
        _require_shape(name, getattr(genome, name), n)
    check_weights(genome.values, genome.bias, nnz, n)
    _check_nodes(genome, n)
    if genome.taps is not None:
        _check_taps(genome, n)
    _check_entries(genome, n, nnz)
    mode, ticks = genome.threshold_mode, genome.ticks
    _require(mode in ("magnitude", "signed"), "threshold_mode", "magnitude or signed", brief(mode))
    check_threshold(genome.threshold, n)
    _require(is_whole(ticks), "ticks", "an integer", brief(ticks))
    _require(ticks >= 1, "ticks", "at least 1", brief(ticks))
    _require(ticks < 2**63, "ticks", "an integer of 64 bits", brief(ticks))


def check_threshold(threshold: Any, n: int) -> None:
    """Raise ValueError unless a threshold fits a genome of `n` nodes."""
    if isinstance(threshold, np.ndarray) and threshold.shape != (n,):
        raise ValueError(
            f"threshold must be one number or have shape ({n},); got {threshold.shape}"
        )
    if is_whole(threshold) and not isinstance(threshold, np.generic):
        _require(abs(threshold) < 2**63, "threshold", "a number of 64 bits", brief(threshold))
    if threshold is not None and np.asarray(threshold).dtype.kind not in "iuf":
        raise ValueError(f"threshold must be real numbers, or None; got {brief(threshold)}")
    if threshold is not None and not np.isfinite(threshold).all():
        raise ValueError(f"threshold must be finite, or None; got {_extent(threshold)}")


def check_weights(values: NDArray[Any], bias: NDArray[Any], nnz: int, n: int) -> None:
    """Raise ValueError unless read-only weights and biases fit a genome of `nnz` stored entries and `n` nodes."""
    _require(values.dtype in _FLOATS, "values", "float32 or float64", values.dtype)
    _require(bias.dtype == values.dtype, "bias", f"{values.dtype} like values", bias.dtype)
    _require_shape("values", values, nnz)
    _require_shape("bias", bias, n)
    check_finite("values", values)
    check_finite("bias", bias)


def check_finite(name: str, numbers: NDArray[Any]) -> None:
    """Raise ValueError unless all numbers of a read-only array are finite."""
    if not validity_kernels.all_finite(numbers):
        raise ValueError(f"{name} must be finite; got {numbers[~np.isfinite(numbers)][0]}")


def check_activations(codes: NDArray[np.uint8]) -> None:
    """Raise ValueError if there is no activation of a code in this process."""
    if codes.max() < _N_BUILT_IN:
        return
    for code in np.unique(codes):
        try:
            activation_name(code)
        except ValueError:
            rule = f"codes below {_N_BUILT_IN}, or of own activations that are registered"
            _require(False, "activations", rule, code)


def _check_nodes(genome: Any, n: int) -> None:
    """Raise ValueError at the first fault of the node table."""
    _require(_distinct(genome.ids), "ids", "distinct", "an id twice")
    counts = np.bincount(genome.roles, minlength=len(Role))
    _require(len(counts) <= len(Role), "roles", f"among {[*map(int, Role)]}", len(counts) - 1)
    if not counts[Role.OUTPUT]:
        raise ValueError("roles must hold at least one output; got none")
    check_activations(genome.activations)
    smallest = genome.map_sizes.min()
    _require(smallest >= 1, "map_sizes", "at least 1", smallest)
    has_maps = genome.map_sizes.max() > 1
    if has_maps:
        largest = genome.map_sizes[genome.roles == Role.OUTPUT].max()
        _require(largest == 1, "map_sizes", "1 at outputs, which give one score each", largest)
    kernel, downsampling = genome.kernel, genome.downsampling
    _require(
        is_kernel(kernel),
        "kernel",
        "an odd integer of at least 1, or one per map size",
        brief(kernel),
    )
    known = " or ".join(DOWNSAMPLINGS)
    _require(downsampling in DOWNSAMPLINGS, "downsampling", known, brief(downsampling))
    if has_maps and genome.taps is None:
        raise ValueError("taps must be an array if any map size is above 1; got None")
    if not has_maps and genome.taps is not None:
        raise ValueError("taps must be None if all map sizes are 1; got an array")


def is_kernel(kernel: Any) -> bool:
    """Return whether a value is an odd side of kernels, or pairs of ascending map sizes and such sides."""
    if not isinstance(kernel, tuple):
        return is_whole(kernel) and kernel >= 1 and kernel % 2 == 1
    if not kernel or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in kernel):
        return False
    sizes, sides = zip(*kernel, strict=True)
    whole = all(is_whole(size) and size >= 1 for size in sizes)
    return (
        whole
        and sorted(set(sizes)) == [*sizes]
        and not any(isinstance(side, tuple) or not is_kernel(side) for side in sides)
    )


def _check_taps(genome: Any, n: int) -> None:
    """Raise ValueError at the first fault of the taps; the indices are checked as far as they are needed."""
    taps, indices, indptr = genome.taps, genome.indices, genome.indptr
    if taps.dtype != np.uint16 or taps.shape != genome.values.shape:
        rule = f"uint16 of shape {genome.values.shape}"
        raise ValueError(f"taps must be {rule}; got {taps.dtype} of shape {taps.shape}")
    n_rows = n * genome.rows_per_node
    if n_rows > np.iinfo(np.int32).max:
        raise ValueError(
            f"map_sizes and kernel must leave the matrix less than 2³¹ rows; got {n_rows}"
        )
    if indices.shape != taps.shape or (
        len(indices) and not 0 <= indices.min() <= indices.max() < n
    ):
        raise ValueError(_range_rule(genome, n))
    falls = len(indptr) != n + 1 or (indptr[1:] < indptr[:-1]).any()
    if falls or (indptr[0], indptr[-1]) != (0, len(taps)):
        return  # `_check_entries` reports it
    outside = taps >= genome.windows**2
    if outside.any():
        first = int(outside.argmax())
        source, target = int(indices[first]), int(genome.targets[first])
        raise ValueError(
            f"taps must be below {genome.windows[first] ** 2} from node {source} (map size "
            f"{genome.map_sizes[source]}) to node {target} (map size {genome.map_sizes[target]}); got {taps[first]}"
        )


def _check_entries(genome: Any, n: int, nnz: int) -> None:
    """Raise ValueError at the first fault of the matrix's structure."""
    n_rows = n * genome.rows_per_node
    fault = validity_kernels.first_fault(genome.indptr, genome.rows, nnz, n, n_rows)
    if fault == validity_kernels.POINTERS:
        got = _extent(genome.indptr)
        raise ValueError(f"indptr must rise from 0 to {nnz} in {n + 1} steps; got {got}")
    if fault == validity_kernels.RANGE:
        raise ValueError(_range_rule(genome, n))
    if fault == validity_kernels.ORDER:
        taps = "" if genome.taps is None else ", and taps within each source and target"
        raise ValueError(f"indices must rise within each column{taps}")


def _require(holds: bool, name: str, rule: Any, got: Any) -> None:
    if not holds:
        raise ValueError(f"{name} must be {rule}; got {got}")


def _require_shape(name: str, array: NDArray[Any], length: int) -> None:
    if array.shape != (length,):
        raise ValueError(f"{name} must have shape ({length},); got {array.shape}")


def _range_rule(genome: Any, n: int) -> str:
    rule = f"indices must be {len(genome.values)} node indices in [0, {n})"
    return f"{rule}; got {_extent(genome.indices)}"


def _extent(numbers: Any) -> str:
    """Return length and range of an array, or a number, for a message of one line."""
    if np.ndim(numbers) == 0:
        return str(numbers)
    return f"{len(numbers)} from {np.min(numbers)} to {np.max(numbers)}" if len(numbers) else "0"


def _distinct(numbers: NDArray[np.int64]) -> bool:
    """Return whether all numbers differ. Small numbers are counted, which is faster than sorting."""
    n = len(numbers)
    if n and numbers.min() >= 0 and numbers.max() < 8 * n:
        return bool(np.bincount(numbers).max() == 1)
    return len(np.unique(numbers)) == n
