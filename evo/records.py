"""How an operation's parameters write many numbers down in little space, as JSON can hold them.

Up to `LISTED` numbers stand as a list, for people to read. More are *packed*: ``{"type": "<u2", "count": 90000, "data":
"eJ…"}`` is the base64 of the zlib-compressed numbers, little-endian. Places of the matrix are numbered target after
target, ``target · n + source``, and packed as the steps from one to the next. Both forms give the same numbers back,
bit for bit.

Records may come from outside, so whatever is unpacked is checked against the size that it says, before it is believed.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome import FloatArray, Role

LISTED = 256
"""Up to so many numbers stand as a list."""

WHOLE = ("<u1", "<u2", "<u4", "<u8")
FLOATS = ("<f4", "<f8")

Recorded = dict[str, Any]
Places = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Sources and targets."""


def write_edges(
    n_nodes: int, sources: NDArray[np.intp], targets: NDArray[np.intp], values: FloatArray
) -> Recorded:
    """Return the parameters of N: places, each named once, and their values."""
    keys = targets.astype(np.int64) * n_nodes + sources
    ascending = np.argsort(keys, kind="stable")
    keys, values = keys[ascending], values[ascending]
    if len(keys) <= LISTED:
        return {
            "sources": (keys % n_nodes).tolist(),
            "targets": (keys // n_nodes).tolist(),
            "values": values.tolist(),
        }
    steps = np.diff(keys, prepend=0).astype(np.uint64)
    smallest = next(kind for kind in WHOLE if steps.max() <= np.iinfo(kind).max)
    return {"places": _pack(steps.astype(smallest)), "values": write_floats(values)}


def read_edges(parameters: Mapping[str, Any], n_nodes: int, dtype: Any) -> tuple[Any, Any, Any]:
    """Return sources, targets and values of N; what is listed as it stands.

    Raises
    ------
    ValueError
        If what is packed is not what it says, or names no places of an n × n matrix.
    """
    if "places" not in parameters:
        return parameters["sources"], parameters["targets"], parameters["values"]
    n_places = n_nodes**2
    steps = _unpack("places", parameters["places"], WHOLE, at_most=n_places).astype(np.uint64)
    if len(steps) and (steps.max() >= n_places or (steps[1:] == 0).any()):
        raise ValueError(f"places must ascend below {n_places}")
    keys = np.cumsum(steps)
    # Each step is below n² < 2⁶³, so where a sum of them is too large, the first such is seen as it is.
    if (keys >= n_places).any():
        raise ValueError(f"places must ascend below {n_places}")
    values = read_floats("values", parameters["values"], len(keys), dtype)
    places = keys.astype(np.int64)
    return places % n_nodes, places // n_nodes, values


def write_floats(values: FloatArray) -> list[float] | Recorded:
    """Return numbers as a list or, where they are many, packed."""
    return values.tolist() if len(values) <= LISTED else _pack(values)


def read_floats(name: str, given: Any, count: int, dtype: Any) -> FloatArray:
    """Return numbers as written by :func:`write_floats`, rounded to a dtype.

    Raises
    ------
    ValueError
        If there are not as many as there should be.
    """
    packed = isinstance(given, Mapping)
    values = _unpack(name, given, FLOATS, at_most=count) if packed else np.array(given, dtype)
    if values.shape != (count,):
        raise ValueError(f"{name} must be {count} numbers; received shape {values.shape}")
    return values.astype(dtype)


def read_limit(given: list[float] | Recorded, roles: NDArray[np.uint8], dtype: Any) -> FloatArray:
    """Return the threshold of every position that a record of A means.

    Parameters
    ----------
    given : list or dict
        A list has one number per position, and so may a dict, packed. Or a dict has ``limits`` of groups of
        positions: ``{"layers": [784, 300, 10], "limits": [0.1, 0.2]}``, one for each layer but that of the inputs, or
        ``{"roles": ["hidden", "output"], "limits": [0.1, 0.2]}``. Positions without a limit of their own get 0.
    roles : ndarray, shape (n,)
        Of the nodes, by position.
    dtype : dtype
        Of one number per position.

    Raises
    ------
    ValueError
        If groups and limits do not fit each other, or the nodes.
    """
    if isinstance(given, list) or "limits" not in given:
        return read_floats("limit", given, len(roles), dtype)
    limits = np.array(given["limits"], dtype)
    if "layers" in given:
        sizes = check_layers(given["layers"], len(roles))
        if limits.shape != (len(sizes) - 1,):
            raise ValueError(
                f"limits must be {len(sizes) - 1} numbers; received shape {limits.shape}"
            )
        return np.repeat(np.append(np.zeros(1, dtype), limits), sizes)
    known = [role.name.lower() for role in Role]
    if not set(given["roles"]) <= set(known) or limits.shape != (len(given["roles"]),):
        raise ValueError(
            f"roles must be of {', '.join(known)}, with one of {len(limits)} limits each; received {given['roles']}"
        )
    of_roles = np.zeros(len(Role), dtype)
    of_roles[[known.index(name) for name in given["roles"]]] = limits
    found: FloatArray = of_roles[roles]
    return found


def check_layers(given: Any, n_nodes: int) -> tuple[int, ...]:
    """Return the sizes of layers, which together have all nodes.

    Raises
    ------
    ValueError
        If they do not, or are fewer than two, or one of them is no number of at least 1.
    """
    sizes = tuple(given)
    whole = all(isinstance(size, int) and not isinstance(size, bool) for size in sizes)
    if not whole or len(sizes) < 2 or min(sizes) < 1 or sum(sizes) != n_nodes:
        raise ValueError(
            f"layers must be two or more numbers of at least 1 that add up to {n_nodes} nodes; received {list(sizes)}"
        )
    return sizes


def _pack(numbers: NDArray[Any]) -> Recorded:
    little = numbers.astype(numbers.dtype.newbyteorder("<"), copy=False)
    data = base64.b64encode(zlib.compress(little.tobytes())).decode("ascii")
    # NumPy writes "|u1" for one byte, which has no order.
    kind = f"<{little.dtype.kind}{little.dtype.itemsize}"
    return {"type": kind, "count": len(numbers), "data": data}


def _unpack(name: str, packed: Any, kinds: tuple[str, ...], *, at_most: int) -> NDArray[Any]:
    """Undo `_pack`; nothing larger than it says, or than `at_most` numbers, is ever held in memory."""
    if not isinstance(packed, Mapping) or set(packed) != {"type", "count", "data"}:
        raise ValueError(f"{name} must be packed numbers: type, count and data")
    kind, count, data = packed["type"], packed["count"], packed["data"]
    if kind not in kinds:
        raise ValueError(f"{name}: type must be one of {', '.join(kinds)}; received {kind!r}")
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= at_most:
        raise ValueError(f"{name}: count must be from 0 to {at_most}; received {count!r}")
    size = count * np.dtype(kind).itemsize
    if not isinstance(data, str):
        raise ValueError(f"{name}: data must be text; received {type(data).__name__}")
    inflating = zlib.decompressobj()
    try:
        raw = inflating.decompress(base64.b64decode(data, validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ValueError(f"{name}: data must be base64 of zlib ({error})") from None
    if len(raw) != size or not inflating.eof or inflating.unused_data:
        raise ValueError(f"{name}: data must hold {count} numbers of {kind}, and no more")
    return np.frombuffer(raw, kind)
