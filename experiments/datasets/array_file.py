"""Arrays of an ``.npz`` file by name, without pickle."""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cnn.files import UNREADABLE, one_line, read_member
from evo.errors import DataError


def read_npz(path: str | Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Read some arrays of a file that :func:`numpy.savez` or :func:`numpy.savez_compressed` wrote.

    Parameters
    ----------
    path : str or Path
    names : iterable of str
        Names of the arrays to read.

    Returns
    -------
    dict of str to ndarray
        The arrays, read-only.

    Raises
    ------
    DataError
        If the file cannot be read, has no such array, or the array holds Python objects.
    """
    path = Path(path)
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
            for name in names:
                if name not in members:
                    known = one_line(", ".join(map(repr, members)) or "none")
                    raise DataError(f"{path}: arrays must include {name!r}; got {known}")
                if members[name].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError(f"{name} must be stored plainly or by Deflate")
                arrays[name] = read_member(archive, members[name])
                arrays[name].flags.writeable = False
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or one_line(error)}") from error
    except UNREADABLE as error:
        raise DataError(f"{path}: must be a whole .npz file: {one_line(error)}") from error
    return arrays
