"""The processor that kernels are compiled for: what it is called, and what it has."""

from collections.abc import Mapping
from typing import Any

import llvmlite.binding as llvm
import numba

_numba_settings: Any = numba.config  # its attributes are made at run time


def processor_name() -> str:
    """Return the name of the processor that Numba compiles for, as LLVM calls it: ``NUMBA_CPU_NAME``, or this one."""
    return str(_numba_settings.CPU_NAME or llvm.get_host_cpu_name())


def host_features() -> Mapping[str, bool]:
    """Return which instructions this processor has, by LLVM's names; empty where LLVM cannot tell.

    Numba then compiles without any of them, too.
    """
    try:
        return dict(llvm.get_host_cpu_features())
    except RuntimeError:
        return {}


def target_features() -> frozenset[str]:
    """Return the instructions that Numba may use: those of ``NUMBA_CPU_FEATURES`` if it is set, else of this processor.

    Returns
    -------
    frozenset of str
        LLVM's names, such as ``avx2``.
    """
    chosen = _numba_settings.CPU_FEATURES
    if chosen is None:
        return frozenset(name for name, present in host_features().items() if present)
    return frozenset(one[1:] for one in chosen.split(",") if one.startswith("+"))
