"""Where the code of a part comes from, and a hash of all that decides what the part computes.

The hash covers the sources of the functions and classes that a part is made of, and what these use: values of enclosing
functions, defaults, global constants, and functions and classes of the user's own modules. What belongs to this package
or to an installed package is covered by its name; environment.json has the versions.
"""

import functools
import hashlib
import inspect
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, ClassVar

import numpy as np

PACKAGE = frozenset({"cnn", "evo", "experiments", "graphops"})
"""The top-level packages of this project."""

_ROOT = Path(__file__).resolve().parents[1]
_INSTALLED = (
    *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")),
    *(Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")),
    *(_ROOT / name for name in PACKAGE),
)
_WITHOUT_SAY = tuple(
    f"experiments/{room}/" for room in ("analysis", "benchmarks", "cli", "figures")
)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_DEEPEST = 40
"""Levels of objects inside objects that the hash covers."""


@dataclass(frozen=True)
class CodeOrigin:
    """Where the code of a part comes from.

    Attributes
    ----------
    module, name : str
        Module and qualified name of a function or class.
    source_hash : str or None
        SHA-256 of the source and of what it uses; None for parts of this package, whose version is in environment.json.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    module: str
    name: str
    source_hash: str | None = None


def origin_of(part: Any, *, built_in: bool = False) -> CodeOrigin:
    """Return the origin of a part: a function, a class, or an object made of functions, such as an operator.

    Parameters
    ----------
    part
    built_in : bool
        Whether the part belongs to this package, so that it needs no hash.
    """
    codes = [*_codes_of(part)] or [type(part)]
    first = _first_own(codes)
    digest = None if built_in else _Reader(codes).read(part)
    return CodeOrigin(_module_of(first), _name_of(first, codes), digest)


def place_of(part: Any) -> tuple[str, int] | None:
    """Return the file and the line where the code of a part begins; None for code without a file."""
    code = _first_own([*_codes_of(part)] or [type(part)])
    try:
        file, line = inspect.getsourcefile(code), inspect.getsourcelines(code)[1]
    except (OSError, TypeError):  # typed into a shell, or written in C
        return None
    return None if file is None else (file, max(line, 1))


def file_of(part: Any) -> tuple[str, str] | None:
    """Return the file in which the code of a part is written, and its SHA-256 now; None for code without a file."""
    try:
        file = inspect.getsourcefile(_first_own([*_codes_of(part)] or [type(part)]))
    except (OSError, TypeError):  # typed into a shell, or written in C
        return None
    path = Path(file or "").resolve()
    return (str(path), hashlib.sha256(path.read_bytes()).hexdigest()) if path.is_file() else None


def is_of_the_user(part: Any) -> bool:
    """Tell whether the code of a part belongs neither to this package, nor to Python, nor to an installed package."""
    return _Reader([]).is_followed(_first_own([*_codes_of(part)] or [type(part)]))


@functools.cache
def code_hash() -> str:
    """Return a hash of the sources of this project's packages, which decide results together with settings and data.

    What only shows results, or measures speed, is left out.
    """
    digest = hashlib.sha256()
    for package in sorted(PACKAGE):
        for path in sorted((_ROOT / package).rglob("*.py")):
            name = path.relative_to(_ROOT).as_posix()
            if not name.startswith(_WITHOUT_SAY):
                digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


@functools.cache
def is_installed(file: str) -> bool:
    """Tell whether a file belongs to this package, to the standard library or to another installed package."""
    path = Path(file)
    if "site-packages" in path.parts or file.startswith("<frozen "):
        return True
    path = path.resolve()
    return any(path.is_relative_to(folder) for folder in _INSTALLED)


def values_used_by(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the closure, the globals and the defaults of a function, with their names."""
    yield from _enclosed(function)
    for name in sorted(names_used_by(function.__code__)):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    yield from (("default", one) for one in function.__defaults__ or ())
    yield from (function.__kwdefaults__ or {}).items()


def _enclosed(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the variables that a function takes from the functions around it."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # it has no value yet
            continue


def names_used_by(code: CodeType) -> set[str]:
    """Return the names of globals and attributes in a function and in the functions defined inside it."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return set(code.co_names).union(*map(names_used_by, inner))


def attributes_of(found: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that an object holds itself, with their names."""
    yield from dict(getattr(found, "__dict__", {})).items()
    for slot in getattr(type(found), "__slots__", ()):
        if isinstance(slot, str) and hasattr(found, slot):
            yield slot, getattr(found, slot)


# -- functions and classes ---------------------------------------------------------------------------------------------


def _codes_of(part: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the functions and classes that a part is made of, those inside functions of this package too."""
    inside: Iterable[Any] = ()
    if isinstance(part, functools.partial):
        inside = (part.func,)
    elif isinstance(part, MethodType):
        yield part.__func__
    elif inspect.isroutine(part) or isinstance(part, type) or hasattr(part, "__wrapped__"):
        code = inspect.unwrap(part)
        yield code
        if (
            isinstance(code, FunctionType) and _root_of(code) in PACKAGE
        ):  # such as that of `screened`
            inside = (value for _, value in _enclosed(code))
    elif is_dataclass(part):
        inside = (getattr(part, one.name) for one in fields(part))
    elif callable(part):
        yield type(part)
    if depth < _DEEPEST:
        for one in inside:
            if callable(one) or is_dataclass(one):
                yield from _codes_of(one, depth + 1)


def _first_own(codes: list[Any]) -> Any:
    """Return the first function or class that does not belong to this package, else the first one."""
    return next((one for one in codes if _root_of(one) not in PACKAGE), codes[0])


def _module_of(code: Any) -> str:
    return getattr(code, "__module__", None) or ""


def _root_of(code: Any) -> str:
    return _module_of(code).partition(".")[0]


def _name_of(code: Any, codes: list[Any]) -> str:
    """Return the qualified name of a function; of several functions of one class, the name of the class."""
    name = str(getattr(code, "__qualname__", type(code).__qualname__))
    owner = name.rpartition(".")[0]
    same = [one for one in codes if _module_of(one) == _module_of(code) and one is not code]
    in_class = owner and not owner.endswith("<locals>")
    if in_class and any(str(one.__qualname__).rpartition(".")[0] == owner for one in same):
        return owner
    return name


def _source(code: FunctionType | type) -> str | None:
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        return None


# -- the hash ----------------------------------------------------------------------------------------------------------


class _Reader:
    """Collects the texts that a part consists of: sources, the numbers and texts that it holds, names of the rest."""

    def __init__(self, codes: list[Any]) -> None:
        self._home = {_root_of(one) for one in codes} - PACKAGE - {""}
        self._words: list[str] = []
        self._read: dict[
            int, Any
        ] = {}  # by identity; kept alive, so that no other object gets the identity
        self._depth = 0

    def read(self, part: Any) -> str:
        """Return the SHA-256 hash of all texts."""
        self._add(part)
        text = "\0".join(self._words)
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()

    def _add(self, found: Any) -> None:
        if found is None or isinstance(found, bool | int | float | complex | str | bytes):
            self._words.append(repr(found))
        elif isinstance(found, FunctionType | type):
            self._add_code(found)
        elif isinstance(found, ModuleType):
            self._words.append(found.__name__)
        elif self._depth > _DEEPEST or self._is_known(found):
            self._words.append(type(found).__qualname__)
        else:
            self._depth += 1
            self._add_object(found)
            self._depth -= 1

    def _is_known(self, found: Any) -> bool:
        """Tell whether an object was read before; constants are read again, because Python may share equal ones."""
        known = id(found) in self._read
        self._read[id(found)] = found
        return known and not isinstance(found, tuple | frozenset)

    def _add_all(self, found: Iterable[Any]) -> None:
        for one in found:
            self._add(one)

    def _add_object(self, found: Any) -> None:
        kind = type(found)
        if self.is_followed(kind):
            self._add_code(kind)
        else:
            self._words.append(kind.__qualname__)
        if isinstance(found, functools.partial):
            self._add_all((found.func, found.args, dict(sorted(found.keywords.items()))))
        elif isinstance(found, MethodType):
            self._add_all((found.__func__, found.__self__))
        elif isinstance(found, list | tuple):
            self._words.append(str(len(found)))
            self._add_all(found)
        elif isinstance(found, dict):
            self._words.append(str(len(found)))
            self._add_all(one for item in found.items() for one in item)
        elif isinstance(found, set | frozenset):
            self._words += sorted(map(self._alone, found))
        elif hasattr(kind, "__array__"):
            self._add_array(found)
        elif is_dataclass(found):
            self._add_all(getattr(found, one.name) for one in fields(found))
        elif hasattr(found, "__wrapped__"):  # compiled by Numba, or cached
            self._add(found.__wrapped__)
        else:
            self._add_attributes(found)

    def _alone(self, found: Any) -> str:
        """Return the texts of one object."""
        before, self._words = self._words, []
        self._add(found)
        words, self._words = self._words, before
        return "\0".join(words)

    def _add_array(self, found: Any) -> None:
        try:
            array = np.asarray(found)
        except Exception:  # a tensor on another device, say
            self._words.append(_ADDRESS.sub("", repr(found)))
            return
        self._words.append(f"{array.dtype} {array.shape}")
        if array.dtype.hasobject:
            self._add(array.tolist())
        else:
            self._words.append(hashlib.sha256(array.tobytes()).hexdigest())

    def _add_attributes(self, found: Any) -> None:
        """Add the attributes of an object; of objects of Python itself, and without attributes, their text."""
        root, attributes = _root_of(type(found)), dict(attributes_of(found))
        if root in sys.stdlib_module_names or not attributes:
            self._words.append(_ADDRESS.sub("", repr(found)))
            return
        for name, value in attributes.items():
            if root not in PACKAGE or not name.startswith(
                ("_", "gradient")
            ):  # buffers are no part of a network
                self._words.append(name)
                self._add(value)

    def _add_code(self, code: FunctionType | type) -> None:
        self._words.append(code.__qualname__)
        if self._is_known(code):
            return
        if not self.is_followed(code):
            self._words.append(_module_of(code))
            if isinstance(code, FunctionType):
                self._add_all(value for _, value in _enclosed(code))
            return
        source = _source(code)
        if isinstance(code, type):
            self._add_class(code, source)
            return
        if source is None:
            self._add_byte_code(code.__code__)
        else:
            self._words.append(source)
        self._add_used(code)

    def _add_class(self, code: type, source: str | None) -> None:
        self._add_all(base for base in code.__mro__[1:] if self.is_followed(base))
        self._words.append(source or "")
        for name, given in vars(code).items():
            value = given.__func__ if isinstance(given, staticmethod | classmethod) else given
            if isinstance(value, FunctionType):
                self._add_code(value) if source is None else self._add_used(value)
            elif not name.startswith("__"):
                self._words.append(name)
                self._add(value)

    def _add_byte_code(self, code: CodeType) -> None:
        self._words += [code.co_code.hex(), *code.co_names]
        for one in code.co_consts:
            if isinstance(one, CodeType):
                self._add_byte_code(one)
            else:
                self._add(one)

    def _add_used(self, function: FunctionType) -> None:
        """Add what a function uses beside its parameters."""
        names = names_used_by(function.__code__)
        for name, value in values_used_by(function):
            self._words.append(name)
            if isinstance(value, ModuleType):
                self._add_module(value, names)
            else:
                self._add(value)

    def _add_module(self, module: ModuleType, names: set[str]) -> None:
        """Add what a function uses of a module: of a module of the user's, the attributes with these names."""
        file = getattr(module, "__file__", None)
        self._words.append(module.__name__)
        if file is None or (is_installed(file) and _root_of_name(module) not in self._home):
            return
        for name in sorted(names & vars(module).keys()):
            value = vars(module)[name]
            if isinstance(value, ModuleType):
                self._add_module(value, names - {name})
            else:
                self._words.append(name)
                self._add(value)

    def is_followed(self, code: FunctionType | type) -> bool:
        """Tell whether the source of a function or class counts, and not its name alone."""
        root = _root_of(code)
        if root in PACKAGE or root in self._home:
            return root not in PACKAGE
        module = sys.modules.get(_module_of(code))
        file = getattr(module, "__file__", None)
        if isinstance(code, FunctionType):
            file = code.__code__.co_filename
        return root not in sys.stdlib_module_names if file is None else not is_installed(file)


def _root_of_name(module: ModuleType) -> str:
    return module.__name__.partition(".")[0]
