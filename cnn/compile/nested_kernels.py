"""What Numba makes of a kernel that another kernel calls: LLVM code that is linked into the caller, and no more.

Numba treats every compiled function alike: it translates the function to machine code, and it adds a function that
Python calls and a function that C calls. A kernel that is called by kernels needs none of these, since it is part of
the machine code of its callers. Without them, a network's first training step comes after about two thirds of the time.

A kernel has two dispatchers of Numba. The *entry* is what a module holds and what Python calls: Numba compiles it to
machine code and keeps it on disk. The *nested* dispatcher is used where a kernel calls a kernel: it is compiled for the
linker alone. Both are compiled from the same function with the same settings, so results are the same to the bit.

Numba's options switch off the functions for Python and C, and a compiler pipeline of one's own is a documented
extension. Leaving out the machine code is not: :mod:`cnn.compile.linked_kernels` overrides methods of a class that
Numba may change. So `missing_parts` looks for all of these methods. If one is missing, kernels are compiled in the
plain way, which takes longer, and a warning says so.
"""

import importlib
import logging
import pkgutil
from typing import Any

import numba

TESTED_NUMBA = ("0.60.0", "0.63.1", "0.68.1")
"""Versions of Numba with which ``tests/test_cnn/compile/test_nested_kernels.py`` passed."""

PARTS = (
    "numba.core.compiler.Compiler.define_pipelines",
    "numba.core.compiler_machinery.LoweringPass.run_pass",
    "numba.core.compiler_machinery.register_pass",
    "numba.core.compiler_machinery.AnalysisPass.run_pass",
    "numba.core.typed_passes.NopythonTypeInference.run_pass",
    "numba.core.typed_passes.NativeLowering.run_pass",
    "numba.core.codegen.JITCodeLibrary.codegen",
    "numba.core.codegen.JITCodeLibrary.get_pointer_to_function",
    "numba.core.codegen.JITCodeLibrary._ensure_finalized",
    "numba.core.codegen.JITCodeLibrary._finalize_final_module",
    "numba.core.codegen.JITCodeLibrary._finalize_dynamic_globals",
    "numba.core.codegen.JITCodeLibrary._verify_declare_only_symbols",
    "numba.core.codegen.JITCPUCodegen.set_env",
    "numba.core.dispatcher.Dispatcher.get_call_template",
    "numba.core.dispatcher.Dispatcher.get_overload",
    "numba.core.compiler_machinery.PassManager.add_pass_after",
    "numba.core.environment.lookup_environment",
)
"""The parts of Numba that the compilers of kernels override or call."""


def missing_parts() -> tuple[str, ...]:
    """Return the names in `PARTS` that this version of Numba does not have."""
    return tuple(name for name in PARTS if not _exists(name))


def _exists(name: str) -> bool:
    """Tell whether there is a function, class or method of this dotted name."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


MISSING = missing_parts()
"""What this version of Numba lacks; kernels are compiled in the plain way unless this is empty."""


def _compiler(name: str) -> dict[str, Any]:
    """Return the option of Numba that chooses a compiler of this project; none in the plain way."""
    if MISSING:
        return {}
    return {"pipeline_class": getattr(importlib.import_module("cnn.compile.linked_kernels"), name)}


ENTRY_OPTIONS: Any = {"no_cfunc_wrapper": True} | _compiler("EntryCompiler")
"""Options of Numba for kernels that Python calls."""

NESTED_OPTIONS: Any = {
    "no_cfunc_wrapper": True,
    "no_cpython_wrapper": True,
} | _compiler("NestedCompiler")
"""Options of Numba for functions that only kernels call."""

if MISSING:  # environment.json has them too
    logging.getLogger(__name__).warning(
        "Numba %s lacks %s, so kernels take longer to compile; results are the same. Tested versions: %s",
        numba.__version__,
        ", ".join(MISSING),
        ", ".join(TESTED_NUMBA),
    )


def use_in_kernels(entry: Any, nested: Any) -> None:
    """Let kernels that call `entry` call `nested` instead.

    Numba asks the dispatcher of a called function for the types of the result, and then for the code to call.

    Parameters
    ----------
    entry, nested
        Two dispatchers of one function.
    """
    entry.get_call_template = nested.get_call_template
    entry.get_overload = nested.get_overload
