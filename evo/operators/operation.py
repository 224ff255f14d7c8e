"""What an operator is: proposing parameters, applying them, and the record of what that changed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from scipy import sparse

import graphops
from evo.editing.editor import GenomeEditor
from evo.genome.genome import FloatArray, Genome, Role

Parameters = dict[str, Any]
GradientsAt = Callable[..., FloatArray]
"""Loss gradient at places of a genome, on training data: of genome, sources, targets and, if it has maps, taps."""

TRIES = 16
"""How often a proposal draws again before it gives up on an editor where it has little to change."""


LARGEST_CHECKED = 4096
"""Stored entries up to which proposals look at the whole network: whether what they change reaches an output."""


class OperatorSettings(BaseModel, frozen=True, extra="forbid"):
    """Bounds within which operators draw their parameters."""

    max_factor: float = Field(0.5, gt=0, description="C, F: |k| is drawn from (0, max_factor]")
    max_quantile: float = Field(
        0.2, gt=0, lt=1, description="A: the threshold lets at most this share of the entries sleep"
    )
    max_new_fraction: float = Field(
        0.1, gt=0, le=1, description="N: new edges, as a share of the stored entries"
    )
    max_density: float = Field(
        0.5,
        gt=0,
        le=1,
        description="C, F, N: no more stored entries than this share of n × n, between maps of all possible taps",
    )
    max_parameters: int | None = Field(
        None,
        ge=0,
        description="nothing is proposed that leads beyond so many parameters: entries let through by the threshold, "
        "and biases of hidden and output nodes",
    )
    max_macs: int | None = Field(
        None,
        ge=0,
        description="nothing is proposed that leads beyond so many multiply-accumulates per sample and tick: "
        "side² of the target for each entry let through",
    )


@dataclass(frozen=True, eq=False)
class Proposing:
    """What a proposal may use besides the editor."""

    rng: np.random.Generator
    settings: OperatorSettings
    gradients_at: GradientsAt | None = None
    progress: float = 0.0
    """How much of the run is over, 0 to 1; rewiring fades with it."""
    layers: tuple[int, ...] = ()
    """Of a layered founder, the nodes of each layer, inputs first; nothing where there are no layers."""


@dataclass(frozen=True)
class Operation:
    """One operator as applied, and what it changed.

    Attributes
    ----------
    operator : str
        Its letter.
    parameters : dict
        JSON-able; `apply` with these repeats the operation exactly.
    stored_before, stored_after : int
        Stored entries of the matrix.
    edges_before, edges_after : int
        Entries let through by the threshold.
    """

    operator: str
    parameters: Parameters
    stored_before: int
    stored_after: int
    edges_before: int
    edges_after: int


@dataclass(frozen=True)
class Operator:
    """A registry entry, and as a function from genome to genome.

    Attributes
    ----------
    code : str
        Its letter.
    name : str
        In words.
    propose : callable
        ``propose(editor, proposing)`` returns the parameters of one application, or None if it finds none.
    apply : callable
        ``apply(editor, parameters)`` carries parameters out.
    preserves : bool
        Whether the network computes the same function afterwards, to rounding.
    """

    code: str
    name: str
    propose: Callable[[GenomeEditor, Proposing], Parameters | None]
    apply: Callable[[GenomeEditor, Parameters], None]
    preserves: bool = False

    def __call__(
        self,
        genome: Genome,
        *,
        rng: np.random.Generator,
        settings: OperatorSettings | None = None,
    ) -> tuple[Genome, Operation | None]:
        """Propose one application, and carry it out.

        Parameters
        ----------
        genome : Genome
        rng : numpy.random.Generator
        settings : OperatorSettings, optional
            Bounds of the parameters.

        Returns
        -------
        (Genome, Operation or None)
            The child and the record that replays it; the genome itself and None if nothing was found to change.

        Examples
        --------
        >>> from evo import OPERATORS, Genome
        >>> genome = Genome.from_matrix([[0, 1, 0], [0, 0, 2], [0, 0, 0]], n_inputs=1, n_outputs=1)
        >>> child, operation = OPERATORS["R"](genome, rng=np.random.default_rng(0))
        >>> child.n_nodes, operation.operator, operation.parameters
        (2, 'R', {'node': 1})
        """
        editor = GenomeEditor(genome, origins=False)
        parameters = self.propose(editor, Proposing(rng, settings or OperatorSettings()))
        if parameters is None:
            return genome, None
        operation = self.carry_out(editor, parameters)
        return editor.freeze(), operation

    def carry_out(self, editor: GenomeEditor, parameters: Parameters) -> Operation:
        """Apply parameters to an editor and report what that changed."""
        stored, edges = editor.n_stored, editor.n_active
        self.apply(editor, parameters)
        return Operation(self.code, parameters, stored, editor.n_stored, edges, editor.n_active)


Accept = Callable[[int], bool]


def draw_position(
    editor: GenomeEditor, rng: np.random.Generator, roles: tuple[Role, ...], accept: Accept
) -> int | None:
    """Draw a position evenly from those whose node has one of some roles and is accepted; None if there is none.

    By trial at first, which costs the same in a large network as in a small one.
    """
    for _ in range(TRIES):
        position = int(rng.integers(editor.n_nodes))
        if editor.role(position) in roles and accept(position):
            return position
    rest = [int(p) for p in editor.positions(*roles) if accept(int(p))]
    return int(rng.choice(rest)) if rest else None


def active_weights(editor: GenomeEditor) -> sparse.csc_array:
    """Return the n × n matrix of the edges alone: what sleeps is left out. As dear as :attr:`GenomeEditor.weights`.

    Between maps one number stands for a kernel, see :meth:`evo.genome.genome.Genome.strengths`.
    """
    if editor.rows_per_node > 1:
        genome = editor.freeze()
        return genome.strengths(genome.active_mask())
    weights = editor.weights
    if editor.threshold is None:
        return weights
    return graphops.threshold(weights, editor.threshold, editor.threshold_mode)


def active_entries(
    editor: GenomeEditor, rows: FloatArray, targets: NDArray[np.integer[Any]]
) -> NDArray[np.bool_]:
    """Tell which entries of several rows the threshold of some targets lets through; shape (rows, targets)."""
    threshold = editor.threshold
    if threshold is None:
        return np.ones(rows.shape, dtype=np.bool_)
    thresholds = threshold[targets] if isinstance(threshold, np.ndarray) else threshold
    return graphops.threshold_mask(rows, thresholds, editor.threshold_mode)


def target_roles() -> tuple[Role, ...]:
    """Return the roles whose column acts: all but inputs, which are clamped."""
    return Role.HIDDEN, Role.OUTPUT


def source_roles(editor: GenomeEditor) -> tuple[Role, ...]:
    """Return the roles whose row acts; outputs only where a later tick can hear them."""
    return (Role.INPUT, Role.HIDDEN) if editor.ticks == 1 else tuple(Role)
