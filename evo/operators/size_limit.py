"""A budget of parameters and multiply-accumulates, beyond which nothing is proposed.

What is counted is what the threshold lets through, whether or not it reaches an output: each live entry, and the bias
of each hidden and output node, is a parameter; each live entry costs side² multiply-accumulates, of its target's side.
The network that is computed (:mod:`evo.phenotype.plan`) leaves out what is without effect, so it is never dearer than
this, and this is one pass over the entries.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evo.editing.editor import GenomeEditor
from evo.genome.genome import Role
from evo.operators.operation import TRIES, Operator, OperatorSettings, Parameters, Proposing


def size_of(editor: GenomeEditor) -> tuple[int, int]:
    """Return the parameters and the multiply-accumulates per sample and tick of an editor as it stands."""
    live = editor.active_degree()
    computed = int((editor.roles != Role.INPUT).sum())
    return int(live.sum()) + computed, int((live * editor.map_sizes.astype(np.int64) ** 2).sum())


def room_within(editor: GenomeEditor, settings: OperatorSettings) -> tuple[float, float]:
    """Return by how many parameters and multiply-accumulates an editor may grow; infinity where there is no limit."""
    thresholds = settings.max_parameters, settings.max_macs
    if thresholds == (None, None):
        return np.inf, np.inf
    bounds = [
        np.inf if most is None else most - cost
        for most, cost in zip(thresholds, size_of(editor), strict=True)
    ]
    return bounds[0], bounds[1]


def within_size_limit(operator: Operator) -> Operator:
    """Return an operator that proposes nothing that would take a network beyond its budget.

    Each proposal is tried out on a copy, up to :data:`evo.operators.operation.TRIES` times. In a network that is
    already beyond the budget, what does not make it dearer may be proposed. Without a budget nothing is looked at.
    """

    def propose(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
        settings = proposing.settings
        if settings.max_parameters is None and settings.max_macs is None:
            return operator.propose(editor, proposing)
        return _first_within(operator, editor, proposing)

    return replace(operator, propose=propose)


def _first_within(
    operator: Operator, editor: GenomeEditor, proposing: Proposing
) -> Parameters | None:
    parent = editor.freeze()
    fits = _fits(size_of(editor), proposing.settings)
    for _ in range(TRIES):
        parameters = operator.propose(editor, proposing)
        if parameters is None:
            return None
        trial = GenomeEditor(parent, origins=False)
        operator.apply(trial, parameters)
        if fits(size_of(trial)):
            return parameters
    return None


def _fits(before: tuple[int, int], settings: OperatorSettings) -> Callable[[tuple[int, int]], bool]:
    thresholds = [
        np.inf if most is None else max(most, cost)
        for most, cost in zip((settings.max_parameters, settings.max_macs), before, strict=True)
    ]
    return lambda after: after[0] <= thresholds[0] and after[1] <= thresholds[1]
