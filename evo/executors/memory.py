"""A limit to the memory of one process, by which a worker survives an individual that wants too much."""

import sys
from pathlib import Path

GIB = 2**30


def can_limit_memory() -> bool:
    """Return whether the system can limit the memory of a process; Linux can."""
    return sys.platform == "linux"


def limit_memory(gib: float) -> None:
    """Let this process have so many GiB more than it has now; a larger wish raises MemoryError.

    Memory is what the process alone may write, in use or not: arrays and stacks, but no files and no shared memory.
    Processes that it starts have the same limit, each for itself.

    Raises
    ------
    ValueError
        If the system cannot limit the memory of a process.
    """
    if sys.platform != "linux":
        raise ValueError(f"memory must be None on a system other than Linux; got {gib!r}")
    import resource  # noqa: PLC0415 - not every system has it

    fields = (line.split() for line in Path("/proc/self/status").read_text("ascii").splitlines())
    (kib,) = (int(field[1]) for field in fields if field[0] == "VmData:")
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = kib * 1024 + int(gib * GIB)
    if most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
