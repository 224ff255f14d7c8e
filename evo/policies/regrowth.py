"""Regrowth: where a rewiring step grows new entries.

A regrowth is a function of a step and of the number of entries that each group lacks. It grows entries of the step's
editor by operator N and returns the operations. A new regrowth is one function and one entry of :data:`REGROWTHS`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome.genome import FloatArray
from evo.operators.free_places import CANDIDATES_PER_EDGE, list_or_draw
from evo.operators.operation import Operation
from evo.policies.link_prediction import BipartiteGraph, Rule, best_places, ch2_l3n, ch3_l3p
from evo.policies.prune_and_regrow import (
    Counts,
    concatenate,
    grow_at,
    largest,
    regrow_by_score,
    regrow_randomly,
)
from evo.policies.step import Step
from evo.registry import Registry, check_signature

Regrowth = Callable[[Step, Counts], list[Operation]]
"""Grows a number of entries in each group."""


def _converted(name: str, given: Any) -> Regrowth:
    """Return an own regrowth; raise TypeError if it is no function of a step and of counts."""
    check_signature("regrowth", name, given, "step", "counts")
    regrowth: Regrowth = given
    return regrowth


REGROWTHS: Registry[Regrowth] = Registry("regrowth", convert=_converted)
"""The regrowths by name."""

PREDICTED = ("ch2_l3n", "ch3_l3p", "soft_ch2_l3n", "soft_ch3_l3p")
"""The regrowths by link prediction, which need layers of neurons."""


def at_random(step: Step, counts: Counts) -> list[Operation]:
    """Grow at random places, with random weights."""
    scale, rng = step.new_weight_scale, step.context.rng
    return regrow_randomly(step.editor, step.groups, counts, scale, rng)


def by_gradient(step: Step, counts: Counts) -> list[Operation]:
    """Grow where the loss gradient is largest (RigL, Evci et al. 2020); weights are 0."""
    context, editor = step.context, step.editor
    candidates = [
        list_or_draw(places, CANDIDATES_PER_EDGE * count, context.rng)
        for places, count in zip(step.groups.free_places(editor), counts.tolist(), strict=True)
    ]

    def score(rows: NDArray[np.intp], targets: NDArray[np.intp]) -> FloatArray:
        return np.abs(context.gradients(step.before, editor, rows, targets))

    return regrow_by_score(editor, candidates, counts, score, largest)


def at_highest_ch2_l3n(step: Step, counts: Counts) -> list[Operation]:
    """Grow where link prediction by CH2-L3n is highest (CHTs, Zhang et al. 2025, equation 3); weights are 0."""
    return _grow_predicted(step, counts, ch2_l3n, soft=False)


def at_highest_ch3_l3p(step: Step, counts: Counts) -> list[Operation]:
    """Grow where link prediction by CH3-L3p is highest (CHT, Zhang et al. 2024); weights are 0."""
    return _grow_predicted(step, counts, ch3_l3p, soft=False)


def softly_by_ch2_l3n(step: Step, counts: Counts) -> list[Operation]:
    """Draw places in proportion to their CH2-L3n (CHTs, Zhang et al. 2025); weights are 0."""
    return _grow_predicted(step, counts, ch2_l3n, soft=True)


def softly_by_ch3_l3p(step: Step, counts: Counts) -> list[Operation]:
    """Draw places in proportion to their CH3-L3p (CHTs, Zhang et al. 2025); weights are 0."""
    return _grow_predicted(step, counts, ch3_l3p, soft=True)


def nowhere(step: Step, counts: Counts) -> list[Operation]:
    """Grow nothing."""
    return []


def _grow_predicted(step: Step, counts: Counts, rule: Rule, *, soft: bool) -> list[Operation]:
    """Grow entries of weight 0 in each layer, at places chosen by link prediction on its remaining edges.

    Published code adds a small number to all scores where too few places have one; here the places without a score come
    last, in random order.
    """
    editor, groups = step.editor, step.groups
    if not groups.layers or editor.rows_per_node > 1:
        raise ValueError(
            "regrowth by link prediction must be in layers of neurons, each rewired by itself; "
            f"got {len(groups.layers)} layers, and kernels of up to {editor.rows_per_node} taps"
        )
    groups.free_places(editor)  # raises ValueError unless in-edges come from the layer before
    weights, chosen = editor.weights, []
    for layer, count in zip(groups.layers, counts.tolist(), strict=True):
        if count == 0:
            continue
        indptr = weights.indptr[layer.first_target : layer.end + 1]
        sources = weights.indices[indptr[0] : indptr[-1]] - layer.first_source
        n_sources = layer.first_target - layer.first_source
        graph = BipartiteGraph.from_columns(indptr - indptr[0], sources, n_sources)
        found = best_places(graph, rule, count, soft=soft, rng=step.context.rng)
        chosen.append((found[0] + layer.first_source, found[1] + layer.first_target))
    rows, targets = concatenate(chosen)
    return grow_at(editor, rows, targets, np.zeros(len(rows)))


REGROWTHS.fill(
    {
        "random": at_random,
        "gradient": by_gradient,
        "ch2_l3n": at_highest_ch2_l3n,
        "ch3_l3p": at_highest_ch3_l3p,
        "soft_ch2_l3n": softly_by_ch2_l3n,
        "soft_ch3_l3p": softly_by_ch3_l3p,
        "none": nowhere,
    }
)
