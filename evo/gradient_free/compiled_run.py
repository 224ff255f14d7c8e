"""A run of neuroevolution in the form that kernels need: task, settings and seed as arrays and numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn.training.losses import LOSSES
from cnn.training.samples import Samples
from evo.genome.activations import activation_code
from evo.gradient_free import neuroevolution_kernels as kernels
from evo.gradient_free.agent_kernels import interface_to
from evo.gradient_free.dense_kernels import OPERATOR_CODES, Log, Networks
from evo.gradient_free.dense_mutation_kernels import Rules
from evo.gradient_free.dense_population import empty_networks
from evo.gradient_free.neuroevolution_kernels import Data
from evo.gradient_free.philox_kernels import Words
from evo.gradient_free.selection import Parentage, key_of
from evo.gradient_free.settings import NeuroevolutionSettings
from evo.gradient_free.species_kernels import recombine
from evo.gradient_free.task import CompiledTask, Scores
from evo.seeding import Purpose, generator

MAX_ENTRIES = 2**28
"""Largest number of entries of all matrices of a generation: 2.5 GiB at 5 bytes per entry, for parents and children."""

Evaluate = Callable[[Networks, int, int], Scores]
"""Function from networks, begin and end to the scores of the networks begin … end − 1."""

LOSS_MEASURES: Mapping[str, int] = {
    "squared_error": kernels.SQUARED_ERROR,
    "cross_entropy": kernels.CROSS_ENTROPY,
    "softmax_squared_error": kernels.SOFTMAX_SQUARED_ERROR,
}
"""The losses of compiled evaluation."""


@dataclass(frozen=True, eq=False)
class CompiledRun:
    """A run in the form that kernels need.

    Each method works on the individuals begin … end − 1 in arrays of the whole population. The result does not depend
    on how a generation is split into chunks. So does `evaluate`, a function that returns their scores, shape
    (end − begin, 1 + n_measures): the fitness, which is not finite if a network diverges, and the measures of the task.
    """

    size: int
    n_nodes: int
    rules: Rules
    evaluate: Evaluate
    measures: tuple[str, ...]
    cumulative_weights: NDArray[np.float64]
    hidden_codes: NDArray[np.uint8]
    output_code: int
    density: float
    keys: Mapping[Purpose, Words]

    def create_founders(self, networks: Networks, begin: int, end: int) -> None:
        """Draw founders into arrays of zeros."""
        key = self.keys[Purpose.FOUNDERS]
        kernels.create_founders(
            networks, self.rules, self.density, self.hidden_codes, self.output_code, key, begin, end
        )

    def breed(
        self,
        parents: Networks,
        parentage: Parentage,
        generation: int,
        begin: int,
        end: int,
        children: Networks,
        log: Log,
    ) -> None:
        """Create individuals of a generation from the one before: unchanged elites, then mutated children.

        A child with a mate is first crossed with it. What it takes from the mate is logged as an assignment (N).
        """
        parent_of = parentage.parent_of
        if parentage.mate_of is not None:
            crossed = empty_networks(self.size, self.n_nodes)
            recombine(
                parents, parent_of, parentage.mate_of, self.rules.n_inputs, self.keys[Purpose.GENES], generation,
                begin, end, crossed, log,
            )  # fmt: skip
            parents, parent_of = crossed, np.arange(self.size, dtype=np.int32)
        key = self.keys[Purpose.MODIFY]
        kernels.breed(
            parents, parent_of, parentage.n_elites, self.rules, self.cumulative_weights, key, generation,
            begin, end, children, log,
        )  # fmt: skip


def prepare_run(
    task: Samples | CompiledTask, settings: NeuroevolutionSettings, seed: int
) -> CompiledRun:
    """Return a task and settings in the form that kernels need.

    Raises
    ------
    ValueError
        If they do not fit together.
    """
    if isinstance(task, Samples):
        n_inputs, n_outputs, evaluate = _judge_by_samples(task, settings)
    else:
        n_inputs, n_outputs, evaluate = _judge_by_task(task, settings, seed)
    n_nodes = n_inputs + settings.hidden + n_outputs
    if settings.population * n_nodes * (n_nodes + 1) > MAX_ENTRIES:
        raise ValueError(
            f"population × nodes² must be at most {MAX_ENTRIES:,}; got {settings.population:,} networks of "
            f"{n_nodes:,} nodes (inputs, hidden and outputs)"
        )
    return CompiledRun(
        size=settings.population,
        n_nodes=n_nodes,
        rules=_rules(settings, n_inputs, n_outputs),
        evaluate=evaluate,
        measures=() if isinstance(task, Samples) else task.measures,
        cumulative_weights=np.cumsum(
            [settings.operator_weights.get(code, 0.0) for code in OPERATOR_CODES]
        ),
        hidden_codes=np.array([activation_code(name) for name in settings.activations], np.uint8),
        output_code=activation_code(settings.output_activation),
        density=settings.density,
        keys={
            purpose: key_of(seed, purpose)
            for purpose in (Purpose.FOUNDERS, Purpose.MODIFY, Purpose.GENES)
        },
    )


def _judge_by_samples(
    samples: Samples, settings: NeuroevolutionSettings
) -> tuple[int, int, Evaluate]:
    """Return the numbers of inputs and outputs for some samples, and the function that evaluates on them."""
    loss = settings.loss or ("cross_entropy" if samples.has_classes else "squared_error")
    kind = "classes" if samples.has_classes else "values"
    if LOSSES[loss].target_kind != kind:
        raise ValueError(f"loss must be one for {kind} as targets; got {loss!r}")
    if settings.fitness == "accuracy" and not samples.has_classes:
        raise ValueError("fitness must be 'negative_loss' if targets are values; got 'accuracy'")
    if samples.weights is not None:
        raise ValueError("samples must have no weights in neuroevolution; got weights")
    if settings.memory:
        raise ValueError("memory must be false on samples, which have no steps; got true")
    if samples.readings is not None:
        raise ValueError("samples must have no readings in neuroevolution; got readings")
    data = _data(samples)
    n_inputs = len(data.inputs)
    n_outputs = max(2, 1 + int(samples.targets.max())) if samples.has_classes else len(data.values)
    rules = _rules(settings, n_inputs, n_outputs)
    measure = kernels.ACCURACY if settings.fitness == "accuracy" else LOSS_MEASURES[loss]

    def evaluate(networks: Networks, begin: int, end: int) -> Scores:
        fitness = np.empty(len(networks.ids))
        kernels.evaluate(networks, rules, data, measure, begin, end, fitness)
        return fitness[begin:end, None]

    return n_inputs, n_outputs, evaluate


def _judge_by_task(
    task: CompiledTask, settings: NeuroevolutionSettings, seed: int
) -> tuple[int, int, Evaluate]:
    """Return the numbers of inputs and outputs of a task, and the function that plays the episodes of the run."""
    for name in ("fitness", "loss"):
        if name in settings.model_fields_set:
            raise ValueError(
                f"{name} must not be set: a compiled task has its own; got {getattr(settings, name)!r}"
            )
    if task.passes is not None and settings.target_fitness is not None:
        raise ValueError(
            f"target_fitness must be none where the task has a test of its own; got {settings.target_fitness:g}"
        )
    ends = task.n_inputs, task.n_outputs
    interface = interface_to(settings.population, *ends, settings.ticks, memory=settings.memory)
    episodes = task.draw_episodes(generator(seed, Purpose.EPISODES))

    def evaluate(networks: Networks, begin: int, end: int) -> Scores:
        scores = task.scores(networks, interface, episodes, begin, end)
        return np.asarray(scores.mean(axis=1))

    return task.n_inputs, task.n_outputs, evaluate


def _data(samples: Samples) -> Data:
    """Return samples in float32, with the features on the first axis."""
    inputs = np.ascontiguousarray(samples.inputs.reshape(len(samples), -1).T, np.float32)
    if len(inputs) == 0:
        raise ValueError("inputs must have at least one feature; got none")
    if samples.has_classes:
        if samples.targets.min() < 0:
            raise ValueError(f"targets must be classes from 0; got {samples.targets.min()}")
        return Data(inputs, samples.targets.astype(np.int64), np.zeros((0, 0), np.float32))
    values = np.ascontiguousarray(samples.targets.T, np.float32)
    return Data(inputs, np.zeros(0, np.int64), values)


def _rules(settings: NeuroevolutionSettings, n_inputs: int, n_outputs: int) -> Rules:
    """Return the sizes and bounds that mutation uses."""
    given = settings.operators.model_dump() | settings.model_dump()
    named = {name: given[name] for name in Rules._fields if name in given}
    return Rules(n_inputs=n_inputs, n_outputs=n_outputs, **named)
