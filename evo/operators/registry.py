"""All operators in one registry, by which they are applied and replayed.

A new operator is one file with two functions, and one entry here. `propose` looks at the editor and returns the
parameters of one application, or None if it finds none; only here are random numbers drawn. `apply` changes the editor.
Parameters are JSON-able, so a list of them is a record that replays bit for bit.

Proposals of registered operators are screened (:mod:`evo.operators.screening`). A proposal costs what it looks at, not
the size of the network; exceptions say so.
"""

from collections.abc import Mapping, Sequence

from evo.editing.editor import GenomeEditor
from evo.genome.genome import Genome
from evo.operators import elementary as lines
from evo.operators import growth
from evo.operators import map_operator as maps
from evo.operators import node_operators as nodes
from evo.operators.operation import Operation, Operator, Parameters
from evo.operators.records import with_current_names
from evo.operators.screening import (
    Condition,
    must_change_function,
    screened,
    within_size_limit,
)

_ENTRIES = (
    Operator("A", "threshold", lines.propose_threshold, lines.apply_threshold),
    Operator("B", "swap columns", lines.propose_column_swap, lines.apply_swap_columns),
    Operator("C", "add column", lines.propose_column_addition, lines.apply_add_column),
    Operator("D", "swap rows", lines.propose_row_swap, lines.apply_swap_rows),
    Operator("F", "add row", lines.propose_row_addition, lines.apply_add_row),
    Operator("H", "reorder nodes", nodes.propose_move_past_neighbor, nodes.apply_move),
    Operator("N", "assign weights", growth.propose_random_edges, growth.apply_assign),
    Operator("I", "insert a node", nodes.propose_insertion, nodes.apply_insertion),
    Operator("R", "remove a node", nodes.propose_removal, nodes.apply_removal),
    Operator("S", "split an edge", nodes.propose_split, nodes.apply_split),
    Operator("U", "duplicate a node", nodes.propose_duplication, nodes.apply_duplication, True),
    Operator("E", "erase an idle node", nodes.propose_erasure, nodes.apply_removal, True),
    Operator("O", "reorder freely", nodes.propose_free_move, nodes.apply_move, True),
    Operator("M", "change the size of a map", maps.propose_map_size, maps.apply_map_size),
)


def _conditions(operator: Operator) -> tuple[Condition, ...]:
    """Return what proposals must meet; N draws only places where an edge is effective, so it needs no check."""
    unchecked = operator.preserves or operator.code == "N"
    return (within_size_limit,) if unchecked else (must_change_function, within_size_limit)


OPERATORS: Mapping[str, Operator] = {one.code: screened(one, *_conditions(one)) for one in _ENTRIES}
"""The operators by their code."""


def apply_operation(editor: GenomeEditor, code: str, parameters: Parameters) -> Operation:
    """Apply one operator to an editor and report what it changed."""
    return OPERATORS[code].carry_out(editor, parameters)


def replay(record: Sequence[Operation | tuple[str, Parameters]], parent: Genome) -> Genome:
    """Apply recorded operators to a parent; the result equals the child before training, bit for bit.

    Parameters
    ----------
    record : sequence of Operation or (code, parameters)
        In order, as in the table ``operations``.
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
