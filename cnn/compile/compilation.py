"""How every kernel is compiled, and where the machine code is kept.

Numba keeps machine code on disk, but it compares only the file that defines a function: it does not
notice a changed callee in another file. So the name of the cache folder is a hash of the sources of
*all* kernel modules, and a change to any of them starts a fresh folder. See ``docs/kernels.md``.
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

from cnn.compile.nested_kernels import ENTRY_OPTIONS, MISSING, NESTED_OPTIONS, use_in_kernels

F = TypeVar("F", bound=Callable[..., Any])

_numba_settings: Any = numba.config  # its attributes are made at run time

KERNEL_PACKAGES = ("cnn", "evo")
"""Packages whose kernel modules may call one another."""

KERNEL_CONSTANTS = (
    "cnn/compile/processor.py",
    "evo/genome/activations.py",
    "evo/genome/function_table.py",
)
"""Other modules with constants that kernels import, or on which such constants depend, and so are compiled in."""

UNCOUNTED: Any = {"_nrt": False}
"""The option of Numba for functions that count no references to arrays; ``numba.extending`` uses it too."""

OVERLOAD_OPTIONS: Any = {"error_model": "numpy", **UNCOUNTED, **NESTED_OPTIONS}
"""The ``jit_options`` of every `numba.extending.overload` that kernels call."""


def kernel(function: F) -> F:
    """Compile a function with Numba for speed, and keep its machine code on disk.

    Operations and their rounding are as written: no sum is reordered, and no product is fused with a sum. So results
    are the same on every processor, however its compiler cuts loops into vectors, and equal those of NumPy. Sums that
    need speed are written as vectors (:mod:`cnn.compile.vector_kernels`). Indices are not checked, the interpreter lock
    is released and division by zero follows IEEE 754. Compilation happens at the first call with each combination of
    argument types. :mod:`cnn.compile.nested_kernels` says what is made of a kernel that kernels call.

    A kernel writes to arrays that its caller owns, and makes none. So it counts no references to them: a count is an
    atomic addition, two for each slice, and an Intel processor waits at each until all earlier stores are done. In a
    sparse network they took half of a training step. What makes arrays is an `allocating_kernel`.

    Parameters
    ----------
    function
        A function in Numba's nopython subset of Python. It makes no array, and returns none but an argument.

    Returns
    -------
    F
        The dispatcher, which is called like the function and is callable from other kernels.
    """
    return _kept_on_disk(function, **UNCOUNTED)


def allocating_kernel(function: F) -> F:
    """Compile a function like `kernel` that makes arrays, or that calls a kernel which returns arrays that it has made.

    It counts references, and frees its arrays. A kernel that is not an allocating one would never free an array that
    it gets from one; a test looks for such calls.

    Parameters
    ----------
    function
        A function in Numba's nopython subset of Python.

    Returns
    -------
    F
        The dispatcher.
    """
    return _kept_on_disk(function, _nrt=True)


def _kept_on_disk(function: F, **options: Any) -> F:
    # Numba chooses the folder when it decorates; other users of Numba in this process keep their folder.
    theirs = _numba_settings.CACHE_DIR
    _numba_settings.CACHE_DIR = str(kernel_cache_directory())
    try:
        return _compile(function, cache=True, **options)
    finally:
        _numba_settings.CACHE_DIR = theirs


def kernel_of_this_process(function: F) -> F:
    """Compile a function like `kernel`, and keep nothing on disk.

    For functions of a user, and functions that are made around them: the name of the cache folder says nothing of
    their sources.

    Parameters
    ----------
    function
        A function in Numba's nopython subset of Python. It may call kernels.

    Returns
    -------
    F
        The dispatcher.
    """
    return _compile(function, cache=False, _nrt=True)


def _compile(function: F, *, cache: bool, **chosen: Any) -> F:
    options: Any = {"boundscheck": False, "nogil": True, "error_model": "numpy", **chosen}
    compiled = numba.njit(cache=cache, **options, **ENTRY_OPTIONS)(function)
    if not MISSING:
        use_in_kernels(compiled, numba.njit(**options, **NESTED_OPTIONS)(function))
    return cast(F, compiled)


def kernel_sources() -> tuple[Path, ...]:
    """List the modules on which the machine code of kernels depends.

    Returns
    -------
    tuple of Path
        Every ``kernels.py`` and ``*_kernels.py`` below the packages of `KERNEL_PACKAGES`, the modules
        of `KERNEL_CONSTANTS`, and this module, which holds the compiler's settings. Found by path,
        without importing anything.
    """
    root = Path(__file__).resolve().parents[2]
    modules = {Path(__file__).resolve()}
    for package in KERNEL_PACKAGES:
        modules.update((root / package).rglob("kernels.py"))
        modules.update((root / package).rglob("*_kernels.py"))
    modules.update(path for name in KERNEL_CONSTANTS if (path := root / name).is_file())
    return tuple(sorted(modules))


@functools.cache
def kernel_cache_directory() -> Path:
    """Return the cache folder for these kernel sources and this version of Numba.

    The folder lies in ``NUMBA_CACHE_DIR`` if that is set, else in the user's cache folder. If that
    place cannot be written, it is a private temporary folder, removed when the interpreter ends.

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
        # At a predictable path in a shared folder others could plant machine code.
        directory = Path(tempfile.mkdtemp(prefix="evomatrix-kernels-"))
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def kernels_are_cached() -> bool:
    """Tell whether machine code of these kernel sources is on disk already.

    Returns
    -------
    bool
        False before the first compilation, which then takes some seconds.
    """
    return any(kernel_cache_directory().rglob("*.nbi"))


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Run a block with one BLAS thread.

    OpenBLAS splits sums by its number of threads, so another number gives other last bits. Where BLAS has one thread
    already, as in a block within a block, nothing is set, which takes microseconds instead of a tenth of a millisecond.
    """
    if all(library.num_threads == 1 for library in _blas_libraries().lib_controllers):
        yield
        return
    with _blas_libraries().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _blas_libraries() -> threadpoolctl.ThreadpoolController:
    """Find the BLAS libraries of NumPy and SciPy, once: the search takes milliseconds."""
    importlib.import_module("scipy.linalg")
    return threadpoolctl.ThreadpoolController()
