"""What a reward is, the registry of rewards, and the episodes that a network plays.

A reward plays one episode: it gives a network observations, does what the outputs say, and returns the fitness of the
episode. The fitness of a network is the mean over several episodes, each with a random stream of its own.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cnn.checks import brief, did_you_mean, is_whole
from evo.errors import SettingsError
from evo.gradient_free.task import CompiledTask
from evo.interruption import is_interruption
from evo.phenotype.actor import Actor
from evo.phenotype.phenotype import Phenotype
from evo.registry import Registry
from evo.rewards.compiled_reward import COMPILED_REWARDS, CompiledReward
from evo.rewards.gymnasium_reward import GymnasiumReward
from evo.rewards.interface import Interface

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""The form of the name of a measure, which is part of the names of columns."""

MEASURES: Mapping[str, str] = {"return": "that of the reward", "steps": "environment steps"}
"""The measures of every reward, with their units: the fitness, and the number of observations, of an episode."""

RESERVED = {*MEASURES, "accuracy", "fitness", "loss", "validation_loss"}
"""Names of columns that a measure of a reward must not have."""


class Reward(Protocol):
    """What plays an episode.

    Attributes
    ----------
    n_inputs, n_outputs : int
        Numbers of an observation, and of the outputs that the reward reads.

    More attributes may be there. `measures` is a mapping: the name of each further measure, with its unit.
    `larger_is_better` says of measures, by name, whether larger values are better, so that they may decide comparisons.
    `interface` is the :class:`evo.rewards.Interface` with which the reward turns outputs into actions, so that a saved
    network acts alike.
    """

    n_inputs: int
    n_outputs: int

    def evaluate(
        self, network: Actor, *, rng: np.random.Generator
    ) -> float | tuple[float, Mapping[str, float]]:
        """Play one episode.

        Parameters
        ----------
        network : Actor
            At the beginning of an episode; ``network.act(observation)`` returns its outputs.
        rng : numpy.random.Generator
            All that is random in the episode must come from it.

        Returns
        -------
        float, or (float, mapping)
            The fitness, larger is better; with `measures`, their values by name too.
        """


def _converted(name: str, given: Any) -> Any:
    """Return an own reward; raise TypeError if nothing can be made by it."""
    if not callable(given):
        raise TypeError(
            f"reward {name!r} must be a class or a function that makes a reward; got {given!r}"
        )
    return given


REWARDS: Registry[Any] = Registry("reward", convert=_converted)
"""The rewards by name: a class, or a function, whose keyword parameters are the options of the reward.

A function may make a :class:`evo.gradient_free.CompiledTask` as well.
"""

REWARDS.fill({"gymnasium": GymnasiumReward, **COMPILED_REWARDS})


def make_reward(name: str, options: Mapping[str, Any]) -> Reward:
    """Make the reward of a name.

    Raises
    ------
    SettingsError
        If the options do not suit it, or what is made is no reward: one line that says why.
    """
    try:
        _check_options(name, options)
        made = REWARDS[name](**options)
        if isinstance(made, CompiledTask):
            made = CompiledReward(made)
        check_reward(made)
    except SettingsError as error:
        raise SettingsError(f"task.{error}") from error
    except (TypeError, ValueError) as error:
        raise SettingsError(f"task: reward {name!r}: {' '.join(str(error).split())}") from error
    reward: Reward = made
    return reward


def options_of(name: str) -> tuple[str, ...] | None:
    """Return the names of the options of a reward; None if it takes any, or does not tell."""
    try:
        parameters = inspect.signature(REWARDS[name]).parameters.values()
    except ValueError:  # some classes written in C have no signature
        return None
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    by_name = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return tuple(one.name for one in parameters if one.kind in by_name)


def _check_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise SettingsError for an option that a reward does not have."""
    known = options_of(name)
    if known is None:
        return
    for option in options:
        if option not in known:
            raise SettingsError(
                f"options must be options of the reward {name!r} ({', '.join(known) or 'it has none'}); "
                f"got {brief(option)}{did_you_mean(option, known)}"
            )


def check_reward(made: Any) -> None:
    """Raise ValueError or TypeError unless an object is a reward."""
    for attribute in ("n_inputs", "n_outputs"):
        number: Any = getattr(made, attribute, None)
        if not is_whole(number) or number < 1:
            raise ValueError(
                f"{attribute} must be a whole number of at least 1; got {brief(number)}"
            )
    if not callable(getattr(made, "evaluate", None)):
        raise TypeError(f"must have a method evaluate(network, *, rng); got {type(made).__name__}")
    measures = getattr(made, "measures", {})
    if not isinstance(measures, Mapping):
        raise TypeError(f"measures must be units by name; got {brief(measures)}")
    for name in measures:
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in RESERVED:
            raise ValueError(
                f"measures must have names of letters, digits and '_', other than {', '.join(sorted(RESERVED))}; "
                f"got {brief(name)}"
            )
    directions = getattr(made, "larger_is_better", {})
    known = measures_of(made)
    if (
        not isinstance(directions, Mapping)
        or not {*directions} <= {*known}
        or not all(isinstance(one, bool) for one in directions.values())
    ):
        raise ValueError(
            f"larger_is_better must be true or false by names of measures ({', '.join(known)}); got {brief(directions)}"
        )
    interface = getattr(made, "interface", None)
    if interface is not None and not isinstance(interface, Interface):
        raise TypeError(f"interface must be an evo.rewards.Interface; got {brief(interface)}")


def measures_of(reward: Reward) -> tuple[str, ...]:
    """Return the names of all measures of a reward."""
    return (*MEASURES, *own_measures_of(reward))


def own_measures_of(reward: Reward) -> list[str]:
    """Return the names of the measures that a reward has beside those of every reward."""
    return [*getattr(reward, "measures", {})]


def directions_of(reward: Reward) -> dict[str, bool]:
    """Return whether larger values are better, of the measures of which that is known."""
    return {**getattr(reward, "larger_is_better", {}), "return": True}


def interface_of(reward: Reward) -> Interface | None:
    """Return how the reward turns outputs into actions; None if it reads the outputs as they are."""
    interface: Interface | None = getattr(reward, "interface", None)
    return interface


class Still:
    """A reward of 0 for one step, which stands for another one.

    Parameters
    ----------
    of : Reward
        Has the numbers of inputs and outputs.
    """

    def __init__(self, of: Reward) -> None:
        self.n_inputs, self.n_outputs = of.n_inputs, of.n_outputs
        self.measures = dict(getattr(of, "measures", {}))
        self.larger_is_better = directions_of(of)

    def evaluate(
        self, network: Actor, *, rng: np.random.Generator
    ) -> tuple[float, dict[str, float]]:
        """Let the network act once."""
        network.act(np.zeros(self.n_inputs))
        return 0.0, dict.fromkeys(self.measures, 0.0)


@dataclass(frozen=True)
class Played:
    """Episodes that a network has played.

    Attributes
    ----------
    measures : dict
        The mean of each measure over the episodes, by name; ``return`` is the fitness.
    episodes : int
    steps : int
        Environment steps: observations on which the network acted.
    """

    measures: dict[str, float]
    episodes: int
    steps: int


class EpisodeError(Exception):
    """An error in an episode; its cause is what the reward raised.

    Attributes
    ----------
    episodes : int
        Episodes that were begun, the one with the error among them.
    steps : int
        Environment steps in them.
    """

    def __init__(self, cause: BaseException, episodes: int, steps: int) -> None:
        super().__init__(f"{type(cause).__name__} in an episode")
        self.cause, self.episodes, self.steps = cause, episodes, steps

    def after(self, episodes: int, steps: int) -> "EpisodeError":
        """Return the error with the episodes and steps before it counted too."""
        return EpisodeError(self.cause, self.episodes + episodes, self.steps + steps)


def play(reward: Reward, network: Phenotype, streams: Iterable[np.random.Generator]) -> Played:
    """Let a network play an episode for each random stream.

    Raises
    ------
    EpisodeError
        If `evaluate` raises an error, or returns something else than a fitness and the measures that the reward
        declares.
    """
    names = own_measures_of(reward)
    actor = Actor(network)
    rows: list[list[float]] = []
    for rng in streams:
        actor.reset()
        before = actor.steps
        try:
            fitness, measures = returned_by(reward, reward.evaluate(actor, rng=rng))
        except BaseException as error:  # a reward may raise whatever its author chose
            if is_interruption(error):
                raise
            raise EpisodeError(error, len(rows) + 1, actor.steps) from error
        rows.append([fitness, float(actor.steps - before), *(measures[name] for name in names)])
    return played(reward, np.array(rows), actor.steps)


def played(reward: Reward, rows: NDArray[np.float64], steps: int) -> Played:
    """Return episodes that a network has played.

    Parameters
    ----------
    reward : Reward
    rows : ndarray of float64, shape (n_episodes, n_measures)
        The measures of each episode, in the order of :func:`measures_of`.
    steps : int
        Environment steps in all of them.
    """
    means = np.mean(rows, axis=0).tolist()
    return Played(dict(zip(measures_of(reward), means, strict=True)), len(rows), steps)


def returned_by(reward: Reward, returned: Any) -> tuple[float, dict[str, float]]:
    """Return the fitness and the measures of an episode as numbers.

    Raises
    ------
    TypeError, ValueError
        If it is something else than a fitness and the measures that the reward declares.
    """
    names = own_measures_of(reward)
    fitness, measures = (
        returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, {})
    )
    if not isinstance(measures, Mapping) or {*measures} != {*names}:
        wanted = f"(fitness, {{{', '.join(map(repr, names))}}})" if names else "a fitness"
        raise ValueError(f"evaluate must return {wanted}; got {brief(returned)}")
    return _number("fitness", fitness), {name: _number(name, measures[name]) for name in names}


def _number(name: str, value: Any) -> float:
    if isinstance(value, str | bytes):
        raise TypeError(f"{name} must be a number; got {brief(value)}")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number; got {brief(value)}") from None
