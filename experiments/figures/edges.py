"""The edges that a picture of a network shows: effective edges, and of many the strongest."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from evo.genome.genome import Genome
from graphops import evaluation_layers


@dataclass(frozen=True)
class Edges:
    """Effective edges of a genome, in ascending order of strength.

    Attributes
    ----------
    sources, targets : ndarray of int, shape (n,)
    weights : ndarray, shape (n,)
        Weight of each edge; of a kernel, the sum of the magnitudes of its taps.
    balance : ndarray, shape (n,)
        Sum of the taps over the sum of their magnitudes; 1 or −1 for an edge with one tap.
    delayed : ndarray of bool, shape (n,)
    kinds : ndarray of int, shape (n,)
        Kind of each edge. Strengths can be compared within a kind only, because a kernel has many taps. With maps,
        edges of one kind have the same map sizes at both ends and end in one layer.
    n_taps : int
        Number of taps of all effective edges.
    depth : ndarray of int, shape (n_nodes,)
        The evaluation layer of each node.
    """

    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    weights: NDArray[np.floating[Any]]
    balance: NDArray[np.float64]
    delayed: NDArray[np.bool_]
    kinds: NDArray[np.intp]
    n_taps: int
    depth: NDArray[np.intp]

    def __len__(self) -> int:
        """Return the number of edges."""
        return len(self.weights)

    def strongest(self, count: int) -> "Edges":
        """Return the strongest edges; the number of each kind grows with the root of the kind's number of edges."""
        numbers = np.bincount(self.kinds)
        chosen = []
        shares, left = float(np.sqrt(numbers).sum()), count
        for kind in np.argsort(numbers, kind="stable"):
            share = np.sqrt(numbers[kind])
            n_chosen = min(int(numbers[kind]), round(left * share / max(shares, share)))
            chosen.append(np.flatnonzero(self.kinds == kind)[numbers[kind] - n_chosen :])
            shares, left = shares - share, left - n_chosen
        shown = np.sort(np.concatenate(chosen)) if chosen else np.arange(0)
        return Edges(
            self.sources[shown],
            self.targets[shown],
            self.weights[shown],
            self.balance[shown],
            self.delayed[shown],
            self.kinds[shown],
            self.n_taps,
            self.depth,
        )

    def strengths(self, *, some_hidden: bool) -> NDArray[np.float64]:
        """Return strengths from 0 to 1 within each kind; the weakest edge has 0 if weaker ones are hidden."""
        magnitude = np.abs(self.weights).astype(np.float64)
        strengths = np.ones(len(self))
        for kind in np.unique(self.kinds):
            own = self.kinds == kind
            weakest = float(magnitude[own][0]) if some_hidden else 0.0
            span = float(magnitude[own].max()) - weakest
            if span:
                strengths[own] = (magnitude[own] - weakest) / span
        return strengths


def effective_edges(genome: Genome) -> Edges:
    """Return the edges that act on an output."""
    mask = genome.effective_mask()
    W = genome.strengths(mask)
    sources = W.indices.astype(np.intp)
    targets = np.repeat(np.arange(genome.n_nodes), np.diff(W.indptr))
    balance = np.where(W.data > 0, 1.0, -1.0)
    if genome.has_maps:
        balance = _balance(genome, mask, W.data)
    order = np.argsort(np.abs(W.data), kind="stable")
    delayed = genome.is_delayed(sources, targets)
    n = genome.n_nodes
    present = sparse.csc_array((np.ones(W.nnz), (sources, targets)), shape=(n, n))
    depth = evaluation_layers(present, genome.inputs)
    kinds = np.zeros(W.nnz, np.intp)
    if genome.has_maps:
        ends = np.stack([genome.map_sizes[sources], genome.map_sizes[targets], depth[targets]])
        kinds = np.unique(ends, axis=1, return_inverse=True)[1]
    return Edges(
        sources[order],
        targets[order],
        W.data[order],
        balance[order],
        delayed[order],
        kinds[order],
        int(mask.sum()),
        depth,
    )


def _balance(
    genome: Genome, mask: NDArray[np.bool_], strengths: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Return, for each edge with chosen entries, the sum of these over the sum of their magnitudes."""
    places = (genome.targets * genome.n_nodes + genome.indices)[mask]
    number = np.cumsum(np.diff(places, prepend=-1) != 0) - 1
    sums = np.bincount(number, genome.values[mask], len(strengths))
    balance: NDArray[np.float64] = sums / np.maximum(np.abs(strengths), np.finfo(np.float32).tiny)
    return balance
