"""Compiled tasks: what a small network is judged by when no samples say what it should answer.

A task plays *episodes* with a network: it writes the inputs, lets the network act, reads the outputs, and so on, all in
compiled code. An episode is a row of numbers, such as a largest number of steps and a state to start from. All networks
of a run play the same episodes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn.compile.compilation import kernel_of_this_process
from evo.genome.genome import Genome
from evo.gradient_free.agent_kernels import Agent, Interface, create_agent, interface_to
from evo.gradient_free.dense_kernels import Networks
from evo.gradient_free.dense_population import networks_of

Episodes = NDArray[np.float64]
Scores = NDArray[np.float64]

Evaluate = Callable[[Networks, Interface, Episodes, int, int, Scores], None]
Play = Callable[[Agent, NDArray[np.float64], NDArray[np.float64]], float]
PlayEpisodes = Callable[[Episodes], Scores]


@dataclass(frozen=True, eq=False)
class CompiledTask:
    """A task for :func:`evo.neuroevolve`; :func:`compiled_task` makes one of a function.

    Attributes
    ----------
    n_inputs, n_outputs : int
        Inputs and outputs of a network.
    evaluate : callable
        A kernel. ``evaluate(networks, interface, episodes, begin, end, scores)`` plays all episodes with the networks
        begin … end − 1. It writes fitness, then measures, of network p in episode e to ``scores[p, e]``.
    draw_episodes : callable
        ``draw_episodes(rng)`` returns the episodes of a run, shape (n_episodes, n_numbers). The fitness of a network,
        and each of its measures, is the mean over them.
    measures : tuple of str
        Names of the measures, with their units where they have one.
    passes : callable or None
        ``passes(play)`` says whether a network has solved the task, where ``play(episodes)`` returns its scores in
        episodes of any kind. Without it the task is solved by a fitness, the setting `target_fitness`.
    larger_is_better : mapping
        Whether larger values of a measure are better, by its name, so that an experiment may be decided by it.
    """

    n_inputs: int
    n_outputs: int
    evaluate: Evaluate
    draw_episodes: Callable[[np.random.Generator], Episodes]
    measures: tuple[str, ...] = ()
    passes: Callable[[PlayEpisodes], bool] | None = None
    larger_is_better: Mapping[str, bool] = field(default_factory=dict)

    def play(self, genome: Genome, episodes: ArrayLike, *, memory: bool = False) -> Scores:
        """Play episodes with one network.

        Parameters
        ----------
        genome : Genome
            Neurons only, inputs first and outputs last, with one threshold on magnitudes, as winners have them.
        episodes : array_like, shape (n_episodes, n_numbers)
        memory : bool
            Whether the network keeps its state from step to step (`NeuroevolutionSettings.memory`).

        Returns
        -------
        ndarray of float64, shape (n_episodes, 1 + n_measures)
            The fitness and the measures of each episode.

        Raises
        ------
        ValueError
            If the genome has another form, or other numbers of inputs and outputs than the task.
        """
        found = len(genome.inputs), len(genome.outputs)
        if found != (self.n_inputs, self.n_outputs):
            raise ValueError(
                f"genome must have {self.n_inputs} inputs and {self.n_outputs} outputs; got {found[0]} and {found[1]}"
            )
        interface = interface_to(1, self.n_inputs, self.n_outputs, genome.ticks, memory=memory)
        scores = self.scores(networks_of(genome), interface, check_episodes(episodes), 0, 1)
        return scores.reshape(-1, scores.shape[2])

    def scores(
        self, networks: Networks, interface: Interface, episodes: Episodes, begin: int, end: int
    ) -> Scores:
        """Return the scores of the networks begin … end − 1, shape (end − begin, n_episodes, 1 + n_measures)."""
        scores = np.zeros((len(networks.ids), len(episodes), 1 + len(self.measures)))
        self.evaluate(networks, interface, episodes, begin, end, scores)
        return scores[begin:end]


def compiled_task(
    play: Play,
    *,
    n_inputs: int,
    n_outputs: int,
    episodes: ArrayLike | Callable[[np.random.Generator], ArrayLike],
    measures: tuple[str, ...] = (),
    larger_is_better: Mapping[str, bool] | None = None,
    passes: Callable[[PlayEpisodes], bool] | None = None,
) -> CompiledTask:
    """Make a task of a function that plays one episode; Numba compiles the function once, not for each network.

    Parameters
    ----------
    play : callable
        ``play(agent, episode, measures)`` returns the fitness of a network in one episode. It writes
        ``agent.inputs``, calls :func:`evo.gradient_free.act` and reads ``agent.outputs``, as often as it likes.
        `episode` is a row of `episodes`, and the measures are written to the array `measures`. The function is plain
        Python in Numba's subset, or has been compiled by ``numba.njit``; indices are not checked. It must draw no
        random numbers: what is random in an episode stands in its row.
    n_inputs, n_outputs : int
        Inputs and outputs of a network, at least 1.
    episodes : array_like, or callable from a generator to array_like
        The episodes, shape (n_episodes, n_numbers). A function draws them, once a run, from the generator of the run.
    measures : tuple of str
        Names of the measures.
    larger_is_better : mapping, optional
    passes : callable or None
        See :class:`CompiledTask`.

    Raises
    ------
    ValueError
        If a number is out of range, or two measures have one name.

    Examples
    --------
    A network that should answer 1, 2, 3, … whatever it sees, so that it must count by itself:

    >>> from evo import NeuroevolutionSettings, neuroevolve
    >>> from evo.gradient_free import act, compiled_task
    >>> def count(agent, episode, measures):
    ...     error = 0.0
    ...     for step in range(int(episode[0])):
    ...         agent.inputs[0] = 1.0
    ...         act(agent)
    ...         error += abs(agent.outputs[0] - (step + 1))
    ...     measures[0] = error / episode[0]
    ...     return -error
    >>> task = compiled_task(count, n_inputs=1, n_outputs=1, episodes=[[5.0]], measures=("mean_error",))
    >>> settings = NeuroevolutionSettings(memory=True, target_fitness=-0.5, hidden=1)
    >>> result = neuroevolve(task, settings, seed=0)
    >>> result.solved, bool(result.play([[5.0]])[0, 1] <= 0.1)
    (True, True)
    """
    for name, number in (("n_inputs", n_inputs), ("n_outputs", n_outputs)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1; got {number}")
    if len(set(measures)) < len(measures):
        raise ValueError(f"measures must have different names; got {measures}")
    if callable(episodes):
        draw = episodes
    else:
        given = check_episodes(episodes)

        def draw(rng: np.random.Generator) -> ArrayLike:
            return given

    return CompiledTask(
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        evaluate=_loop_of(play),
        draw_episodes=lambda rng: check_episodes(draw(rng)),
        measures=tuple(measures),
        larger_is_better=dict(larger_is_better or {}),
        passes=passes,
    )


def check_episodes(episodes: ArrayLike) -> Episodes:
    """Return episodes as an array; raise ValueError unless it has rows, and finite numbers only."""
    array = np.ascontiguousarray(episodes, np.float64)
    if array.ndim != 2 or len(array) == 0 or not np.isfinite(array).all():
        raise ValueError(
            f"episodes must be a row of finite numbers each, at least one; got an array of shape {array.shape}"
        )
    return array


def _loop_of(function: Any) -> Evaluate:
    """Return a kernel that plays all episodes with some networks."""
    play: Any = kernel_of_this_process(getattr(function, "py_func", function))

    def evaluate(
        networks: Networks,
        interface: Interface,
        episodes: Episodes,
        begin: int,
        end: int,
        scores: Scores,
    ) -> None:
        for p in range(begin, end):
            for e in range(episodes.shape[0]):
                agent = create_agent(networks, p, interface)
                scores[p, e, 0] = play(agent, episodes[e], scores[p, e, 1:])

    return kernel_of_this_process(evaluate)
