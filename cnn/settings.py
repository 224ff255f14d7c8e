"""The base class of settings, whose errors are one line: field, rule and value received."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args, get_origin

from pydantic import BaseModel, ValidationError, ValidationInfo, field_validator

from cnn.checks import brief, did_you_mean
from cnn.files import one_line

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class _RaisesOneLine(ModelMetaclass):
    """The class of settings classes: a call checks the settings and raises the error type of the class."""

    def __call__(cls: Any, *arguments: Any, **values: Any) -> Any:  # noqa: N805 - of a metaclass
        try:
            return super().__call__(*arguments, **values)
        except ValidationError as error:
            raise cls.error_type(describe(error, cls)) from None


class Settings(BaseModel, frozen=True, extra="forbid", metaclass=_RaisesOneLine):
    """A frozen record of settings, checked when it is made.

    A call such as ``Recipe(learning_rate=-1)`` raises `error_type`, with a message of one line, at the first setting
    that breaks a rule. A changed copy is checked in the same way: ``recipe.model_copy(update={"learning_rate": 0.1})``.
    """

    error_type: ClassVar[type[Exception]] = ValueError

    @field_validator("*", mode="before")
    @classmethod
    def _is_of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse True for the number 1, "1" for the number 1, and "no" for False, which pydantic would take."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        kinds = {annotation, *get_args(annotation)}
        if isinstance(value, bool | str) and type(value) not in kinds:
            if kinds & {int, float}:
                raise ValueError(f"must be a number; got {brief(value)}")
            if bool in kinds:
                raise ValueError(f"must be true or false; got {brief(value)}")
        for element in _no_numbers(annotation, value):
            raise ValueError(f"must have numbers; got {brief(element)}")
        return value

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy in which some settings are changed.

        Parameters
        ----------
        update : mapping, optional
            The settings that change. A mapping for a section changes the named settings of that section and keeps the
            others, as in a file with arms; settings of the section's class replace the whole section.
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
        return type(copied)(**_updated(copied, update)) if update else copied


def _no_numbers(annotation: Any, value: Any) -> Iterator[Any]:
    """Yield the texts and truth values in lists and tables whose elements are to be numbers."""
    for kind in (annotation, *get_args(annotation)):
        if get_origin(kind) in (tuple, list) and isinstance(value, list | tuple):
            of_each, elements = get_args(kind), value
        elif get_origin(kind) is dict and isinstance(value, Mapping):
            of_each, elements = get_args(kind)[1:], [*value.values()]
        else:
            continue
        allowed = {one for each in of_each for one in (each, *get_args(each))}
        is_numeric = bool(allowed & {int, float})
        for element in elements:
            if isinstance(element, list | tuple | Mapping):
                for each in of_each:
                    yield from _no_numbers(each, element)
            elif is_numeric and isinstance(element, bool | str) and type(element) not in allowed:
                yield element


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


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first problem of a validation as one line: field, rule, value received."""
    first = error.errors()[0]
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
    separator = " " if rule.startswith("must ") else ": "
    return f"{field}{separator}{rule}" + ("" if "; got " in rule else received)


def _near(place: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """Return the known key that is nearest to an unknown one, as a question; all known keys if none is near.

    A key of another section is nearest if it has the same name.
    """
    *sections, key = place
    elsewhere = [path for path in _paths(model, "") if path.endswith(f".{key}")]
    for section in sections:
        field = model.model_fields.get(str(section))
        if field is None or not isinstance(field.annotation, type):
            return ""
        model = field.annotation
    known = getattr(model, "model_fields", ())
    if elsewhere:
        return f" (did you mean {' or '.join(map(repr, elsewhere))}?)"
    return did_you_mean(key, known) or (
        f" (known: {one_line(', '.join(known), 200)})" if known else ""
    )


def _paths(model: Any, prefix: str) -> Iterator[str]:
    """Yield the dotted names of all settings of a model."""
    for name, field in getattr(model, "model_fields", {}).items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type):
            yield from _paths(field.annotation, f"{prefix}{name}.")
