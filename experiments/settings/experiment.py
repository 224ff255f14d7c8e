"""The settings of an experiment: one pydantic model, read from TOML, checked before any work is done.

A preset is a TOML file in ``experiments/presets``; a user's own file has the same form, and `Experiment(...)` in a
script takes the same names.
"""

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from cnn.layers.pooling import PoolingMethod
from cnn.training.recipe import Recipe
from evo.errors import DataError, SettingsError
from evo.evolution.fitness import FITNESSES
from evo.evolution.settings import EvolutionSettings
from evo.initial.founders import FounderSettings, Widths
from evo.policies.policies import PolicySettings
from evo.seeding import Purpose, seed_sequence
from experiments.datasets import Dataset, DataSplit, NormalizationMethod

ArmName = Literal["cnn", "lenet1", "lenet5", "mlp", "static"]

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""The pattern of a name that may be part of the name of a folder."""

OF_EVOLUTION = ("founders", "evolution", "policy")
"""The sections about evolution."""


class DatasetSettings(BaseModel, frozen=True, extra="forbid"):
    """The data set and its parts."""

    name: str = Field(
        "digits", description="Name of the data set, a key of experiments.datasets.DATASETS."
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Keyword parameters of the data set's loader."
    )
    normalization: NormalizationMethod = Field(
        "standard", description="Scaling of the inputs, fitted on the training part."
    )
    validation: float = Field(
        0.15,
        gt=0,
        lt=1,
        description="Fraction of the samples in the validation part; not used if the data set has its own "
        "validation part.",
    )
    test: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Fraction of the samples in the test part; not used if the data set has its own test part.",
    )
    stratify: bool = Field(
        True,
        description="Whether every part gets its share of every class; false leaves classes to chance.",
    )
    folds: int | None = Field(
        None,
        ge=2,
        description="Number of folds k of a cross-validation, instead of test: seed s tests fold s mod k. Seeds from a "
        "multiple of k on share their folds, so k seeds test every sample once.",
    )

    def split(self, dataset: Dataset, seed: int) -> DataSplit:
        """Split a data set as a run with this seed does.

        Raises
        ------
        DataError
            If the data cannot be split in this way.
        SettingsError
            If the settings contradict each other or the data set.
        """
        folds = self.folds
        try:
            return dataset.split(
                seed=seed_sequence(seed if folds is None else seed // folds, Purpose.SPLIT),
                validation=self.validation,
                test=self.test,
                normalization=self.normalization,
                stratify=self.stratify,
                fold=None if folds is None else (seed % folds, folds),
            )
        except DataError:
            raise
        except ValueError as error:
            raise SettingsError(f"dataset: {error}") from error


class BaselineSettings(BaseModel, frozen=True, extra="forbid"):
    """The networks that do not evolve."""

    arms: tuple[ArmName, ...] = Field(
        ("cnn",),
        description="Networks to train. cnn: convolution, pooling, rasterization, hidden and softmax layer. lenet1, "
        "lenet5: LeCun's networks. mlp: dense hidden layers. static: the winner's founder, trained without "
        "evolution.",
    )
    epochs: int | None = Field(
        None,
        ge=1,
        description="Passes over the training part. Only with evolve = false: beside evolution a baseline gets as many "
        "steps as the winner.",
    )
    total_steps: int | None = Field(
        None,
        ge=1,
        description="Gradient steps, instead of epochs. Only with evolve = false. In a study the default is the number "
        "of steps of [evolution].",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="Number of epochs without a lower validation loss after which training ends. The parameters of the "
        "best epoch are then restored. By default training ends after the last epoch.",
    )
    maps: int = Field(8, ge=1, description="Number of feature maps (cnn).")
    kernel: int = Field(3, ge=1, description="Side of the kernels, in pixels (cnn).")
    hidden: Widths = Field(
        32,
        description="Nodes of the hidden layer (cnn, mlp); a list for several hidden layers (mlp).",
    )
    activation: Literal["sigmoid", "tanh", "relu"] = Field(
        "tanh", description="Activation of the hidden layers (all arms except static)."
    )
    pooling: PoolingMethod | None = Field(
        None,
        description="Pooling method (cnn, lenet1, lenet5); by default max, and trainable for lenet1.",
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Learning rate, instead of that in [training] (all arms except static).",
    )

    @field_validator("arms")
    @classmethod
    def _arms_differ(cls, arms: tuple[ArmName, ...]) -> tuple[ArmName, ...]:
        if len(set(arms)) < len(arms):
            raise ValueError(f"must name each arm at most once; got {list(arms)}")
        return arms

    @model_validator(mode="after")
    def _hidden_suits_the_arms(self) -> Self:
        if self.hidden == 0:
            raise ValueError("hidden must be at least 1; got 0")
        if not isinstance(self.hidden, int) and "cnn" in self.arms:
            raise ValueError(
                f"hidden must be one number for the arm cnn, which has one hidden layer; got {list(self.hidden)}"
            )
        return self

    @model_validator(mode="after")
    def _patience_counts_epochs(self) -> Self:
        if self.patience is not None and self.epochs is None:
            raise ValueError(f"patience must not be given without epochs; got {self.patience}")
        if self.epochs is not None and self.total_steps is not None:
            raise ValueError(
                f"total_steps must not be given beside epochs; got {self.total_steps} and {self.epochs}"
            )
        return self


class Experiment(BaseModel, frozen=True, extra="forbid"):
    """All settings of an experiment. Together they decide its results."""

    name: str = Field(
        "experiment", pattern=NAME, description="Name of the experiment and of the run's folder."
    )
    arm: str = Field(
        "evolved", pattern=NAME, description="Name of the winner in the table `comparison`."
    )
    seed: int = Field(0, ge=0, description="The first seed.")
    seeds: int = Field(3, ge=1, description="Number of seeds: seed, seed + 1, …")
    evolve: bool = Field(
        True,
        description="Whether networks evolve. If false, only the baselines are trained; founders, evolution and policy "
        "must then not be given.",
    )
    dataset: DatasetSettings = DatasetSettings()
    founders: FounderSettings = FounderSettings()
    evolution: EvolutionSettings = EvolutionSettings()
    policy: PolicySettings = PolicySettings()
    training: Recipe = Recipe()
    baseline: BaselineSettings = BaselineSettings()

    def __init__(self, **values: Any) -> None:
        """Check settings; raise SettingsError at the first that breaks a rule: one line naming field, rule, value."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError(describe(error)) from None

    @field_validator("evolution")
    @classmethod
    def _fitness_known(cls, evolution: EvolutionSettings) -> EvolutionSettings:
        if evolution.fitness not in FITNESSES:
            known = ", ".join(FITNESSES)
            raise ValueError(f"fitness must be one of {known}; got {evolution.fitness!r}")
        return evolution

    @model_validator(mode="after")
    def _baselines_suit(self) -> Self:
        if self.evolve:
            for name in ("epochs", "total_steps"):
                given = getattr(self.baseline, name)
                if given is not None:
                    raise ValueError(
                        f"baseline.{name} must not be given unless evolve = false, because beside evolution "
                        f"a baseline gets the steps of the winner; got {given}"
                    )
            return self
        for section in OF_EVOLUTION:
            if section in self.model_fields_set:
                raise ValueError(f"{section} must not be given where evolve = false")
        if self.baseline.epochs is None and self.baseline.total_steps is None:
            raise ValueError(
                "baseline.epochs must be given where evolve = false, because there is no winner "
                "whose steps a baseline could get"
            )
        if not self.baseline.arms:
            raise ValueError("baseline.arms must name at least one where evolve = false")
        if "static" in self.baseline.arms:
            raise ValueError(
                "baseline.arms must not name static, the winner's founder, where evolve = false"
            )
        return self

    @model_validator(mode="after")
    def _policy_suits_the_founders(self) -> Self:
        graph, policy = self.founders.graph, self.policy
        if policy.name == "layerwise" and not self.founders.layer_sizes(1, 1):
            raise ValueError(
                f'founders.graph must be "maps" or "layered" where policy.name = "layerwise"; got {graph!r}'
            )
        if graph == "maps" and policy.name in {"set", "rigl"} and policy.rewiring_scope != "layer":
            raise ValueError(
                f'policy.rewiring_scope must be "layer" where founders.graph = "maps"; got {policy.rewiring_scope!r}'
            )
        return self

    @property
    def title(self) -> str:
        """The name, and the arm in an experiment with arms, for people."""
        return self.name if self.arm == "evolved" else f"{self.name}, {self.arm}"

    @model_serializer(mode="wrap")
    def _without_what_has_no_say(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        unused = () if self.evolve else OF_EVOLUTION
        return {name: value for name, value in values.items() if name not in unused}

    @classmethod
    def parse(cls, values: Mapping[str, Any], source: str) -> Self:
        """Check settings.

        Parameters
        ----------
        values : mapping
            As read from a TOML file.
        source : str
            Where they come from, for messages.

        Raises
        ------
        SettingsError
            At the first setting that breaks a rule: one line naming source, field, rule and value.
        """
        try:
            return cls.model_validate(values)
        except SettingsError as error:
            raise SettingsError(f"{source}: {error}") from None


def describe(error: ValidationError) -> str:
    """Return the first problem of a validation as one line: field, rule, value received."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{field}: unknown key"
    rule = first["msg"].removeprefix("Value error, ").replace("Input should ", "must ", 1)
    rule = rule[0].lower() + rule[1:]
    if not field:
        return rule
    value = first["input"]
    received = "" if isinstance(value, dict | BaseModel) else f"; got {value!r}"
    separator = " " if rule.startswith("must ") else ": "
    return f"{field}{separator}{rule}" + ("" if "; got " in rule else received)


def preset_names() -> list[str]:
    """Return the names of the presets."""
    files = resources.files("experiments") / "presets"
    return sorted(Path(file.name).stem for file in files.iterdir() if file.name.endswith(".toml"))


def preset_text(name: str) -> str:
    """Return a preset's TOML file as it is."""
    return (resources.files("experiments") / "presets" / f"{name}.toml").read_text("utf-8")


def load_experiment(preset: str | Path) -> Experiment:
    """Load a preset by name, or a TOML file by path.

    Raises
    ------
    SettingsError
        If there is neither, if the file is no TOML, or at the first setting that breaks a rule.
    """
    values = read_settings(preset)
    if "arms" in values:
        raise SettingsError(f"{preset}: has arms; load_study loads it")
    return Experiment.parse(values, str(preset))


def read_settings(preset: str | Path) -> dict[str, Any]:
    """Read a preset or TOML file without checking its fields."""
    name = str(preset)
    if name in preset_names():
        return tomllib.loads(preset_text(name))
    path = Path(preset)
    if path.suffix != ".toml":
        known = ", ".join(preset_names())
        raise SettingsError(f"unknown preset {name!r}; known: {known} - or give a .toml file")
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: must be TOML in UTF-8 ({error})") from error


def merged(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with some values replaced; `changes` maps dotted names to values, and None changes nothing.

    Raises
    ------
    SettingsError
        If a name leads into a setting that is not a table.

    Examples
    --------
    >>> merged({"evolution": {"generations": 5}}, {"evolution.population": 3, "seed": None})
    {'evolution': {'generations': 5, 'population': 3}}
    """
    result = dict(values)
    for dotted, value in changes.items():
        if value is None:
            continue
        *sections, key = dotted.split(".")
        place, path = result, ""
        for section in sections:
            path += f".{section}" if path else section
            inside = place.get(section, {})
            if not isinstance(inside, dict):
                raise SettingsError(f"{path} must be a table; got {inside!r}")
            place[section] = dict(inside)
            place = place[section]
        place[key] = value
    return result
