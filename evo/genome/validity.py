"""The check of a genome's parts against each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.checks import is_whole
from evo.genome import validity_kernels
from evo.genome.activations import ACTIVATIONS
from evo.genome.feature_maps import DOWNSAMPLINGS
from evo.genome.roles import Role

_DTYPES = {
    "indptr": np.int64,
    "indices": np.int32,
    "ids": np.int64,
    "roles": np.uint8,
    "activations": np.uint8,
    "map_sizes": np.int32,
}

_OUTSIDE = "indices must be {} node positions in [0, {})"


def check_genome(genome: Any) -> None:
    """Raise ValueError at the first part of a genome that does not fit the others."""
    n, nnz = len(genome.ids), len(genome.values)
    if genome.values.dtype not in (np.float32, np.float64):
        raise ValueError(f"values must be float32 or float64; got {genome.values.dtype}")
    for name, dtype in _DTYPES.items():
        if getattr(genome, name).dtype != dtype:
            raise ValueError(f"{name} must be {dtype.__name__}; got {getattr(genome, name).dtype}")
    for name in ("indptr", "indices"):
        if getattr(genome, name).ndim != 1:
            raise ValueError(f"{name} must be a vector; got shape {getattr(genome, name).shape}")
    for name, length in (("values", nnz), ("ids", n)):
        if getattr(genome, name).shape != (length,):
            raise ValueError(f"{name} must be a vector; got shape {getattr(genome, name).shape}")
    for name in ("bias", "roles", "activations", "map_sizes"):
        if getattr(genome, name).shape != (n,):
            raise ValueError(f"{name} must have shape ({n},); got {getattr(genome, name).shape}")
    if genome.bias.dtype != genome.values.dtype:
        raise ValueError(
            f"bias must have the dtype of values ({genome.values.dtype}); got {genome.bias.dtype}"
        )
    _check_maps(genome)
    fault = validity_kernels.first_fault(
        genome.indptr, genome.rows, genome.values, genome.bias, n, n * genome.rows_per_node
    )
    if fault == validity_kernels.POINTERS:
        raise ValueError(f"indptr must rise from 0 to {nnz} in {n + 1} steps")
    if fault == validity_kernels.RANGE:
        raise ValueError(_OUTSIDE.format(nnz, n))
    if fault == validity_kernels.ORDER:
        among = "" if genome.taps is None else ", and taps among those of one source"
        raise ValueError(f"indices must rise within each column{among}")
    for name, part in (("values", validity_kernels.VALUES), ("bias", validity_kernels.BIAS)):
        if fault == part:
            raise ValueError(f"{name} must be finite")
    if not _distinct(genome.ids):
        raise ValueError("ids must be distinct")
    if n and genome.roles.max() > max(Role):
        raise ValueError(f"roles must be among {[int(role) for role in Role]}")
    if not (genome.roles == Role.OUTPUT).any():
        raise ValueError("roles must hold at least one output")
    if n and genome.activations.max() >= len(ACTIVATIONS):
        raise ValueError(f"activations must be codes below {len(ACTIVATIONS)}")
    if genome.threshold_mode not in ("magnitude", "signed"):
        raise ValueError(
            f"threshold_mode must be magnitude or signed; got {genome.threshold_mode!r}"
        )
    if isinstance(genome.threshold, np.ndarray) and genome.threshold.shape != (n,):
        raise ValueError(
            f"threshold must be one number or have shape ({n},); got {genome.threshold.shape}"
        )
    if genome.threshold is not None and not np.isfinite(genome.threshold).all():
        raise ValueError("threshold must be finite, or None to let every stored entry through")
    if not is_whole(genome.ticks):
        raise ValueError(f"ticks must be an integer; got {genome.ticks!r}")
    if genome.ticks < 1:
        raise ValueError(f"ticks must be at least 1; got {genome.ticks}")


def _check_maps(genome: Any) -> None:
    """Raise ValueError at the first part that is wrong about maps and kernels."""
    map_sizes, taps, n = genome.map_sizes, genome.taps, len(genome.ids)
    if n and map_sizes.min() < 1:
        raise ValueError(f"map_sizes must be at least 1; got {map_sizes.min()}")
    if (map_sizes[genome.roles == Role.OUTPUT] != 1).any():
        raise ValueError("map_sizes must be 1 at outputs, which give one score each")
    if not is_whole(genome.kernel) or genome.kernel < 1 or genome.kernel % 2 == 0:
        raise ValueError(f"kernel must be an odd integer of at least 1; got {genome.kernel!r}")
    if genome.downsampling not in DOWNSAMPLINGS:
        raise ValueError(
            f"downsampling must be {' or '.join(DOWNSAMPLINGS)}; got {genome.downsampling!r}"
        )
    if taps is None:
        if n and map_sizes.max() > 1:
            raise ValueError("taps must be given where there are maps (sides above 1)")
        return
    if n and map_sizes.max() == 1:
        raise ValueError("taps must be None where all nodes are neurons (sides 1)")
    if taps.dtype != np.uint16 or taps.shape != genome.values.shape:
        raise ValueError(
            f"taps must be uint16 of shape {genome.values.shape}; got {taps.dtype} of shape {taps.shape}"
        )
    if n * genome.rows_per_node > np.iinfo(np.int32).max:
        raise ValueError(
            f"map_sizes and kernel must leave the matrix less than 2³¹ rows; got {n} nodes of "
            f"{genome.rows_per_node} rows"
        )
    indices, indptr = genome.indices, genome.indptr
    if indices.shape != taps.shape or ((indices < 0) | (indices >= n)).any():
        raise ValueError(_OUTSIDE.format(len(taps), n))
    ends = (0, len(taps))
    falls = len(indptr) != n + 1 or (indptr[1:] < indptr[:-1]).any()
    if falls or (indptr[0], indptr[-1]) != ends:
        return  # for the check that follows to say
    outside = taps >= genome.windows**2
    if outside.any():
        first = int(outside.argmax())
        source, target = int(indices[first]), int(genome.targets[first])
        raise ValueError(
            f"taps must be below {genome.windows[first] ** 2} from node {source} (side {map_sizes[source]}) to node "
            f"{target} (side {map_sizes[target]}); got {taps[first]}"
        )


def _distinct(numbers: NDArray[np.int64]) -> bool:
    """Tell whether all numbers differ; by counting where they lie close together."""
    n = len(numbers)
    if n and numbers.min() >= 0 and numbers.max() < 8 * n:
        return bool(np.bincount(numbers).max() == 1)
    return len(np.unique(numbers)) == n
