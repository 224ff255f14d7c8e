"""What a run of neuroevolution may be told: :class:`NeuroevolutionSettings`."""

from typing import Literal

from pydantic import BaseModel, Field, field_validator

from evo.genome.activations import activation_code
from evo.gradient_free.dense_kernels import LETTERS
from evo.operators.operation import OperatorSettings


class NeuroevolutionSettings(BaseModel, frozen=True, extra="forbid"):
    """Networks, mutation, selection and when to stop.

    The defaults were chosen on XOR and on the parity of three bits, which they solve from every seed tried.

    The size of all networks together is limited too: see :func:`evo.neuroevolve`.
    """

    population: int = Field(150, ge=1, le=1_000_000, description="networks of a generation")
    generations: int = Field(
        300, ge=1, le=1_000_000, description="at most so many, the founders' included"
    )
    target_fitness: float | None = Field(
        None, allow_inf_nan=False, description="stop as soon as a network is this fit"
    )
    fitness: Literal["negative_loss", "accuracy"] = Field(
        "negative_loss", description="what is maximised, on the samples given"
    )
    loss: Literal["squared_error", "cross_entropy", "softmax_squared_error"] | None = Field(
        None, description="by default squared_error for values and cross_entropy for classes"
    )
    hidden: int = Field(4, ge=0, le=1_000, description="hidden nodes, used or not")
    activations: tuple[str, ...] = Field(
        ("tanh",), min_length=1, description="a founder's hidden nodes have one of these each"
    )
    output_activation: str = Field("identity", description="activation of outputs")
    ticks: int = Field(1, ge=1, le=1_000, description="T: 1 is feed-forward, more are recurrent")
    density: float = Field(
        0.5, ge=0, le=1, description="share of the places where an edge can act that founders use"
    )
    init_std: float = Field(
        2.0, gt=0, allow_inf_nan=False, description="standard deviation of weights drawn anew"
    )
    mutation_std: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="N: standard deviation of a change"
    )
    max_weight: float = Field(30.0, gt=0, le=1e6, description="N: |weight| at most")
    changed_fraction: float = Field(
        0.25, ge=0, le=1, description="N: how likely a weight or bias changes, beside one that does"
    )
    redrawn_fraction: float = Field(
        0.1, ge=0, le=1, description="N: how likely a weight that changes is drawn anew"
    )
    growth_fraction: float = Field(
        0.2, ge=0, le=1, description="N: how often it grows edges, instead of changing weights"
    )
    operator_weights: dict[str, float] = Field(
        {"A": 0.05, "B": 0.05, "C": 0.05, "D": 0.05, "F": 0.05, "H": 0.05, "N": 0.7},
        description="how often each operator is drawn, relative to the others; 0 if not named",
    )
    max_operations: int = Field(
        2, ge=1, le=100, description="a child differs by 1 to so many operations"
    )
    operators: OperatorSettings = Field(
        OperatorSettings(), description="bounds of what operators draw"
    )
    selection: Literal["tournament", "truncation"] = Field(
        "tournament",
        description="tournament: a parent is the best of a few drawn at random; truncation: one of the best share",
    )
    tournament_size: int = Field(5, ge=1, le=1_000, description="tournament: contestants")
    survivors: float = Field(0.2, gt=0, le=1, description="truncation: share that may be parents")
    elites: int = Field(
        2,
        ge=0,
        description="the best that stay unchanged; fewer where the population is too small for one child",
    )

    @field_validator("activations", "output_activation")
    @classmethod
    def _known(cls, names: tuple[str, ...] | str) -> tuple[str, ...] | str:
        """Refuse an activation that is not registered."""
        for name in (names,) if isinstance(names, str) else names:
            activation_code(name)
        return names

    @field_validator("operator_weights")
    @classmethod
    def _usable(cls, letters: dict[str, float]) -> dict[str, float]:
        """Refuse letters that are not compiled, negative shares, and no operator at all."""
        unknown = sorted(letters.keys() - set(LETTERS))
        if unknown:
            raise ValueError(
                f"operator_weights must be among {', '.join(LETTERS)}; got {unknown[0]!r}"
            )
        if not all(0 <= share < 1e6 for share in letters.values()) or sum(letters.values()) <= 0:
            raise ValueError(
                f"operator_weights must have shares in [0, 1e6), not all 0; got {letters}"
            )
        return letters
