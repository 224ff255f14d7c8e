"""The registry of data sets: loaders by name; the keyword parameters of a loader are its options."""

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from evo.errors import DataError, EvoMatrixError, SettingsError
from evo.registry import Registry
from experiments.datasets.bundled import diabetes, digits
from experiments.datasets.dataset import Dataset
from experiments.datasets.generated import parity, spirals, xor
from experiments.datasets.generated_sequences import (
    adding_problem,
    delayed_xor,
    mackey_glass,
    sequential_digits,
)
from experiments.datasets.idx_folder import idx_folder


def _converted(name: str, given: Any) -> Callable[..., Dataset]:
    """Return an own loader; raise TypeError unless all its parameters are options with type hints."""
    rule = f"data set {name!r} must be a function whose parameters are options with type hints"
    if not inspect.isroutine(given):
        raise TypeError(f"{rule}; got {given!r}")
    try:
        hints = get_type_hints(given)
    except NameError as error:
        raise TypeError(f"{rule}; {error}") from error
    for option, parameter in inspect.signature(given).parameters.items():
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise TypeError(f"{rule}; got {parameter}")
        if option not in hints:
            raise TypeError(f"{rule}; got {option} without a type hint")
    loader: Callable[..., Dataset] = given
    return loader


DATASETS: Registry[Callable[..., Dataset]] = Registry("data set", convert=_converted)
"""Loaders by name. A loader's keyword parameters, with type hints and defaults, are its options."""

DATASETS.fill(
    {
        "adding-problem": adding_problem,
        "csv": Dataset.from_csv,
        "delayed-xor": delayed_xor,
        "diabetes": diabetes,
        "digits": digits,
        "idx": idx_folder,
        "images": Dataset.from_image_folder,
        "mackey-glass": mackey_glass,
        "npz": Dataset.from_npz,
        "openml": Dataset.from_openml,
        "parity": parity,
        "parquet": Dataset.from_parquet,
        "sequential-digits": sequential_digits,
        "spirals": spirals,
        "xor": xor,
    }
)


def load_dataset(name: str, /, **options: object) -> Dataset:
    """Load a data set of the registry.

    Parameters
    ----------
    name : str
        A key of :data:`DATASETS`.
    **options
        Keyword parameters of the loader. Text that spells a value of the right type is converted, such as ``"200"``.

    Returns
    -------
    Dataset

    Raises
    ------
    SettingsError
        If the name or an option is unknown, or an option is missing, of the wrong type or out of range.
    DataError
        If the data cannot be used.

    Examples
    --------
    >>> load_dataset("xor", n_samples=8).targets.tolist()
    [0, 1, 1, 0, 0, 1, 1, 0]
    """
    if name not in DATASETS:
        raise SettingsError(f"unknown data set {name!r}{_choices(name, DATASETS)}")
    loader = DATASETS[name]
    parameters = inspect.signature(loader).parameters
    for option in options:
        if option not in parameters:
            raise SettingsError(
                f"data set {name!r}: unknown option {option!r}{_choices(option, parameters)}"
            )
    for option, parameter in parameters.items():
        if parameter.default is parameter.empty and option not in options:
            in_shell = ", --data-dir on the command line" if option == "data_dir" else ""
            raise SettingsError(
                f"data set {name!r}: option {option!r} is missing: it is dataset.options.{option} "
                f"in settings{in_shell}"
            )
    hints = get_type_hints(loader)
    converted = {o: _as_hinted(name, o, value, hints[o]) for o, value in options.items()}
    try:
        dataset = loader(**converted)
    except (TypeError, ValueError) as error:
        if isinstance(error, EvoMatrixError) or getattr(loader, "__self__", None) is not Dataset:
            raise
        raise SettingsError(f"data set {name!r}: {error}") from error  # a wrong argument
    if not isinstance(dataset, Dataset):
        raise DataError(f"data set {name!r}: the loader must return a Dataset; got {dataset!r:.80}")
    return dataset


def _as_hinted(name: str, option: str, value: object, hint: Any) -> object:
    try:
        return TypeAdapter[object](hint).validate_python(value)
    except ValidationError as error:
        rule = error.errors()[0]["msg"]
        rule = rule[0].lower() + rule[1:]
        raise SettingsError(
            f"data set {name!r}: option {option!r}: {rule}; got {value!r}"
        ) from error


def _choices(given: str, known: Iterable[str]) -> str:
    """Return the nearest known name and all known names, for messages."""
    names = sorted(known)
    if not names:
        return "; there are none"
    near = difflib.get_close_matches(given, names, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ";"
    return f"{guess} known: {', '.join(names)}"
