"""Packages that EvoMatrix does not need, but a callback does."""

from importlib import import_module
from typing import Any

from evo.errors import EvoMatrixError


class MissingPackageError(EvoMatrixError, ImportError):
    """A package is not installed."""


def package(name: str, extra: str) -> Any:
    """Import a package; if it is missing, say which extra of EvoMatrix brings it.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackageError(
            f'{name.partition(".")[0]} must be installed: pip install "evomatrix[{extra}]"; got {error}'
        ) from error
