"""The versions and the machine behind a result, for ``environment.json``."""

import os
import platform
from importlib import metadata
from typing import Any

PACKAGES = (
    "evomatrix",
    "numpy",
    "scipy",
    "numba",
    "networkx",
    "pandas",
    "pyarrow",
    "ray",
    "scikit-learn",
)


def environment() -> dict[str, Any]:
    """Return a description of versions and machine."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": usable_cores(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a kernel file, not a path of ours
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()
