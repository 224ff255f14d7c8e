"""The mutation operators in one registry: A B C D F H N of the seed document (S20), and those on nodes.

An operator is a pair of functions and one registry entry. `propose` looks at the draft and returns the parameters of
one application that would change the network, or None if it finds none; only here are random numbers drawn. `apply`
carries parameters out. Parameters are JSON-able, so a list of them is a record that replays bit for bit.

In a small network what does not preserve the function is proposed only if it changes what the outputs compute, see
:mod:`evo.operators.screening`. In a large one a proposal costs what it looks at, not the size of the network;
exceptions say so.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.editing.editor import Draft
from evo.genome.genome import FloatArray, Genome, Role
from evo.operators.growth import gradient_edges, propose_random_edges, random_edges
from evo.operators.layers import grow_in_layers
from evo.operators.node_operators import NODE_OPERATORS, apply_move, propose_move
from evo.operators.operation import (
    TRIES,
    GradientsAt,
    Operation,
    Operator,
    OperatorSettings,
    Parameters,
    Proposing,
    draw_position,
    listeners,
    speakers,
)
from evo.operators.records import read_edges, read_groups, read_limit
from evo.operators.screening import acting
from evo.operators.size_limit import budgeted

__all__ = [
    "OPERATORS",
    "GradientsAt",
    "Operation",
    "Operator",
    "OperatorSettings",
    "Parameters",
    "Proposing",
    "apply_operation",
    "gradient_edges",
    "random_edges",
    "replay",
    "threshold_at_quantile",
]

Degree = Callable[[int], Any]
Line = tuple[NDArray[np.integer[Any]], FloatArray]
"""Places and values of a row or column."""


def apply_operation(draft: Draft, code: str, parameters: Parameters) -> Operation:
    """Apply one operator to a draft and report what it changed."""
    return OPERATORS[code].carry_out(draft, parameters)


def replay(record: Sequence[Operation | tuple[str, Parameters]], parent: Genome) -> Genome:
    """Apply recorded operators to a parent; the result equals the child as it was before training, bit for bit.

    Parameters
    ----------
    record : sequence of Operation or (code, parameters)
        As in the table ``operations``, in order.
    parent : Genome

    Raises
    ------
    ValueError
        If a code is not registered.
    """
    draft = Draft(parent)
    for one in record:
        code, parameters = (one.operator, one.parameters) if isinstance(one, Operation) else one
        if code not in OPERATORS:
            raise ValueError(f"operator must be one of {', '.join(OPERATORS)}; got {code!r}")
        OPERATORS[code].apply(draft, parameters)
    return draft.freeze()


# -- A: threshold ------------------------------------------------------------------------------------------------------


def propose_threshold(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Let a random small share of the entries sleep; half the time, forget them."""
    if draft.n_stored == 0:
        return None
    quantile = float(proposing.rng.uniform(0, proposing.settings.max_quantile))
    drop = bool(proposing.rng.integers(2))
    if draft.rows_per_node > 1 and proposing.rng.integers(2):
        return _threshold_by_side(draft, quantile, drop=drop)
    return threshold_at_quantile(draft, quantile, drop=drop)


def _threshold_by_side(draft: Draft, quantile: float, *, drop: bool) -> Parameters:
    """Return the parameters of A that let the lowest share of the taps into maps of each side sleep."""
    sides, stored = draft.sides, draft.in_degree(slice(None))
    found = np.unique(sides).tolist()
    kept = [round((1 - quantile) * int(stored[sides == side].sum())) for side in found]
    return {"limit": {"sides": found, "keep": kept}, "drop": drop}


def threshold_at_quantile(draft: Draft, quantile: float, *, drop: bool) -> Parameters | None:
    """Return the parameters of A that let the lowest share `quantile` of the stored entries sleep."""
    limit = draft.quantile_limit(quantile)
    same = not isinstance(draft.limit, np.ndarray) and limit == draft.limit
    if same and not (drop and draft.n_live < draft.n_stored):
        return None
    return {"limit": limit, "drop": drop}


def apply_threshold(draft: Draft, parameters: Parameters) -> None:
    """Set A, to a value or so that it keeps as many entries as it says; optionally drop what sleeps.

    ``{"keep": 5000}`` lets the 5,000 highest entries of the network through, ``{"sides": [10, 1], "keep": [300, 900]}``
    as many of each group, which may be roles and layers as well (:func:`evo.operators.records.read_limit`). That A
    takes is the highest of the others, so where several are equal to it fewer are kept.
    """
    limit = parameters["limit"]
    if isinstance(limit, dict) and "keep" in limit:
        limit = _limit_that_keeps(draft, limit)
    elif isinstance(limit, list | dict):
        limit = read_limit(limit, draft.roles, draft.dtype, draft.sides)
    draft.set_limit(limit)
    if parameters["drop"]:
        draft.drop_dormant()


def _limit_that_keeps(draft: Draft, given: Parameters) -> float | FloatArray:
    """Return the threshold, one number or one per position, that lets so many entries through."""
    if set(given) == {"keep"}:
        return draft.keeping_limit(given["keep"])
    groups = read_groups(given, draft.roles, draft.sides)
    if len(given["keep"]) != len(groups):
        raise ValueError(f"keep must be {len(groups)} numbers; received {len(given['keep'])}")
    limits: FloatArray = np.zeros(draft.n_nodes, draft.dtype)
    for group, count in zip(groups, given["keep"], strict=True):
        limits[group] = draft.keeping_limit(count, group)
    return limits


# -- B, D: swaps -------------------------------------------------------------------------------------------------------


def propose_swap_columns(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose two hidden or output nodes of one side, at least one of which listens to something."""
    return _propose_swap(draft, proposing, listeners(), draft.in_degree)


def propose_swap_rows(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose two nodes of one side that may speak to others, at least one of which does."""
    return _propose_swap(draft, proposing, speakers(draft), draft.out_degree)


def _propose_swap(
    draft: Draft, proposing: Proposing, roles: tuple[Role, ...], degree: Degree
) -> Parameters | None:
    alone = _lonely_sides(draft, roles)
    a = draw_position(
        draft, proposing.rng, roles, lambda p: degree(p) > 0 and int(draft.side(p)) not in alone
    )
    if a is None:
        return None
    side = draft.side(a)
    b = draw_position(draft, proposing.rng, roles, lambda p: p != a and draft.side(p) == side)
    return None if b is None else {"a": min(a, b), "b": max(a, b)}


def _lonely_sides(draft: Draft, roles: tuple[Role, ...]) -> set[int]:
    """Return the sides that only one node with one of these roles has; where all are neurons none is looked for."""
    if draft.rows_per_node == 1:
        return set()
    sides, counts = np.unique(draft.sides[draft.positions(*roles)], return_counts=True)
    return set(sides[counts == 1].tolist())


def apply_swap_columns(draft: Draft, parameters: Parameters) -> None:
    """Exchange what two nodes listen to."""
    draft.swap_columns(parameters["a"], parameters["b"])


def apply_swap_rows(draft: Draft, parameters: Parameters) -> None:
    """Exchange whom two nodes speak to."""
    draft.swap_rows(parameters["a"], parameters["b"])


# -- C, F: additions ---------------------------------------------------------------------------------------------------


def propose_add_column(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose a node with inputs of its own, another of its side that shall hear them too, and a bounded factor."""
    return _propose_addition(draft, proposing, listeners(), draft.in_degree, draft.column)


def propose_add_row(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose a node with listeners of its own, another of its side that shall reach them too, and a bounded factor."""
    return _propose_addition(draft, proposing, speakers(draft), draft.out_degree, draft.row)


def _propose_addition(
    draft: Draft,
    proposing: Proposing,
    roles: tuple[Role, ...],
    degree: Degree,
    line_at: Callable[[int], Line],
) -> Parameters | None:
    rng, settings = proposing.rng, proposing.settings
    room = int(settings.max_density * draft.n_places) - draft.n_stored
    alone = _lonely_sides(draft, roles)
    for _ in range(TRIES):
        source = draw_position(
            draft, rng, roles, lambda p: degree(p) > 0 and int(draft.side(p)) not in alone
        )
        if source is None:
            return None
        target = draw_position(
            draft,
            rng,
            roles,
            lambda p, source=source: p != source and draft.side(p) == draft.side(source),  # type: ignore[misc]
        )
        if target is None:
            return None
        ours, theirs = line_at(source), line_at(target)
        if len(np.setdiff1d(ours[0], theirs[0])) > room:
            continue
        magnitude = settings.max_factor * (1.0 - float(rng.random()))
        factor = magnitude if rng.integers(2) else -magnitude
        # Compounding is held in check: the touched line keeps the length it had, where it had one.
        scale = 1.0
        norm = float(np.linalg.norm(theirs[1].astype(float)))
        if norm > 0:
            after = _length_of_sum(theirs, ours, factor)
            scale = norm / after if after > 0 else 1.0
        return {"source": source, "target": target, "factor": factor, "scale": scale}
    return None


def _length_of_sum(target: Line, source: Line, factor: float) -> float:
    """Return the Euclidean length of target + factor · source."""
    places, at = np.unique(np.concatenate([target[0], source[0]]), return_inverse=True)
    values = np.concatenate([target[1].astype(float), factor * source[1].astype(float)])
    return float(np.linalg.norm(np.bincount(at, weights=values, minlength=len(places))))


def apply_add_column(draft: Draft, parameters: Parameters) -> None:
    """Add k × column `source` to column `target`, then scale the latter."""
    draft.add_column(**parameters)


def apply_add_row(draft: Draft, parameters: Parameters) -> None:
    """Add k × row `source` to row `target`, then scale the latter."""
    draft.add_row(**parameters)


# -- N: assign ---------------------------------------------------------------------------------------------------------


def apply_assign(draft: Draft, parameters: Parameters) -> None:
    """Give places of the matrix their values: those recorded, or by layers those that follow from a seed.

    Source n, one node further, is the constant one: a bias.
    """
    if "layers" in parameters:
        grow_in_layers(draft, parameters)
        return
    per_node = draft.rows_per_node
    rows, targets, values = read_edges(parameters, draft.n_nodes, draft.dtype, per_node)
    of_bias = np.equal(rows, draft.n_nodes * per_node)
    if not of_bias.any():
        draft.assign(rows, targets, values)
        return
    draft.set_bias(np.compress(of_bias, targets), np.compress(of_bias, values))
    if not of_bias.all():
        draft.assign(*(np.compress(~of_bias, part) for part in (rows, targets, values)))


OPERATORS: Mapping[str, Operator] = {
    operator.code: budgeted(operator)
    for operator in (
        acting(Operator("A", "threshold", propose_threshold, apply_threshold)),
        acting(Operator("B", "swap columns", propose_swap_columns, apply_swap_columns)),
        acting(Operator("C", "add column", propose_add_column, apply_add_column)),
        acting(Operator("D", "swap rows", propose_swap_rows, apply_swap_rows)),
        acting(Operator("F", "add row", propose_add_row, apply_add_row)),
        acting(
            Operator("H", "reorder nodes", partial(propose_move, past_partner=True), apply_move)
        ),
        Operator("N", "assign weights", propose_random_edges, apply_assign),
        *NODE_OPERATORS,
    )
}
