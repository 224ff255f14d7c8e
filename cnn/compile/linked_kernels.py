"""The compilers of kernels: one for kernels that Python calls, one for kernels that only kernels call.

These classes override methods of Numba. :mod:`cnn.compile.nested_kernels` says what for, and checks before it imports
this module that Numba has these methods.
"""

from typing import Any

from numba import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import AnalysisPass, LoweringPass, register_pass
from numba.core.environment import lookup_environment
from numba.core.errors import TypingError
from numba.core.typed_passes import NativeLowering, NopythonTypeInference

# The methods of these classes have no types.
_Library: Any = JITCodeLibrary
_Compiler: Any = Compiler
_Tuple: Any = types.BaseTuple

ENVIRONMENT = "_ZN08NumbaEnv"
"""How the names of global variables begin that hold the address of a function's environment."""


class _NoMachineCode:
    """Stands in for Numba's code generator where there is no machine code that could use an environment."""

    def set_env(self, env_name: str, env: Any) -> None:
        """Do nothing: `SetEnvironments` does it for the caller."""


class LinkedLibrary(_Library):  # type: ignore[misc]
    """The optimised LLVM code of one function, for the linker only."""

    @property
    def codegen(self) -> Any:
        """The place for the environment of the function."""
        return _NoMachineCode()

    def _finalize_final_module(self) -> None:
        """Do what Numba does at the end, except for the machine code."""
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0, which tells Numba that there is no such machine code."""
        self._ensure_finalized()
        return 0


def has_arrays(kind: Any) -> bool:
    """Return whether a value of a type of Numba is an array, or a tuple that holds some."""
    if isinstance(kind, _Tuple):
        return any(map(has_arrays, kind.types))
    return isinstance(kind, types.Array)


@register_pass(mutates_CFG=False, analysis_only=True)
class RefuseArrays(AnalysisPass):
    """Refuse functions that count no references, and return arrays or call kernels that do.

    Who calls a function owns a reference to what it returns. A function that counts would give up one that was never
    counted, and memory in use would be freed. A function that does not count would never give it up.
    """

    _name = "refuse_arrays_that_nobody_counts"

    def __init__(self) -> None:
        AnalysisPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Raise TypingError for such a function; nothing is changed."""
        if state.flags.nrt:
            return False
        returned = [(state.func_id.func_name, state.return_type)]
        for call, signature in state.calltypes.items():
            called = state.typemap[call.func.name] if getattr(call, "op", "") == "call" else None
            if isinstance(called, types.Dispatcher):
                returned.append((called.dispatcher.py_func.__name__, signature.return_type))
        for name, kind in returned:
            if has_arrays(kind):
                raise TypingError(
                    f"{name} returns arrays, so it and its callers must be allocating kernels"
                )
        return False


class NestedCompiler(_Compiler):  # type: ignore[misc]
    """Numba's compiler, for functions that kernels call."""

    def define_pipelines(self) -> Any:
        """Return the usual pipelines with the pass `RefuseArrays`; their code goes to a `LinkedLibrary`."""
        codegen = self.state.targetctx.codegen()
        self.state.library = LinkedLibrary(codegen, self.state.func_id.func_qualname)
        pipelines = super().define_pipelines()
        for pipeline in pipelines:
            pipeline.add_pass_after(RefuseArrays, NopythonTypeInference)
            pipeline.finalize()
        return pipelines


@register_pass(mutates_CFG=False, analysis_only=False)
class SetEnvironments(LoweringPass):
    """Tell the machine code of a kernel the environments of the kernels that are linked into it.

    Numba sets the environment of a function when it makes the machine code of that function, and a nested kernel has
    none. When Numba loads machine code from disk, it sets all of its environments itself.
    """

    _name = "set_environments_of_nested_kernels"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Set all environments of the library; nothing is changed otherwise."""
        library = state.library
        for variable in library._final_module.global_variables:
            if variable.name.startswith(ENVIRONMENT):
                environment = lookup_environment(variable.name)
                if environment is not None:
                    library.codegen.set_env(variable.name, environment)
        return False


class EntryCompiler(_Compiler):  # type: ignore[misc]
    """Numba's compiler, for kernels that Python calls."""

    def define_pipelines(self) -> Any:
        """Return the usual pipelines with the passes `RefuseArrays` and `SetEnvironments`."""
        pipelines = super().define_pipelines()
        for pipeline in pipelines:
            pipeline.add_pass_after(RefuseArrays, NopythonTypeInference)
            pipeline.add_pass_after(SetEnvironments, NativeLowering)
            pipeline.finalize()
        return pipelines
