"""Policies: who decides which operators a modify phase applies, and with which parameters.

A policy works on an open editor and returns the operations it applied, in order. Known methods are policies made of
the operators' letters - SET is A then N at random, RigL is A then N by gradient - and so stand as controls in the
same tables. A new policy is one function and one registry entry.

What a policy learns from the generations before (`adaptive`: which letters pay) it does not keep: the driver works it
out from the finished generations (:mod:`evo.evolution.credit`) and sends it along with the job, as the weights of the
letters.
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from evo.editing.editor import GenomeEditor
from evo.operators.elementary import (
    OPERATORS,
    Operation,
    OperatorSettings,
    Proposing,
    apply_operation,
    gradient_edges,
    random_edges,
    threshold_at_quantile,
)
from evo.policies.layerwise import LAYER_CHANGES, reshape
from evo.policies.rewiring import Within, drop_dormant_entries, fading, redraw, rigl_step, set_step


class PolicySettings(BaseModel, frozen=True, extra="forbid"):
    """How a modify phase chooses."""

    name: Literal["mixed", "weighted", "adaptive", "layerwise", "set", "rigl", "random", "none"] = (
        Field(
            "mixed",
            description="mixed: prune-and-regrow or letters; weighted: operators by weight; adaptive: operators by the "
            "fitness they gained; layerwise: prune-and-regrow in each level of a founder, and moves between levels by "
            "the "
            "fitness they gained; set, rigl: as published; random: a new random topology; none",
        )
    )
    operator_weights: dict[str, float] = Field(
        default_factory=lambda: (
            dict.fromkeys((code for code in OPERATORS if code != "M"), 0.25)
            | dict.fromkeys("ABCDFH", 1.0)
            | {"N": 2.0}
        ),  # without M, which is for maps only
        description="relative frequency of each operator where letters are drawn; adaptive: at the start",
    )
    max_operations: int = Field(
        2, ge=1, description="weighted, adaptive: a modify phase applies 1 to this many operators"
    )
    min_probability: float = Field(
        0.04, ge=0, lt=1, description="adaptive, layerwise: no letter is drawn less often than this"
    )
    credit_decay: float = Field(
        0.8,
        ge=0,
        le=1,
        description="adaptive, layerwise: what a generation's credit counts one generation later; 1 forgets nothing",
    )
    rewiring_probability: float = Field(
        0.7,
        ge=0,
        le=1,
        description="mixed, layerwise: share of modify phases that prune and regrow, and do nothing else",
    )
    rewired_fraction: float = Field(
        0.15,
        gt=0,
        lt=1,
        description="mixed, layerwise, set, rigl: share of the stored entries that prune-and-regrow replaces, 0.3 as "
        "published; all but set: fading as a cosine",
    )
    rewiring_scope: Within = Field(
        "layer",
        description="set, rigl: the share is that of each layer (without layers: the columns of one role), or of the "
        "network",
    )
    new_weight_scale: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="set: standard deviation of new weights, in units of 1/√in-degree (Glorot); 0: they start at 0",
    )
    gradient_fraction: float = Field(
        0.7, ge=0, le=1, description="mixed, layerwise: share of regrowth that follows the gradient"
    )
    max_moved_fraction: float = Field(
        0.1,
        ge=0,
        le=1,
        description="layerwise: at most this share of one level's edges moves to another; within "
        "operators.max_parameters "
        "and max_macs or, where these are not given, what the network costs",
    )
    operators: OperatorSettings = OperatorSettings()

    @field_validator("operator_weights")
    @classmethod
    def _operators_known(cls, weights: dict[str, float]) -> dict[str, float]:
        for code, weight in weights.items():
            if code not in OPERATORS:
                raise ValueError(f"operator must be one of {', '.join(OPERATORS)}; got {code!r}")
            if not 0 <= weight < math.inf:
                raise ValueError(f"weight of {code} must be finite and not negative; got {weight}")
        if sum(weights.values()) <= 0:
            raise ValueError("at least one operator must have a weight above 0")
        return weights

    @property
    def drawn_weights(self) -> dict[str, float]:
        """The weights of the letters that the policy draws, all of them above 0; nothing where it draws none."""
        if self.name not in {"mixed", "weighted", "adaptive", "layerwise"}:
            return {}
        letters = LAYER_CHANGES if self.name == "layerwise" else self.operator_weights
        weights = {code: self.operator_weights.get(code, 0.0) for code in letters}
        return {code: weight for code, weight in weights.items() if weight > 0}

    @property
    def learns(self) -> bool:
        """Whether letters are drawn by the fitness that they gained."""
        return self.name in {"adaptive", "layerwise"}

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        letters = len(self.drawn_weights)
        if self.learns and self.min_probability * letters > 1:
            raise ValueError(
                f"min_probability must be at most 1 over the number of letters ({letters}); got {self.min_probability}"
            )
        return self


Policy = Callable[[GenomeEditor, Proposing, PolicySettings], list[Operation]]


def leave_alone(
    editor: GenomeEditor, proposing: Proposing, settings: PolicySettings
) -> list[Operation]:
    """Change nothing: the train-only control."""
    return []


def draw_operators(
    editor: GenomeEditor, proposing: Proposing, settings: PolicySettings
) -> list[Operation]:
    """Apply a few operators drawn by weight; one that finds nothing to change is left out of the draw.

    Where the policy is `adaptive`, the weights are those learnt, see
    :func:`evo.evolution.credit.operator_probabilities`.
    """
    operations = []
    for _ in range(int(proposing.rng.integers(1, settings.max_operations + 1))):
        weights = {code: weight for code, weight in settings.operator_weights.items() if weight > 0}
        while weights:
            total = sum(weights.values())
            shares = [weight / total for weight in weights.values()]
            code = str(proposing.rng.choice(list(weights), p=shares))
            parameters = OPERATORS[code].propose(editor, proposing)
            if parameters is not None:
                operations.append(apply_operation(editor, code, parameters))
                break
            del weights[code]
    return operations


def rewire_randomly(
    editor: GenomeEditor, proposing: Proposing, settings: PolicySettings
) -> list[Operation]:
    """Rewire as SET does (Mocanu et al. 2018); see :func:`evo.policies.rewiring.set_step`."""
    share, within = settings.rewired_fraction, settings.rewiring_scope
    return set_step(editor, proposing, share, within, settings.new_weight_scale)


def rewire_by_gradient(
    editor: GenomeEditor, proposing: Proposing, settings: PolicySettings
) -> list[Operation]:
    """Rewire as RigL does (Evci et al. 2020); see :func:`evo.policies.rewiring.rigl_step`."""
    return rigl_step(editor, proposing, settings.rewired_fraction, settings.rewiring_scope)


def draw_topology(
    editor: GenomeEditor, proposing: Proposing, settings: PolicySettings
) -> list[Operation]:
    """Draw a new random topology with as many edges; see :func:`evo.policies.rewiring.redraw`."""
    return redraw(editor, proposing)


def mix(editor: GenomeEditor, proposing: Proposing, settings: PolicySettings) -> list[Operation]:
    """Mostly prune and regrow, mostly by gradient; now and then draw letters.

    Other than in SET and RigL the threshold stays where the pruning put it: an edge that training takes below it falls
    asleep, and new edges start just above it.
    """
    rng = proposing.rng
    if rng.random() >= settings.rewiring_probability:
        return draw_operators(editor, proposing, settings)
    if rng.random() < settings.gradient_fraction:
        return _prune_and_regrow(editor, proposing, settings, gradient_edges)
    return _prune_and_regrow(editor, proposing, settings, random_edges)


def rewire_layerwise(
    editor: GenomeEditor, proposing: Proposing, settings: PolicySettings
) -> list[Operation]:
    """Rewire each level, and now and then move edges between levels, or nodes; see :mod:`evo.policies.layerwise`."""
    moves = (
        settings.drawn_weights if proposing.rng.random() >= settings.rewiring_probability else {}
    )
    return reshape(
        editor,
        proposing,
        share=settings.rewired_fraction * fading(proposing.progress),
        gradient_fraction=settings.gradient_fraction,
        moves=moves,
        max_moved_fraction=settings.max_moved_fraction,
    )


def freeze_topology(editor: GenomeEditor) -> list[Operation]:
    """Forget what sleeps and let every remaining entry through, so that training alone no longer changes the graph."""
    return drop_dormant_entries(editor)


def _prune_and_regrow(
    editor: GenomeEditor,
    proposing: Proposing,
    settings: PolicySettings,
    grow: Callable[[GenomeEditor, int, Proposing], dict[str, object] | None],
) -> list[Operation]:
    share = settings.rewired_fraction * fading(proposing.progress)
    stored = editor.n_stored
    operations = []
    if stored and share > 0:
        parameters = threshold_at_quantile(editor, share, drop=True)
        if parameters is not None:
            operations.append(apply_operation(editor, "A", parameters))
    n_dropped = stored - editor.n_stored
    if n_dropped:
        grown = grow(editor, n_dropped, proposing)
        if grown is not None:
            operations.append(apply_operation(editor, "N", grown))
    return operations


POLICIES: Mapping[str, Policy] = {
    "mixed": mix,
    "weighted": draw_operators,
    "adaptive": draw_operators,
    "layerwise": rewire_layerwise,
    "set": rewire_randomly,
    "rigl": rewire_by_gradient,
    "random": draw_topology,
    "none": leave_alone,
}
