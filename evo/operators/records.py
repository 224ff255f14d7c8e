"""How the parameters of an operation store many numbers in JSON.

Up to `LISTED` numbers are a list, for people to read. More are *packed*: ``{"type": "<u2", "count": 90000, "data":
"eJ…"}`` is the base64 of the zlib-compressed numbers, little-endian. Places of the matrix are numbered target after
target, ``target · n + source``, and packed as differences of successive numbers. Both forms give the same numbers back,
bit for bit. Between maps a node has K rows, and a tap of a kernel is place ``target · K·n + K·source + tap``.

Records may come from outside, so the size of unpacked numbers is checked before they are used. The types of all
parameters are checked in :mod:`evo.operators.forms`.
"""

import base64
import binascii
import itertools
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.checks import brief
from evo.genome.genome import FloatArray, Role
from graphops.validation import check_integer

LISTED = 256
"""Largest number of numbers that are listed."""

MAX_TAPS = 1 << 16
"""Largest number of taps of a kernel."""

WHOLE = ("<u1", "<u2", "<u4", "<u8")
FLOATS = ("<f4", "<f8")

Recorded = dict[str, Any]
Places = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows of W, which are sources where there are no maps, and targets."""


_FORMER_NAMES = {
    "limit": "threshold",
    "limits": "thresholds",
    "side": "map_size",
    "sides": "map_sizes",
}
"""Names of parameters in records of version 0.1, and their names now."""


def with_current_names(parameters: Mapping[str, Any]) -> Recorded:
    """Return recorded parameters, and those inside one of them, with the present names; version 0.1 had others."""
    return {
        name: _renamed(value) if isinstance(value, Mapping) else value
        for name, value in _renamed(parameters).items()
    }


def _renamed(parameters: Mapping[str, Any]) -> Recorded:
    return {_FORMER_NAMES.get(name, name): value for name, value in parameters.items()}


def write_edges(
    n_nodes: int,
    rows: NDArray[np.intp],
    targets: NDArray[np.intp],
    values: FloatArray,
    rows_per_node: int = 1,
) -> Recorded:
    """Return the parameters of N: places (row of W, target), each named once, and their values."""
    n_rows = n_nodes * rows_per_node
    keys = targets.astype(np.int64) * n_rows + rows
    ascending = np.argsort(keys, kind="stable")
    keys, values = keys[ascending], values[ascending]
    if len(keys) <= LISTED:
        sources, taps = np.divmod(keys % n_rows, rows_per_node)
        of_maps = {"taps": taps.tolist()} if rows_per_node > 1 else {}
        targets = keys // n_rows
        named = {"sources": sources.tolist(), **of_maps, "targets": targets.tolist()}
        return named | {"values": values.tolist()}
    steps = np.diff(keys, prepend=0).astype(np.uint64)
    smallest = next(kind for kind in WHOLE if steps.max() <= np.iinfo(kind).max)
    places = {"places": _pack(steps.astype(smallest)), "values": write_floats(values)}
    return places | ({"rows_per_node": rows_per_node} if rows_per_node > 1 else {})


def read_edges(
    parameters: Mapping[str, Any], n_nodes: int, dtype: Any, rows_per_node: int = 1
) -> tuple[Any, Any, Any]:
    """Return rows of W (sources, where there are no maps), targets and values of N; lists are returned unchanged.

    A record holds its own number of rows per node (K). The genome on which it is replayed may have another K, because K
    follows from the largest kernel of a network.

    Raises
    ------
    ValueError
        If packed numbers contradict their type or count, or are no places of the matrix.
    """
    if "places" not in parameters:
        rows = parameters["sources"]
        if rows_per_node > 1 or "taps" in parameters:
            sources, taps = np.array(rows), np.array(parameters.get("taps", 0))
            rows = _rows(sources, taps, n_nodes, rows_per_node)
        return rows, parameters["targets"], parameters["values"]
    written = check_integer("rows_per_node", parameters.get("rows_per_node", 1), at_least=1)
    if written > MAX_TAPS:
        raise ValueError(f"rows_per_node must be at most {MAX_TAPS}; got {written}")
    n_rows = n_nodes * written
    n_places = n_nodes * n_rows
    steps = _unpack("places", parameters["places"], WHOLE, at_most=n_places).astype(np.uint64)
    if len(steps) and (steps.max() >= n_places or (steps[1:] == 0).any()):
        raise ValueError(f"places must ascend below {n_places}")
    keys = np.cumsum(steps)
    # Each difference is below n² < 2⁶³, so the first sum that is too large has not overflowed.
    if (keys >= n_places).any():
        raise ValueError(f"places must ascend below {n_places}")
    values = read_floats("values", parameters["values"], len(keys), dtype)
    targets, rows = np.divmod(keys.astype(np.int64), n_rows)
    if written != rows_per_node:
        rows = _rows(*np.divmod(rows, written), n_nodes, rows_per_node)
    return rows, targets, values


def _rows(sources: Any, taps: Any, n_nodes: int, rows_per_node: int) -> NDArray[np.int64]:
    """Return the rows of W of some sources, which may be the constant node n, and taps."""
    for name, numbers, most in (("sources", sources, n_nodes), ("taps", taps, rows_per_node - 1)):
        whole = numbers.dtype.kind in "iu" and numbers.shape in ((), sources.shape)
        if sources.size and not (whole and numbers.min() >= 0 and numbers.max() <= most):
            raise ValueError(f"{name} must be whole numbers from 0 to {most}, one for each place")
    rows: NDArray[np.int64] = sources.astype(np.int64) * rows_per_node + taps.astype(np.int64)
    return rows


def write_floats(values: FloatArray) -> list[float] | Recorded:
    """Return numbers as a list, or packed if there are more than `LISTED`."""
    return values.tolist() if len(values) <= LISTED else _pack(values)


def read_floats(name: str, given: Any, count: int, dtype: Any) -> FloatArray:
    """Return the numbers that :func:`write_floats` wrote, rounded to a dtype.

    Raises
    ------
    ValueError
        If their number is not `count`, or one is not finite in the dtype.
    """
    packed = isinstance(given, Mapping)
    values = _unpack(name, given, FLOATS, at_most=count) if packed else np.array(given, dtype)
    if values.shape != (count,):
        raise ValueError(f"{name} must be {count} numbers; got shape {values.shape}")
    with np.errstate(over="ignore"):
        rounded = values.astype(dtype)
    if not np.isfinite(rounded).all():
        raise ValueError(
            f"{name} must be finite in {np.dtype(dtype)}; got {brief(values[~np.isfinite(rounded)][0])}"
        )
    return rounded


def read_threshold(
    given: list[float] | Recorded,
    roles: NDArray[np.uint8],
    dtype: Any,
    map_sizes: NDArray[np.integer[Any]] | None = None,
) -> FloatArray:
    """Return the threshold of every node, given a record of A.

    Parameters
    ----------
    given : list or dict
        One number per node, as a list or packed. Or one per group of nodes: ``{"layers": [784, 300, 10], "thresholds":
        [0.1, 0.2]}``, for each layer but the inputs, ``{"roles": ["hidden", "output"], "thresholds": [0.1, 0.2]}`` or
        ``{"map_sizes": [10, 1], "thresholds": [0.1, 0.2]}``. Nodes in no group get 0.
    roles : ndarray, shape (n,)
        Of the nodes.
    dtype : dtype
        Of the result.
    map_sizes : ndarray, shape (n,), optional
        Of the nodes; 1 by default.

    Raises
    ------
    ValueError
        If groups and thresholds do not fit each other, or the nodes.
    """
    if isinstance(given, list) or "thresholds" not in given:
        return read_floats("threshold", given, len(roles), dtype)
    groups = read_groups(given, roles, map_sizes)
    thresholds, found = np.array(given["thresholds"], dtype), np.zeros(len(roles), dtype)
    if thresholds.shape != (len(groups),):
        raise ValueError(f"thresholds must be {len(groups)} numbers; got shape {thresholds.shape}")
    for group, threshold in zip(groups, thresholds, strict=True):
        found[group] = threshold
    return found


def read_groups(
    given: Recorded, roles: NDArray[np.uint8], map_sizes: NDArray[np.integer[Any]] | None = None
) -> list[NDArray[np.intp]]:
    """Return the nodes of each group that a record of A names: layers but the inputs, roles, or map sizes.

    Raises
    ------
    ValueError
        If the nodes have no such groups.
    """
    if "layers" in given:
        ends = np.cumsum(check_layers(given["layers"], len(roles)))
        return [np.arange(*bounds) for bounds in itertools.pairwise(ends)]
    if "map_sizes" in given:
        of_nodes = np.ones(len(roles), np.int32) if map_sizes is None else map_sizes
        wanted = [
            check_integer("map_sizes", map_size, at_least=1) for map_size in given["map_sizes"]
        ]
        return [np.flatnonzero(of_nodes == map_size) for map_size in wanted]
    known = [role.name.lower() for role in Role]
    if not set(given.get("roles", [None])) <= set(known):
        raise ValueError(f"roles must be of {', '.join(known)}; got {given.get('roles')}")
    return [np.flatnonzero(roles == known.index(name)) for name in given["roles"]]


def check_layers(given: Any, n_nodes: int) -> tuple[int, ...]:
    """Return the number of nodes of each layer, after a check that they add up to all nodes.

    Raises
    ------
    ValueError
        If they do not add up, are fewer than two, or one of them is no integer of at least 1.
    """
    sizes = tuple(given)
    whole = all(isinstance(size, int) and not isinstance(size, bool) for size in sizes)
    if not whole or len(sizes) < 2 or min(sizes) < 1 or sum(sizes) != n_nodes:
        raise ValueError(
            f"layers must be two or more numbers of at least 1 that add up to {n_nodes} nodes; got {brief(list(sizes))}"
        )
    return sizes


def _pack(numbers: NDArray[Any]) -> Recorded:
    little = numbers.astype(numbers.dtype.newbyteorder("<"), copy=False)
    data = base64.b64encode(zlib.compress(little.tobytes())).decode("ascii")
    # NumPy writes "|u1" for one byte, which has no order.
    kind = f"<{little.dtype.kind}{little.dtype.itemsize}"
    return {"type": kind, "count": len(numbers), "data": data}


def _unpack(name: str, packed: Any, kinds: tuple[str, ...], *, at_most: int) -> NDArray[Any]:
    """Undo `_pack`; memory is bounded by the recorded count, which must not exceed `at_most`."""
    if not isinstance(packed, Mapping) or set(packed) != {"type", "count", "data"}:
        raise ValueError(f"{name} must be packed numbers: type, count and data")
    kind, count, data = packed["type"], packed["count"], packed["data"]
    if kind not in kinds:
        raise ValueError(f"{name}: type must be one of {', '.join(kinds)}; got {brief(kind)}")
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= at_most:
        raise ValueError(f"{name}: count must be from 0 to {at_most}; got {brief(count)}")
    size = count * np.dtype(kind).itemsize
    if not isinstance(data, str):
        raise ValueError(f"{name}: data must be text; got {type(data).__name__}")
    inflating = zlib.decompressobj()
    try:
        raw = inflating.decompress(base64.b64decode(data, validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ValueError(f"{name}: data must be base64 of zlib ({error})") from None
    if len(raw) != size or not inflating.eof or inflating.unused_data:
        raise ValueError(f"{name}: data must hold {count} numbers of {kind}, and no more")
    return np.frombuffer(raw, kind)
