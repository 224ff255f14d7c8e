"""The compilers of kernels: one for kernels that Python calls, one for kernels that only kernels call.

These classes override methods of Numba. :mod:`cnn.compile.nested_kernels` says what for, and checks before it imports
this module that Numba has these methods.
"""

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.environment import lookup_environment
from numba.core.typed_passes import NativeLowering

# The methods of these classes have no types.
_Library: Any = JITCodeLibrary
_Compiler: Any = Compiler

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


class NestedCompiler(_Compiler):  # type: ignore[misc]
    """Numba's compiler, for functions that kernels call."""

    def define_pipelines(self) -> Any:
        """Return the usual pipelines, whose code goes to a `LinkedLibrary`."""
        codegen = self.state.targetctx.codegen()
        self.state.library = LinkedLibrary(codegen, self.state.func_id.func_qualname)
        return super().define_pipelines()


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
        """Return the usual pipelines with the pass `SetEnvironments`."""
        pipelines = super().define_pipelines()
        for pipeline in pipelines:
            pipeline.add_pass_after(SetEnvironments, NativeLowering)
            pipeline.finalize()
        return pipelines
