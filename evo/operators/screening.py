"""Proposals that act: what is proposed changes what the network computes, or is not proposed.

An operator draws what looks worthwhile from where it stands. Whether that reaches an output - the target may speak to
nobody, a swap may exchange two rows without listeners, with several ticks a moved node may be heard a tick later when
nothing changes any more - shows in the whole network only, and that is looked at where it is small.
"""

from dataclasses import replace

import numpy as np

from evo.canonical.hashing import output_hashes
from evo.editing.editor import GenomeEditor
from evo.genome.genome import Genome
from evo.operators.operation import LARGEST_CHECKED, TRIES, Operator, Parameters, Proposing


def acting(operator: Operator) -> Operator:
    """Return an operator that proposes only what changes the network.

    Up to :data:`evo.operators.operation.LARGEST_CHECKED` stored entries each proposal is tried out on a copy. It is
    made if the terms of the outputs change (:func:`evo.canonical.hashing.output_hashes`), and by more than rounding;
    else another one is drawn, up to :data:`evo.operators.operation.TRIES` times. In larger networks, which a look at
    the whole would slow down, a proposal is made as it is drawn.

    Parameters
    ----------
    operator : Operator
        One that is to change what the network computes.
    """

    def propose(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
        if editor.n_stored > LARGEST_CHECKED:
            return operator.propose(editor, proposing)
        return _first_that_acts(operator, editor, proposing)

    return replace(operator, propose=propose)


def _first_that_acts(
    operator: Operator, editor: GenomeEditor, proposing: Proposing
) -> Parameters | None:
    parameters = operator.propose(editor, proposing)
    if parameters is None:
        return None
    parent = editor.freeze()
    before = output_hashes(parent)
    for _ in range(TRIES):
        trial = GenomeEditor(parent, origins=False)
        operator.apply(trial, parameters)
        child = trial.freeze()
        if not (np.array_equal(output_hashes(child), before) or _equal_to_rounding(child, parent)):
            return parameters
        parameters = operator.propose(editor, proposing)
        if parameters is None:
            break
    return None


def _equal_to_rounding(child: Genome, parent: Genome) -> bool:
    """Tell whether no more changed than the last bits of numbers: an addition to a parallel line, scaled back."""
    if child.n_stored != parent.n_stored or child.n_nodes != parent.n_nodes:
        return False
    alike = all(
        np.array_equal(getattr(child, name), getattr(parent, name))
        for name in ("indptr", "indices", "taps", "map_sizes", "ids", "threshold")
    )
    tolerance = 8 * float(np.finfo(parent.values.dtype).eps)
    return alike and all(
        np.allclose(getattr(child, name), getattr(parent, name), rtol=tolerance, atol=0)
        for name in ("values", "bias")
    )
