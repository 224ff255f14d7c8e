"""The base class of settings, whose errors are one line: field, rule and value received."""

import difflib
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ValidationError

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
    that breaks a rule.
    """

    error_type: ClassVar[type[Exception]] = ValueError


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first problem of a validation as one line: field, rule, value received."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{field}: unknown key{_near(first['loc'], model)}"
    rule = first["msg"].removeprefix("Value error, ").replace("Input should ", "must ", 1)
    rule = rule[0].lower() + rule[1:]
    if not field:
        return rule
    value = first["input"]
    received = "" if isinstance(value, dict | BaseModel) else f"; got {value!r}"
    separator = " " if rule.startswith("must ") else ": "
    return f"{field}{separator}{rule}" + ("" if "; got " in rule else received)


def _near(place: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """Return the known key that is nearest to an unknown one, as a question."""
    *sections, key = place
    for section in sections:
        field = model.model_fields.get(str(section))
        if field is None or not isinstance(field.annotation, type):
            return ""
        model = field.annotation
    near = difflib.get_close_matches(str(key), list(getattr(model, "model_fields", ())), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
