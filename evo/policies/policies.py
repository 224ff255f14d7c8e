"""Policies: which operators a modify phase applies, and with which parameters.

A policy works on an open editor and returns the operations it applied, in order. Known methods are policies made of the
operators: SET is A then N at random, RigL is A then N by gradient. So they stand as controls in the same tables. A new
policy is one function, or one declaration of a :class:`evo.policies.method.Method`, and one registry entry.

A policy keeps no state. The policies that learn (``adaptive``, ``layerwise``) get the learnt weights of the operators
with each job; :mod:`evo.evolution.credit` computes them from the finished generations.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from cnn.settings import NoEffectError
from evo.editing.editor import GenomeEditor
from evo.gradient_free.dense_kernels import OPERATOR_CODES
from evo.gradient_free.dense_population import check_dense_form
from evo.gradient_free.generation import breed, draw_key, rules_of
from evo.gradient_free.settings import UNREAD_OPERATORS, NeuroevolutionSettings, WeightSettings
from evo.operators.elementary import threshold_at_quantile
from evo.operators.growth import gradient_edges, random_edges
from evo.operators.operation import Operation, OperatorSettings, Parameters, ProposalContext
from evo.operators.registry import OPERATORS, apply_operation
from evo.policies.layerwise import CHANGES_WITHIN_LAYERS, LAYER_CHANGES, rewire_layers
from evo.policies.method import Method, Revived
from evo.policies.prune_and_regrow import (
    Counts,
    Scope,
    drop_dormant_entries,
    prune_and_regrow,
    whole_network,
)
from evo.policies.regrowth import REGROWTHS
from evo.policies.removal import REMOVALS
from evo.policies.rewiring import METHODS, redraw
from evo.policies.schedules import SCHEDULES, cosine
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


_PARTS_OF_METHODS = (
    *("removal", "regrowth", "fraction_schedule", "density_schedule"),
    *("percolation", "revived_weights"),
)
"""Settings that replace a part of a method unless they are None."""


_DRAWING = ("mixed", "weighted", "adaptive", "layerwise", "compiled")

READERS = {
    "operator_weights": _DRAWING,
    "max_operations": ("mixed", "weighted", "adaptive", "compiled"),
    "min_probability": ("adaptive", "layerwise"),
    "credit_decay": ("adaptive", "layerwise"),
    "weights": ("compiled",),
    "rewiring_probability": ("mixed", "layerwise"),
    "gradient_fraction": ("mixed", "layerwise"),
    "rewired_fraction": ("mixed", "layerwise", *METHODS),
    "max_moved_fraction": ("layerwise",),
    **dict.fromkeys(
        (
            *(*_PARTS_OF_METHODS, "rewiring_scope", "fixed_layers", "new_weight_scale"),
            *("removal_exponents", "final_density", "density_end"),
        ),
        tuple(METHODS),
    ),
}
"""The policies of the package that read a setting; an own policy may read all, and an own method what methods read."""


_UNREAD_OPERATORS = [name for name in UNREAD_OPERATORS if name != "mutation_probability"]
"""The settings of operators that the policy ``compiled`` does not read."""

_COMPILED_DEFAULTS = NeuroevolutionSettings()
"""Where the defaults of the policy ``compiled`` come from."""


class PolicySettings(Settings, frozen=True, extra="forbid"):
    """How a modify phase chooses."""

    name: Annotated[str, POLICIES] = Field(
        "mixed",
        description="The policy. mixed: prune and regrow, or draw operators. weighted: draw operators by their "
        "weight. adaptive: draw operators by the fitness that their children gained. layerwise: prune and regrow each "
        "layer; changes of layer sizes are drawn as in adaptive. compiled: draw A B C D F H N by their weight in "
        "compiled code, as evo.neuroevolve does, in small networks of neurons (compiled-tasks.md). set, rigl, cht, "
        "chts, chtss, gmp, granet, mest: published methods of sparse training (sparse-training.md). random: draw a new "
        "random topology. none: change nothing.",
    )
    operator_weights: dict[str, float] = Field(
        default_factory=lambda: (
            dict.fromkeys("ABCDFH", 1.0) | {"N": 2.0} | dict.fromkeys("IRSUEO", 0.25)
        ),
        description="relative frequency with which mixed, weighted, adaptive, layerwise and compiled draw each "
        "operator; by default compiled draws them as evo.neuroevolve does, mostly N. adaptive and layerwise start from "
        "these frequencies and change them by the fitness that was gained.",
    )
    max_operations: int = Field(
        2,
        ge=1,
        description="mixed, weighted, adaptive, compiled: largest number of operators that one modify phase draws.",
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
        description="mixed, layerwise, published methods: fraction of the stored entries that prune-and-regrow "
        "replaces. It shrinks to 0 over the run, as a half cosine, for mixed, layerwise and rigl. SET, RigL and CHT "
        "were published with 0.3.",
    )
    rewiring_scope: Scope = Field(
        "layer",
        description="Published methods: layer: the weakest entries of each layer are replaced. network: the weakest "
        "entries of the whole network are replaced. In a graph without layers all hidden nodes count as one layer, "
        "and all output nodes as another.",
    )
    new_weight_scale: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="regrowth = random: standard deviation of new weights, in units of 1/√in-degree (Glorot).",
    )
    removal: Annotated[str, REMOVALS] | None = Field(
        None,
        description="Published methods: which entries are dropped, instead of the method's own rule. magnitude: the "
        "weakest. relative_importance: those with the smallest shares of the edges of their source and of their "
        "target. magnitude_and_gradient: those with the smallest |w| + 0.01·|gradient|. soft_magnitude and "
        "soft_relative_importance: drawn at random, the weak ones more often. dormancy: the weakest become dormant.",
    )
    removal_exponents: tuple[float, float] = Field(
        (1.0, 3.0),
        description="soft removals: the exponent of magnitude or importance at the beginning and at the end of the "
        "run. An entry stays with a probability in proportion to this power.",
    )
    regrowth: Annotated[str, REGROWTHS] | None = Field(
        None,
        description="Published methods: where entries grow, instead of the method's own rule. random. gradient: where "
        "the loss gradient is largest. ch2_l3n, ch3_l3p: where link prediction on the layer's edges is highest; "
        "soft_…: drawn at random in proportion to it. none: nowhere.",
    )
    revived_weights: Revived | None = Field(
        None,
        description="Published methods: what an entry that is dropped and grown again in one step begins with, "
        "instead of the method's own rule. kept: its weight and optimizer state. new: the weight of a new entry.",
    )
    percolation: bool | None = Field(
        None,
        description="Published methods: whether hidden nodes without in-edges or without out-edges lose the other side "
        "before entries grow, instead of the method's own rule.",
    )
    fraction_schedule: Annotated[str, SCHEDULES] | None = Field(
        None,
        description="Published methods: how rewired_fraction changes over the run, instead of the method's own "
        "schedule.",
    )
    density_schedule: Annotated[str, SCHEDULES] | None = Field(
        None,
        description="Published methods: how the density falls from the founder's to final_density, instead of the "
        "method's own schedule.",
    )
    final_density: float = Field(
        0.1,
        gt=0,
        le=1,
        description="density_schedule other than constant: the density at its end, of all layers that are rewired "
        "together; each keeps its proportion of the entries.",
    )
    density_end: float = Field(
        1.0,
        gt=0,
        le=1,
        description="density_schedule: when final_density is reached, as a fraction of the generations that modify.",
    )
    fixed_layers: tuple[int, ...] = Field(
        (),
        description="Published methods: layers that are left alone, by number: 1 is the layer after the inputs, −1 the "
        "outputs. Sparse networks are often published with a dense output layer.",
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
    weights: WeightSettings = WeightSettings()

    @model_validator(mode="before")
    @classmethod
    def _set_defaults_of_compiled(cls, values: Any) -> Any:
        """Give the policy ``compiled`` the operators of :func:`evo.neuroevolve`, unless others are given."""
        if not isinstance(values, Mapping) or values.get("name") != "compiled":
            return values
        moves = {"mutation_probability": 1.0 - _COMPILED_DEFAULTS.growth_fraction}
        operators = values.get("operators")
        if operators is None or isinstance(operators, Mapping):
            operators = moves | dict(operators or {})
        elif "mutation_probability" not in operators.model_fields_set:
            operators = operators.model_copy(update=moves)
        defaults = {"operator_weights": _COMPILED_DEFAULTS.operator_weights}
        return defaults | dict(values) | {"operators": operators}

    @field_validator("operator_weights")
    @classmethod
    def _operators_known(cls, weights: dict[str, float]) -> dict[str, float]:
        for code, weight in weights.items():
            OPERATORS.check(code)
            if not 0 <= weight < math.inf:
                raise ValueError(f"must be finite and at least 0; got {code} = {weight}")
        if sum(weights.values()) <= 0:
            raise ValueError("must have a sum above 0; got 0")
        return weights

    @property
    def drawn_weights(self) -> dict[str, float]:
        """The weights above 0 of the operators that the policy draws; empty if it draws none."""
        if self.name not in _DRAWING:
            return {}
        codes: Iterable[str] = self.operator_weights
        if self.name == "layerwise":
            own = [code for code in codes if code in OPERATORS.own]
            codes = [*LAYER_CHANGES, *CHANGES_WITHIN_LAYERS, *own]
        weights = {code: self.operator_weights.get(code, 0.0) for code in codes}
        return {code: weight for code, weight in weights.items() if weight > 0}

    @property
    def learns(self) -> bool:
        """Whether operators are drawn by the fitness that they gained."""
        return self.name in {"adaptive", "layerwise"}

    @property
    def method(self) -> Method | None:
        """The method of sparse training that the policy is, with the parts and numbers of these settings."""
        policy: object = POLICIES[self.name]
        return self.adapt(policy) if isinstance(policy, Method) else None

    def adapt(self, method: Method) -> Method:
        """Return a method with the parts and numbers of these settings."""
        parts = {name: getattr(self, name) for name in _PARTS_OF_METHODS}
        scale = method.new_weight_scale
        return replace(
            method,
            rewired_fraction=self.rewired_fraction,
            scope=self.rewiring_scope,
            new_weight_scale=self.new_weight_scale if scale is None else scale,
            removal_exponents=self.removal_exponents,
            final_density=self.final_density,
            density_end=self.density_end,
            fixed_layers=self.fixed_layers,
            **{name: value for name, value in parts.items() if value is not None},
        )

    @field_validator("removal_exponents")
    @classmethod
    def _exponents_are_usable(cls, exponents: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= exponent < math.inf for exponent in exponents):
            raise ValueError(f"must be two finite numbers of at least 0; got {[*exponents]}")
        return exponents

    @field_validator("fixed_layers")
    @classmethod
    def _layers_have_numbers(cls, numbers: tuple[int, ...]) -> tuple[int, ...]:
        if 0 in numbers or len(set(numbers)) < len(numbers):
            raise ValueError(
                f"must be numbers of layers from 1, or from -1, each once; got {[*numbers]}"
            )
        return numbers

    @model_validator(mode="after")
    def _settings_are_read(self) -> Self:
        method = self.method
        if method is not None:
            self._refuse_unread(["set"], READERS)  # all methods read the same
            self._refuse_what_parts_leave(method)
        elif self.name not in POLICIES.own:
            self._refuse_unread([self.name], READERS)
        return self

    def _refuse_what_parts_leave(self, method: Method) -> None:
        """Raise NoEffectError for a setting that the parts of a method leave without effect."""
        if method.regrowth == "none":
            names = ("rewired_fraction", "fraction_schedule", "revived_weights")
            self._refuse(names, 'where regrowth is "none"')
        own_scale = getattr(POLICIES[self.name], "new_weight_scale", None)
        if own_scale is not None:
            self._refuse(("new_weight_scale",), f"with {self.name}, which has {own_scale}")
        if method.regrowth != "random" and method.regrowth not in REGROWTHS.own:
            self._refuse(("new_weight_scale",), f"where regrowth is {method.regrowth!r}")
        soft = method.removal.startswith("soft_") or method.removal in REMOVALS.own
        if not soft:
            self._refuse(("removal_exponents",), f"where removal is {method.removal!r}")
        if method.density_schedule == "constant":
            rule = 'where density_schedule is "constant"'
            self._refuse(("final_density", "density_end"), rule)

    @model_validator(mode="after")
    def _parts_fit_each_other(self) -> Self:
        method = self.method
        if method is None:
            return self
        if method.keeps_dormant and method.regrowth != "none":
            raise ValueError(
                f'regrowth must be "none" where removal is "dormancy"; got {method.regrowth!r}'
            )
        if method.scope == "layer":
            return self
        if method.needs_layers:
            raise ValueError(
                f'rewiring_scope must be "layer" where regrowth is {method.regrowth!r}; got "network"'
            )
        if method.fixed_layers:
            raise ValueError(
                f'fixed_layers must be empty where rewiring_scope is "network"; got {[*method.fixed_layers]}'
            )
        return self

    @model_validator(mode="after")
    def _operators_are_compiled(self) -> Self:
        if self.name != "compiled":
            return self
        for code, weight in self.operator_weights.items():
            if weight > 0 and code not in OPERATOR_CODES:
                raise ValueError(
                    f'operator_weights must be of {", ".join(OPERATOR_CODES)} where name = "compiled"; '
                    f"got {code} = {weight}"
                )
        for name in _UNREAD_OPERATORS:
            given = getattr(self.operators, name)
            if given != getattr(OperatorSettings(), name):
                raise NoEffectError(f"operators.{name}", 'where name = "compiled"', given)
        return self

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


def mutate_compiled(
    editor: GenomeEditor, context: ProposalContext, settings: PolicySettings
) -> list[Operation]:
    """Draw and apply a few of the operators A B C D F H N in compiled code, as :func:`evo.neuroevolve` does.

    Unlike in :func:`draw_operators`, nobody looks whether a proposal changes what the network computes.

    Raises
    ------
    ValueError
        If the network is not for compiled code (:func:`evo.gradient_free.dense_population.check_dense_form`).
    """
    genome = editor.freeze()
    check_dense_form(genome)
    rules = rules_of(genome, settings.operators, settings.weights, settings.max_operations)
    (child,), _ = breed([genome], rules, settings.operator_weights, [draw_key(context.rng)])
    return [apply_operation(editor, one.operator, one.parameters) for one in child.operations]


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
    fraction = settings.rewired_fraction * cosine(context.progress)

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
        rewired_fraction=settings.rewired_fraction * cosine(context.progress),
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
        "compiled": mutate_compiled,
        **METHODS,
        "random": draw_topology,
        "none": leave_alone,
    }
)
