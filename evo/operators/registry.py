"""All operators in one registry, by which they are applied and replayed.

A new operator is one file with two functions, and one entry here. `propose` looks at the editor and returns the
parameters of one application, or None if it finds none; only here are random numbers drawn. `apply` changes the editor.
Parameters are JSON-able, so a list of them is a record that replays bit for bit.

The entry also names the conditions that proposals must meet (:mod:`evo.operators.screening`). A proposal costs what it
looks at, not the size of the network; exceptions say so.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from evo.editing.editor import GenomeEditor
from evo.genome.genome import Genome
from evo.operators import elementary, growth, map_operator, node_operators
from evo.operators.elementary import COLUMNS, ROWS
from evo.operators.operation import Operation, Operator, Parameters
from evo.operators.records import with_current_names
from evo.operators.screening import must_change_function, screened, within_size_limit


def _changing(operator: Operator) -> Operator:
    return screened(operator, must_change_function, within_size_limit)


def _sized(operator: Operator) -> Operator:
    return screened(operator, within_size_limit)


_swap, _add, _move = (
    elementary.propose_swap,
    elementary.propose_addition,
    node_operators.propose_move,
)

OPERATORS: Mapping[str, Operator] = {
    operator.code: operator
    for operator in (
        _changing(
            Operator("A", "threshold", elementary.propose_threshold, elementary.apply_threshold)
        ),
        _changing(
            Operator(
                "B", "swap columns", partial(_swap, lines=COLUMNS), elementary.apply_swap_columns
            )
        ),
        _changing(
            Operator("C", "add column", partial(_add, lines=COLUMNS), elementary.apply_add_column)
        ),
        _changing(
            Operator("D", "swap rows", partial(_swap, lines=ROWS), elementary.apply_swap_rows)
        ),
        _changing(Operator("F", "add row", partial(_add, lines=ROWS), elementary.apply_add_row)),
        _changing(
            Operator(
                "H", "reorder nodes", partial(_move, past_neighbor=True), node_operators.apply_move
            )
        ),
        _sized(Operator("N", "assign weights", growth.propose_random_edges, growth.apply_assign)),
        _changing(
            Operator(
                "I",
                "insert a node",
                node_operators.propose_insertion,
                node_operators.apply_insertion,
            )
        ),
        _changing(
            Operator(
                "R", "remove a node", node_operators.propose_removal, node_operators.apply_removal
            )
        ),
        _changing(
            Operator("S", "split an edge", node_operators.propose_split, node_operators.apply_split)
        ),
        _sized(
            Operator(
                "U",
                "duplicate a node",
                node_operators.propose_duplication,
                node_operators.apply_duplication,
                preserves=True,
            )
        ),
        _sized(
            Operator(
                "E",
                "erase an idle node",
                node_operators.propose_erasure,
                node_operators.apply_removal,
                preserves=True,
            )
        ),
        _sized(
            Operator(
                "O",
                "reorder freely",
                partial(_move, past_neighbor=False),
                node_operators.apply_move,
                preserves=True,
            )
        ),
        _changing(
            Operator(
                "M",
                "change the size of a map",
                map_operator.propose_map_size,
                map_operator.apply_map_size,
            )
        ),
    )
}
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
