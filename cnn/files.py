"""Files written completely or not at all, and ``.npz`` archives of arrays with a JSON description.

Archives may come from an untrusted source. Nothing in them is executed, and reading takes no more memory than the
file has bytes.
"""

import errno
import json
import math
import os
import sys
import textwrap
import threading
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

UNREADABLE = (
    EOFError,
    MemoryError,
    NameError,  # an unknown name in the type hint of a layer's setting
    OSError,
    RuntimeError,  # encrypted, of an unknown kind, or nested beyond the recursion limit
    SyntaxError,
    SystemError,  # Python 3.12, of an array header that its tokenizer cannot read
    TypeError,
    ValueError,
    tokenize.TokenError,  # an array header that is not a Python literal
    zipfile.BadZipFile,
    zlib.error,
)
"""Exceptions that an untrusted file may cause."""


def write_atomically(path: str | Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file completely or not at all, even if the process or machine stops meanwhile.

    Parameters
    ----------
    path
        Path of the file. An existing file is replaced.
    write
        Called with the open binary file; writes the contents.

    Raises
    ------
    OSError
        If the file cannot be written. The error names `path`.
    """
    path = Path(path)
    unique = f"{os.getpid()}.{threading.get_native_id()}"
    temporary = path.with_name(f".{path.name}.{unique}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:  # of the file that was asked for, whose name is known
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_staged(path: str | Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file that counts only when the caller has flushed it to the disk and says so somewhere else.

    If the process or machine stops before that, the file may be incomplete. After an error there is no file.

    Parameters
    ----------
    path, write
        As for `write_atomically`.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    try:
        with Path(path).open("wb") as file:
            write(file)
    except BaseException:
        with suppress(OSError):
            Path(path).unlink(missing_ok=True)
        raise


def flush_folder(path: str | Path) -> None:
    """Flush the names in a folder to the disk, where the system can.

    Windows opens no folder, and some network file systems refuse to flush one. There the names are as durable as the
    system makes them by itself; a process that is killed loses nothing either way.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


def write_arrays(
    path: str | Path,
    arrays: Mapping[str, NDArray[Any]],
    description: Mapping[str, Any],
    *,
    packed: bool = False,
    staged: bool = False,
) -> None:
    """Write named arrays and a JSON description to an uncompressed ``.npz`` file, as `write_atomically` does.

    Parameters
    ----------
    path
        Path of the file. An existing file is replaced.
    arrays
        Arrays of numbers or text, by name.
    description
        Values that JSON can write.
    packed
        Whether the arrays are joined to one for each dtype. Files of thousands of small arrays are then written and
        read many times as fast. `read_arrays` returns the arrays that were given; other programs see the joined ones.
    staged
        Whether the file is written as `write_staged` does.
    """
    if packed:
        arrays, description = _pack(arrays, description)
    text = np.frombuffer(json.dumps(description).encode(), dtype=np.uint8)
    write = write_staged if staged else write_atomically
    write(path, lambda file: np.savez(file, description=text, **arrays))  # type: ignore[arg-type]


def read_arrays(path: str | Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read the arrays and the description written by `write_arrays`.

    Raises
    ------
    ValueError
        If the file is not such an archive. The message is one line that names the file and the rule.
    OSError
        If the file does not exist or cannot be opened.
    """
    with Path(path).open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                for member in members:
                    stored = member.compress_type == zipfile.ZIP_STORED
                    if not stored or member.file_size != member.compress_size:
                        raise ValueError(f"{_name(member)} must be stored uncompressed")
                size = os.fstat(file.fileno()).st_size
                if sum(member.file_size for member in members) > size:
                    raise ValueError(f"members must be stored within the file's {size} bytes")
                arrays = {_name(member): read_member(archive, member) for member in members}
            if len(arrays) != len(members):
                raise ValueError("the names of arrays must be distinct")
            if "description" not in arrays:
                raise ValueError("the file must have one array named description")
            description = json.loads(arrays.pop("description").tobytes())
            if isinstance(description, dict) and PACKED in description:
                arrays, description = _unpack(arrays, description)
        except ValueError as error:
            raise ValueError(f"{path}: {one_line(error)}") from error
        except UNREADABLE as error:
            raise ValueError(f"{path}: must be a whole .npz file ({one_line(error)})") from error
    if not isinstance(description, dict):
        raise ValueError(f"{path}: description must be a JSON object")
    return arrays, description


PACKED = "packed"
"""Key of a description that says which arrays were joined."""


def _pack(
    arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any]
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Join arrays of one dtype; the description gets their names and shapes, in order."""
    parts: dict[str, list[NDArray[Any]]] = {}
    table: dict[str, list[list[Any]]] = {}
    for name, array in arrays.items():
        parts.setdefault(array.dtype.str, []).append(array.ravel())
        table.setdefault(array.dtype.str, []).append([name, *array.shape])
    joined = {dtype: np.concatenate(flat, dtype=dtype) for dtype, flat in parts.items()}
    return joined, {PACKED: table, "description": description}


def _unpack(
    joined: Mapping[str, NDArray[Any]], described: Mapping[str, Any]
) -> tuple[dict[str, NDArray[Any]], Any]:
    """Return what `_pack` joined; ValueError or TypeError if the parts do not belong together."""
    table, n_named = described[PACKED], 0
    if "description" not in described:
        raise ValueError(f"the description must have {PACKED} and description")
    if not isinstance(table, dict) or set(table) != set(joined):
        raise ValueError(f"{PACKED} must name each joined array once")
    arrays: dict[str, NDArray[Any]] = {}
    for dtype, places in table.items():
        flat, start = joined[dtype].ravel(), 0
        for place in places:
            if not _is_place(place):
                raise ValueError(f"{PACKED} must consist of names with lengths; got {place!r}")
            name, *shape = place
            size = math.prod(shape)
            if size > len(flat) - start:
                raise ValueError(f"{name} must lie within the {len(flat)} numbers of {dtype}")
            arrays[name] = flat[start : start + size].reshape(shape).copy()
            start, n_named = start + size, n_named + 1
        if start != len(flat):
            raise ValueError(f"{PACKED} must name all of {dtype}; {len(flat) - start} are left")
    if len(arrays) != n_named:
        raise ValueError("the names of arrays must be distinct")
    return arrays, described["description"]


def _is_place(value: object) -> bool:
    """Return whether a value is a name followed by the lengths of an array."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and isinstance(value[0], str)
        and all(type(length) is int and length >= 0 for length in value[1:])
    )


def one_line(error: object, length: int = 300) -> str:
    """Return an error message on one line of about so many printable characters: of a long one the two ends."""
    words = " ".join(str(error).split()) or type(error).__name__
    last = length // 3
    text = words if len(words) <= length else f"{words[: length - last]} … {words[-last:]}"
    return text if text.isprintable() else ascii(text)[1:-1]


def _name(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Read one array of an ``.npz`` archive; ValueError if its header does not agree with the bytes that are there."""
    name = _name(member)
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{name} must be an array of .npy version (1, 0); got {version}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of an old name of a type
            shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
        n_bytes = member.file_size - file.tell()
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != n_bytes:
            raise ValueError(
                f"{name} must be an array of numbers that fills its {n_bytes} bytes; got {dtype} of "
                f"shape {textwrap.shorten(str(shape), 80)}"
            )
        array = np.frombuffer(bytearray(file.read()), dtype)  # a bytearray, so it is writable
        if dtype.kind == "U" and array.view(f"{dtype.str[0]}u4").max(initial=0) > sys.maxunicode:
            raise ValueError(f"{name} must be text; got a number that is no character")
        return array.reshape(shape, order="F" if by_columns else "C")
