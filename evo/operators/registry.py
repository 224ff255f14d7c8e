"""All operators in one registry, by which they are applied and replayed; and what makes children of several parents.

A new operator is two functions and one entry (docs/extending.md). `propose` reads the editor and returns the
parameters of one application, or None if nothing can be changed. Only `propose` draws random numbers. `apply` changes
the editor. The parameters are values that JSON can hold, so a record can store them and replay them bit for bit.

Proposals of the entries are screened (:mod:`evo.operators.screening`). The cost of a proposal does not grow with the
network, unless its docstring says so.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cnn.checks import brief
from cnn.files import one_line
from evo.editing.editor import GenomeEditor
from evo.genome.genome import Genome
from evo.operators import elementary as lines
from evo.operators import forms, growth
from evo.operators import node_operators as nodes
from evo.operators.operation import Operation, Operator, Parameters, ProposalContext
from evo.operators.records import with_current_names
from evo.operators.screening import (
    Condition,
    must_change_function,
    screened,
    within_size_limit,
)
from evo.recombination import (
    apply_average,
    apply_crossover,
    propose_average,
    propose_crossover,
    propose_soup,
)
from evo.registry import Registry, check_signature, functions_in

_TWO_NODES = forms.Form({"a": forms.node, "b": forms.node})
_ADDITION = forms.Form(
    {"source": forms.node, "target": forms.node, "factor": forms.number}, {"scale": forms.number}
)
_MOVE = forms.Form({"node": forms.node, "destination": forms.node})
_ONE_NODE = forms.Form({"node": forms.node})

_NODES = forms.several(forms.node)
_KERNELS = forms.Form({"sources": _NODES, "targets": _NODES})

_FORMS: Mapping[str, Sequence[forms.Form]] = {
    "A": [forms.Form({"threshold": forms.threshold, "drop": forms.flag})],
    "B": [_TWO_NODES],
    "C": [_ADDITION],
    "D": [_TWO_NODES],
    "F": [_ADDITION],
    "H": [_MOVE],
    "N": forms.ASSIGNMENTS,
    "I": forms.NEW_NODES,
    "R": [_ONE_NODE],
    "S": forms.NEW_NODES,
    "U": [forms.Form({"node": forms.node, "share": forms.number})],
    "E": [_ONE_NODE],
    "O": [_MOVE],
    "M": [forms.Form({"node": forms.node, "map_size": forms.SIZE})],
    "L": [forms.Form({"nodes": _NODES, "activations": forms.several(forms.CODE)})],
    "W": [forms.Form({"nodes": _NODES, "shares": forms.several(forms.number)})],
    "T": [forms.Form({"nodes": _NODES, "activation": forms.CODE})],
    "J": forms.ASSIGNMENTS[1:],
    "G": [_KERNELS],
    "K": [_KERNELS],
    "P": [forms.Form({"nodes": _NODES, "map_size": forms.SIZE})],
    "V": [forms.MEAN],
    "Y": [forms.CROSSOVER],
}
"""What a record of each operator of the package must hold; own operators check their parameters themselves."""

_ENTRIES = (
    Operator("A", "threshold", lines.propose_threshold, lines.apply_threshold),
    Operator("B", "swap columns", lines.propose_column_swap, lines.apply_swap_columns),
    Operator("C", "add column", lines.propose_column_addition, lines.apply_add_column),
    Operator("D", "swap rows", lines.propose_row_swap, lines.apply_swap_rows),
    Operator("F", "add row", lines.propose_row_addition, lines.apply_add_row),
    Operator("H", "reorder nodes", nodes.propose_move_past_neighbor, nodes.apply_move),
    Operator("N", "assign weights", growth.propose_assignment, growth.apply_assign),
    Operator("I", "insert a node", nodes.propose_insertion, nodes.apply_insertion),
    Operator("R", "remove a node", nodes.propose_removal, nodes.apply_removal),
    Operator("S", "split an edge", nodes.propose_split, nodes.apply_split),
    Operator("U", "duplicate a node", nodes.propose_duplication, nodes.apply_duplication, True),
    Operator("E", "erase an idle node", nodes.propose_erasure, nodes.apply_removal, True),
    Operator("O", "reorder freely", nodes.propose_free_move, nodes.apply_move, True),
    Operator("M", "change the size of a map", lines.propose_map_size, lines.apply_map_size),
    Operator("L", "insert a level", nodes.propose_level, nodes.apply_level, True),
    Operator("W", "widen a level", nodes.propose_widening, nodes.apply_widening, True),
    Operator("T", "change activations", nodes.propose_activation, nodes.apply_activation),
    Operator("J", "join levels at weight 0", growth.propose_skips, growth.apply_assign, True),
    Operator("G", "grow kernels", lines.propose_kernel_growth, lines.apply_kernel_growth, True),
    Operator("K", "crop kernels", lines.propose_kernel_crop, lines.apply_kernel_crop),
    Operator(
        "P",
        "change the map size of a level",
        lines.propose_level_map_size,
        lines.apply_level_map_size,
    ),
    Operator("V", "average weights", propose_average, apply_average),
    Operator("Y", "cross wirings", propose_crossover, apply_crossover),
)


def _conditions(operator: Operator) -> tuple[Condition, ...]:
    """Return the conditions on proposals.

    N draws only places where an edge is effective, and V has nothing else to propose, so what they change is not
    checked.
    """
    unchecked = operator.preserves or operator.code in "NV"
    return (within_size_limit,) if unchecked else (must_change_function, within_size_limit)


def _converted(code: str, given: Any) -> Operator:
    """Return an own operator for a class with `propose` and `apply`, or for an Operator."""
    if len(code) != 1 or not (code.isascii() and code.isalpha()):
        raise ValueError(f"name of the operator must be one letter, its code; got {code!r}")
    if isinstance(given, type):
        propose, apply = functions_in("operator", code, given, ("propose", "apply"))
        words = (given.__doc__ or given.__name__).strip().splitlines()[0].rstrip(".")
        given = Operator(code, words, propose, apply, bool(getattr(given, "preserves", False)))
    if not isinstance(given, Operator):
        raise TypeError(
            f"operator {code!r} must be a class with the functions propose and apply, or an Operator; got {given!r}"
        )
    if given.code != code:
        raise ValueError(f"code of the operator must be its name {code!r}; got {given.code!r}")
    check_signature("propose of operator", code, given.propose, "editor", "context")
    check_signature("apply of operator", code, given.apply, "editor", "parameters")
    return _recordable(given)


def _recordable(operator: Operator) -> Operator:
    """Return an operator that refuses to propose parameters that a record could not give back."""

    def propose(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
        parameters = operator.propose(editor, context)
        if parameters is None:
            return None
        try:
            same = isinstance(parameters, dict) and json.loads(json.dumps(parameters)) == parameters
        except (TypeError, ValueError):
            same = False
        if not same:
            raise TypeError(
                f"parameters of operator {operator.code!r} must be a dict of values that JSON gives back as they are "
                f"(numbers, texts, lists, dicts; not arrays, NumPy's numbers or tuples); got {parameters!r}"
            )
        return parameters

    return replace(operator, propose=propose)


OPERATORS: Registry[Operator] = Registry("operator", convert=_converted)
"""The operators by their code."""

OPERATORS.fill({one.code: screened(one, *_conditions(one)) for one in _ENTRIES})

OF_MAPS, OF_MATES = frozenset("GKMP"), frozenset("VY")
"""The operators of the package that change nothing without feature maps, and those that need mates."""

RECOMBINATIONS: Mapping[str, Operator] = {
    "average": OPERATORS["V"],
    "soup": screened(
        Operator("V", "average weights", propose_soup, apply_average), within_size_limit
    ),
    "crossover": OPERATORS["Y"],
}
"""The operator, with its way to propose, of each mode of recombination in which the policy has no part."""


def apply_operation(editor: GenomeEditor, code: str, parameters: Parameters) -> Operation:
    """Apply one operator to an editor and report what it changed; raise ValueError for an unknown code."""
    return OPERATORS.choose(code).carry_out(editor, parameters)


def replay(
    record: Sequence[Operation | tuple[str, Parameters]],
    parent: Genome,
    mates: Mapping[int, Genome] | None = None,
) -> Genome:
    """Apply recorded operators to a parent; the result equals the child before training, bit for bit.

    Parameters
    ----------
    record : sequence of Operation or (code, parameters)
        In order, as in the table ``operations``. It may come from outside.
    parent : Genome
    mates : mapping, optional
        The genomes of the mates that the record names, by the number of their individual.

    Raises
    ------
    ValueError
        If the record is no such sequence, a code is not registered, a parameter is missing, unknown or not of its type,
        or the operations do not fit the parent. One line names the operation, the parameter, the rule and the value.
    """
    if not isinstance(record, Sequence) or isinstance(record, str):
        raise ValueError(f"record must be a sequence of operations; got {brief(record)}")
    editor = GenomeEditor(parent, mates=mates)
    for number, one in enumerate(record):
        where = f"record[{number}]"
        try:
            code, parameters = _code_and_parameters(one)
            where = f"{where} (operator {code})"
            if OPERATORS.is_built_in(OPERATORS[code]):
                forms.check_parameters(parameters, _FORMS[code], editor)
            OPERATORS[code].apply(editor, parameters)
        except (IndexError, ValueError) as error:
            raise ValueError(f"{where}: {one_line(error)}") from error
    try:
        return editor.freeze()
    except ValueError as error:
        raise ValueError(f"record must give a valid network: {one_line(error)}") from error


def _code_and_parameters(one: Any) -> tuple[str, Parameters]:
    """Return the code and the parameters of a recorded operation; ValueError if it is none."""
    if isinstance(one, Operation):
        one = one.operator, one.parameters
    if not isinstance(one, list | tuple) or len(one) != 2:
        raise ValueError(f"must be a code and parameters; got {brief(one)}")
    code, parameters = one
    OPERATORS.choose(code)
    if not isinstance(parameters, Mapping):
        raise ValueError(f"parameters must be values by name; got {brief(parameters)}")
    return code, with_current_names(parameters)
