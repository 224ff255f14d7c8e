"""What the tables say about a genome: sizes, density, determinants."""

import math
from dataclasses import dataclass

import graphops
from evo.genome import Genome, Role
from evo.phenotype import Phenotype

LARGEST_DETERMINANT = 2000
"""Nodes beyond which determinants are not computed: they cost up to n³ and nothing selects on them."""


@dataclass(frozen=True)
class GenomeStatistics:
    """Numbers that describe one genome as it was trained.

    Attributes
    ----------
    nodes, hidden_nodes, active_nodes : int
        All, those with the role *hidden*, and those that are computed because an output depends on them.
    stored, edges, effective_edges : int
        Stored entries; those let through by the threshold; of these, the ones that act on an output.
    density : float
        Edges over n².
    threshold : float or None
        A, where it is one number.
    ticks : int
    parameters, macs : int
        Trainable numbers; multiply-accumulates per sample.
    determinant_sign, identity_minus_sign : int or None
        Signs of det W (stored entries) and det(I − W): −1, 0 (singular) or 1; None where not computed.
    log_abs_determinant, log_abs_identity_minus : float or None
        Natural logarithms of their magnitudes; None where singular or not computed.
    """

    nodes: int
    hidden_nodes: int
    active_nodes: int
    stored: int
    edges: int
    effective_edges: int
    density: float
    threshold: float | None
    ticks: int
    parameters: int
    macs: int
    determinant_sign: int | None
    log_abs_determinant: float | None
    identity_minus_sign: int | None
    log_abs_identity_minus: float | None


def describe(genome: Genome, network: Phenotype) -> GenomeStatistics:
    """Describe a genome and the network compiled from it."""
    edges = int(genome.live_mask().sum())
    sign, log_abs, sign_minus, log_abs_minus = _determinants(genome)
    return GenomeStatistics(
        nodes=genome.n_nodes,
        hidden_nodes=int((genome.roles == Role.HIDDEN).sum()),
        active_nodes=len(network.plan.positions),
        stored=genome.n_stored,
        edges=edges,
        effective_edges=network.n_edges,
        density=edges / genome.n_nodes**2,
        threshold=float(genome.limit) if isinstance(genome.limit, float | int) else None,
        ticks=genome.ticks,
        parameters=network.parameter_count,
        macs=network.macs,
        determinant_sign=sign,
        log_abs_determinant=log_abs,
        identity_minus_sign=sign_minus,
        log_abs_identity_minus=log_abs_minus,
    )


def _determinants(genome: Genome) -> tuple[int | None, float | None, int | None, float | None]:
    if genome.n_nodes > LARGEST_DETERMINANT:
        return None, None, None, None
    weights = genome.weights
    stored = graphops.slogdet(weights)
    minus = graphops.slogdet(graphops.identity_minus(weights))
    return (
        int(stored.sign),
        float(stored.log_abs) if math.isfinite(stored.log_abs) else None,
        int(minus.sign),
        float(minus.log_abs) if math.isfinite(minus.log_abs) else None,
    )
