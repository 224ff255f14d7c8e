"""The versions, the machine and the command behind a result, for ``environment.json``."""

import functools
import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
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
    """Return a description of command, time, code, versions and machine."""
    return {
        "command": list(sys.orig_argv),
        "directory": str(Path.cwd()),
        "started": time_now(),
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": usable_cores(),
        "packages": dict(_versions()),
        **_numerics(),
    }


@functools.cache
def _versions() -> Mapping[str, str]:
    """Return the versions of the packages; what a process has imported does not change when another is installed.

    Ray may be missing: Macs with Intel processors have no wheel of it.
    """
    names = [name for name in PACKAGES if name != "ray" or importlib.util.find_spec(name)]
    return {name: metadata.version(name) for name in names}


def time_now() -> str:
    """Return the time with its zone, as ISO 8601 writes it."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _commit() -> str | None:
    """Return the commit of a checkout of this code, with ``+changes`` if files differ from it; None elsewhere."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        commit, changes = (
            subprocess.run(  # noqa: S603 - no input of a user
                ["git", "-C", str(root), *arguments],  # noqa: S607 - the user's own git
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changes else commit


def _numerics() -> dict[str, Any]:
    """Return the arithmetic, which decides the last bits of results, and what could matter besides."""
    import numba  # noqa: PLC0415 - `import evo` shall not wait for it
    from threadpoolctl import threadpool_info  # noqa: PLC0415

    from cnn.compile.nested_kernels import MISSING  # noqa: PLC0415
    from cnn.compile.processor import host_features, processor_name  # noqa: PLC0415
    from cnn.compile.vector_kernels import ARITHMETIC  # noqa: PLC0415

    settings: Any = numba.config  # its attributes are made at run time
    return {
        "arithmetic": f"{ARITHMETIC}, {platform.system()}",
        "cpu_features": sorted(name for name, present in host_features().items() if present),
        "numba_target": {
            "cpu": processor_name(),
            "features": settings.CPU_FEATURES,  # None: those of the processor
        },
        "numba_lacks": list(MISSING),  # kernels then take longer to compile
        "blas": [
            {
                "library": Path(one["filepath"]).name,
                "version": one.get("version"),
                "core": one.get("architecture"),
            }
            for one in threadpool_info()
            if one["user_api"] == "blas"
        ],
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a kernel file, not a path of ours
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()
