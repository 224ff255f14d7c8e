"""The settings of an experiment: one pydantic model, read from TOML, checked before any work is done.

A preset is a TOML file in ``experiments/presets``; a user's own file has the same form, and `Experiment(...)` in a
script takes the same names.
"""

import json
import math
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from cnn.checks import brief, did_you_mean
from cnn.files import one_line
from cnn.settings import NoEffectError, without_idle
from cnn.training.recipe import Recipe
from evo.budgets import Budget
from evo.display import line_of, table_of
from evo.errors import DataError, SettingsError
from evo.evolution.metrics import METRICS
from evo.evolution.settings import EvolutionSettings
from evo.initial.settings import FounderSettings
from evo.layer_numbers import indices_of_layers
from evo.policies.method import Method
from evo.policies.policies import PolicySettings
from evo.registry import must_be_one_of
from evo.rewards import TaskSettings
from evo.seeding import Purpose, seed_sequence
from evo.selection import check_names
from evo.settings import Settings
from experiments.arms import BaselineSettings
from experiments.arms.settings import OF_WINNER, SEARCHED
from experiments.datasets import (
    Dataset,
    DataSplit,
    NormalizationMethod,
    RareClasses,
    TargetScaling,
)
from experiments.settings.rewards import check_task, with_defaults
from experiments.settings.used import Continues, Used

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""The form of a name that may be part of the name of a folder."""

OF_NAMES = (
    "must be letters without accents, digits, '_', '-' and '.', and begin with a letter or digit"
)
"""The same in words."""

QUOTED = re.compile(r"""\"(?:[^"\\\n]|\\.)*+\"?|'[^'\n]*+'?""")
LONG_KEY = re.compile(r"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){32}")
"""Text in quotes, and a key of more than 32 parts: Python's parser of TOML takes quadratic time for long keys."""

TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
HEADER = re.compile(
    r"^[ \t]*\[\[?[ \t]*([A-Za-z_][\w.\"' -]*?)[ \t]*\]\]?[ \t]*(?:#.*)?$", re.MULTILINE
)
"""Where Python's parser of TOML found an error, and a line with the name of a table."""

OF_EVOLUTION = ("founders", "evolution", "policy")
"""The sections about evolution."""

OF_STUDIES = {"arms": "arms", "controls": "controls", "grid": "a grid"}
"""The keys that a study has and an experiment has not, and what a file with one has, in words."""


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"{OF_NAMES}; got {brief(name)}")
    return name


Name = Annotated[str, AfterValidator(_check_name)]
"""A name that may be part of the name of a folder."""


class DatasetSettings(Settings, frozen=True, extra="forbid"):
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
    target_scaling: TargetScaling = Field(
        "standard",
        description="Scaling of the values to regress on, fitted on the training part. standard: mean 0 and standard "
        "deviation 1, whatever their units; none. Losses are those of scaled values; metrics and predictions have the "
        "units of the data. No effect in classification.",
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
        ge=0,
        lt=1,
        description="Fraction of the samples in the test part; 0: the run has no test part, and so no comparison. Not "
        "used if the data set has its own test part.",
    )
    stratify: bool = Field(
        True,
        description="Whether every part gets its share of every class; false leaves classes to chance.",
    )
    rare_classes: RareClasses = Field(
        "refuse",
        description="What happens to classes with too few samples for every part. refuse: an error; train: all their "
        "samples go into the training part.",
    )
    folds: int | None = Field(
        None,
        ge=2,
        description="Number of folds k of a cross-validation, instead of test: seed s tests fold s mod k. Seeds from a "
        "multiple of k on share their folds, so k seeds test every sample once.",
    )
    labels_per_class: int | None = Field(
        None,
        ge=2,
        description="Number of samples of each class that remain of the training and validation parts together, in "
        "their proportion; the others are not used. Of an own validation part all remain. none: all samples.",
    )

    @model_validator(mode="after")
    def _folds_suit(self) -> Self:
        if self.folds is not None and self.test != type(self).model_fields["test"].default:
            raise ValueError(
                f"test must not be given with folds, for a test part is one of {self.folds} folds; got {self.test}"
            )
        if self.folds is not None and self.rare_classes != "refuse":
            raise ValueError(
                f'rare_classes must be "refuse" with folds, which need every class; got {self.rare_classes!r}'
            )
        return self

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
                rare_classes=self.rare_classes,
                fold=None if folds is None else (seed % folds, folds),
                target_scaling=self.target_scaling,
                labels_per_class=self.labels_per_class,
            )
        except DataError:
            raise
        except ValueError as error:
            raise SettingsError(f"dataset: {error}") from error


READ_WITH = {
    "momentum": ("optimizer", ("momentum", "nesterov", "adam")),
    "average_decay": ("average", ("exponential",)),
    "average_fraction": ("average", ("tail",)),
}
"""The settings of a recipe that are read with some values of another one only."""


class TrainingSettings(Recipe, frozen=True, extra="forbid"):
    """How networks are trained, evolved and fixed alike."""

    class_weight: Literal["balanced"] | dict[str, float] | None = Field(
        None,
        description="Weight of each class in the loss of training and validation: balanced gives every class the same "
        "weight in all; a table gives the weight of each label, and 1 to the others. Weights are divided by their mean "
        "over the training samples. Metrics, and the loss of the test part, are not weighted.",
    )

    @field_validator("class_weight", mode="before")
    @classmethod
    def _labels_are_text(cls, weights: Any) -> Any:
        """Take integer labels too, which a TOML file writes as text."""
        if not isinstance(weights, Mapping):
            return weights
        return {str(label): weight for label, weight in weights.items()}

    @field_validator("class_weight")
    @classmethod
    def _weights_are_usable(cls, weights: Any) -> Any:
        if isinstance(weights, Mapping):
            for label, weight in weights.items():
                if not 0 <= weight < math.inf:
                    raise ValueError(f"must be finite and at least 0; got {label} = {weight}")
        return weights

    @model_validator(mode="after")
    def _settings_are_read(self) -> Self:
        for name, (selector, readers) in READ_WITH.items():
            if getattr(self, selector) not in readers:
                self._refuse((name,), f"unless {selector} is {' or '.join(readers)}")
        return self

    @property
    def recipe(self) -> Recipe:
        """What a trainer reads of them, as an object of `cnn`.

        A worker imports the modules of all that its task consists of. Those of this package import scikit-learn, which
        takes seconds.
        """
        return Recipe(**{name: getattr(self, name) for name in Recipe.model_fields})


class EvaluationSettings(Settings, frozen=True, extra="forbid"):
    """What trained networks are judged by, and what one individual may take."""

    metrics: tuple[Annotated[str, METRICS], ...] = Field(
        (),
        description="Metrics in the tables beside loss and accuracy, on the validation and the test part; keys of "
        "evo.METRICS: accuracy, balanced_accuracy, f1_macro, roc_auc, log_loss; in regression r2, rmse, mae.",
    )
    verdict: str | None = Field(
        None,
        description="Metric of summaries and verdicts, a key of evo.METRICS; it stands in the tables too. By default "
        "the accuracy, and in regression the loss. Beside [task] a measure of its reward, by default the return.",
    )
    primary: str | None = Field(
        None,
        description="The comparison that the run is made for, declared before it: two arms, such as evolved - cnn. Its "
        "p needs no correction for the number of comparisons, and verdicts say which one was declared.",
    )
    equal: tuple[Budget, ...] = Field(
        (),
        description="Budgets that the arms of a comparison must have in common to a percent, declared before the run: "
        "parameters and macs of the network; steps, samples, training_macs and cpu_seconds behind its weights; total_… "
        "of all networks trained for the arm. Settings that contradict it are refused; otherwise verdicts say which "
        "budgets differ, and no arm wins. By default steps; beside [task] total_played_episodes, of which the better "
        "arm may have fewer.",
    )
    equivalence_margin: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Difference of the metric of verdicts below which two arms count as equivalent, in the unit of the "
        "metric: 0.005 is half a point of accuracy.",
    )
    timeout: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Wall time of one individual, modified, trained and evaluated; one that takes longer has failed. "
        "Needs a worker. Not reproducible: the time depends on the machine.",
    )
    memory: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Memory that a worker may have beyond what it has when it starts; an individual that wants more "
        "has failed. Needs a worker, on Linux. Not reproducible: what earlier individuals left behind counts too.",
    )

    @field_validator("primary")
    @classmethod
    def _primary_is_of_two_arms(cls, primary: str | None) -> str | None:
        if primary is not None:
            arms = primary.split(" - ")
            if (
                len(arms) != 2
                or len({*arms}) < 2
                or any(one.strip() != one or not one for one in arms)
            ):
                raise ValueError(
                    f'must be two different arms, such as "evolved - cnn"; got {brief(primary)}'
                )
            for arm in arms:
                if not NAME.fullmatch(arm):
                    raise ValueError(f"must have names of arms, which {OF_NAMES}; got {brief(arm)}")
        return primary

    @field_validator("equal")
    @classmethod
    def _budgets_differ(cls, equal: tuple[Budget, ...]) -> tuple[Budget, ...]:
        if len(set(equal)) < len(equal):
            raise ValueError(f"must name each budget at most once; got {list(equal)}")
        return equal

    @field_validator("metrics")
    @classmethod
    def _metrics_are_known(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(metrics)) < len(metrics):
            raise ValueError(f"must name each metric at most once; got {list(metrics)}")
        return metrics


class Experiment(Settings, frozen=True, extra="forbid"):
    """All settings of an experiment. Together they decide its results."""

    name: Name = Field("experiment", description="Name of the experiment and of the run's folder.")
    arm: Name = Field("evolved", description="Name of the winner in the table `comparison`.")
    cell: Name | None = Field(
        None,
        description="What follows the names of arms in the tables: the values of the grid, in a study with a grid, "
        "which sets it.",
    )
    seed: int = Field(0, ge=0, description="The first seed.")
    seeds: int = Field(3, ge=1, description="Number of seeds: seed, seed + 1, …")
    evolve: bool = Field(
        True,
        description="Whether networks evolve. If false, only the baselines are trained; founders, evolution and policy "
        "must then not be given.",
    )
    dataset: DatasetSettings = DatasetSettings()
    task: TaskSettings | None = Field(
        None,
        description="A reward that judges networks by episodes, in place of the data set.",
    )
    founders: FounderSettings = FounderSettings()
    evolution: EvolutionSettings = EvolutionSettings()
    policy: PolicySettings = PolicySettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    baseline: BaselineSettings = BaselineSettings()
    used: Used | None = Field(
        None,
        description="Data, fitness and own parts of a run, which the run writes into its config.json. Settings with "
        "this key repeat that run: with other data, another fitness or other own parts they are refused.",
    )
    continues: Continues | None = Field(
        None,
        description="The run that a run continues, which `evomatrix continue` writes into the config.json of the new "
        "run. Settings with this key cannot be run from the founders.",
    )

    @model_validator(mode="before")
    @classmethod
    def _settings_follow_the_task(cls, values: Any) -> Any:
        """Give settings that need samples other defaults beside a reward."""
        return with_defaults(values) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _task_suits(self) -> Self:
        verdict = self.evaluation.verdict
        if self.task is not None:
            check_task(self, self.task)
        elif verdict is not None and verdict not in METRICS:
            raise ValueError(f"evaluation.verdict {must_be_one_of(METRICS, verdict)}")
        return self

    @model_validator(mode="after")
    def _descriptors_are_known(self) -> Self:
        if self.task is None:  # of a reward, what it measures is known when it is made
            verdict = self.evaluation.verdict
            metrics = {*self.evaluation.metrics, *([verdict] if verdict else [])} - {"accuracy"}
            try:
                check_names(self.evolution.selection, sorted(metrics))
            except ValueError as error:
                raise ValueError(f"evolution.{error}") from None
        return self

    @model_validator(mode="after")
    def _baselines_suit(self) -> Self:
        if self.evolve:
            for name in ("epochs", "total_steps"):
                given = getattr(self.baseline, name)
                if given is not None:
                    rule = "unless evolve = false, because beside evolution a baseline gets the steps of the winner"
                    raise NoEffectError(f"baseline.{name}", rule, given)
            trains = self.evolution.steps_per_generation > 0
            if not trains and self.baseline.arms and self.task is None:
                raise ValueError(
                    "baseline.arms must be empty where evolution.steps_per_generation = 0, because a baseline gets the "
                    f"steps of the winner; got {list(self.baseline.arms)}"
                )
            if self.evolution.population < 2 and "cnn_pbt" in self.baseline.arms:
                raise ValueError(
                    "evolution.population must be at least 2 where baseline.arms has cnn_pbt, for the training compute "
                    f"of the search has to pay for a population of fixed networks; got {self.evolution.population}"
                )
            return self
        for section in OF_EVOLUTION:
            if section in self.model_fields_set:
                raise ValueError(f"{section} must not be given where evolve = false")
        for name in ("timeout", "memory"):
            given = getattr(self.evaluation, name)
            if given is not None:
                rule = "where evolve = false, because fixed networks are not limited"
                raise NoEffectError(f"evaluation.{name}", rule, given)
        if self.baseline.epochs is None and self.baseline.total_steps is None:
            raise ValueError(
                "baseline.epochs must be given where evolve = false, because there is no winner "
                "whose steps a baseline could get"
            )
        if not self.baseline.arms:
            raise ValueError("baseline.arms must name at least one where evolve = false")
        for arm in self.baseline.arms:
            if arm in OF_WINNER:
                raise ValueError(
                    f"baseline.arms must not name {arm}, {OF_WINNER[arm]}, where evolve = false"
                )
            if arm in SEARCHED:
                raise ValueError(
                    f"baseline.arms must not name {arm} where evolve = false, because it gets the training compute of "
                    "a search"
                )
        return self

    @model_validator(mode="after")
    def _engine_suits(self) -> Self:
        """Refuse what the compiled engine cannot do; what it needs of data and founders, a run checks."""
        if self.evolution.engine == "general":
            return self
        where = 'where evolution.engine = "compiled"'
        if self.policy.name not in ("compiled", "none"):
            raise ValueError(
                f'policy.name must be "compiled" or "none" {where}; got {self.policy.name!r}'
            )
        for name in ("timeout", "memory"):
            given = getattr(self.evaluation, name)
            if given is not None:
                raise ValueError(
                    f"evaluation.{name} must not be given {where}, which has no workers; got {given!r}"
                )
        if self.founders.graph == "maps":
            raise ValueError(f'founders.graph must draw networks of neurons {where}; got "maps"')
        if self.task is not None and self.task.trains:
            raise ValueError(
                f'task.strategy.name must be "none" {where}, which trains nothing; got {self.task.strategy.name!r}'
            )
        return self

    @model_validator(mode="after")
    def _settings_of_recipes_are_read(self) -> Self:
        """Refuse values of a setting of recipes, for genes or candidates, that no recipe reads."""
        searched = self.baseline.search.training
        given = {
            "evolution.recipe_genes.ranges": self.evolution.recipe_genes.ranges,
            "baseline.pbt.recipe_genes.ranges": self.baseline.pbt.recipe_genes.ranges,
            "baseline.search.training": searched,
        }
        for section, values in given.items():
            for name, (selector, readers) in READ_WITH.items():
                chosen: Collection[Any] = [getattr(self.training, selector)]
                if values is searched:
                    chosen = searched.get(selector, chosen)
                if name in values and not {*chosen} & {*readers}:
                    rule = f"unless training.{selector} is {' or '.join(readers)}"
                    raise NoEffectError(f"{section}.{name}", rule, [*values[name]])
        return self

    @model_validator(mode="after")
    def _genes_suit_the_recipe(self) -> Self:
        try:
            self.evolution.recipe_genes.check_initial(self.training)
        except ValueError as error:
            raise ValueError(f"evolution.recipe_genes.{error}") from None
        if "cnn_pbt" not in self.baseline.arms:
            return self
        rate = self.baseline.learning_rate or self.training.learning_rate
        genes = self.baseline.pbt.genes(self.evolution.recipe_genes)
        if not genes.ranges:
            raise ValueError(
                "baseline.pbt.recipe_genes.ranges must have a gene where baseline.arms has cnn_pbt and "
                f"evolution.recipe_genes has none; got {genes.ranges}"
            )
        try:
            genes.check_initial(self.training.with_setting("learning_rate", rate))
        except ValueError as error:
            raise ValueError(f"baseline.pbt.recipe_genes.{error}") from None
        return self

    @model_validator(mode="after")
    def _policy_suits_the_founders(self) -> Self:
        graph, policy = self.founders.graph, self.policy
        layered = graph == "given" or self.founders.layer_sizes(1, 1)  # a run checks given founders
        if policy.name == "layerwise" and not layered:
            raise ValueError(
                f'founders.graph must be "maps", "layered" or "given" where policy.name = "layerwise"; got {graph!r}'
            )
        method = policy.method
        if method is not None:
            self._method_suits_the_founders(method)
        return self

    def _method_suits_the_founders(self, method: Method) -> None:
        """Raise ValueError if a method of sparse training cannot rewire the networks that are drawn."""
        graph, layers = self.founders.graph, self.founders.layer_sizes(1, 1)
        if graph == "maps" and method.scope != "layer":
            raise ValueError(
                f'policy.rewiring_scope must be "layer" where founders.graph = "maps"; got {method.scope!r}'
            )
        if graph == "given":  # a run checks given founders
            return
        if method.needs_layers and (graph == "maps" or not layers):
            raise ValueError(
                f'founders.graph must be "layered", with hidden layers, or "given" where new edges are predicted '
                f"({method.regrowth}); got {graph!r}"
            )
        if method.fixed_layers:
            if not layers:
                raise ValueError(
                    f'policy.fixed_layers must be empty unless founders.graph is "maps" or "layered"; got {graph!r}'
                )
            try:
                indices_of_layers("fixed_layers", method.fixed_layers, len(layers) - 1)
            except ValueError as error:
                raise ValueError(f"policy.{error}") from None
        if self.founders.threshold_mode == "signed" and method.drops_one_by_one:
            raise ValueError(
                'founders.threshold_mode must be "magnitude" where entries are dropped one by one '
                f'(policy.removal = {method.removal!r}); got "signed"'
            )

    @model_validator(mode="after")
    def _every_seed_continues(self) -> Self:
        seeds = set(range(self.seed, self.seed + self.seeds)) if self.continues else set()
        for name in ("first_generation", "steps_before"):
            missing = seeds - getattr(self.continues, name, {}).keys()
            if missing:
                raise ValueError(
                    f"continues.{name} must have every seed; got none for {min(missing)}"
                )
        return self

    @property
    def arm_names(self) -> tuple[str, ...]:
        """The names of the arms in the table ``comparison``: the winner's, if networks evolve, and the baselines'."""
        names = ((self.arm,) if self.evolve else ()) + tuple(self.baseline.arms)
        return tuple(map(self.label, names))

    def label(self, arm: str) -> str:
        """Return the name of an arm in the tables: in a study with a grid, with the cell."""
        return arm if self.cell is None else f"{arm}-{self.cell}"

    def __repr__(self) -> str:
        """Return one line with the most important settings."""
        facts: dict[str, object] = {
            "name": self.name,
            "dataset": self.dataset.name,
            "seeds": self.seeds,
        }
        if self.task is not None:
            facts = {"name": self.name, "task": self.task.title, "seeds": self.seeds}
        if self.evolve:
            names = ("population", "generations", "steps_per_generation")
            facts |= {name: getattr(self.evolution, name) for name in names}
        return line_of(self, facts | {"arms": ", ".join(self.arm_names)})

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Return a small table of the settings that are not the defaults, for notebooks."""
        changed = self.model_dump(exclude_defaults=True, exclude={"used", "continues"})
        return table_of(self, dict(_dotted(changed)))

    @property
    def title(self) -> str:
        """The name, and the arm in an experiment with arms, for people."""
        parts = [self.name, "" if self.arm == "evolved" else self.arm, self.cell]
        return ", ".join(filter(None, parts))

    @model_serializer(mode="wrap")
    def _without_what_has_no_say(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        unused = [*(() if self.evolve else OF_EVOLUTION)]
        unused.append("task" if self.task is None else "dataset")
        return {name: value for name, value in values.items() if name not in unused}

    @classmethod
    def parse(cls, values: Mapping[str, Any], source: str) -> Self:
        """Check settings.

        Parameters
        ----------
        values : mapping
            As read from a TOML file.
        source : str
            Where they come from, with which messages begin; empty if they shall begin with the field.

        Raises
        ------
        SettingsError
            At the first setting that breaks a rule: one line naming source, field, rule and value.
        """
        try:
            return cls(**values)
        except SettingsError as error:
            raise SettingsError(f"{source}: {error}" if source else str(error)) from error.__cause__

    @classmethod
    def parse_changed(
        cls, values: Mapping[str, Any], own: Mapping[str, Any], source: str
    ) -> tuple[Self, dict[str, str]]:
        """Check settings of which some are changed: of an arm, of a control, or by options.

        Inherited settings without effect get their defaults, for those who change the policy do not repeat all other
        settings of it.

        Parameters
        ----------
        values : mapping
            All settings.
        own : mapping
            The settings that are changed: these must have an effect.
        source : str
            As for :meth:`parse`.

        Returns
        -------
        Experiment
        dict
            A message for each inherited setting without effect, by its dotted name.

        Raises
        ------
        SettingsError
            As of :meth:`parse`.
        """
        return without_idle(lambda some: cls.parse(some, source), values, own)


def _dotted(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the settings of nested sections by their dotted names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


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
    values = without_empty(read_settings(preset))
    for name, has in OF_STUDIES.items():
        if name in values:
            raise SettingsError(f"{preset}: has {has}; load_study loads it")
    if "used" in values and isinstance(values.get("dataset"), dict):
        values["dataset"].setdefault("target_scaling", "none")  # of a run of an older version
    return changed_experiment(values, {}, str(preset))


def changed_experiment(
    values: dict[str, Any], changes: Mapping[str, Any], source: str
) -> Experiment:
    """Check settings with some values replaced; `changes` maps dotted names to values.

    A setting that only the changes leave without effect gets its default. Changes may empty the sections of a study.

    Raises
    ------
    SettingsError
        As of :meth:`Experiment.parse`; or if there is halving, which compares the cells of a study.
    """
    together, own = (without_empty(with_values(base, changes)) for base in (values, {}))
    if "halving" in together:
        where = f"{source}: " if source else ""
        raise SettingsError(
            f"{where}halving must be given with arms, controls or a grid only, whose cells it compares; got "
            f"{brief(together['halving'])}"
        )
    experiment, idle = Experiment.parse_changed(together, own, source)
    if "used" not in values:  # a run of an older version may have settings without effect
        check_base({name: one for name, one in values.items() if name not in OF_STUDIES}, idle)
    return experiment


def without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without the sections of a study that are empty: arms, controls or a grid without any are none."""
    return {
        name: value
        for name, value in values.items()
        if name not in OF_STUDIES or not isinstance(value, Mapping | list | tuple) or value
    }


def check_base(values: Mapping[str, Any], idle: Mapping[str, str]) -> None:
    """Raise SettingsError for a setting without effect that has none in the settings below the changes either.

    Parameters
    ----------
    values : mapping
        The settings below the changes.
    idle : mapping
        Messages by the names of settings, as :meth:`Experiment.parse_changed` returns them.
    """
    if not idle:
        return
    try:
        _, alone = Experiment.parse_changed(values, {}, "")
    except SettingsError:  # only with the changes the settings are complete
        return
    for name, message in idle.items():
        if name in alone:
            raise SettingsError(message)


def read_settings(preset: str | Path) -> dict[str, Any]:
    """Read a preset, a TOML file, or the config.json of a run, without checking its fields."""
    name = str(preset)
    if name in preset_names():
        return tomllib.loads(preset_text(name))
    path = Path(preset)
    if path.suffix not in {".toml", ".json"}:
        known = ", ".join(preset_names())
        guess = did_you_mean(name.lower(), preset_names())
        raise SettingsError(
            f"unknown preset {name!r}{guess}; known: {known} - or give a .toml file"
        )
    text = ""
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".toml" and LONG_KEY.search(QUOTED.sub("q", text)):
            raise SettingsError(f"{path}: keys must have at most 32 parts; got a longer one")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # of TOML, of JSON or of UTF-8
        kind = path.suffix[1:].upper()
        told = one_line(_with_its_line(str(error), text))
        raise SettingsError(f"{path}: must be {kind} in UTF-8 ({told})") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: must be a table of settings; got {type(values).__name__}")
    return values


def _with_its_line(error: str, text: str) -> str:
    """Return an error of TOML with the line of the text that is wrong, and the name of the table before its key."""
    place = TOML_PLACE.search(error)
    if place is None:
        return error
    lines = text.rstrip().split("\n")
    number = int(place[1] or len(lines))
    *before, line = lines[:number]
    line = line.strip()
    tables = HEADER.findall("\n".join(before))
    if tables and re.match(r"[\w\"'][^=]*=", line):
        line = f"{tables[-1]}.{line}"
    return f"{error.removesuffix(place[0])}, line {number}: {line}"


def with_values(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with some values replaced; `changes` maps dotted names to values.

    Raises
    ------
    SettingsError
        If a name leads into a setting that is not a table.
    """
    result = dict(values)
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        place, path = result, ""
        for section in sections:
            path += f".{section}" if path else section
            inside = place.get(section, {})
            if not isinstance(inside, dict):
                raise SettingsError(f"{path} must be a table; got {brief(inside)}")
            place[section] = dict(inside)
            place = place[section]
        place[key] = value
    return result
