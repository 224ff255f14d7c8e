"""What many networks are worth: their sizes, their scores on samples, and the episodes that they play."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.arrays import aligned_zeros
from evo.gradient_free.agent_kernels import interface_to
from evo.gradient_free.dense_kernels import Floats, Networks
from evo.gradient_free.dense_mutation_kernels import Rules
from evo.gradient_free.generation import generation_kernels as kernels
from evo.gradient_free.task import CompiledTask, Scores
from evo.phenotype.kernels.row_kernels import padded, width_of


class Sizes(NamedTuple):
    """The size of a network.

    Attributes
    ----------
    n_computed, n_effective : int
        Nodes that are computed, and edges that have an effect.
    n_stored, n_active : int
        Entries.
    """

    n_computed: int
    n_effective: int
    n_stored: int
    n_active: int


def sizes_of(networks: Networks, rules: Rules) -> list[Sizes]:
    """Return the size of each network."""
    counts = np.empty((len(networks.ids), 4), np.int64)
    kernels.count_effective(networks, rules, counts)
    return [Sizes(*row) for row in counts.tolist()]


def score_networks(
    networks: Networks, rules: Rules, batches: Sequence[NDArray[np.floating]]
) -> Iterator[tuple[Floats, ...]]:
    """Return, one after the other, the scores of each network on batches of samples, shape (n_outputs, n_samples) each.

    They equal those of :class:`evo.Phenotype`, bit for bit, where it forms no dense blocks
    (:data:`evo.phenotype.plan.MIN_BLOCK_NODES`).
    """
    return zip(*(_scores(networks, rules, inputs) for inputs in batches), strict=True)


def _scores(networks: Networks, rules: Rules, inputs: NDArray[np.floating]) -> Floats:
    """Return the scores of networks on a batch of samples, shape (n_networks, n_outputs, n_samples)."""
    n_samples, n_nodes = len(inputs), networks.ids.shape[1]
    width = width_of(n_samples, np.dtype(np.float32).itemsize)
    length = padded(n_samples, width)
    state = aligned_zeros((n_nodes + 1) * length, np.float32)
    rows = state[: rules.n_inputs * length].reshape(-1, length)
    rows[:, :n_samples] = inputs.reshape(n_samples, -1).T
    scores = np.empty((len(networks.ids), rules.n_outputs, n_samples), np.float32)
    kernels.score_all(networks, rules, state, length, scores, width)
    return scores


def play_networks(
    networks: Networks, rules: Rules, task: CompiledTask, streams: Iterable[np.random.Generator]
) -> Scores:
    """Let networks play a task once for each random stream, from which its episodes are drawn.

    With several ticks a network keeps its state over the steps of an episode, as :class:`evo.Actor` does, and computes
    the edges that the compiled network of its genome has.

    Returns
    -------
    ndarray of float64, shape (n_networks, n_streams, 2 + n_measures)
        The fitness, the steps that the network acted, and the measures; fitness and measures are means over the
        episodes of a stream.
    """
    networks = Networks._make(part.copy() for part in networks)
    kernels.remove_ineffective(networks, rules)
    n, ends, played = len(networks.ids), (task.n_inputs, task.n_outputs), []
    for rng in streams:
        interface = interface_to(n, *ends, rules.ticks, memory=rules.ticks > 1)
        scores = task.scores(networks, interface, task.draw_episodes(rng), 0, n).mean(axis=1)
        steps = interface.steps[:, None].astype(np.float64)
        played.append(np.concatenate([scores[:, :1], steps, scores[:, 1:]], axis=1))
    return np.stack(played, axis=1)
