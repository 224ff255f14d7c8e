"""The topologies of layers: where the edges between two layers of a layered founder are.

A new topology is one function and one entry of :data:`TOPOLOGIES`. The patterns themselves are in
:mod:`graphops.bipartite`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

import graphops
from evo.registry import Registry, check_signature


@dataclass(frozen=True, eq=False)
class LayerSpec:
    """The specification from which a topology draws the edges between two layers.

    Attributes
    ----------
    n_sources, n_targets : int
        Nodes of the two layers.
    density : float
        Fraction of the places that have edges.
    settings : FounderSettings
    samples : ndarray or None
        Inputs of the training part, if they were given and the sources are the inputs.
    rng : numpy.random.Generator
        The random stream of the founder.
    """

    n_sources: int
    n_targets: int
    density: float
    settings: Any
    samples: NDArray[Any] | None
    rng: np.random.Generator

    @property
    def size(self) -> tuple[int, int, float]:
        """Nodes of the two layers and the density."""
        return self.n_sources, self.n_targets, self.density


Topology = Callable[[LayerSpec], Any]
"""Draws a pattern: a matrix of shape (sources, targets), dense or sparse, that is not 0 where edges are."""


def _converted(name: str, given: Any) -> Topology:
    """Return an own topology; raise TypeError if it is no function of a specification."""
    check_signature("topology", name, given, "spec")
    topology: Topology = given
    return topology


TOPOLOGIES: Registry[Topology] = Registry("topology", convert=_converted)
"""The topologies of layers by name."""


def draw_pattern(name: str, spec: LayerSpec) -> sparse.csc_array:
    """Draw the edges between two layers; raise ValueError if an own topology draws no matrix of their shape."""
    drawn = TOPOLOGIES[name](spec)
    wanted = spec.n_sources, spec.n_targets
    pattern = sparse.csc_array(drawn) if sparse.issparse(drawn) else np.asarray(drawn)
    if pattern.shape != wanted:
        raise ValueError(
            f"topology {name!r} must draw a matrix of shape {wanted}; got shape {pattern.shape}"
        )
    return sparse.csc_array(pattern)


def at_random(spec: LayerSpec) -> sparse.csc_array:
    """Draw edges at random places, at least one into each target."""
    return graphops.random_pattern(*spec.size, rng=spec.rng)


def receptive_field(spec: LayerSpec) -> sparse.csc_array:
    """Draw edges that are more likely the nearer two nodes are: BRF (Zhang et al. 2025)."""
    randomness = spec.settings.receptive_field_randomness
    return graphops.receptive_field_pattern(*spec.size, randomness, rng=spec.rng)


def small_world(spec: LayerSpec) -> sparse.csc_array:
    """Draw edges from the nearest sources, and rewire some: bipartite Watts–Strogatz (Zhang et al. 2024)."""
    rewiring = spec.settings.rewiring_probability
    return graphops.small_world_pattern(*spec.size, rewiring, rng=spec.rng)


def scale_free(spec: LayerSpec) -> sparse.csc_array:
    """Draw edges by preferential attachment: bipartite Barabási–Albert (Zhang et al. 2024)."""
    return graphops.scale_free_pattern(*spec.size, rng=spec.rng)


def correlated(spec: LayerSpec) -> sparse.csc_array:
    """Connect inputs that correlate in the training data: CSTI (Zhang et al. 2024); later layers are random."""
    if spec.samples is None:
        return at_random(spec)
    return graphops.correlation_pattern(spec.samples, spec.n_targets, spec.density)


TOPOLOGIES.fill(
    {
        "random": at_random,
        "receptive_field": receptive_field,
        "small_world": small_world,
        "scale_free": scale_free,
        "correlated": correlated,
    }
)
