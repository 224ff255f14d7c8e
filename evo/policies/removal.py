"""Removal: which entries a rewiring step drops, and percolation, which drops what no longer leads anywhere.

A removal is a function of a step and of the number of entries that each group keeps. It drops entries of the step's
editor by operators, the dormant ones first, and returns the operations. A new removal is one function and one entry of
:data:`REMOVALS`.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from evo.editing.editor import GenomeEditor
from evo.genome.genome import FloatArray, Role
from evo.operators.growth import highest
from evo.operators.operation import Operation
from evo.operators.registry import apply_operation
from evo.policies.prune_and_regrow import (
    Counts,
    Entries,
    Groups,
    drop_dormant_entries,
    drop_entries,
    drop_weakest,
)
from evo.policies.step import Step
from evo.registry import Registry, check_signature

Removal = Callable[[Step, Counts], list[Operation]]
"""Drops entries, so that each group keeps a number of them."""

Importance = Callable[[Step, Entries], FloatArray]
"""Returns a number of at least 0 for each of some entries of one group."""

GRADIENT_WEIGHT = 0.01
"""λ of MEST: how much the gradient counts beside the weight."""


def _converted(name: str, given: Any) -> Removal:
    """Return an own removal; raise TypeError if it is no function of a step and of counts."""
    check_signature("removal", name, given, "step", "kept")
    removal: Removal = given
    return removal


REMOVALS: Registry[Removal] = Registry("removal", convert=_converted)
"""The removals by name."""


def by_magnitude(step: Step, kept: Counts) -> list[Operation]:
    """Drop the entries of the smallest magnitude."""
    dropped = drop_dormant_entries(step.editor)
    return dropped + drop_weakest(step.editor, step.groups, kept)


def by_relative_importance(step: Step, kept: Counts) -> list[Operation]:
    """Drop the entries of the smallest relative importance (CHTs, Zhang et al. 2025, equation 1)."""
    return _drop_least(step, kept, relative_importance)


def by_magnitude_and_gradient(step: Step, kept: Counts) -> list[Operation]:
    """Drop the entries of the smallest |w| + λ·|∂E/∂w| (MEST, Yuan et al. 2021); λ is 0.01."""
    return _drop_least(step, kept, magnitude_and_gradient)


def softly_by_magnitude(step: Step, kept: Counts) -> list[Operation]:
    """Draw the entries that stay, in proportion to a power of their magnitude (CHTs, equation 2 with α = 1)."""
    return _drop_softly(step, kept, magnitude)


def softly_by_relative_importance(step: Step, kept: Counts) -> list[Operation]:
    """Draw the entries that stay, in proportion to a power of their relative importance (CHTs, equation 2, α = 0)."""
    return _drop_softly(step, kept, relative_importance)


def into_dormancy(step: Step, kept: Counts) -> list[Operation]:
    """Make the entries of the smallest magnitude dormant instead: they stay stored and may come back (GMP)."""
    groups, editor = step.groups, step.editor
    if groups.names is None:
        threshold: dict[str, Any] = {"keep": int(kept[0])}
    else:
        threshold = groups.names | {"keep": kept.tolist()}
    return [apply_operation(editor, "A", {"threshold": threshold, "drop": False})]


# -- percolation -------------------------------------------------------------------------------------------------------


def drop_edges_of_idle_neurons(editor: GenomeEditor, groups: Groups) -> list[Operation]:
    """Drop the edges of hidden nodes without in-edges or without out-edges, until no such node has an edge.

    No input reaches an output through such a node, and link prediction, which counts paths, would grow none of the
    missing edges. Groups that are left alone lose nothing; their edges count as those of their nodes. Source: network
    percolation of CHT (Y. Zhang et al. 2024; 2025, appendix F), who also drop edges *into* nodes without out-edges and
    *out of* nodes without in-edges, layer after layer.

    Returns
    -------
    list of Operation
        As applied.
    """
    entries = groups.entries(editor)
    sources = [editor.split(of_group.rows)[0] for of_group in entries]
    left = [np.ones(len(of_group.rows), np.bool_) for of_group in entries]
    hidden = editor.roles == Role.HIDDEN
    while True:
        has_in, has_out = np.zeros((2, editor.n_nodes), np.bool_)
        for of_group, some_sources, stay in zip(entries, sources, left, strict=True):
            has_in[of_group.targets[stay]] = True
            has_out[some_sources[stay]] = True
        idle = hidden & ~(has_in & has_out)
        n_lost = 0
        for k, (of_group, some_sources) in enumerate(zip(entries, sources, strict=True)):
            if k not in groups.fixed:
                lost = left[k] & (idle[some_sources] | idle[of_group.targets])
                left[k] &= ~lost
                n_lost += int(lost.sum())
        if n_lost == 0:
            break
    gone = [of_group.where(~stay) for of_group, stay in zip(entries, left, strict=True)]
    return drop_entries(editor, groups, gone)


# -- importance --------------------------------------------------------------------------------------------------------


def magnitude(step: Step, entries: Entries) -> FloatArray:
    """Return |w|."""
    return np.abs(entries.values)


def relative_importance(step: Step, entries: Entries) -> FloatArray:
    """Return |w| as a share of all out-edges of its source plus |w| as a share of all in-edges of its target.

    Edges of the group count. So an edge is important where a node has few others.
    """
    strengths = np.abs(entries.values).astype(np.float64)
    shares: FloatArray = np.zeros(len(strengths))
    for nodes in (step.editor.split(entries.rows)[0], entries.targets):
        totals = np.bincount(nodes, strengths)[nodes]
        shares += np.divide(strengths, totals, out=np.zeros(len(strengths)), where=totals > 0)
    return shares


def magnitude_and_gradient(step: Step, entries: Entries) -> FloatArray:
    """Return |w| + λ·|∂E/∂w|, where the gradient is that of the next batches."""
    gradients = step.context.gradients(step.before, step.editor, entries.rows, entries.targets)
    importance: FloatArray = np.abs(entries.values) + GRADIENT_WEIGHT * np.abs(gradients)
    return importance


# -- dropping ----------------------------------------------------------------------------------------------------------


def _drop_least(step: Step, kept: Counts, importance: Importance) -> list[Operation]:
    """Drop the least important entries; of equally important ones the last."""
    return _drop_lowest(step, kept, lambda entries: importance(step, entries))


def _drop_softly(step: Step, kept: Counts, importance: Importance) -> list[Operation]:
    """Draw the entries that stay without replacement, in proportion to importance^exponent.

    Each of these numbers is divided by an exponential random number, and the highest quotients stay (P. S. Efraimidis
    and P. G. Spirakis 2006).
    """
    begin, end = step.removal_exponents
    exponent = begin + (end - begin) * step.context.progress

    def keys(entries: Entries) -> FloatArray:
        numbers = importance(step, entries).tolist()
        # Powers of the C library: NumPy's differ between processors in the last bit.
        powers = np.fromiter((math.pow(one, exponent) for one in numbers), float, len(numbers))
        draws = step.context.rng.standard_exponential(len(numbers))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(powers > 0, powers / draws, 0.0)

    return _drop_lowest(step, kept, keys)


def _drop_lowest(
    step: Step, kept: Counts, keys: Callable[[Entries], FloatArray]
) -> list[Operation]:
    editor, groups = step.editor, step.groups
    operations = drop_dormant_entries(editor)
    gone = []
    for entries, count in zip(groups.entries(editor), kept.tolist(), strict=True):
        goes = np.ones(len(entries.rows), np.bool_)
        if count < len(goes):
            goes[highest(keys(entries), count)] = False
        else:
            goes[:] = False
        gone.append(entries.where(goes))
    return operations + drop_entries(editor, groups, gone)


REMOVALS.fill(
    {
        "magnitude": by_magnitude,
        "relative_importance": by_relative_importance,
        "magnitude_and_gradient": by_magnitude_and_gradient,
        "soft_magnitude": softly_by_magnitude,
        "soft_relative_importance": softly_by_relative_importance,
        "dormancy": into_dormancy,
    }
)
