"""What one run of neuroevolution works on: samples, settings and seed in the form that the kernels take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn.training.losses import LOSSES
from cnn.training.samples import Samples
from evo.genome.activations import activation_code
from evo.gradient_free import neuroevolution_kernels as kernels
from evo.gradient_free.dense_kernels import LETTERS, Log, Networks
from evo.gradient_free.dense_mutation_kernels import Rules
from evo.gradient_free.neuroevolution_kernels import Data
from evo.gradient_free.philox_kernels import Words
from evo.gradient_free.settings import NeuroevolutionSettings
from evo.seeding import Purpose, seed_sequence

MAX_PLACES = 2**28
"""Places of all matrices of a generation: at 5 bytes each, twice over, some 2.5 GiB."""

Choose = Callable[[NDArray[np.int64], int, Words, int, int, int, NDArray[np.int32]], None]


@dataclass(frozen=True)
class Competition:
    """A registry entry of selection: who becomes a parent.

    Attributes
    ----------
    choose : callable
        ``choose(ranking, size, key, generation, begin, end, parent_of)`` writes the parent of each child begin …
        end − 1; a kernel. `ranking` lists the individuals, the best first.
    size : callable
        ``size(settings)`` is the number that `choose` goes by.
    """

    choose: Choose
    size: Callable[[NeuroevolutionSettings], int]


COMPETITIONS: Mapping[str, Competition] = {
    "tournament": Competition(kernels.choose_by_tournament, lambda s: s.tournament_size),
    "truncation": Competition(
        kernels.choose_by_truncation, lambda s: max(1, round(s.survivors * s.population))
    ),
}

MEASURES: Mapping[str, int] = {
    "squared_error": kernels.SQUARED_ERROR,
    "cross_entropy": kernels.CROSS_ENTROPY,
    "softmax_squared_error": kernels.SOFTMAX_SQUARED_ERROR,
}
"""Losses that are compiled into evaluation."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A run in the kernels' terms.

    Every method works on the individuals begin … end − 1 of arrays of the whole population, and gives the same whatever
    chunks a generation is cut into.
    """

    size: int
    n_nodes: int
    n_elites: int
    rules: Rules
    data: Data
    measure: int
    chances: NDArray[np.float64]
    hidden_codes: NDArray[np.uint8]
    output_code: int
    density: float
    competition: Competition
    contestants: int
    keys: Mapping[Purpose, Words]

    def found(self, networks: Networks, begin: int, end: int) -> None:
        """Draw founders into arrays of zeros."""
        key = self.keys[Purpose.FOUNDERS]
        kernels.found(
            networks, self.rules, self.density, self.hidden_codes, self.output_code, key, begin, end
        )

    def choose_parents(self, ranking: NDArray[np.int64], generation: int) -> NDArray[np.int32]:
        """Return the parent of each slot of a generation: of the first the elites, which they keep."""
        parent_of = np.empty(self.size, np.int32)
        parent_of[: self.n_elites] = ranking[: self.n_elites]
        key = self.keys[Purpose.SELECTION]
        self.competition.choose(
            ranking, self.contestants, key, generation, self.n_elites, self.size, parent_of
        )
        return parent_of

    def breed(
        self,
        parents: Networks,
        parent_of: NDArray[np.int32],
        generation: int,
        begin: int,
        end: int,
        children: Networks,
        log: Log,
    ) -> None:
        """Fill slots of a generation from the one before: elites stay as they are, all others are mutated children."""
        key = self.keys[Purpose.MODIFY]
        kernels.breed(
            parents, parent_of, self.n_elites, self.rules, self.chances, key, generation,
            begin, end, children, log,
        )  # fmt: skip

    def evaluate(
        self, networks: Networks, begin: int, end: int, fitness: NDArray[np.float64]
    ) -> None:
        """Write the fitness of some networks, NaN where it is not finite."""
        kernels.evaluate(networks, self.rules, self.data, self.measure, begin, end, fitness)


def pose(samples: Samples, settings: NeuroevolutionSettings, seed: int) -> Problem:
    """Put samples and settings into the kernels' form.

    Raises
    ------
    ValueError
        If they do not fit together.
    """
    loss = settings.loss or ("cross_entropy" if samples.has_classes else "squared_error")
    kind = "classes" if samples.has_classes else "values"
    if LOSSES[loss].target_kind != kind:
        raise ValueError(f"loss {loss!r} needs {LOSSES[loss].target_kind}; the targets are {kind}")
    if settings.fitness == "accuracy" and not samples.has_classes:
        raise ValueError("fitness 'accuracy' needs classes; use 'negative_loss' for values")
    data = _data(samples)
    n_inputs = len(data.inputs)
    n_outputs = max(2, 1 + int(samples.targets.max())) if samples.has_classes else len(data.values)
    n_nodes = n_inputs + settings.hidden + n_outputs
    if settings.population * n_nodes * (n_nodes + 1) > MAX_PLACES:
        raise ValueError(
            f"population × nodes² must be at most {MAX_PLACES:,}; got {settings.population:,} networks of "
            f"{n_nodes:,} nodes (inputs, hidden and outputs)"
        )
    competition = COMPETITIONS[settings.selection]
    return Problem(
        size=settings.population,
        n_nodes=n_nodes,
        n_elites=min(settings.elites, settings.population - 1),
        rules=_rules(settings, n_inputs, n_outputs),
        data=data,
        measure=kernels.ACCURACY if settings.fitness == "accuracy" else MEASURES[loss],
        chances=np.cumsum([settings.operator_weights.get(letter, 0.0) for letter in LETTERS]),
        hidden_codes=np.array([activation_code(name) for name in settings.activations], np.uint8),
        output_code=activation_code(settings.output_activation),
        density=settings.density,
        competition=competition,
        contestants=competition.size(settings),
        keys={
            purpose: seed_sequence(seed, purpose).generate_state(2, np.uint32).astype(np.uint64)
            for purpose in (Purpose.FOUNDERS, Purpose.SELECTION, Purpose.MODIFY)
        },
    )


def _data(samples: Samples) -> Data:
    """Lay samples out features first, in float32."""
    inputs = np.ascontiguousarray(samples.inputs.reshape(len(samples), -1).T, np.float32)
    if len(inputs) == 0:
        raise ValueError("inputs must have at least one feature")
    if samples.has_classes:
        if samples.targets.min() < 0:
            raise ValueError(f"targets must be classes from 0; got {samples.targets.min()}")
        return Data(inputs, samples.targets.astype(np.int64), np.zeros((0, 0), np.float32))
    values = np.ascontiguousarray(samples.targets.T, np.float32)
    return Data(inputs, np.zeros(0, np.int64), values)


def _rules(settings: NeuroevolutionSettings, n_inputs: int, n_outputs: int) -> Rules:
    """Return the numbers that mutation goes by."""
    given = settings.operators.model_dump() | settings.model_dump()
    named = {name: given[name] for name in Rules._fields if name in given}
    return Rules(n_inputs=n_inputs, n_outputs=n_outputs, **named)
