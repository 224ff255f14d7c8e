"""The mutation operators A B C D F H N (S20), in one registry.

An operator is a pair of functions and one registry entry. `propose` looks at the draft and returns the parameters of
one application that would change the network, or None if it finds none; only here are random numbers drawn. `apply`
carries parameters out. Parameters are JSON-able, so a list of them is a record that replays bit for bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

import graphops
from evo.draft import Draft
from evo.genome import FloatArray, Genome, Role

Parameters = dict[str, Any]
GradientsAt = Callable[[Genome, NDArray[np.intp], NDArray[np.intp]], FloatArray]
"""Loss gradient at places (sources, targets) of a genome, on training data."""

_TRIES = 16
"""How often a proposal draws again before it gives up on a draft where it has little to change."""


class OperatorSettings(BaseModel, frozen=True, extra="forbid"):
    """Bounds within which operators draw their parameters."""

    max_factor: float = Field(0.5, gt=0, description="C, F: |k| is drawn from (0, max_factor]")
    max_quantile: float = Field(
        0.2, gt=0, lt=1, description="A: the threshold lets at most this share of the entries sleep"
    )
    max_new_share: float = Field(
        0.1, gt=0, le=1, description="N: new edges, as a share of the stored entries"
    )
    max_density: float = Field(
        0.5, gt=0, le=1, description="C, F, N: no more stored entries than this share of n × n"
    )


@dataclass(frozen=True, eq=False)
class Proposing:
    """What a proposal may use besides the draft."""

    rng: np.random.Generator
    settings: OperatorSettings
    gradients_at: GradientsAt | None = None
    progress: float = 0.0
    """How much of the run is over, 0 to 1; rewiring fades with it."""


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
    """A registry entry: letter, name, and the two functions."""

    code: str
    name: str
    propose: Callable[[Draft, Proposing], Parameters | None]
    apply: Callable[[Draft, Parameters], None]


def apply_operation(draft: Draft, code: str, parameters: Parameters) -> Operation:
    """Apply one operator to a draft and report what it changed."""
    stored, edges = draft.n_stored, draft.n_live
    OPERATORS[code].apply(draft, parameters)
    return Operation(code, parameters, stored, draft.n_stored, edges, draft.n_live)


def replay(record: Sequence[tuple[str, Parameters]], parent: Genome) -> Genome:
    """Apply recorded operators to a parent; the result equals the child as it was before training, bit for bit.

    Parameters
    ----------
    record : sequence of (code, parameters)
        As in the table ``operations``, in order.
    parent : Genome

    Raises
    ------
    ValueError
        If a code is not registered.
    """
    draft = Draft(parent)
    for code, parameters in record:
        if code not in OPERATORS:
            raise ValueError(f"operator must be one of {', '.join(OPERATORS)}; got {code!r}")
        OPERATORS[code].apply(draft, parameters)
    return draft.freeze()


# -- A: threshold ------------------------------------------------------------------------------------------------------


def propose_threshold(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Let a random small share of the entries sleep; half the time, forget them."""
    if draft.n_stored == 0:
        return None
    quantile = float(proposing.rng.uniform(0, proposing.settings.max_quantile))
    return threshold_at_quantile(draft, quantile, drop=bool(proposing.rng.integers(2)))


def threshold_at_quantile(draft: Draft, quantile: float, *, drop: bool) -> Parameters | None:
    """Return the parameters of A that let the lowest share `quantile` of the stored entries sleep."""
    limit = float(graphops.quantile_limit(draft.weights, quantile, draft.threshold_mode))
    same = not isinstance(draft.limit, np.ndarray) and limit == draft.limit
    if same and not drop:
        return None
    return {"limit": limit, "drop": drop}


def apply_threshold(draft: Draft, parameters: Parameters) -> None:
    """Set A; optionally drop what sleeps."""
    limit = parameters["limit"]
    draft.set_limit(np.array(limit, draft.weights.dtype) if isinstance(limit, list) else limit)
    if parameters["drop"]:
        draft.drop_dormant()


# -- B, D: swaps -------------------------------------------------------------------------------------------------------


def propose_swap_columns(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose two hidden or output nodes, at least one of which listens to something."""
    return _propose_swap(_listeners(draft), draft.column_sizes(), proposing.rng)


def propose_swap_rows(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose two nodes that may speak to others, at least one of which does."""
    return _propose_swap(_speakers(draft), draft.row_sizes(), proposing.rng)


def _propose_swap(
    candidates: NDArray[np.intp], sizes: NDArray[np.integer[Any]], rng: np.random.Generator
) -> Parameters | None:
    busy = candidates[sizes[candidates] > 0]
    if len(candidates) < 2 or len(busy) == 0:
        return None
    a = int(rng.choice(busy))
    b = int(rng.choice(candidates[candidates != a]))
    return {"a": min(a, b), "b": max(a, b)}


def apply_swap_columns(draft: Draft, parameters: Parameters) -> None:
    """Exchange what two nodes listen to."""
    draft.swap_columns(parameters["a"], parameters["b"])


def apply_swap_rows(draft: Draft, parameters: Parameters) -> None:
    """Exchange whom two nodes speak to."""
    draft.swap_rows(parameters["a"], parameters["b"])


# -- C, F: additions ---------------------------------------------------------------------------------------------------


def propose_add_column(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose a node with inputs of its own, another that shall hear them as well, and a bounded factor."""
    return _propose_addition(_listeners(draft), draft, draft.weights, proposing)


def propose_add_row(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose a node with listeners of its own, another that shall reach them as well, and a bounded factor."""
    # A row of W is a column of its transpose.
    return _propose_addition(_speakers(draft), draft, draft.weights.T.tocsc(), proposing)


def _propose_addition(
    candidates: NDArray[np.intp], draft: Draft, columns: Any, proposing: Proposing
) -> Parameters | None:
    rng, settings = proposing.rng, proposing.settings
    sizes = np.diff(columns.indptr)
    busy = candidates[sizes[candidates] > 0]
    if len(candidates) < 2 or len(busy) == 0:
        return None
    room = int(settings.max_density * draft.n_nodes**2) - draft.n_stored
    for _ in range(_TRIES):
        source = int(rng.choice(busy))
        target = int(rng.choice(candidates[candidates != source]))
        n_new = len(np.setdiff1d(_pattern(columns, source), _pattern(columns, target)))
        if n_new > room:
            continue
        magnitude = settings.max_factor * (1.0 - float(rng.random()))
        factor = magnitude if rng.integers(2) else -magnitude
        # Compounding is held in check: the touched line keeps the length it had, where it had one.
        scale = 1.0
        before = _line(columns, target)
        norm = float(np.linalg.norm(before))
        if norm > 0:
            after = float(np.linalg.norm(before + factor * _line(columns, source)))
            scale = norm / after if after > 0 else 1.0
        return {"source": source, "target": target, "factor": factor, "scale": scale}
    return None


def _pattern(columns: Any, k: int) -> NDArray[np.integer[Any]]:
    stored: NDArray[np.integer[Any]] = columns.indices[columns.indptr[k] : columns.indptr[k + 1]]
    return stored


def _line(columns: Any, k: int) -> NDArray[np.float64]:
    line = np.zeros(columns.shape[0])
    line[_pattern(columns, k)] = columns.data[columns.indptr[k] : columns.indptr[k + 1]]
    return line


def apply_add_column(draft: Draft, parameters: Parameters) -> None:
    """Add k × column `source` to column `target`, then scale the latter."""
    draft.add_column(**parameters)


def apply_add_row(draft: Draft, parameters: Parameters) -> None:
    """Add k × row `source` to row `target`, then scale the latter."""
    draft.add_row(**parameters)


# -- H: order ----------------------------------------------------------------------------------------------------------


def propose_move(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Move a hidden node to another place among the hidden nodes, past at least one node it is connected to.

    Past strangers a move would change nothing: only a connection whose ends change sides becomes delayed or
    immediate.
    """
    rng = proposing.rng
    hidden = draft.positions(Role.HIDDEN)
    if len(hidden) < 2:
        return None
    inputs = draft.roles == Role.INPUT
    weights = draft.weights
    for _ in range(_TRIES):
        node, destination = (int(p) for p in rng.choice(hidden, size=2, replace=False))
        low, high = min(node, destination), max(node, destination)
        partners = np.concatenate(
            [
                weights.indices[weights.indptr[node] : weights.indptr[node + 1]],
                np.searchsorted(weights.indptr, np.flatnonzero(weights.indices == node), "right")
                - 1,
            ]
        )
        passed = (partners >= low) & (partners <= high) & (partners != node) & ~inputs[partners]
        if passed.any():
            return {"node": node, "destination": destination}
    return None


def apply_move(draft: Draft, parameters: Parameters) -> None:
    """Take a node out of the order and put it in again elsewhere; those between move up by one."""
    node, destination = parameters["node"], parameters["destination"]
    order = np.delete(np.arange(draft.n_nodes), node)
    draft.reorder(np.insert(order, destination, node))


# -- N: assign ---------------------------------------------------------------------------------------------------------


def propose_random_edges(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose a few new edges at random places where they act."""
    share = float(proposing.rng.uniform(0, proposing.settings.max_new_share))
    return random_edges(draft, max(1, round(share * draft.n_stored)), proposing)


def random_edges(draft: Draft, n_new: int, proposing: Proposing) -> Parameters | None:
    """Return the parameters of N for new edges at random free places, weighted as a fresh start would be (Glorot)."""
    places = _free_places(draft, n_new, proposing)
    if places is None:
        return None
    sources, targets = places
    fan_in = np.maximum(draft.column_sizes()[targets], 1)
    drawn = proposing.rng.standard_normal(len(sources)) / np.sqrt(fan_in)
    return _edges(draft, sources, targets, drawn)


def gradient_edges(draft: Draft, n_new: int, proposing: Proposing) -> Parameters | None:
    """Return the parameters of N for new edges where the loss gradient is largest among random free places (RigL).

    Ten candidates are looked at for every edge wanted. An edge starts just above the threshold, on the side that
    lowers the loss.
    """
    if proposing.gradients_at is None:
        raise ValueError("gradients_at is required to grow edges by gradient")
    places = _free_places(draft, 10 * n_new, proposing)
    if places is None:
        return None
    sources, targets = places
    gradients = proposing.gradients_at(draft.freeze(), sources, targets)
    best = np.argsort(-np.abs(gradients), kind="stable")[:n_new]
    best = np.sort(best[gradients[best] != 0])
    if len(best) == 0:
        return None
    return _edges(draft, sources[best], targets[best], -1e-3 * np.sign(gradients[best]))


def _free_places(
    draft: Draft, n_wanted: int, proposing: Proposing
) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Draw distinct places without a stored entry, where an edge can act; fewer than wanted if they are rare."""
    n = draft.n_nodes
    n_wanted = min(n_wanted, int(proposing.settings.max_density * n**2) - draft.n_stored)
    speakers, listeners = _speakers(draft), _listeners(draft)
    if n_wanted < 1 or len(speakers) == 0 or len(listeners) == 0:
        return None
    stored = np.repeat(np.arange(n), draft.column_sizes()) * n + draft.weights.indices
    free = np.empty(0, dtype=np.int64)
    inputs = draft.roles == Role.INPUT
    for _ in range(_TRIES):
        sources = proposing.rng.choice(speakers, size=2 * n_wanted + 8)
        targets = proposing.rng.choice(listeners, size=len(sources))
        acts = (sources < targets) | inputs[sources] | (draft.ticks > 1)
        keys = targets[acts] * n + sources[acts]
        keys = keys[~np.isin(keys, stored)]
        _, first = np.unique(np.concatenate([free, keys]), return_index=True)
        free = np.concatenate([free, keys])[np.sort(first)]
        if len(free) >= n_wanted:
            break
    if len(free) == 0:
        return None
    chosen = np.sort(free[:n_wanted])
    return chosen % n, chosen // n


def _edges(
    draft: Draft,
    sources: NDArray[np.intp],
    targets: NDArray[np.intp],
    values: FloatArray,
) -> Parameters:
    """Lift values over the threshold, so that a new edge lives, and make them a record."""
    limit = np.asarray(-np.inf if draft.limit is None else draft.limit, dtype=float)
    limit = np.broadcast_to(limit, draft.n_nodes)[targets]
    floor = np.maximum(1.05 * limit, 0.0)
    lifted = np.where(values < 0, -1.0, 1.0) * np.maximum(np.abs(values), floor)
    if draft.threshold_mode == "signed":
        lifted = np.where(lifted > limit, lifted, np.abs(lifted))
    rounded = lifted.astype(draft.weights.dtype)
    return {
        "sources": sources.tolist(),
        "targets": targets.tolist(),
        "values": rounded.tolist(),
    }


def apply_assign(draft: Draft, parameters: Parameters) -> None:
    """Give places of the matrix their values."""
    draft.assign(
        np.array(parameters["sources"], dtype=np.intp),
        np.array(parameters["targets"], dtype=np.intp),
        np.array(parameters["values"], dtype=draft.weights.dtype),
    )


# -- who may act -------------------------------------------------------------------------------------------------------


def _listeners(draft: Draft) -> NDArray[np.intp]:
    """Nodes whose column acts: all but inputs, which are clamped."""
    return draft.positions(Role.HIDDEN, Role.OUTPUT)


def _speakers(draft: Draft) -> NDArray[np.intp]:
    """Nodes whose row acts; outputs only where a later tick can hear them."""
    roles = (Role.INPUT, Role.HIDDEN) if draft.ticks == 1 else tuple(Role)
    return draft.positions(*roles)


OPERATORS: Mapping[str, Operator] = {
    operator.code: operator
    for operator in (
        Operator("A", "threshold", propose_threshold, apply_threshold),
        Operator("B", "swap columns", propose_swap_columns, apply_swap_columns),
        Operator("C", "add column", propose_add_column, apply_add_column),
        Operator("D", "swap rows", propose_swap_rows, apply_swap_rows),
        Operator("F", "add row", propose_add_row, apply_add_row),
        Operator("H", "reorder nodes", propose_move, apply_move),
        Operator("N", "assign weights", propose_random_edges, apply_assign),
    )
}
