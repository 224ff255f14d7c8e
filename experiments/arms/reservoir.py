"""A reservoir: a recurrent network with fixed random weights, of which the readout alone trains (Jaeger 2001).

The nodes of the reservoir have edges from all inputs and to each other. Their weights are scaled to a spectral radius,
the growth of signals along cycles; below 1, what a network has read fades. The outputs have edges from all nodes before
them, which are the readout.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import graphops
from cnn.arrays import FloatArray, aligned_copy
from cnn.dropout import Dropout
from cnn.training.samples import Samples
from evo.genome.genome import Genome
from evo.phenotype.phenotype import Phenotype
from evo.phenotype.sequences import Readings

DENSITY = 0.2
"""Fraction of the places between nodes of a reservoir that have an edge."""


def draw_reservoir(
    n_inputs: int,
    n_hidden: int,
    n_outputs: int,
    *,
    ticks: int,
    spectral_radius: float,
    rng: np.random.Generator,
) -> Genome:
    """Draw a reservoir of tanh nodes.

    Parameters
    ----------
    n_inputs, n_hidden, n_outputs : int
        Numbers of nodes.
    ticks : int
    spectral_radius : float
        That of the matrix of weights between hidden nodes, above 0. Weights without a cycle have the radius 0; they
        are not scaled.
    rng : numpy.random.Generator
        Draws weights of inputs, uniform in [−1, 1]; edges and their normal weights; the readout, normal with variance
        1/in-degree; biases, uniform in [−0.1, 0.1].

    Examples
    --------
    >>> genome = draw_reservoir(1, 20, 2, ticks=5, spectral_radius=0.8, rng=np.random.default_rng(0))
    >>> round(graphops.spectral_radius(genome.to_dense()), 6)
    0.8
    """
    n_read, n = n_inputs + n_hidden, n_inputs + n_hidden + n_outputs
    matrix = np.zeros((n, n))
    matrix[:n_inputs, n_inputs:n_read] = rng.uniform(-1, 1, (n_inputs, n_hidden))
    has_edge = rng.random((n_hidden, n_hidden)) < DENSITY
    weights = np.where(has_edge, rng.normal(size=has_edge.shape), 0)
    radius = graphops.spectral_radius(weights)
    matrix[n_inputs:n_read, n_inputs:n_read] = weights * (spectral_radius / radius if radius else 1)
    matrix[:n_read, n_read:] = rng.normal(size=(n_read, n_outputs)) / np.sqrt(n_read)
    bias = np.zeros(n, np.float32)
    bias[n_inputs:n_read] = rng.uniform(-0.1, 0.1, n_hidden)
    return Genome.from_matrix(
        matrix.astype(np.float32), n_inputs=n_inputs, n_outputs=n_outputs, ticks=ticks, bias=bias
    )


class Readout:
    """The part of a network that trains, where all other weights stay as they are.

    Parameters
    ----------
    network : Phenotype
        The whole network. Edges to outputs, and biases of outputs, are the readout.

    Attributes
    ----------
    parameters : ndarray
        The parameters of the readout, which a trainer changes in place.
    """

    def __init__(self, network: Phenotype) -> None:
        genome, plan = network.genome, network.plan
        is_output = np.zeros(genome.n_nodes, np.bool_)
        is_output[genome.outputs] = True
        of_edges = is_output[genome.targets[plan.entries]]
        self._network = network
        self._chosen = np.flatnonzero(np.concatenate([of_edges, is_output[plan.nodes]]))
        self.parameters = aligned_copy(network.parameters[self._chosen])

    @property
    def parameter_count(self) -> int:
        """Number of parameters of the readout."""
        return len(self.parameters)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole network per sample."""
        return self._network.macs

    def whole(self) -> Phenotype:
        """Return the whole network with the present readout."""
        self._network.parameters[self._chosen] = self.parameters
        return self._network

    def check_samples(self, samples: Samples, name: str = "samples") -> None:
        """Check samples as :meth:`evo.Phenotype.check_samples` does."""
        self._network.check_samples(samples, name)

    def loss_and_gradients(
        self,
        inputs: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
        label_smoothing: float = 0.0,
        dropout: Dropout | None = None,
        readings: Readings | None = None,
    ) -> tuple[float, FloatArray]:
        """Return the loss and its gradient by the readout; see :meth:`evo.Phenotype.loss_and_gradients`."""
        value, gradient = self.whole().loss_and_gradients(
            inputs, targets, weights, label_smoothing, dropout, readings
        )
        return value, gradient[self._chosen]

    def loss(
        self,
        inputs: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
        readings: Readings | None = None,
    ) -> float:
        """Return the loss; see :meth:`evo.Phenotype.loss`."""
        return self.whole().loss(inputs, targets, weights, readings)

    def output(self, inputs: NDArray[Any], readings: Readings | None = None) -> FloatArray:
        """Return the predictions; see :meth:`evo.Phenotype.output`."""
        return self.whole().output(inputs, readings)
