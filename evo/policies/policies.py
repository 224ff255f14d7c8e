"""Policies: which operators a modify phase applies, and with which parameters.

A policy works on an open editor and returns the operations it applied, in order. Known methods are policies made of the
operators: SET is A then N at random, RigL is A then N by gradient. So they stand as controls in the same tables. A new
policy is one function and one registry entry.

A policy keeps no state. The policies that learn (``adaptive``, ``layerwise``) get the learnt weights of the operators
with each job; :mod:`evo.evolution.credit` computes them from the finished generations.
"""

import math
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from evo.editing.editor import GenomeEditor
from evo.operators.elementary import threshold_at_quantile
from evo.operators.growth import gradient_edges, random_edges
from evo.operators.operation import Operation, OperatorSettings, Parameters, ProposalContext
from evo.operators.registry import OPERATORS, apply_operation
from evo.policies.layerwise import LAYER_CHANGES, rewire_layers
from evo.policies.prune_and_regrow import (
    Counts,
    Scope,
    drop_dormant_entries,
    prune_and_regrow,
    whole_network,
)
from evo.policies.rewiring import fading, redraw, rigl_step, set_step
from evo.registry import Registry, check_signature
from evo.settings import Settings

Policy = Callable[[GenomeEditor, ProposalContext, "PolicySettings"], list[Operation]]
"""A policy changes an editor by operators and returns the operations in their order."""


def _converted(name: str, given: Any) -> Policy:
    """Return an own policy; raise TypeError if it is no function of (editor, context, settings)."""
    check_signature("policy", name, given, "editor", "context", "settings")
    policy: Policy = given
    return policy


POLICIES: Registry[Policy] = Registry("policy", convert=_converted)
"""The policies by name."""


class PolicySettings(Settings, frozen=True, extra="forbid"):
    """How a modify phase chooses."""

    name: Annotated[str, POLICIES] = Field(
        "mixed",
        description="The policy. mixed: prune and regrow, or draw operators. weighted: draw operators by their "
        "weight. adaptive: draw operators by the fitness that their children gained. layerwise: prune and regrow "
        "each layer; changes of layer sizes are drawn as in adaptive. set, rigl: the published methods. random: "
        "draw a new random topology. none: change nothing.",
    )
    operator_weights: dict[str, float] = Field(
        default_factory=lambda: (
            dict.fromkeys((code for code in OPERATORS.built_in if code != "M"), 0.25)
            | dict.fromkeys("ABCDFH", 1.0)
            | {"N": 2.0}
        ),  # without M, which is for maps only
        description="relative frequency with which mixed, weighted, adaptive and layerwise draw each operator. "
        "adaptive and layerwise start from these frequencies and change them by the fitness that was gained.",
    )
    max_operations: int = Field(
        2,
        ge=1,
        description="mixed, weighted, adaptive: largest number of operators that one modify phase draws.",
    )
    min_probability: float = Field(
        0.04,
        ge=0,
        lt=1,
        description="adaptive, layerwise: smallest probability of drawing an operator, whatever fitness was gained.",
    )
    credit_decay: float = Field(
        0.8,
        ge=0,
        le=1,
        description="adaptive, layerwise: factor by which the credit of past generations shrinks each generation. With "
        "1 all generations count equally.",
    )
    rewiring_probability: float = Field(
        0.7,
        ge=0,
        le=1,
        description="mixed, layerwise: probability that a modify phase only prunes and regrows.",
    )
    rewired_fraction: float = Field(
        0.15,
        gt=0,
        lt=1,
        description="mixed, layerwise, set, rigl: fraction of the stored entries that prune-and-regrow replaces. It "
        "stays constant for set and shrinks to 0 over the run, as a half cosine, for the others. SET and RigL were "
        "published with 0.3.",
    )
    rewiring_scope: Scope = Field(
        "layer",
        description="set, rigl: layer: the weakest entries of each layer are replaced. network: the weakest entries of "
        "the whole network are replaced. In a graph without layers all hidden nodes count as one layer, and all output "
        "nodes as another.",
    )
    new_weight_scale: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="set: standard deviation of new weights, in units of 1/√in-degree (Glorot).",
    )
    gradient_fraction: float = Field(
        0.7,
        ge=0,
        le=1,
        description="mixed: probability that new entries are chosen by the loss gradient instead of at random. "
        "layerwise: fraction of the new entries that are chosen by the gradient.",
    )
    max_moved_fraction: float = Field(
        0.1,
        ge=0,
        le=1,
        description="layerwise: largest fraction of a layer's edges that one modify phase moves to another layer. The "
        "network stays within operators.max_parameters and operators.max_macs; without them it keeps its size.",
    )
    operators: OperatorSettings = OperatorSettings()

    @field_validator("operator_weights")
    @classmethod
    def _operators_known(cls, weights: dict[str, float]) -> dict[str, float]:
        for code, weight in weights.items():
            OPERATORS.choose(code)
            if not 0 <= weight < math.inf:
                raise ValueError(f"weight of {code} must be finite and at least 0; got {weight}")
        if sum(weights.values()) <= 0:
            raise ValueError("operator_weights must have a sum above 0; got 0")
        return weights

    @property
    def drawn_weights(self) -> dict[str, float]:
        """The weights above 0 of the operators that the policy draws; empty if it draws none."""
        if self.name not in {"mixed", "weighted", "adaptive", "layerwise"}:
            return {}
        codes: Iterable[str] = self.operator_weights
        if self.name == "layerwise":
            codes = [*LAYER_CHANGES, *(code for code in codes if code in OPERATORS.own)]
        weights = {code: self.operator_weights.get(code, 0.0) for code in codes}
        return {code: weight for code, weight in weights.items() if weight > 0}

    @property
    def learns(self) -> bool:
        """Whether operators are drawn by the fitness that they gained."""
        return self.name in {"adaptive", "layerwise"}

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        drawn = len(self.drawn_weights)
        if self.learns and self.min_probability * drawn > 1:
            raise ValueError(
                f"min_probability must be at most 1 over the number of operators drawn ({drawn}); "
                f"got {self.min_probability}"
            )
        return self


def leave_alone(
    editor: GenomeEditor, context: ProposalContext, settings: PolicySettings
) -> list[Operation]:
    """Change nothing: the train-only control."""
    return []


def draw_operators(
    editor: GenomeEditor, context: ProposalContext, settings: PolicySettings
) -> list[Operation]:
    """Apply a few operators drawn by weight; an operator that proposes nothing is left out, and another is drawn.

    The weights of the policy ``adaptive`` are learnt, see :func:`evo.evolution.credit.operator_probabilities`.
    """
    operations = []
    for _ in range(int(context.rng.integers(1, settings.max_operations + 1))):
        weights = {code: weight for code, weight in settings.operator_weights.items() if weight > 0}
        while weights:
            total = sum(weights.values())
            shares = [weight / total for weight in weights.values()]
            code = str(context.rng.choice(list(weights), p=shares))
            parameters = OPERATORS[code].propose(editor, context)
            if parameters is not None:
                operations.append(apply_operation(editor, code, parameters))
                break
            del weights[code]
    return operations


def rewire_randomly(
    editor: GenomeEditor, context: ProposalContext, settings: PolicySettings
) -> list[Operation]:
    """Rewire as SET does (Mocanu et al. 2018); see :func:`evo.policies.rewiring.set_step`."""
    fraction, scope = settings.rewired_fraction, settings.rewiring_scope
    return set_step(editor, context, fraction, scope, settings.new_weight_scale)


def rewire_by_gradient(
    editor: GenomeEditor, context: ProposalContext, settings: PolicySettings
) -> list[Operation]:
    """Rewire as RigL does (Evci et al. 2020); see :func:`evo.policies.rewiring.rigl_step`."""
    return rigl_step(editor, context, settings.rewired_fraction, settings.rewiring_scope)


def draw_topology(
    editor: GenomeEditor, context: ProposalContext, settings: PolicySettings
) -> list[Operation]:
    """Draw a new random topology with as many edges; see :func:`evo.policies.rewiring.redraw`."""
    return redraw(editor, context)


def mix(
    editor: GenomeEditor, context: ProposalContext, settings: PolicySettings
) -> list[Operation]:
    """Mostly prune and regrow, mostly by gradient; otherwise draw operators.

    Unlike in SET and RigL the threshold stays where the pruning put it: an edge becomes dormant when training takes it
    below the threshold, and new edges start just above it.
    """
    rng = context.rng
    if rng.random() >= settings.rewiring_probability:
        return draw_operators(editor, context, settings)
    propose = gradient_edges if rng.random() < settings.gradient_fraction else random_edges
    fraction = settings.rewired_fraction * fading(context.progress)

    def apply(code: str, parameters: Parameters | None) -> list[Operation]:
        return [] if parameters is None else [apply_operation(editor, code, parameters)]

    def prune() -> list[Operation]:
        if not (editor.n_stored and fraction > 0):
            return []
        return apply("A", threshold_at_quantile(editor, fraction, drop=True))

    def regrow(counts: Counts) -> list[Operation]:
        return apply("N", propose(editor, int(counts.sum()), context))

    return prune_and_regrow(editor, whole_network(editor), prune=prune, regrow=regrow)


def rewire_layerwise(
    editor: GenomeEditor, context: ProposalContext, settings: PolicySettings
) -> list[Operation]:
    """Rewire each layer, and sometimes change the layer sizes first; see :mod:`evo.policies.layerwise`."""
    only_rewires = context.rng.random() < settings.rewiring_probability
    return rewire_layers(
        editor,
        context,
        rewired_fraction=settings.rewired_fraction * fading(context.progress),
        gradient_fraction=settings.gradient_fraction,
        change_weights={} if only_rewires else settings.drawn_weights,
        max_moved_fraction=settings.max_moved_fraction,
    )


def freeze_topology(editor: GenomeEditor) -> list[Operation]:
    """Drop the dormant entries and the threshold, so that training alone no longer changes the topology."""
    return drop_dormant_entries(editor)


POLICIES.fill(
    {
        "mixed": mix,
        "weighted": draw_operators,
        "adaptive": draw_operators,
        "layerwise": rewire_layerwise,
        "set": rewire_randomly,
        "rigl": rewire_by_gradient,
        "random": draw_topology,
        "none": leave_alone,
    }
)
