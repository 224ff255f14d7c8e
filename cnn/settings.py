"""The base class of settings, whose errors are one line: field, rule and value received."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType, UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError, ValidationInfo, field_validator

from cnn.checks import brief, did_you_mean
from cnn.files import one_line

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class NoEffectError(ValueError):
    """A setting was given that others leave without effect.

    Attributes
    ----------
    name : str
        Dotted name of the setting.
    """

    def __init__(self, name: str, rule: str, value: Any) -> None:
        super().__init__(f"{name} must not be given {rule}; got {brief(value)}")
        self.name = name


class _RaisesOneLine(ModelMetaclass):
    """The class of settings classes: a call checks the settings and raises the error type of the class."""

    def __call__(cls: Any, *arguments: Any, **values: Any) -> Any:  # noqa: N805 - of a metaclass
        try:
            return super().__call__(*arguments, **values)
        except ValidationError as error:
            raise cls.error_type(describe(error, cls)) from _no_effect_in(error)


class Settings(BaseModel, frozen=True, extra="forbid", metaclass=_RaisesOneLine):
    """A frozen record of settings, checked when it is made.

    A call such as ``Recipe(learning_rate=-1)`` raises `error_type`, with a message of one line, at the first setting
    that breaks a rule. A changed copy is checked in the same way: ``recipe.model_copy(update={"learning_rate": 0.1})``.
    The cause of the error is a :class:`NoEffectError` if the rule is that a setting without effect keeps its default.
    """

    error_type: ClassVar[type[Exception]] = ValueError

    @field_validator("*", mode="before")
    @classmethod
    def _is_of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse True for the number 1, "1" for the number 1, and "no" for False, which pydantic would take."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        for kind, wrong in _of_other_kinds([annotation], value):
            where = "" if wrong is value else f" in {brief(value)}"
            raise ValueError(f"must be {kind}; got {brief(wrong)}{where}")
        return value

    def _refuse(self, names: Iterable[str], rule: str) -> None:
        """Raise NoEffectError if one of some settings, which have no effect, differs from its default."""
        for name, value in _changed(self, names):
            raise NoEffectError(name, rule, value)

    def _refuse_unread(self, chosen: Collection[str], readers: Mapping[str, Sequence[str]]) -> None:
        """Raise NoEffectError for a setting that differs from its default, and that no chosen part reads.

        Parameters
        ----------
        chosen : collection of str
            The names of the chosen parts.
        readers : mapping
            The parts that read each setting.
        """
        for name, parts in readers.items():
            if not {*chosen} & {*parts}:
                one = parts[0] if len(parts) == 1 else f"one of {', '.join(parts)}"
                self._refuse([name], f"unless {one} is chosen")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy in which some settings are changed.

        Parameters
        ----------
        update : mapping, optional
            The settings that change. A mapping for a section changes the named settings of that section and keeps the
            others, as in a file with arms; settings of the section's class replace the whole section. Settings that
            are not in the update and have no effect beside it get their defaults.
        deep : bool
            Whether the values of the other settings are copied too.

        Raises
        ------
        Exception
            Of `error_type`, at the first setting that breaks a rule or has an unknown name, as in a call of the class.
        TypeError
            If `update` is not a mapping.
        """
        if update is not None and not isinstance(update, Mapping):
            raise TypeError(f"update must be a mapping of names to values; got {update!r}")
        copied = super().model_copy(deep=deep)
        if not update:
            return copied
        return without_idle(lambda all_: type(copied)(**all_), _updated(copied, update), update)[0]


def _of_other_kinds(annotations: Iterable[Any], value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the texts and truth values in a value, at any depth, where numbers or truth values are to be.

    Each comes after what it is to be, in words. The value may be of any of the annotations.
    """
    kinds = [
        kind
        for one in annotations
        for kind in (get_args(one) if get_origin(one) in (Union, UnionType) else (one,))
    ]
    if isinstance(value, bool | str):
        if type(value) in kinds:
            return
        if int in kinds or float in kinds:
            yield "a number", value
        elif bool in kinds:
            yield "true or false", value
        return
    for kind in kinds:
        if get_origin(kind) in (tuple, list) and isinstance(value, list | tuple):
            of_each, elements = get_args(kind), value
        elif get_origin(kind) is dict and isinstance(value, Mapping):
            of_each, elements = get_args(kind)[1:], [*value.values()]
        else:
            continue
        for element in elements:
            yield from _of_other_kinds(of_each, element)


def _updated(settings: Settings, update: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that were given to settings, overlaid by an update, section by section."""
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    for name, value in update.items():
        section = getattr(settings, name) if name in type(settings).model_fields else None
        if isinstance(section, Settings) and isinstance(value, Mapping):
            values[name] = _updated(section, value)
        else:
            values[name] = value
    return values


def _changed(
    settings: Settings, names: Iterable[str], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield those of some settings that differ from their defaults, by dotted names after a prefix."""
    fields = type(settings).model_fields
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, Settings):
            yield from _changed(value, type(value).model_fields, f"{prefix}{name}.")
        elif value != fields[name].get_default(call_default_factory=True):
            yield f"{prefix}{name}", value


Made = TypeVar("Made")


def without_idle(
    make: Callable[[Mapping[str, Any]], Made],
    values: Mapping[str, Any],
    own: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Made, dict[str, str]]:
    """Return what is made of settings without those that have no effect, and a message for each of these.

    Parameters
    ----------
    make : callable
        Makes settings of values, and raises an error of :class:`Settings`.
    values : mapping
        The values of settings, in tables.
    own : mapping
        The settings among them, in tables, that must have an effect.

    Raises
    ------
    Exception
        Of `make`, at the first setting that breaks a rule or is among the own ones and has no effect.
    """
    messages: dict[str, str] = {}
    while True:
        try:
            return make(values), messages
        except ValueError as error:
            idle = error.__cause__
            if not isinstance(idle, NoEffectError) or idle.name in messages or _has(own, idle.name):
                raise
            messages[idle.name] = str(error)
            values = _without(values, idle.name.split("."))


def _has(values: Any, dotted: str) -> bool:
    """Return whether tables have a setting, or settings in it."""
    for name in dotted.split("."):
        if not isinstance(values, Mapping) or name not in values:
            return False
        values = values[name]
    return True


def _without(values: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Return tables without a setting; the same tables if they do not have it."""
    name, *rest = path
    result = dict(values)
    if not rest:
        result.pop(name, None)
    elif isinstance(result.get(name), Mapping):
        result[name] = _without(result[name], rest)
    return result


def _no_effect_in(error: ValidationError) -> NoEffectError | None:
    """Return the first problem of a validation, with the dotted name of the setting, if that has no effect."""
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if not isinstance(cause, NoEffectError):
        return None
    cause.name = ".".join([*map(str, first["loc"]), cause.name])
    return cause


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first problem of a validation as one line: field, rule, value received."""
    first, *others = error.errors()
    if first["type"] == "missing" and isinstance(first["loc"][-1], int):  # of a tuple
        *place, present = first["loc"]
        missing = 1 + sum(one["loc"][:-1] == (*place,) for one in others)
        first |= {"loc": (*place,), "msg": f"must have {int(present) + missing} values"}
    # pydantic names the alternative of a union too, such as "literal['balanced']"; this is no key.
    field = ".".join(
        one_line(part) for part in first["loc"] if not str(part).startswith("literal[")
    )
    if first["type"] == "extra_forbidden":
        return f"{one_line(field, 200)}: unknown key{_near(first['loc'], model)}"
    rule = one_line(first["msg"]).removeprefix("Value error, ").replace("Input should ", "must ", 1)
    rule = (rule[0].lower() + rule[1:]).replace("must be a valid tuple", "must be a list")
    rule = re.sub(
        r"^must be a valid dictionary( or instance of \w+)?",
        "must be a table of keys and values",
        rule,
    )
    rule = re.sub(
        r"^tuple should have (at \w+ \d+) items? after validation, not (\d+)",
        r"must have \1 values; got \2",
        rule,
    )
    if not field:
        return rule
    value = first["input"]
    received = "" if isinstance(value, dict | BaseModel) else f"; got {brief(value)}"
    if first["type"] == "literal_error":
        rule += received + did_you_mean(value, re.findall(r"'([^']*)'", first["ctx"]["expected"]))
    if rule.partition(" ")[0].partition(".")[0] in _names_in(model, first["loc"]):
        separator = "."  # the rule of a section begins with the name of a setting in it
    else:
        separator = " " if rule.startswith("must ") else ": "
    return f"{field}{separator}{rule}" + ("" if "; got " in rule else received)


def _section_of(annotation: Any) -> Any:
    """Return the model of a section that may be left out; another annotation as it is."""
    models = (
        one for one in get_args(annotation) if isinstance(one, type) and issubclass(one, BaseModel)
    )
    return next(models, annotation) if get_origin(annotation) in (Union, UnionType) else annotation


def _names_in(model: Any, place: Iterable[int | str]) -> Collection[str]:
    """Return the names of the settings of the section at a place of a model; none if no section is there."""
    for key in place:
        field = getattr(model, "model_fields", {}).get(str(key))
        model = None if field is None else _section_of(field.annotation)
    return getattr(model, "model_fields", ())


def _near(place: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """Return the known key that is nearest to an unknown one, as a question; all known keys if none is near.

    A key of another section is nearest if it has the same name.
    """
    *sections, key = place
    elsewhere = [path for path in _paths(model, "") if path.endswith(f".{key}")]
    known = _names_in(model, sections)
    if elsewhere:
        return f" (did you mean {' or '.join(map(repr, elsewhere))}?)"
    return did_you_mean(key, known) or (
        f" (known: {one_line(', '.join(known), 200)})" if known else ""
    )


def _paths(model: Any, prefix: str) -> Iterator[str]:
    """Yield the dotted names of all settings of a model."""
    for name, field in getattr(model, "model_fields", {}).items():
        yield f"{prefix}{name}"
        section = _section_of(field.annotation)
        if isinstance(section, type):
            yield from _paths(section, f"{prefix}{name}.")
