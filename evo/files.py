"""Atomic files, and arrays in files; only this module of the package opens a file for writing."""

import json
import tokenize
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cnn import files
from evo.errors import ResultsError


def write_atomically(path: str | Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file that exists complete or not at all, even if the process or machine stops.

    Parameters
    ----------
    path : str or Path
        Replaced if it exists.
    write : callable
        Function of an open binary file that writes the contents.

    Raises
    ------
    ResultsError
        If the folder or file cannot be written.
    """
    try:
        files.write_atomically(path, write)
    except OSError as error:
        raise ResultsError(f"{path}: cannot be written ({error.strerror})") from error


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, atomically."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_arrays(
    path: str | Path, arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any]
) -> None:
    """Write named arrays and a JSON description into one ``.npz`` file, atomically and uncompressed."""
    text = np.frombuffer(json.dumps(description).encode(), dtype=np.uint8)
    write_atomically(path, lambda file: np.savez(file, description=text, **arrays))  # type: ignore[arg-type]


_UNREADABLE = (
    EOFError,
    KeyError,
    MemoryError,
    OSError,
    RuntimeError,  # encrypted, or nested beyond the limit of recursion
    ValueError,
    tokenize.TokenError,  # an array's header that is no Python literal
    zipfile.BadZipFile,
)
"""The errors that reading a file from outside may raise."""


def read_arrays(path: str | Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what :func:`write_arrays` wrote.

    Files from outside are data: nothing in them is executed. Members must be stored uncompressed, so no member can use
    more memory than the file has bytes.

    Raises
    ------
    ResultsError
        If the file is missing or is not such a file: one line with the file and the rule.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if (
                    member.compress_type != zipfile.ZIP_STORED
                    or member.file_size != member.compress_size
                ):
                    raise ResultsError(
                        f"{path}: member {member.filename} must be stored uncompressed"
                    )
        with np.load(path, allow_pickle=False) as loaded:
            arrays = {name: loaded[name] for name in loaded.files}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ResultsError(f"{path}: member {name} must be an array")
        description = json.loads(arrays.pop("description").tobytes())
    except FileNotFoundError:
        raise ResultsError(f"{path}: no such file") from None
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise ResultsError(f"{path}: not a network or genome file ({reason})") from error
    if not isinstance(description, dict):
        raise ResultsError(f"{path}: description must be a JSON object")
    return arrays, description


def free_name(folder: Path, name: str) -> str:
    """Return a name followed by the time, and by a number if the folder has that name already."""
    timed = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    names = chain([timed], (f"{timed}-{number}" for number in count(2)))
    return next(free for free in names if not (folder / free).exists())
