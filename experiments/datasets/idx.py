"""The IDX format of the MNIST family: magic number, dimensions, values, all big-endian.

A file is data from outside: each field of its header is checked, and the size that the header
announces is compared with what the file can hold before anything is allocated. Gzip is recognised
by its first bytes, not by the name.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from evo.errors import DataError

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
"""Type codes, the third byte of the magic number."""

MAX_DIMENSIONS = 64
"""What NumPy can represent."""

MAX_INFLATION = 1032
"""Deflate cannot make a file smaller than by this factor (a 258-byte match costs two bits)."""

CHUNK = 1 << 20
"""Bytes decompressed at a time."""


def read_idx(path: str | Path) -> NDArray[Any]:
    """Read an IDX file, plain or compressed by gzip.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    ndarray
        Of the type (in native byte order) and shape that the header announces.

    Raises
    ------
    DataError
        If the file cannot be read, is truncated or corrupt, breaks the format, or goes on after its
        last value; one line naming the file, the field, the value and the rule.
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
        raise DataError(f"{path}: magic number 0x{magic.hex()}: must begin with two zero bytes")
    if code not in TYPES:
        known = ", ".join(f"0x{c:02x}" for c in TYPES)
        raise DataError(f"{path}: type code 0x{code:02x}: must be one of {known}")
    if not 1 <= n_dimensions <= MAX_DIMENSIONS:
        raise DataError(
            f"{path}: number of dimensions {n_dimensions}: must be 1 to {MAX_DIMENSIONS}"
        )
    shape = []
    for d in range(n_dimensions):
        length = int.from_bytes(_read_header_field(stream, path, f"dimension {d}"), "big")
        if length == 0:
            raise DataError(f"{path}: dimension {d} is 0: must be at least 1")
        shape.append(length)
    dtype = TYPES[code]
    size = math.prod(shape) * dtype.itemsize
    values = _read_values(stream, path, size, limit)
    array = np.frombuffer(values, dtype=dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header_field(stream: BinaryIO | gzip.GzipFile, path: Path, field: str) -> bytes:
    found = stream.read(4)
    if len(found) < 4:
        raise DataError(f"{path}: {field} is truncated: {len(found)} of 4 bytes")
    return found


def _read_values(stream: BinaryIO | gzip.GzipFile, path: Path, size: int, limit: int) -> bytearray:
    """Read exactly `size` bytes, growing with what is really there."""
    if size > limit:
        raise DataError(
            f"{path}: the header announces {size} bytes of values: "
            f"a file of this size holds at most {limit} bytes"
        )
    values = bytearray()
    while len(values) <= size:  # one byte more than announced, to see the end
        chunk = stream.read(min(CHUNK, size + 1 - len(values)))
        if not chunk:
            break
        values += chunk
    if len(values) < size:
        raise DataError(f"{path}: values are truncated: {len(values)} of {size} bytes")
    if len(values) > size:
        raise DataError(f"{path}: more bytes follow the announced {size} bytes of values")
    return values
