"""Tasks in compiled code as rewards: an episode is one compiled call, and every engine plays it alike."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from cnn.checks import brief, is_whole
from evo.errors import SettingsError
from evo.genome.activations import activation_code
from evo.gradient_free.control import tasks
from evo.gradient_free.dense_kernels import NO_THRESHOLD, Networks
from evo.gradient_free.dense_mutation_kernels import Rules
from evo.gradient_free.dense_population import empty_networks
from evo.gradient_free.generation import play_networks, rules_of
from evo.gradient_free.settings import WeightSettings
from evo.gradient_free.task import CompiledTask, Episodes
from evo.operators.operation import OperatorSettings
from evo.phenotype.actor import Actor
from evo.phenotype.phenotype import Phenotype

Start = Literal["fixed", "random"]
"""Where the episodes of a task with poles begin: where the published one does, or anywhere in the test's ranges."""


class CompiledReward:
    """A compiled task as a reward.

    Each random stream gives one episode of the reward: all rows that the task draws from it, and the mean of what they
    return. A network with several ticks keeps its state from step to step of an episode, as :class:`evo.Actor` does;
    with one tick it has none.

    Parameters
    ----------
    task : CompiledTask
    units : mapping, optional
        Name and unit of each measure of the task, in its order; by default its own names, without unit.
    is_fixed : bool
        Whether all episodes are the same.

    Attributes
    ----------
    n_inputs, n_outputs : int
    measures, larger_is_better : dict
    """

    def __init__(
        self, task: CompiledTask, units: Mapping[str, str] | None = None, *, is_fixed: bool = False
    ) -> None:
        self.task, self.is_fixed = task, is_fixed
        self.n_inputs, self.n_outputs = task.n_inputs, task.n_outputs
        self.measures = dict(units) if units is not None else dict.fromkeys(task.measures, "")
        self.larger_is_better = dict(task.larger_is_better)

    def evaluate(
        self, network: Actor, *, rng: np.random.Generator
    ) -> tuple[float, dict[str, float]]:
        """Play one episode, in one compiled call.

        Raises
        ------
        ValueError
            If the network has feature maps, or weights of another type than float32.
        """
        networks, rules = _dense(network.network)
        ((row,),) = play_networks(networks, rules, self.task, [rng]).tolist()
        network.steps += int(row[1])
        return row[0], dict(zip(self.measures, row[2:], strict=True))


def _dense(network: Phenotype) -> tuple[Networks, Rules]:
    """Return a compiled network as a dense one: inputs, computed nodes in their order, and copies of the outputs.

    There are no copies where the outputs are the last nodes already.
    """
    genome, plan = network.genome, network.plan
    if genome.has_maps or network.parameters.dtype != np.float32:
        raise ValueError(
            "network must have neurons and weights of float32 in a compiled task; got "
            + ("feature maps" if genome.has_maps else f"weights of {network.parameters.dtype}")
        )
    layout, n_inputs, n_outputs = plan.layout, genome.n_features, len(genome.outputs)
    n_computed, first = len(plan.nodes), layout.n_input_rows
    node_of_row = np.concatenate([np.empty(first, np.int64), n_inputs + np.arange(n_computed)])
    node_of_row[plan.input_rows] = plan.input_features
    outputs = node_of_row[plan.output_rows]
    n = n_inputs + n_computed
    has_copies = not np.array_equal(outputs, np.arange(n - n_outputs, n))
    networks = empty_networks(1, n + n_outputs * has_copies)
    targets = n_inputs + np.repeat(np.arange(n_computed), np.diff(plan.indptr))
    sources = node_of_row[layout.sources % layout.rows_per_tick]
    networks.columns[0, targets, sources] = network.parameters[: plan.n_edges]
    networks.columns[0, n_inputs:n, -1] = network.parameters[plan.n_edges :]
    networks.stored[0, targets, sources] = True
    networks.activations[0, n_inputs:n] = layout.codes
    if has_copies:
        copies = np.arange(n, n + n_outputs)
        networks.columns[0, copies, outputs] = 1.0
        networks.stored[0, copies, outputs] = True
        networks.activations[0, copies] = activation_code("identity")
    networks.threshold[0] = NO_THRESHOLD
    return networks, rules_of(genome, OperatorSettings(), WeightSettings(), 1)


# -- the tasks of the package ------------------------------------------------------------------------------------------


def _poles(
    make: Callable[[], CompiledTask], n_numbers: int, steps: int, start: Start
) -> CompiledReward:
    """Return a task of poles, of episodes of at most some steps whose state at the start has some numbers."""
    if not is_whole(steps) or steps < 1:
        raise SettingsError(
            f"options.steps must be a whole number of at least 1; got {brief(steps)}"
        )
    if start not in get_args(Start):
        raise SettingsError(
            f"options.start must be one of {', '.join(get_args(Start))}; got {brief(start)}"
        )

    def draw(rng: np.random.Generator) -> Episodes:
        state = np.zeros(n_numbers)
        state[2] = tasks.FIRST_ANGLE
        if start == "random":
            state[:4] = rng.uniform(-1.0, 1.0, 4) * tasks.RANGES
        return np.concatenate([[steps], state])[None]

    task = replace(make(), draw_episodes=draw)
    return CompiledReward(task, {"balanced": "steps"}, is_fixed=start == "fixed")


def single_pole(steps: int = tasks.LONG, start: Start = "fixed") -> CompiledReward:
    """Balance one pole on a cart; see :func:`evo.gradient_free.control.single_pole`."""
    return _poles(tasks.single_pole, 4, steps, start)


def double_pole(steps: int = tasks.LONG, start: Start = "fixed") -> CompiledReward:
    """Balance two poles on a cart; see :func:`evo.gradient_free.control.double_pole`."""
    return _poles(tasks.double_pole, 6, steps, start)


def double_pole_without_velocities(
    steps: int = tasks.SHORT, start: Start = "fixed"
) -> CompiledReward:
    """Balance two poles, velocities not given; see :func:`evo.gradient_free.control.double_pole_without_velocities`."""
    return _poles(tasks.double_pole_without_velocities, 6, steps, start)


def cart_pole() -> CompiledReward:
    """Play CartPole-v1 of Gymnasium, without Gymnasium; see :func:`evo.gradient_free.control.cart_pole`."""
    return CompiledReward(tasks.cart_pole(episodes=1), {"balanced": "steps"})


COMPILED_REWARDS = {
    "single-pole": single_pole,
    "double-pole": double_pole,
    "double-pole-without-velocities": double_pole_without_velocities,
    "cart-pole": cart_pole,
}
"""The rewards in compiled code by name."""


def has_fixed_start(name: object, options: object) -> bool:
    """Return whether all episodes of a task of the package are the same, by its name and options."""
    if not isinstance(name, str) or not isinstance(options, Mapping):
        return False
    if name not in COMPILED_REWARDS:
        return False
    start = inspect.signature(COMPILED_REWARDS[name]).parameters.get("start")
    return start is not None and options.get("start", start.default) == "fixed"
