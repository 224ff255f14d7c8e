"""The machine: how fast it multiplies matrices, how many threads a process may use, its peak memory."""

import math
import os
import re
import sys
from pathlib import Path

import numpy as np

from cnn.compile.compilation import single_threaded_blas
from experiments.benchmarks.harness.timing import Spread, seconds_of

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Environment variables that the libraries of a peer read when they are loaded."""

BUSY_LOAD = 0.7
"""A machine is busy if its load average is at least this."""


def thread_environment(threads: int) -> dict[str, str]:
    """Return this process's environment with another thread count, for a process that imports our packages.

    NumPy's BLAS always gets one thread: our networks split a batch above BLAS, so their bits do not depend on the
    number of cores.

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
    """Measure NumPy's float32 product of square matrices on one thread: an upper bound for our layers.

    Parameters
    ----------
    size
        Rows and columns.
    rounds
        Number of timed products; one more comes first.

    Returns
    -------
    Spread
        GFLOP/s; a multiply-accumulate is two operations.
    """
    rng = np.random.default_rng(0)
    a, b = rng.random((2, size, size), dtype=np.float32)
    out = np.empty_like(a)
    with single_threaded_blas():
        np.matmul(a, b, out=out)
        seconds = [seconds_of(lambda: np.matmul(a, b, out=out)) for _ in range(rounds)]
    return Spread.of([2e-9 * size**3 / s for s in seconds])


def busy(load: float) -> str:
    """Warn of other work on the machine; it slows threads that wait for one another at barriers most.

    Parameters
    ----------
    load
        Load average of the minute before a benchmark, from `os.getloadavg`.

    Returns
    -------
    str
        A line; empty if the machine was quiet.

    Examples
    --------
    >>> busy(0.1)
    ''
    """
    if load < BUSY_LOAD:
        return ""
    return (
        f"The machine was busy before the benchmark (load average {load:.1f}). Other work slows PyTorch on several "
        "threads most, many times over. Do not trust wide quartiles; measure again on a quiet machine."
    )


def status_of_process() -> str:
    """Return the text of ``/proc/self/status``; empty on systems without it."""
    path = Path("/proc/self/status")
    return path.read_text("ascii", "replace") if path.exists() else ""


def cpu_seconds_of_all() -> float:
    """Return the CPU time of this process and of all processes below it; NaN on systems without ``/proc``.

    Other work on the machine makes it longer by little, unlike wall time.
    """
    if sys.platform == "win32":
        return math.nan
    ticks: dict[int, int] = {}
    below: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text("ascii", "replace").rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        number = int(path.parent.name)
        ticks[number] = int(fields[11]) + int(fields[12])
        below.setdefault(int(fields[1]), []).append(number)
    if os.getpid() not in ticks:
        return math.nan
    found, waiting = 0, [os.getpid()]
    while waiting:
        number = waiting.pop()
        found += ticks[number]
        waiting += below.get(number, [])
    return found / os.sysconf("SC_CLK_TCK")


def peak_mebibytes(status: str) -> float | None:
    r"""Read the peak of resident memory from the text of Linux's ``/proc/self/status``.

    ``ru_maxrss`` is no substitute: a process inherits it from its parent.

    Returns
    -------
    float or None
        MiB; None if the text has no such line, as on other systems.

    Examples
    --------
    >>> peak_mebibytes("VmPeak:   9000 kB\nVmHWM:     2048 kB\n")
    2.0
    """
    return _mebibytes("VmHWM", status)


def resident_mebibytes(status: str) -> float | None:
    r"""Read the present resident memory; the text is that of `peak_mebibytes`.

    Examples
    --------
    >>> resident_mebibytes("VmHWM:     2048 kB\nVmRSS:     1024 kB\n")
    1.0
    """
    return _mebibytes("VmRSS", status)


def _mebibytes(name: str, status: str) -> float | None:
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, flags=re.MULTILINE)
    return int(found[1]) / 1024 if found else None
