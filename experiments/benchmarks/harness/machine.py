"""The machine: how fast it multiplies matrices, how many threads a process may use, its peak memory."""

import os
import re
from pathlib import Path

import numpy as np

from cnn.compile.compilation import single_threaded_blas
from experiments.benchmarks.harness.timing import Spread, seconds_of

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Settings that a peer's libraries read when they are loaded."""

BUSY_LOAD = 0.7
"""Load average from which a machine counts as busy."""


def thread_environment(threads: int) -> dict[str, str]:
    """Return this process's environment with another thread count, for a process that imports our packages.

    NumPy's BLAS gets one thread whatever the count: our networks split a batch above BLAS, and so
    give the same bits with any number of cores.

    Parameters
    ----------
    threads
        At least 1.
    """
    counts = dict.fromkeys(THREAD_VARIABLES, str(threads))
    root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH")) if part)
    return {**os.environ, **counts, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path}


def matrix_product_rate(size: int = 1024, rounds: int = 7) -> Spread:
    """Measure NumPy's float32 product of square matrices on one thread, what our layers could reach at best.

    Parameters
    ----------
    size
        Rows and columns.
    rounds
        Products timed, after one that is not.

    Returns
    -------
    Spread
        GFLOP/s, a multiply-accumulate being two operations.
    """
    rng = np.random.default_rng(0)
    a, b = rng.random((2, size, size), dtype=np.float32)
    out = np.empty_like(a)
    with single_threaded_blas():
        np.matmul(a, b, out=out)
        seconds = [seconds_of(lambda: np.matmul(a, b, out=out)) for _ in range(rounds)]
    return Spread.of([2e-9 * size**3 / s for s in seconds])


def busy(load: float) -> str:
    """Warn of other work on the machine: threads that wait for one another at barriers suffer most from it.

    Parameters
    ----------
    load
        Processes that wanted to run in the minute before a bench, as `os.getloadavg` tells.

    Returns
    -------
    str
        A line; empty where the machine was quiet.

    Examples
    --------
    >>> busy(0.1)
    ''
    """
    if load < BUSY_LOAD:
        return ""
    return (
        f"The machine was busy before (load average {load:.1f}). Work beside a bench slows PyTorch on several threads "
        "most, many times over: trust wide quartiles little, and measure again on a quiet machine."
    )


def peak_mebibytes(status: str) -> float | None:
    r"""Read the peak of resident memory from the text of Linux's ``/proc/self/status``.

    ``ru_maxrss`` would not do: a process inherits it from the one that started it.

    Returns
    -------
    float or None
        MiB; None where the text does not say, as on other systems.

    Examples
    --------
    >>> peak_mebibytes("VmPeak:   9000 kB\nVmHWM:     2048 kB\n")
    2.0
    """
    return _mebibytes("VmHWM", status)


def resident_mebibytes(status: str) -> float | None:
    r"""Read resident memory as it is now, as `peak_mebibytes` reads its peak.

    Examples
    --------
    >>> resident_mebibytes("VmHWM:     2048 kB\nVmRSS:     1024 kB\n")
    1.0
    """
    return _mebibytes("VmRSS", status)


def _mebibytes(name: str, status: str) -> float | None:
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, flags=re.MULTILINE)
    return int(found[1]) / 1024 if found else None
