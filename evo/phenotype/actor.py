"""A network that acts: observation after observation, with a state that lasts for an episode.

A network with T ticks runs all T ticks on each observation. The first of them follows the last tick of the observation
before, so delayed edges remember. With one tick there are no delayed edges, and so no memory. An edge from which no
output is reached within T ticks is not computed.
"""

import numpy as np
from numpy.typing import ArrayLike

from cnn.checks import brief
from evo.genome.genome import FloatArray
from evo.phenotype import acting_kernels, passes
from evo.phenotype.phenotype import Phenotype


class Actor:
    """A network at the beginning of an episode.

    Parameters
    ----------
    network : Phenotype
        Its parameters are read at every step, and never changed.

    Attributes
    ----------
    network : Phenotype
    n_inputs, n_outputs : int
        Numbers of an observation, and of the outputs.
    steps : int
        Observations on which the network has acted since the actor was made.

    Examples
    --------
    >>> from evo import Genome, Phenotype
    >>> genome = Genome.from_matrix([[0, 1], [0, 1]], n_inputs=1, n_outputs=1, activation="identity", ticks=2)
    >>> actor = Actor(Phenotype(genome, "squared_error"))
    >>> [float(actor.act([1.0])[0]) for _ in range(3)]
    [2.0, 4.0, 6.0]
    """

    def __init__(self, network: Phenotype) -> None:
        self.network = network
        plan, dtype = network.plan, network.parameters.dtype
        self._layout, self._buffers, self._width = passes.runtime_for(plan, 1, dtype)
        if network.dormant_learn:
            raise ValueError(
                "network must not have dormant entries that learn; without_dormant() has none"
            )
        self._weights = network.parameters[: plan.n_edges]
        self._bias = network.parameters[plan.n_edges :]
        self._rows = network.input_output_rows
        self._dtype = dtype
        self.n_inputs, self.n_outputs = network.genome.n_features, len(network.genome.outputs)
        self.steps = 0

    def reset(self) -> None:
        """Forget all observations: the next one is the first of an episode."""
        self._buffers.state[...] = 0

    def act(self, observation: ArrayLike) -> FloatArray:
        """Run the network on one observation, and return its outputs as they are, without softmax.

        Parameters
        ----------
        observation : array_like, shape (n_inputs,) or any other shape with as many numbers

        Returns
        -------
        ndarray, shape (n_outputs,)
            In the dtype of the genome.

        Raises
        ------
        ValueError
            If the observation is no array of numbers, has another number of them, or one that is not finite.
        """
        try:
            given = np.ascontiguousarray(observation, dtype=self._dtype).ravel()
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"observation must have {self.n_inputs} numbers; got {brief(observation)}"
            ) from error
        if given.shape[0] != self.n_inputs:
            raise ValueError(
                f"observation must have {self.n_inputs} numbers; got shape {np.shape(observation)}"
            )
        if not np.isfinite(given).all():
            raise ValueError(f"observation must have finite numbers; got {brief(given.tolist())}")
        outputs: FloatArray = np.empty(self.n_outputs, self._dtype)
        self._run(given, outputs)
        self.steps += 1
        return outputs

    def _run(self, observation: FloatArray, outputs: FloatArray) -> None:
        layout, rows, buffers = self._layout, self._rows, self._buffers
        if not self.network.plan.convolutions:
            acting_kernels.act(
                layout,
                rows,
                self._weights,
                self._bias,
                buffers,
                self._width,
                observation,
                outputs,
            )
            return
        acting_kernels.read_observation(layout, rows, observation, buffers)
        plan = self.network.plan
        passes.forward(plan, layout, self._weights, self._bias, buffers, self._width)
        acting_kernels.write_outputs(layout, rows, buffers, outputs)
