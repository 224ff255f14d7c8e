"""How every kernel is compiled, and where the machine code is kept.

Numba keeps machine code on disk, but it looks only at the file a function stands in: a changed
callee in another file goes unnoticed. So the folder is named after the sources of *all* kernel
modules, and any change to one of them starts a fresh folder.
"""

import atexit
import contextlib
import functools
import hashlib
import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import platformdirs
import threadpoolctl

F = TypeVar("F", bound=Callable[..., Any])

_numba_settings: Any = numba.config  # its attributes come into being at run time

KERNEL_PACKAGES = ("cnn", "evo")
"""Packages whose kernel modules may call one another."""

FAST_MATH = frozenset({"reassoc", "nsz", "arcp", "contract", "afn"})
"""LLVM's fast-math liberties, less the two that call NaN and infinity impossible.

Sums may be reordered, so loops vectorise; but a diverged loss must reach the trainer as the NaN it
is.
"""


def kernel(function: F) -> F:
    """Compile a function with Numba, for speed and with its machine code kept on disk.

    Sums may be reordered (see `FAST_MATH`), indices are not checked, the interpreter lock is
    released and division by zero follows IEEE 754. Compilation happens at the first call with each
    combination of argument types.

    Parameters
    ----------
    function
        A function in Numba's nopython subset of Python.

    Returns
    -------
    F
        The dispatcher, which is called like the function and is callable from other kernels.
    """
    return _compiled(function, set(FAST_MATH))


def exact_kernel(function: F) -> F:
    """Compile a function like `kernel`, but round after each operation and in the order written.

    So its results are those of NumPy, bit for bit.

    Parameters
    ----------
    function
        A function in Numba's nopython subset of Python.

    Returns
    -------
    F
        As for `kernel`.
    """
    return _compiled(function, set())


def _compiled(function: F, fast_math: set[str]) -> F:
    """Compile with the project's settings and folder.

    A kernel that another calls becomes part of it (`forceinline`). Else the process that compiles both would let one
    call the other's code, where one that finds them on disk runs a copy which was optimised in its place and may round
    otherwise: a first run, or a Ray worker, would give other bits than the next. Exact kernels round as they are
    written wherever they stand, and compile faster apart.
    """
    # Numba chooses the folder while it decorates; other users of Numba in this process keep theirs.
    theirs = _numba_settings.CACHE_DIR
    _numba_settings.CACHE_DIR = str(kernel_cache_directory())
    try:
        compiled = numba.njit(
            fastmath=fast_math,
            boundscheck=False,
            cache=True,
            nogil=True,
            error_model="numpy",
            forceinline=bool(fast_math),
        )(function)
    finally:
        _numba_settings.CACHE_DIR = theirs
    return cast(F, compiled)


def kernel_sources() -> tuple[Path, ...]:
    """List the modules whose kernels may call one another across files.

    Returns
    -------
    tuple of Path
        Every ``kernels.py`` and ``*_kernels.py`` in the packages of `KERNEL_PACKAGES` beside this
        one, and this module, which holds the compiler's settings. Found by path, so that nothing is
        imported.
    """
    root = Path(__file__).resolve().parents[2]
    modules = {Path(__file__).resolve()}
    for package in KERNEL_PACKAGES:
        modules.update((root / package).rglob("kernels.py"))
        modules.update((root / package).rglob("*_kernels.py"))
    return tuple(sorted(modules))


@functools.cache
def kernel_cache_directory() -> Path:
    """Return the folder that keeps the machine code of these kernel sources under this Numba.

    It lies in ``NUMBA_CACHE_DIR`` where that is set, else in the user's cache folder. Where neither
    can be written it is a private temporary folder, removed when the interpreter ends.

    Returns
    -------
    Path
        An existing, writable folder, the same one throughout the process.
    """
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256(numba.__version__.encode())
    for source in kernel_sources():
        digest.update(b"\0" + source.relative_to(root).as_posix().encode() + b"\0")
        digest.update(source.read_bytes())
    chosen = _numba_settings.CACHE_DIR
    base = Path(chosen) if chosen else platformdirs.user_cache_path("evomatrix") / "kernels"
    directory = base / digest.hexdigest()[:16]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError:
        # A predictable path in a shared folder would let others plant machine code: hence a private
        # one.
        directory = Path(tempfile.mkdtemp(prefix="evomatrix-kernels-"))
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def kernels_are_cached() -> bool:
    """Say whether any machine code of these kernel sources is on disk already.

    Returns
    -------
    bool
        False before the first compilation, which then takes some seconds.
    """
    return any(kernel_cache_directory().rglob("*.nbi"))


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Run a block with one BLAS thread.

    OpenBLAS splits sums by its thread count, and so gives other last bits with another count.
    """
    with _blas_libraries().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _blas_libraries() -> threadpoolctl.ThreadpoolController:
    """Find the BLAS of NumPy and that of SciPy once: a search through all loaded libraries takes milliseconds."""
    importlib.import_module("scipy.linalg")
    return threadpoolctl.ThreadpoolController()
