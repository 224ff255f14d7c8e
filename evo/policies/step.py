"""What the parts of a rewiring step, its removal and its regrowth, may use."""

from dataclasses import dataclass

from evo.editing.editor import GenomeEditor
from evo.genome.genome import Genome
from evo.operators.operation import ProposalContext
from evo.policies.prune_and_regrow import Groups


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a method that rewires.

    Attributes
    ----------
    editor : GenomeEditor
        Is changed by operators.
    context : ProposalContext
    groups : Groups
        What is pruned and regrown by itself: layers, roles or the network.
    before : Genome
        The network before the step, whose gradients are measured.
    new_weight_scale : float
        Standard deviation of weights that are drawn, in units of 1/√in-degree.
    removal_exponents : (float, float)
        Exponent of soft removals at the beginning and at the end of the run.
    """

    editor: GenomeEditor
    context: ProposalContext
    groups: Groups
    before: Genome
    new_weight_scale: float = 1.0
    removal_exponents: tuple[float, float] = (1.0, 3.0)
