"""Screening of proposals: an operator draws again until its proposal meets all conditions.

There are two conditions: the proposal changes what the network computes (:func:`must_change_function`), and it keeps
the network within its size limit (:func:`within_size_limit`). Each proposal is tried on a copy, whose state the editor
takes over when the accepted proposal is applied.

The size counts the active entries, whether or not they reach an output. Each active entry is a parameter, and so is the
bias of each hidden and output node. Each active entry costs as many multiply-accumulates as the map of its target has
pixels. The compiled network (:mod:`evo.phenotype.plan`) leaves out ineffective entries, so it is never larger.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from evo.canonical.hashing import output_hashes
from evo.editing.editor import GenomeEditor
from evo.genome.genome import Genome, Role
from evo.operators.operation import (
    LARGEST_CHECKED,
    TRIES,
    Operator,
    OperatorSettings,
    Parameters,
    ProposalContext,
)

Accepts = Callable[[GenomeEditor], bool]
"""Tells of a changed copy whether it meets a condition."""

Condition = Callable[[GenomeEditor, OperatorSettings], Accepts | None]
"""Given the editor before the change: a test of the changed copy, or None where there is nothing to test."""

_hashes_of = lru_cache(maxsize=4)(output_hashes)
"""The hashes of the last few genomes: an accepted trial is the genome before the next proposal."""


def screened(operator: Operator, *conditions: Condition) -> Operator:
    """Return an operator whose proposals meet some conditions; it proposes nothing if too many of them fail.

    A condition may fail :data:`evo.operators.operation.TRIES` times. When a later condition fails, the earlier
    ones were met, and their counts start again.

    Parameters
    ----------
    operator : Operator
    *conditions : Condition
        Tested in this order.
    """

    def propose(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
        parameters = operator.propose(editor, context)
        if parameters is None:
            return None
        found = ((condition, condition(editor, context.settings)) for condition in conditions)
        tests = [(condition, accepts) for condition, accepts in found if accepts is not None]
        if not tests:
            return parameters
        left = [TRIES] * len(tests)
        while parameters is not None:
            trial = editor.copy()
            operator.apply(trial, parameters)
            failed = next((k for k, (_, accepts) in enumerate(tests) if not accepts(trial)), None)
            if failed is None:
                editor.remember_trial(operator.apply, parameters, trial)
                return parameters
            left[failed] -= 1
            left[:failed] = [TRIES] * failed
            if left[failed] == 0 and tests[failed][0] is not must_change_function:
                return None
            # After the last failure of `must_change_function` one more proposal is drawn but not tried: the random
            # numbers that follow, and with them earlier results, depend on it.
            parameters = operator.propose(editor, context)
            if left[failed] == 0:
                return None
        return None

    return replace(operator, propose=propose)


def must_change_function(editor: GenomeEditor, settings: OperatorSettings) -> Accepts | None:
    """Accept a proposal if it changes the function of the network for constant inputs, and so for sequences.

    The test compares hashes of the terms of the outputs (:func:`evo.canonical.hashing.output_hashes`); a change by
    rounding only is no change. Networks of more than :data:`evo.operators.operation.LARGEST_CHECKED` stored entries are
    not tested, because the test looks at the whole network.
    """
    if editor.n_stored > LARGEST_CHECKED:
        return None
    before = editor.freeze()

    def accepts(trial: GenomeEditor) -> bool:
        child = trial.freeze()
        same = np.array_equal(_hashes_of(child), _hashes_of(before))
        return not (same or _equal_to_rounding(child, before))

    return accepts


def _equal_to_rounding(child: Genome, parent: Genome) -> bool:
    """Tell whether only the last bits of numbers differ, as after adding a parallel column and scaling back."""
    if child.n_stored != parent.n_stored or child.n_nodes != parent.n_nodes:
        return False
    same = all(
        np.array_equal(getattr(child, name), getattr(parent, name))
        for name in ("indptr", "indices", "taps", "map_sizes", "ids", "activations", "threshold")
    )
    tolerance = 8 * float(np.finfo(parent.values.dtype).eps)
    return same and all(
        np.allclose(getattr(child, name), getattr(parent, name), rtol=tolerance, atol=0)
        for name in ("values", "bias")
    )


def within_size_limit(editor: GenomeEditor, settings: OperatorSettings) -> Accepts | None:
    """Accept a proposal if the network stays within its size limit; beyond the limit, if it becomes no larger."""
    if settings.max_parameters is None and settings.max_macs is None:
        return None
    limits = [
        np.inf if limit is None else max(limit, size)
        for limit, size in zip(_limits(settings), size_of(editor), strict=True)
    ]
    return lambda trial: all(
        size <= limit for size, limit in zip(size_of(trial), limits, strict=True)
    )


def _limits(settings: OperatorSettings) -> tuple[int | None, int | None]:
    return settings.max_parameters, settings.max_macs


def size_of(editor: GenomeEditor) -> tuple[int, int]:
    """Return the parameters of an editor's network, and its multiply-accumulates per sample and tick."""
    active = editor.active_degree()
    n_biases = int((editor.roles != Role.INPUT).sum())
    macs = int((active * editor.map_sizes.astype(np.int64) ** 2).sum())
    return int(active.sum()) + n_biases, macs


def room_within(editor: GenomeEditor, settings: OperatorSettings) -> tuple[float, float]:
    """Return by how many parameters and multiply-accumulates a network may grow; infinity where there is no limit."""
    if _limits(settings) == (None, None):
        return np.inf, np.inf
    parameters, macs = (
        np.inf if limit is None else limit - size
        for limit, size in zip(_limits(settings), size_of(editor), strict=True)
    )
    return parameters, macs
