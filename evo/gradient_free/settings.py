"""The settings of neuroevolution without gradients."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cnn.settings import NoEffectError
from evo.genome.activations import ACTIVATIONS
from evo.gradient_free.dense_kernels import OPERATOR_CODES
from evo.operators.operation import OperatorSettings
from evo.settings import Settings

OF_SPECIES = (
    "species",
    "compatibility_threshold",
    "structure_coefficient",
    "weight_coefficient",
    "stagnation",
)
"""Settings of selection = "speciation"."""


UNREAD_OPERATORS = (
    "mutation_probability",
    "mutation_std",
    "activations",
    "max_parameters",
    "max_macs",
)
"""The settings of operators that neuroevolution does not read; it has settings of its own instead, or no such limit."""


class WeightSettings(Settings, frozen=True, extra="forbid"):
    """How compiled mutation draws and changes weights."""

    init_std: float = Field(
        2.0, gt=0, allow_inf_nan=False, description="standard deviation of new weights"
    )
    mutation_std: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="N: standard deviation of a weight change"
    )
    max_weight: float = Field(30.0, gt=0, le=1e6, description="N: largest |weight|")
    changed_fraction: float = Field(
        0.25,
        ge=0,
        le=1,
        description="N: probability with which each weight or bias changes; at least one of them changes",
    )
    redrawn_fraction: float = Field(
        0.1, ge=0, le=1, description="N: probability that a weight that changes is drawn anew"
    )


class NeuroevolutionSettings(WeightSettings, frozen=True, extra="forbid"):
    """Settings of networks, mutation, selection and the end of a run.

    The defaults were chosen on XOR and on the parity of three bits, which they solve from every seed tried.

    :func:`evo.neuroevolve` also limits the total size of all networks.
    """

    population: int = Field(150, ge=1, le=1_000_000, description="networks per generation")
    generations: int = Field(
        300, ge=1, le=1_000_000, description="largest number of generations, the founders included"
    )
    target_fitness: float | None = Field(
        None,
        allow_inf_nan=False,
        description="the run stops when a network has this fitness; not where a task has a test of its own",
    )
    fitness: Literal["negative_loss", "accuracy"] = Field(
        "negative_loss", description="the measure to maximise, on samples"
    )
    loss: Literal["squared_error", "cross_entropy", "softmax_squared_error"] | None = Field(
        None,
        description="on samples; by default squared_error for values and cross_entropy for classes",
    )
    hidden: int = Field(4, ge=0, le=1_000, description="hidden nodes, with or without edges")
    activations: tuple[str, ...] = Field(
        ("tanh",),
        min_length=1,
        description="activations from which each hidden node of a founder draws one",
    )
    output_activation: str = Field("identity", description="activation of the outputs")
    ticks: int = Field(1, ge=1, le=1_000, description="T: 1 is feed-forward, more is recurrent")
    memory: bool = Field(
        False,
        description="compiled tasks: a network keeps its state from one step of an episode to the next, so that "
        "delayed edges act at one tick too",
    )
    density: float = Field(
        0.5,
        ge=0,
        le=1,
        description="edges of a founder, as a fraction of the edges that can have an effect",
    )
    growth_fraction: float = Field(
        0.2, ge=0, le=1, description="N: probability that N adds edges instead of changing weights"
    )
    operator_weights: dict[str, float] = Field(
        {"A": 0.05, "B": 0.05, "C": 0.05, "D": 0.05, "F": 0.05, "H": 0.05, "N": 0.7},
        description="relative frequency of each operator; 0 if not named",
    )
    max_operations: int = Field(
        2, ge=1, le=100, description="largest number of operations per child; at least 1 is applied"
    )
    operators: OperatorSettings = Field(
        OperatorSettings(), description="bounds of the parameters of operators"
    )
    crossover_probability: float = Field(
        0.0,
        ge=0,
        le=1,
        description="probability that a child has a mate too: it takes each weight that both have from either",
    )
    selection: Literal["tournament", "truncation", "speciation"] = Field(
        "tournament",
        description="tournament: a parent is the best of a few random individuals; truncation: a parent is drawn "
        "from the best individuals; speciation: from the best of a species, whose number of children follows from its "
        "mean fitness",
    )
    species: int = Field(
        10, ge=1, le=1_000, description="speciation: number of species to keep near"
    )
    compatibility_threshold: float = Field(
        2.0,
        gt=0,
        allow_inf_nan=False,
        description="speciation: largest distance from the representative of a species, at first; it adapts by tenths "
        "to the number of species",
    )
    structure_coefficient: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="speciation: weight, in a distance, of the entries that one network has alone, as a fraction of "
        "the larger one",
    )
    weight_coefficient: float = Field(
        0.5,
        ge=0,
        allow_inf_nan=False,
        description="speciation: weight, in a distance, of the mean difference of homologous weights and biases",
    )
    stagnation: int = Field(
        15,
        ge=1,
        description="speciation: generations without a rise of its best fitness after which a species has no children",
    )
    tournament_size: int = Field(5, ge=1, le=1_000, description="individuals per tournament")
    parent_fraction: float = Field(
        0.2,
        gt=0,
        le=1,
        description="truncation, speciation: fraction of the population, or of a species, that may be parents",
    )
    elites: int = Field(
        2,
        ge=0,
        description="best individuals, with speciation of each species of five or more, that go unchanged into "
        "the next generation; at least one child is bred",
    )

    @field_validator("activations", "output_activation")
    @classmethod
    def _known(cls, names: tuple[str, ...] | str) -> tuple[str, ...] | str:
        """Return the activations; raise ValueError if one is not registered."""
        for name in (names,) if isinstance(names, str) else names:
            ACTIVATIONS.check(name)
        return names

    @field_validator("operator_weights")
    @classmethod
    def _usable(cls, weights: dict[str, float]) -> dict[str, float]:
        """Return the weights; raise ValueError for an unknown operator, a negative weight, or zeros only."""
        unknown = sorted(weights.keys() - set(OPERATOR_CODES))
        if unknown:
            raise ValueError(f"must be among {', '.join(OPERATOR_CODES)}; got {unknown[0]!r}")
        if not all(0 <= weight < 1e6 for weight in weights.values()) or sum(weights.values()) <= 0:
            raise ValueError(f"must be in [0, 1e6), not all 0; got {weights}")
        return weights

    @model_validator(mode="after")
    def _settings_have_an_effect(self) -> Self:
        if self.selection != "speciation":
            self._refuse(OF_SPECIES, "unless selection is speciation")
        for name in UNREAD_OPERATORS:
            given = getattr(self.operators, name)
            if given != getattr(OperatorSettings(), name):
                raise NoEffectError(f"operators.{name}", "in neuroevolution", given)
        return self
