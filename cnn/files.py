"""Files that appear complete or not at all."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO


def write_atomically(path: str | Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file so that it is there complete or not at all, whenever the process or machine stops.

    Parameters
    ----------
    path
        Replaced if it exists.
    write
        Writes the contents to the open binary file that it is given.

    Raises
    ------
    OSError
        If the folder or file cannot be written; it names `path`.
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
