"""The IDX format of the MNIST family: magic number, dimensions, values, all big-endian.

A file is data from outside: every field of its header is checked, and the size in the header is compared with the size
of the file before memory is allocated. Gzip is recognised by its first bytes, not by the name.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cnn.checks import brief
from evo.errors import DataError

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
"""Types by their codes, the third byte of the magic number."""

MAX_DIMENSIONS = 64
"""Largest number of dimensions of a NumPy array."""

MAX_INFLATION = 1032
"""Largest compression factor of Deflate (a 258-byte match costs two bits)."""

CHUNK = 1 << 20
"""Bytes decompressed at once."""


def read_idx(path: str | Path) -> NDArray[Any]:
    """Read an IDX file, plain or compressed by gzip.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    ndarray
        Array of the type (in native byte order) and shape given in the header.

    Raises
    ------
    DataError
        If the file cannot be read, is truncated, corrupt or too long, or breaks the format; one line names file, field,
        rule and value.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            compressed = stream.peek(2)[:2] == b"\x1f\x8b"
            on_disk = path.stat().st_size
            if not compressed:
                return _read(stream, path, limit=on_disk)
            with gzip.open(stream) as plain:
                return _read(plain, path, limit=MAX_INFLATION * on_disk)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: corrupt gzip data: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _read(stream: BinaryIO | gzip.GzipFile, path: Path, limit: int) -> NDArray[Any]:
    """Read header and values from a stream that can hold at most `limit` bytes."""
    magic = _read_header_field(stream, path, "magic number")
    zeros, code, n_dimensions = magic[:2], magic[2], magic[3]
    if zeros != b"\0\0":
        raise DataError(f"{path}: magic number must begin with two zero bytes; got 0x{magic.hex()}")
    if code not in TYPES:
        known = ", ".join(f"0x{c:02x}" for c in TYPES)
        raise DataError(f"{path}: type code must be one of {known}; got 0x{code:02x}")
    if not 1 <= n_dimensions <= MAX_DIMENSIONS:
        raise DataError(
            f"{path}: number of dimensions must be 1 to {MAX_DIMENSIONS}; got {n_dimensions}"
        )
    shape = []
    for d in range(n_dimensions):
        length = int.from_bytes(_read_header_field(stream, path, f"dimension {d}"), "big")
        if length == 0:
            raise DataError(f"{path}: dimension {d} must be at least 1; got 0")
        shape.append(length)
    dtype = TYPES[code]
    size = math.prod(shape) * dtype.itemsize
    values = _read_values(stream, path, size, limit)
    array = np.frombuffer(values, dtype=dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header_field(stream: BinaryIO | gzip.GzipFile, path: Path, field: str) -> bytes:
    found = stream.read(4)
    if len(found) < 4:
        raise DataError(f"{path}: {field} must have 4 bytes; got {len(found)}")
    return found


def _read_values(stream: BinaryIO | gzip.GzipFile, path: Path, size: int, limit: int) -> bytearray:
    """Read exactly `size` bytes; memory grows with the bytes read."""
    if size > limit:
        raise DataError(
            f"{path}: values must have at most {limit} bytes in a file of this size; "
            f"got {brief(size)} in the header"
        )
    values = bytearray()
    while len(values) <= size:  # one byte more, to see the end
        chunk = stream.read(min(CHUNK, size + 1 - len(values)))
        if not chunk:
            break
        values += chunk
    if len(values) < size:
        raise DataError(f"{path}: values must have {size} bytes; got {len(values)}")
    if len(values) > size:
        raise DataError(f"{path}: values must have {size} bytes; got more")
    return values
