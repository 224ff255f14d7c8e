"""Methods of sparse training: a declaration of parts, and the one step that puts them together.

A step drops entries and grows as many, or fewer where the density falls (:mod:`evo.policies.prune_and_regrow`). The
methods themselves are declared in :mod:`evo.policies.rewiring`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from evo.editing.editor import GenomeEditor
from evo.operators.operation import Operation, ProposalContext
from evo.policies.prune_and_regrow import (
    Counts,
    Groups,
    Scope,
    concatenate,
    drop_dormant_entries,
    drop_entries,
    groups_of,
    grow_at,
    prune_and_regrow,
)
from evo.policies.regrowth import PREDICTED, REGROWTHS
from evo.policies.removal import REMOVALS, drop_edges_of_idle_neurons
from evo.policies.schedules import SCHEDULES, density_after
from evo.policies.step import Step

Revived = Literal["kept", "new"]
"""Whether an entry that is dropped and grown again in one step keeps weight and optimizer state, or begins anew."""


@dataclass(frozen=True)
class Method:
    """A method of sparse training: the parts of one of its steps, and their numbers. It can be registered as a policy.

    Attributes
    ----------
    title : str
        One sentence.
    removal, regrowth : str
        Names of parts, keys of :data:`evo.policies.removal.REMOVALS` and :data:`evo.policies.regrowth.REGROWTHS`.
    fraction_schedule, density_schedule : str
        How the rewired fraction, and what the density exceeds the final one by, change over the run: keys of
        :data:`evo.policies.schedules.SCHEDULES`.
    percolation : bool
        Whether neurons without in-edges or without out-edges lose the other side before the regrowth.
    revived_weights : {"kept", "new"}
    rewired_fraction : float
        Fraction of the entries of each group that is replaced; without effect if the regrowth is ``none``.
    scope : {"layer", "network"}
    new_weight_scale : float or None
        Standard deviation of weights that are drawn, in units of 1/√in-degree; by default that of the settings.
    removal_exponents : (float, float)
        Exponent of soft removals at the beginning and at the end of the run.
    final_density, density_end : float
        The density at the end of its schedule, and the progress at which the schedule ends.
    fixed_layers : tuple of int
        Numbers of layers that are left alone, from 1, or from −1, the outputs.
    """

    title: str
    removal: str = "magnitude"
    regrowth: str = "random"
    fraction_schedule: str = "constant"
    density_schedule: str = "constant"
    percolation: bool = False
    revived_weights: Revived = "new"
    rewired_fraction: float = 0.3
    scope: Scope = "layer"
    new_weight_scale: float | None = None
    removal_exponents: tuple[float, float] = (1.0, 3.0)
    final_density: float = 0.1
    density_end: float = 1.0
    fixed_layers: tuple[int, ...] = ()

    def __call__(
        self, editor: GenomeEditor, context: ProposalContext, settings: "Adapting"
    ) -> list[Operation]:
        """Take one step, with the parts and numbers that the settings give: a method is a policy."""
        return rewire(editor, context, settings.adapt(self))

    @property
    def needs_layers(self) -> bool:
        """Whether it needs layers of neurons, because it grows edges by link prediction."""
        return self.regrowth in PREDICTED

    @property
    def keeps_dormant(self) -> bool:
        """Whether pruned entries stay stored, dormant."""
        return self.removal == "dormancy"

    @property
    def drops_one_by_one(self) -> bool:
        """Whether it drops entries that no threshold separates from the others."""
        by_threshold = self.removal in ("magnitude", "dormancy")
        return not by_threshold or self.percolation or self.revived_weights == "kept"

    @property
    def needs_gradients(self) -> bool:
        """Whether it measures gradients."""
        return self.regrowth == "gradient" or self.removal == "magnitude_and_gradient"


class Adapting(Protocol):
    """Settings of a policy."""

    def adapt(self, method: Method) -> Method:
        """Return the method with the parts and numbers of the settings."""


def rewire(editor: GenomeEditor, context: ProposalContext, method: Method) -> list[Operation]:
    """Take one step of a method.

    Raises
    ------
    ValueError
        If the method does not suit the network, or needs gradients and `context` has none.
    """
    if method.needs_gradients:
        context.require_gradients()
    groups = groups_of(editor, context, method.scope, method.fixed_layers)
    before = editor.freeze()
    scale = 1.0 if method.new_weight_scale is None else method.new_weight_scale

    def step(changed: GenomeEditor) -> list[Operation]:
        own = Step(changed, context, groups, before, scale, method.removal_exponents)
        return _rewire_groups(own, method)

    if method.revived_weights == "kept" and method.regrowth != "none":
        return _keep_revived(editor, groups, step)
    return step(editor)


def _rewire_groups(step: Step, method: Method) -> list[Operation]:
    editor, groups = step.editor, step.groups
    present = groups.n_stored(editor) if method.keeps_dormant else groups.n_active(editor)
    wanted = _wanted_counts(step, method, present)
    kept = np.minimum(present, _without_fraction(step, method, wanted))

    def prune() -> list[Operation]:
        operations = REMOVALS[method.removal](step, kept)
        if method.percolation:
            operations += drop_edges_of_idle_neurons(editor, groups)
        return operations

    return prune_and_regrow(
        editor,
        groups,
        prune=prune,
        regrow=lambda counts: REGROWTHS[method.regrowth](step, counts),
        n_stored=wanted,
    )


def _wanted_counts(step: Step, method: Method, present: Counts) -> Counts:
    """Return the number of entries that each group shall have after the step; layers keep their proportions."""
    if method.density_schedule == "constant":
        return present
    groups, context = step.groups, step.context
    changing = np.array([k not in groups.fixed for k in range(len(present))])
    n_places = int(groups.n_places(step.editor)[changing].sum())
    now = int(present[changing].sum()) / max(n_places, 1)
    after = density_after(
        now,
        method.final_density,
        SCHEDULES[method.density_schedule],
        # Dormant entries stay stored, so the density is still that of the founder.
        0.0 if method.keeps_dormant else context.progress / method.density_end,
        context.progress_after / method.density_end,
    )
    factor = after / now if now > 0 else 1.0
    wanted: Counts = np.where(changing, np.round(factor * present), present).astype(np.int64)
    return wanted


def _without_fraction(step: Step, method: Method, wanted: Counts) -> Counts:
    """Return the number of entries that each group keeps when it is pruned."""
    if method.regrowth == "none":
        return wanted
    factor = SCHEDULES[method.fraction_schedule](step.context.progress)
    fraction = method.rewired_fraction * factor
    return np.array(
        [
            count if k in step.groups.fixed else count - round(fraction * count)
            for k, count in enumerate(wanted.tolist())
        ],
        np.int64,
    )


def _keep_revived(
    editor: GenomeEditor, groups: Groups, step: Callable[[GenomeEditor], list[Operation]]
) -> list[Operation]:
    """Take a step on a copy, and change only what differs afterwards: so a revived entry keeps weight and state."""
    operations = drop_dormant_entries(editor)
    trial = editor.copy()
    step(trial)
    gone, born = [], []
    both = zip(groups.entries(editor), groups.entries(trial), strict=True)
    for k, (before, after) in enumerate(both):
        n_rows = editor.n_nodes * editor.rows_per_node
        old, new = (part.targets * n_rows + part.rows for part in (before, after))
        # Entries of weight 0 are dropped along with others, so they begin anew.
        stays = np.isin(old, new) & (before.values != 0)
        appears = ~np.isin(new, old[stays])
        if k in groups.fixed:
            stays[:], appears[:] = True, False
        gone.append(before.where(~stays))
        born.append(after.where(appears))
    operations += drop_entries(editor, groups, gone)
    rows, targets = concatenate([(entries.rows, entries.targets) for entries in born])
    values = np.concatenate([entries.values for entries in born])
    return operations + grow_at(editor, rows, targets, values)
