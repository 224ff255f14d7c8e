"""How own parts get to Ray workers: by value.

A worker is a process of its own, perhaps on another machine, in which a user's script has not run. So the fitness, or
the reward, and all own operators, policies, parts of methods, activations and metrics are packed into bytes in the
driver. A worker unpacks them and enters them into its registries before it evaluates. Functions of the user's modules
are packed with their code, so a worker needs none of the user's files. Functions of installed packages are packed by
name, kernels of this package too, so that a worker finds their machine code on disk.
"""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numba
from numba.extending import is_jitted
from ray import cloudpickle as ray_cloudpickle

from evo.errors import EvoMatrixError
from evo.evolution.fitness import FITNESSES
from evo.evolution.job import Judge
from evo.evolution.metrics import METRICS
from evo.genome.activations import ACTIVATIONS
from evo.operators.registry import OPERATORS
from evo.origin import attributes_of, is_installed, values_used_by
from evo.policies.policies import POLICIES
from evo.policies.regrowth import REGROWTHS
from evo.policies.removal import REMOVALS
from evo.policies.schedules import SCHEDULES
from evo.registry import Registry

cloudpickle: Any = ray_cloudpickle  # it has no types

TRAVELLING: tuple[Registry[Any], ...] = (
    *(ACTIVATIONS, METRICS, OPERATORS),
    *(POLICIES, REMOVALS, REGROWTHS, SCHEDULES),
)
"""The registries that a worker reads. The parts of other registries are used in the driver only."""

_MAX_DEPTH = 8


class TravelError(EvoMatrixError):
    """An own part cannot be sent to Ray workers."""


def pack(fitness: Judge) -> bytes:
    """Return the fitness, or the reward, and all own parts that a worker needs.

    Raises
    ------
    TravelError
        If a part uses something that belongs to this process, such as a lock, an open file or a database. The message
        names both.
    """
    own = [(registry.kind, registry.own) for registry in TRAVELLING]
    with _modules_by_value():
        for kind, entries in own:
            for name, entry in entries.items():
                _check(kind, name, entry.part)
        kind = "fitness" if callable(fitness) else "reward"
        _check(kind, _name_of(fitness), getattr(fitness, "function", fitness))
        return _packed((fitness, own))


def unpack(cargo: bytes) -> Judge:
    """Make the packed parts the own parts of this process and return the fitness."""
    fitness: Judge
    fitness, own = cloudpickle.loads(cargo)
    for registry, (_, entries) in zip(TRAVELLING, own, strict=True):
        registry.install(entries)
    return fitness


class _Packer(cloudpickle.CloudPickler):  # type: ignore[misc]
    """Packs everything but open files, which cloudpickle would replace by their present contents.

    Numba would pack a compiled function with the code of all kernels of this package that it calls.
    """

    def reducer_override(self, found: Any) -> Any:
        if isinstance(found, io.IOBase) and not isinstance(found, io.BytesIO | io.StringIO):
            raise TypeError(f"cannot pickle an open file, {getattr(found, 'name', 'unnamed')!r}")
        if is_jitted(found):
            name, module = found.py_func.__name__, sys.modules.get(found.py_func.__module__)
            if getattr(module, name, None) is found and _is_installed(module):
                return getattr, (module, name)
            return _jitted, (found.py_func, found.locals, found.targetoptions)
        return super().reducer_override(found)


def _jitted(function: Any, types: Any, options: Any) -> Any:
    """Return a user's function that is compiled with the options of the driver."""
    compiled: Any = numba.jit(locals=types, **options)
    return compiled(function)


def _packed(found: Any) -> bytes:
    buffer = io.BytesIO()
    _Packer(buffer).dump(found)
    return buffer.getvalue()


@contextmanager
def _modules_by_value() -> Iterator[None]:
    """Let functions and classes of the user's modules be packed with their code."""
    known = set(cloudpickle.list_registry_pickle_by_value())
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name not in known and _is_of_the_user(name, module)
    ]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _is_installed(module: ModuleType | None) -> bool:
    """Tell whether a module belongs to Python, to an installed package or to this package."""
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and is_installed(file)


def _is_of_the_user(name: str, module: ModuleType | None) -> bool:
    """Tell whether a module lies outside Python, the installed packages and this package."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or getattr(module, "__name__", None) != name:
        return False
    return name != "__main__" and not is_installed(
        file
    )  # functions of __main__ are packed by value anyway


# -- what cannot travel ------------------------------------------------------------------------------------------------


def _check(kind: str, name: str, part: Any) -> None:
    problem = _problem(part)
    if problem is None:
        return
    where, what, problem = _innermost("", part, problem, set())
    uses = f"uses {where}, which" if where else f"is {type(what).__name__!r} and"
    raise TravelError(
        f"{kind} {name!r} {uses} cannot be sent to Ray workers ({problem}); workers=0 works without sending"
    )


def _problem(found: Any) -> str | None:
    """Return why an object cannot be packed, in one line; None if it can."""
    try:
        _packed(found)
    except Exception as error:  # objects raise whatever their authors chose
        text = " ".join(str(error).split())
        return f"{type(error).__name__}: {text:.200}"
    return None


def _innermost(path: str, found: Any, problem: str, seen: set[int]) -> tuple[str, Any, str]:
    """Return the name, object and problem of the innermost object that cannot be packed."""
    seen.add(id(found))
    if path.count(".") < _MAX_DEPTH:
        for name, inside in _inside(found):
            if id(inside) in seen:
                continue
            why = _problem(inside)
            if why is not None:
                return _innermost(_joined(path, name, found), inside, why, seen)
    return path, found, problem


def _joined(path: str, name: str, owner: Any) -> str:
    """Return the name of an object inside another; names that a function uses stand for themselves."""
    if isinstance(owner, FunctionType) or not path:
        return name
    return f"{path}{name}" if name.startswith("[") else f"{path}.{name}"


def _inside(found: Any) -> Iterator[tuple[str, Any]]:
    """Yield the objects that an object holds, with their names."""
    if isinstance(found, FunctionType):
        yield from values_used_by(found)
    elif isinstance(found, MethodType):
        yield "self", found.__self__
        yield from values_used_by(found.__func__)  # type: ignore[arg-type]
    elif isinstance(found, dict):
        yield from ((f"[{key!r}]", value) for key, value in found.items())
    elif isinstance(found, list | tuple | set | frozenset):
        yield from ((f"[{k}]", value) for k, value in enumerate(found))
    elif not isinstance(found, ModuleType) or _is_of_the_user(found.__name__, found):
        yield from attributes_of(found)


def _name_of(fitness: Judge) -> str:
    registered = next((name for name, one in FITNESSES.items() if one is fitness), None)
    function = getattr(fitness, "function", fitness)
    return registered or str(getattr(function, "__name__", type(function).__name__))
