"""Atomic files, and arrays in files; only this module of the package opens a file for writing."""

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any, BinaryIO

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


def write_staged(path: str | Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file that counts only when the caller has flushed it, as :func:`cnn.files.write_staged`.

    Raises
    ------
    ResultsError
        If the file cannot be written.
    """
    try:
        files.write_staged(path, write)
    except OSError as error:
        raise ResultsError(f"{path}: cannot be written ({error.strerror})") from error


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, atomically."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_arrays(
    path: str | Path,
    arrays: Mapping[str, NDArray[Any]],
    description: Mapping[str, Any],
    *,
    packed: bool = False,
    staged: bool = False,
) -> None:
    """Write named arrays and a JSON description into one ``.npz`` file, as :func:`cnn.files.write_arrays`.

    Raises
    ------
    ResultsError
        If the file cannot be written.
    """
    try:
        files.write_arrays(path, arrays, description, packed=packed, staged=staged)
    except OSError as error:
        raise ResultsError(f"{path}: cannot be written ({error.strerror})") from error


def read_arrays(path: str | Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what :func:`write_arrays` wrote, with the checks of :func:`cnn.files.read_arrays`.

    Raises
    ------
    ResultsError
        If the file is missing or is not such a file: one line with the file and the rule.
    """
    try:
        return files.read_arrays(path)
    except FileNotFoundError:
        raise ResultsError(f"{path}: no such file") from None
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ResultsError(str(error)) from error


def free_name(folder: Path, name: str) -> str:
    """Return a name followed by the time, and by a number if the folder has that name already."""
    timed = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    names = chain([timed], (f"{timed}-{number}" for number in count(2)))
    return next(free for free in names if not (folder / free).exists())
