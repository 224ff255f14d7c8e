"""What an operator is: it proposes parameters, applies parameters, and reports what the application changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

import graphops
from evo.editing.editor import GenomeEditor
from evo.genome.activations import ActivationName
from evo.genome.genome import FloatArray, Genome, Role
from evo.recombination.mates import Mate
from evo.settings import Settings

Parameters = dict[str, Any]
GradientsAt = Callable[..., FloatArray]
"""Loss gradient at places of a genome, on training data: of genome, sources, targets and, if it has maps, taps."""

TRIES = 16
"""How often a proposal draws again before it gives up."""

LARGEST_CHECKED = 4096
"""Largest number of stored entries up to which proposals may look at the whole network."""


class OperatorSettings(Settings, frozen=True, extra="forbid"):
    """Bounds within which operators draw their parameters."""

    max_factor: float = Field(
        0.5,
        gt=0,
        description="Operators C and F draw the size of their factor from (0, max_factor].",
    )
    max_quantile: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Operator A makes at most this fraction of the stored entries dormant.",
    )
    max_new_fraction: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Operators N and J add at most this number of edges, as a fraction of the stored entries.",
    )
    mutation_probability: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Probability that operator N, where it is drawn, moves weights and biases that are there, instead "
        "of adding edges. Beside [task] without a strategy the default is 0.8, for nothing else moves them.",
    )
    mutation_std: float = Field(
        0.5,
        gt=0,
        allow_inf_nan=False,
        description="Standard deviation of what N adds to a weight or bias, in units of 1/√in-degree of its target.",
    )
    activations: tuple[ActivationName, ...] = Field(
        ("identity", "tanh", "relu", "leaky_relu", "gelu"),
        min_length=1,
        description="Operator T draws the activations of hidden nodes among these.",
    )
    max_density: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Operators add no entries above this density: stored entries divided by all places of the matrix.",
    )
    max_parameters: int | None = Field(
        None,
        ge=0,
        description="Largest number of parameters after a proposal. All active entries and the biases of all hidden "
        "and output nodes are counted, effective or not.",
    )
    max_macs: int | None = Field(
        None,
        ge=0,
        description="Largest number of multiply-accumulates after a proposal, per sample and tick: with T ticks a "
        "sample takes T times as many. An active entry costs the squared map size of its target.",
    )


@dataclass(frozen=True, eq=False)
class ProposalContext:
    """What a proposal may use besides the editor.

    Attributes
    ----------
    rng : numpy.random.Generator
    settings : OperatorSettings
    gradients_at : GradientsAt, optional
        Needed only where edges grow by gradient.
    progress : float
        How much of the run is over, from 0 to 1. The rewired fraction shrinks with it.
    layers : tuple of int
        Nodes of each layer of a layered founder, inputs first. Empty where the founder has no layers.
    progress_after : float
        How much of the run is over after this modify phase. The density falls with it.
    dormant_learn : bool
        Whether dormant entries learn: ``dormant = "straight_through"``.
    mates : tuple of Mate
        The relatives that the genome may be recombined with, the fittest first. The editor has their genomes too.
    validation_loss : callable, optional
        Returns the loss of a genome on the validation part. Needed only for soups.
    """

    rng: np.random.Generator
    settings: OperatorSettings
    gradients_at: GradientsAt | None = None
    progress: float = 0.0
    layers: tuple[int, ...] = ()
    progress_after: float = 1.0
    dormant_learn: bool = False
    mates: tuple[Mate, ...] = ()
    validation_loss: Callable[[Genome], float] | None = None

    def require_gradients(self) -> GradientsAt:
        """Return the function for gradients; raise ValueError if there is none."""
        if self.gradients_at is None:
            raise ValueError("gradients_at must be given to grow edges by gradient; got None")
        return self.gradients_at

    def gradients(
        self,
        genome: Genome,
        editor: GenomeEditor,
        rows: NDArray[np.intp],
        targets: NDArray[np.intp],
    ) -> FloatArray:
        """Return the loss gradient of a genome at places, whose rows are those of an editor of the genome."""
        sources, taps = editor.split(rows)
        of_maps = (taps,) if genome.has_maps else ()
        return self.require_gradients()(genome, sources, targets, *of_maps)


@dataclass(frozen=True)
class Operation:
    """One application of an operator, and what it changed.

    Attributes
    ----------
    operator : str
        The operator's code.
    parameters : dict
        JSON-able. Applying them again repeats the operation exactly.
    n_stored_before, n_stored_after : int
        Number of stored entries.
    n_active_before, n_active_after : int
        Number of active entries.
    """

    operator: str
    parameters: Parameters
    n_stored_before: int
    n_stored_after: int
    n_active_before: int
    n_active_after: int


@dataclass(frozen=True)
class Operator:
    """A registry entry, which can also be called as a function from genome to genome.

    Attributes
    ----------
    code : str
        One letter.
    name : str
        In words.
    propose : callable
        ``propose(editor, context)`` returns the parameters of one application, or None if it finds none.
    apply : callable
        ``apply(editor, parameters)`` changes the editor.
    preserves : bool
        Whether the network computes the same function afterwards, to rounding.
    """

    code: str
    name: str
    propose: Callable[[GenomeEditor, ProposalContext], Parameters | None]
    apply: Callable[[GenomeEditor, Parameters], None]
    preserves: bool = False

    def __call__(
        self,
        genome: Genome,
        *,
        rng: np.random.Generator,
        settings: OperatorSettings | None = None,
        mates: Mapping[int, Genome] | None = None,
    ) -> tuple[Genome, Operation | None]:
        """Propose one application and apply it.

        Parameters
        ----------
        genome : Genome
        rng : numpy.random.Generator
        settings : OperatorSettings, optional
            Bounds of the parameters.
        mates : mapping, optional
            Genomes of relatives by their number, for V, Y and operators of your own. None of them counts as fitter.

        Returns
        -------
        (Genome, Operation or None)
            The child and the record that replays it; the genome itself and None if nothing was proposed.

        Examples
        --------
        >>> from evo import OPERATORS, Genome
        >>> genome = Genome.from_matrix([[0, 1, 0], [0, 0, 2], [0, 0, 0]], n_inputs=1, n_outputs=1)
        >>> child, operation = OPERATORS["R"](genome, rng=np.random.default_rng(0))
        >>> child.n_nodes, operation.operator, operation.parameters
        (2, 'R', {'node': 1})
        """
        editor = GenomeEditor(genome, origins=False, mates=mates)
        relatives = tuple(Mate(number, mate) for number, mate in editor.mates.items())
        context = ProposalContext(rng, settings or OperatorSettings(), mates=relatives)
        parameters = self.propose(editor, context)
        if parameters is None:
            return genome, None
        operation = self.carry_out(editor, parameters)
        return editor.freeze(), operation

    def carry_out(self, editor: GenomeEditor, parameters: Parameters) -> Operation:
        """Apply parameters to an editor and report what that changed.

        If screening has tried this very proposal, the editor takes over the result of the trial.
        """
        stored, edges = editor.n_stored, editor.n_active
        if not editor.take_trial(self.apply, parameters):
            self.apply(editor, parameters)
        return Operation(self.code, parameters, stored, editor.n_stored, edges, editor.n_active)


Accept = Callable[[int], bool]


def draw_node(
    editor: GenomeEditor, rng: np.random.Generator, roles: tuple[Role, ...], accept: Accept
) -> int | None:
    """Draw one of the nodes that have one of the roles and that `accept` accepts; None if there is no such node.

    All such nodes are equally likely. The first tries draw from all nodes, so their cost does not grow with the
    network.
    """
    wanted, n_nodes = [int(role) for role in roles], editor.n_nodes
    for _ in range(TRIES):
        node = int(rng.integers(n_nodes))
        if int(editor.role(node)) in wanted and accept(node):
            return node
    rest = [int(p) for p in editor.positions(*roles) if accept(int(p))]
    return int(rng.choice(rest)) if rest else None


def active_entries(
    editor: GenomeEditor, rows: FloatArray, targets: NDArray[np.integer[Any]]
) -> NDArray[np.bool_]:
    """Tell which entries of several rows are active, given the thresholds of some targets; shape (rows, targets)."""
    threshold = editor.threshold
    if threshold is None:
        return np.ones(rows.shape, dtype=np.bool_)
    thresholds = threshold[targets] if isinstance(threshold, np.ndarray) else threshold
    return graphops.threshold_mask(rows, thresholds, editor.threshold_mode)


def zero_learns(
    editor: GenomeEditor, context: ProposalContext, targets: NDArray[np.integer[Any]]
) -> NDArray[np.bool_]:
    """Tell for each target whether training changes an entry of weight 0: it is active there, or dormant ones learn."""
    active = active_entries(editor, np.zeros((1, len(targets)), editor.dtype), targets)[0]
    learns: NDArray[np.bool_] = active | context.dormant_learn
    return learns


def target_roles(editor: GenomeEditor) -> tuple[Role, ...]:
    """Return the roles whose in-edges have an effect. In-edges of inputs have none: their values are given."""
    return Role.HIDDEN, Role.OUTPUT


def source_roles(editor: GenomeEditor) -> tuple[Role, ...]:
    """Return the roles whose out-edges have an effect. Out-edges of outputs need a second tick."""
    return (Role.INPUT, Role.HIDDEN) if editor.ticks == 1 else tuple(Role)
