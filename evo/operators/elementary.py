"""The mutation operators in one registry: A B C D F H N of the seed document (S20), and those on nodes.

An operator is a pair of functions and one registry entry. `propose` looks at the editor and returns the parameters of
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

from evo.editing.editor import GenomeEditor
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
    source_roles,
    target_roles,
)
from evo.operators.records import read_edges, read_groups, read_threshold, with_current_names
from evo.operators.screening import acting
from evo.operators.size_limit import within_size_limit

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


def apply_operation(editor: GenomeEditor, code: str, parameters: Parameters) -> Operation:
    """Apply one operator to an editor and report what it changed."""
    return OPERATORS[code].carry_out(editor, parameters)


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
    editor = GenomeEditor(parent)
    for one in record:
        code, parameters = (one.operator, one.parameters) if isinstance(one, Operation) else one
        if code not in OPERATORS:
            raise ValueError(f"operator must be one of {', '.join(OPERATORS)}; got {code!r}")
        OPERATORS[code].apply(editor, with_current_names(parameters))
    return editor.freeze()


# -- A: threshold ------------------------------------------------------------------------------------------------------


def propose_threshold(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
    """Let a random small share of the entries sleep; half the time, forget them."""
    if editor.n_stored == 0:
        return None
    quantile = float(proposing.rng.uniform(0, proposing.settings.max_quantile))
    drop = bool(proposing.rng.integers(2))
    if editor.rows_per_node > 1 and proposing.rng.integers(2):
        return _threshold_by_side(editor, quantile, drop=drop)
    return threshold_at_quantile(editor, quantile, drop=drop)


def _threshold_by_side(editor: GenomeEditor, quantile: float, *, drop: bool) -> Parameters:
    """Return the parameters of A that let the lowest share of the taps into maps of each side sleep."""
    map_sizes, stored = editor.map_sizes, editor.in_degree(slice(None))
    found = np.unique(map_sizes).tolist()
    kept = [round((1 - quantile) * int(stored[map_sizes == map_size].sum())) for map_size in found]
    return {"threshold": {"map_sizes": found, "keep": kept}, "drop": drop}


def threshold_at_quantile(
    editor: GenomeEditor, quantile: float, *, drop: bool
) -> Parameters | None:
    """Return the parameters of A that let the lowest share `quantile` of the stored entries sleep."""
    threshold = editor.quantile_threshold(quantile)
    same = not isinstance(editor.threshold, np.ndarray) and threshold == editor.threshold
    if same and not (drop and editor.n_active < editor.n_stored):
        return None
    return {"threshold": threshold, "drop": drop}


def apply_threshold(editor: GenomeEditor, parameters: Parameters) -> None:
    """Set A, to a value or so that it keeps as many entries as it says; optionally drop what sleeps.

    ``{"keep": 5000}`` lets the 5,000 highest entries of the network through, ``{"map_sizes": [10, 1], "keep": [300,
    900]}`` as many of each group, which may be roles and layers as well (:func:`evo.operators.records.read_threshold`).
    That A takes is the highest of the others, so where several are equal to it fewer are kept.
    """
    threshold = parameters["threshold"]
    if isinstance(threshold, dict) and "keep" in threshold:
        threshold = _threshold_that_keeps(editor, threshold)
    elif isinstance(threshold, list | dict):
        threshold = read_threshold(threshold, editor.roles, editor.dtype, editor.map_sizes)
    editor.set_threshold(threshold)
    if parameters["drop"]:
        editor.drop_dormant()


def _threshold_that_keeps(editor: GenomeEditor, given: Parameters) -> float | FloatArray:
    """Return the threshold, one number or one per position, that lets so many entries through."""
    if set(given) == {"keep"}:
        return editor.keeping_threshold(given["keep"])
    groups = read_groups(given, editor.roles, editor.map_sizes)
    if len(given["keep"]) != len(groups):
        raise ValueError(f"keep must be {len(groups)} numbers; received {len(given['keep'])}")
    thresholds: FloatArray = np.zeros(editor.n_nodes, editor.dtype)
    for group, count in zip(groups, given["keep"], strict=True):
        thresholds[group] = editor.keeping_threshold(count, group)
    return thresholds


# -- B, D: swaps -------------------------------------------------------------------------------------------------------


def propose_swap_columns(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
    """Choose two hidden or output nodes of one side, at least one of which listens to something."""
    return _propose_swap(editor, proposing, target_roles(), editor.in_degree)


def propose_swap_rows(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
    """Choose two nodes of one side that may speak to others, at least one of which does."""
    return _propose_swap(editor, proposing, source_roles(editor), editor.out_degree)


def _propose_swap(
    editor: GenomeEditor, proposing: Proposing, roles: tuple[Role, ...], degree: Degree
) -> Parameters | None:
    alone = _lonely_sides(editor, roles)
    a = draw_position(
        editor,
        proposing.rng,
        roles,
        lambda p: degree(p) > 0 and int(editor.map_size(p)) not in alone,
    )
    if a is None:
        return None
    map_size = editor.map_size(a)
    b = draw_position(
        editor, proposing.rng, roles, lambda p: p != a and editor.map_size(p) == map_size
    )
    return None if b is None else {"a": min(a, b), "b": max(a, b)}


def _lonely_sides(editor: GenomeEditor, roles: tuple[Role, ...]) -> set[int]:
    """Return the sides that only one node with one of these roles has; where all are neurons none is looked for."""
    if editor.rows_per_node == 1:
        return set()
    map_sizes, counts = np.unique(editor.map_sizes[editor.positions(*roles)], return_counts=True)
    return set(map_sizes[counts == 1].tolist())


def apply_swap_columns(editor: GenomeEditor, parameters: Parameters) -> None:
    """Exchange what two nodes listen to."""
    editor.swap_columns(parameters["a"], parameters["b"])


def apply_swap_rows(editor: GenomeEditor, parameters: Parameters) -> None:
    """Exchange whom two nodes speak to."""
    editor.swap_rows(parameters["a"], parameters["b"])


# -- C, F: additions ---------------------------------------------------------------------------------------------------


def propose_add_column(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
    """Choose a node with inputs of its own, another of its side that shall hear them too, and a bounded factor."""
    return _propose_addition(editor, proposing, target_roles(), editor.in_degree, editor.column)


def propose_add_row(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
    """Choose a node with listeners of its own, another of its side that shall reach them too, and a bounded factor."""
    return _propose_addition(editor, proposing, source_roles(editor), editor.out_degree, editor.row)


def _propose_addition(
    editor: GenomeEditor,
    proposing: Proposing,
    roles: tuple[Role, ...],
    degree: Degree,
    line_at: Callable[[int], Line],
) -> Parameters | None:
    rng, settings = proposing.rng, proposing.settings
    room = int(settings.max_density * editor.n_places) - editor.n_stored
    alone = _lonely_sides(editor, roles)
    for _ in range(TRIES):
        source = draw_position(
            editor, rng, roles, lambda p: degree(p) > 0 and int(editor.map_size(p)) not in alone
        )
        if source is None:
            return None
        target = draw_position(
            editor,
            rng,
            roles,
            lambda p, source=source: p != source and editor.map_size(p) == editor.map_size(source),  # type: ignore[misc]
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


def apply_add_column(editor: GenomeEditor, parameters: Parameters) -> None:
    """Add k × column `source` to column `target`, then scale the latter."""
    editor.add_column(**parameters)


def apply_add_row(editor: GenomeEditor, parameters: Parameters) -> None:
    """Add k × row `source` to row `target`, then scale the latter."""
    editor.add_row(**parameters)


# -- N: assign ---------------------------------------------------------------------------------------------------------


def apply_assign(editor: GenomeEditor, parameters: Parameters) -> None:
    """Give places of the matrix their values: those recorded, or by layers those that follow from a seed.

    Source n, one node further, is the constant one: a bias.
    """
    if "layers" in parameters:
        grow_in_layers(editor, parameters)
        return
    per_node = editor.rows_per_node
    rows, targets, values = read_edges(parameters, editor.n_nodes, editor.dtype, per_node)
    of_bias = np.equal(rows, editor.n_nodes * per_node)
    if not of_bias.any():
        editor.assign(rows, targets, values)
        return
    editor.set_bias(np.compress(of_bias, targets), np.compress(of_bias, values))
    if not of_bias.all():
        editor.assign(*(np.compress(~of_bias, part) for part in (rows, targets, values)))


OPERATORS: Mapping[str, Operator] = {
    operator.code: within_size_limit(operator)
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
