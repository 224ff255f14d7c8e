"""The registry of one kind of part: operators, policies, selections, fitnesses, activations, data sets, and so on.

A registry is a mapping from names to parts. The parts of the package are *built in*. A user's script adds its *own*
parts with :meth:`Registry.register`, as a call or as a decorator. Every part has a sentence that describes it. An own
part also has a :class:`evo.origin.CodeOrigin`, which says where its code comes from.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from cnn.checks import brief, did_you_mean
from evo.origin import CodeOrigin, file_of, origin_of

Part = TypeVar("Part")

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
"""The form of a name, unless a registry has a rule of its own."""

_ROLE = re.compile(r":\w+:`~?([^`]*)`")
"""A reference in a docstring, such as ``:func:`evo.replay```."""

_GIVEN_LATER: Any = object()


@dataclass(frozen=True, eq=False)
class Entry(Generic[Part]):
    """One part of a registry, with its sentence.

    Attributes
    ----------
    part
    sentence : str
    file : tuple of str, or None
        Of an own part, the file of its code and the SHA-256 of the file when the part was registered; the file may be
        edited while the part is in use. None for code without a file.
    """

    part: Part
    sentence: str
    file: tuple[str, str] | None = None


class Registry(Mapping[str, Part]):
    """The parts of one kind by their names.

    Parameters
    ----------
    kind : str
        What a part is called in messages, such as ``"operator"``.
    convert : callable, optional
        ``convert(name, given)`` returns the part for what a user gave; it raises ValueError or TypeError, with a
        message of one line, if that is no usable part. By default every callable is a part.

    Notes
    -----
    A registry may stand in the type of a setting: ``name: Annotated[str, POLICIES]`` accepts the names of policies that
    are registered when the setting is checked.

    Examples
    --------
    >>> shapes = Registry("shape")
    >>> @shapes.register("square")
    ... def square(side):
    ...     '''A square.'''
    ...     return side * side
    >>> shapes["square"](3), shapes.sentence("square")
    (9, 'A square.')
    >>> shapes.check("sqare")
    Traceback (most recent call last):
    ValueError: must be one of square; got 'sqare' (did you mean 'square'?)
    """

    __hash__ = object.__hash__

    def __init__(
        self,
        kind: str,
        *,
        convert: Callable[[str, Any], Part] | None = None,
    ) -> None:
        self.kind = kind
        self._convert: Callable[[str, Any], Part] = convert or cast(Any, _check_callable)
        self._watchers: list[Callable[[str, Part], object]] = []
        self._built_in: dict[str, Entry[Part]] = {}
        self._own: dict[str, Entry[Part]] = {}

    # -- the mapping -----------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Part:
        """Return the part of a name; raise KeyError, with the known names, if there is none."""
        return self.entry(name).part

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names: built-in parts first, then own parts in the order of their registration."""
        return iter({**self._built_in, **self._own})

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self._built_in.keys() | self._own.keys())

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a part of this name."""
        return isinstance(name, str) and (name in self._own or name in self._built_in)

    def __eq__(self, other: object) -> bool:
        """Tell whether the other object is this registry."""
        return self is other

    def __setitem__(self, name: str, part: Any) -> None:
        """Register an own part; the same as ``register(name, part)``."""
        self.register(name, part)

    # -- registration ----------------------------------------------------------------------------------------------

    def register(
        self,
        name: str,
        part: Any = _GIVEN_LATER,
        /,
        *,
        about: str | None = None,
        replace: bool = False,
    ) -> Any:
        """Register an own part under a name.

        Parameters
        ----------
        name : str
            The name by which settings, tables and files call the part.
        part
            The part. Without it, the result is a decorator for a function or class.
        about : str, optional
            One sentence about the part; by default the first line of its docstring.
        replace : bool
            Whether the part may take the place of another part of the same name.

        Returns
        -------
        The part as it was given, or the decorator.

        Raises
        ------
        ValueError, TypeError
            If there is a part of this name, or if the name or the part breaks a rule of this kind of part.
        """
        if part is _GIVEN_LATER:
            return functools.partial(self._register_given, name, about, replace)
        return self._register_given(name, about, replace, part)

    def _register_given(self, name: str, about: str | None, replace: bool, given: Any) -> Any:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError(
                f"name of the {self.kind} must be letters, digits, '_', '-' and '.', beginning with a letter; "
                f"got {name!r}"
            )
        if name in self and not replace:
            whose = "the package" if name not in self._own else self.origin(name).module
            raise ValueError(
                f"name of the {self.kind} must be new, or replace=True be given; got {name!r}, which {whose} has"
            )
        part = self._convert(name, given)
        entry = Entry(part, about or _sentence(given) or _sentence(part), file_of(part))
        self._tell(name, part)
        self._own[name] = entry
        return given

    def fill(self, parts: Mapping[str, Part]) -> None:
        """Enter the parts of the package."""
        for name, part in parts.items():
            self._built_in[name] = Entry(part, _sentence(part))

    def watch(self, watcher: Callable[[str, Part], object]) -> None:
        """Let ``watcher(name, part)`` be called for every own part that gets into the registry."""
        self._watchers.append(watcher)

    def _tell(self, name: str, part: Part) -> None:
        for watcher in self._watchers:
            watcher(name, part)

    def install(self, own: Mapping[str, Entry[Part]]) -> None:
        """Make these the own parts; other own parts are taken out."""
        for name, entry in own.items():
            self._tell(name, entry.part)
        self._own = dict(own)

    # -- questions -------------------------------------------------------------------------------------------------

    @property
    def own(self) -> dict[str, Entry[Part]]:
        """The parts that are not built in."""
        return dict(self._own)

    @property
    def built_in(self) -> tuple[str, ...]:
        """The names of the parts of the package."""
        return tuple(self._built_in)

    def is_built_in(self, part: object) -> bool:
        """Tell whether an object is a part of the package."""
        parts = [entry.part for entry in self._built_in.values()]
        return any(type(one) is type(part) and one == part for one in parts)

    def entry(self, name: str) -> Entry[Part]:
        """Return a part with its sentence; raise KeyError, with the known names, if there is none."""
        found = self._own.get(name) or self._built_in.get(name)
        if found is None:
            raise KeyError(f"{self.kind} {self._rule(name)}")
        return found

    def origin(self, name: str) -> CodeOrigin:
        """Return where the code of a part comes from; only an own part has a hash, of its code as it is now."""
        return origin_of(self.entry(name).part, built_in=name not in self._own)

    def sentence(self, name: str) -> str:
        """Return the sentence that describes a part."""
        return self.entry(name).sentence

    def choose(self, name: str) -> Part:
        """Return the part of a name.

        Raises
        ------
        ValueError
            If there is none. The message has the known names and the nearest one.
        """
        if name not in self:
            raise ValueError(f"{self.kind} {self._rule(name)}")
        return self[name]

    def check(self, name: str) -> str:
        """Return a name that is registered; else raise ValueError: "must be one of …; got …"."""
        if name not in self:
            raise ValueError(self._rule(name))
        return name

    def _rule(self, name: object) -> str:
        return must_be_one_of(self, name)

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Return the check of a setting that names a part."""
        from pydantic_core import core_schema  # noqa: PLC0415 - only settings need it

        return core_schema.no_info_after_validator_function(self.check, handler(source))


def must_be_one_of(known: Mapping[str, Any] | tuple[str, ...], given: object) -> str:
    """Return the rule for a name, and the nearest known name to the given one.

    Examples
    --------
    >>> must_be_one_of(("digits", "xor"), "digts")
    "must be one of digits, xor; got 'digts' (did you mean 'digits'?)"
    """
    return f"must be one of {', '.join(known)}; got {brief(given)}{did_you_mean(given, known)}"


def check_signature(kind: str, name: str, function: Any, *arguments: str) -> None:
    """Raise TypeError unless a function can be called with these positional arguments."""
    rule = f"{kind} {name!r} must be a function of ({', '.join(arguments)})"
    if not callable(function):
        raise TypeError(f"{rule}; got {function!r}")
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions written in C have none
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise TypeError(f"{rule}; got {signature}") from None


def functions_in(kind: str, name: str, given: type, names: tuple[str, ...]) -> list[Any]:
    """Return the functions of a class that holds a part, by their names; raise TypeError if one is missing."""
    missing = [one for one in names if not callable(getattr(given, one, None))]
    if missing:
        raise TypeError(
            f"{kind} {name!r} must be a class with the functions {', '.join(names)}; got {given.__name__} "
            f"without {', '.join(missing)}"
        )
    return [getattr(given, one) for one in names]


def _check_callable(name: str, given: Any) -> Any:
    if not callable(given):
        raise TypeError(f"part {name!r} must be a function; got {given!r}")
    return given


def _sentence(part: Any) -> str:
    """Return the first line of a docstring, or the title or name in words of a part that has one."""
    for attribute in () if inspect.isclass(part) else ("title", "name"):
        in_words = getattr(part, attribute, None)
        if isinstance(in_words, str):
            return in_words
    source = part.func if isinstance(part, functools.partial) else part
    own_text = inspect.isclass(source) or inspect.isroutine(source)
    text = inspect.getdoc(source) if own_text else inspect.getdoc(type(source))
    lines = (text or "").strip().splitlines()
    return _ROLE.sub(r"\1", lines[0]) if lines else ""
