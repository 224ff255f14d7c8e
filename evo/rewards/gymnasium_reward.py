"""Environments of Gymnasium (Towers et al. 2024, https://gymnasium.farama.org) as rewards."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module, metadata
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cnn.checks import brief
from evo.errors import SettingsError
from evo.origin import is_of_the_user, origin_of
from evo.phenotype.actor import Actor
from evo.rewards.interface import LARGEST_BOUND, Actions, Interface, Observations

ChoiceOfActions = Literal["greedy", "sampled"]
"""How a choice is made: the alternative of the largest output, or one drawn by the softmax of the outputs."""


class GymnasiumReward:
    """The return of an environment of Gymnasium.

    Parameters
    ----------
    id : str
        Name of the environment, such as ``"CartPole-v1"``. With ``"module:name"`` the module, which registers the
        environment, is imported first.
    actions : {"greedy", "sampled"}
        How a choice among actions is made.
    make : mapping, optional
        Further keyword parameters of ``gymnasium.make``, such as ``max_episode_steps``.
    measures : sequence of str
        Numbers of ``info`` that are measures: their values at the last step of an episode.
    larger_is_better : mapping, optional
        Whether larger values of these measures are better, by name.

    Attributes
    ----------
    n_inputs, n_outputs : int
    interface : Interface
    measures : dict
        ``success``, if the environment has a threshold of its return: whether an episode reaches it. Those of ``info``.
    larger_is_better : dict
        That larger values of ``success`` are better, and what is given of others.
    version : str
        The version of Gymnasium, and that of another installed package that the environment comes from.
    source_hash : str or None
        SHA-256 of the code of an environment of the user's own, and of how it is registered; None if a package has it.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - the name that Gymnasium gives it
        *,
        actions: ChoiceOfActions = "greedy",
        make: Mapping[str, Any] | None = None,
        measures: Sequence[str] = (),
        larger_is_better: Mapping[str, bool] | None = None,
    ) -> None:
        if not isinstance(id, str) or not id:
            raise SettingsError(f"id must be the name of an environment; got {brief(id)}")
        if actions not in get_args(ChoiceOfActions):
            raise SettingsError(
                f"options.actions must be one of {', '.join(get_args(ChoiceOfActions))}; got {brief(actions)}"
            )
        if not isinstance(measures, list | tuple) or not all(
            isinstance(one, str) for one in measures
        ):
            raise SettingsError(
                f"options.measures must be names of numbers of info; got {brief(measures)}"
            )
        if larger_is_better is not None and not isinstance(larger_is_better, Mapping):
            raise SettingsError(
                f"options.larger_is_better must be true or false by names of measures; got {brief(larger_is_better)}"
            )
        self.id, self.actions, self._make = id, actions, dict(make or {})
        environment = self._environment = self._made(id)
        self._specification = _specification_of(environment)
        self.version = str(_gymnasium().__version__)
        self.source_hash: str | None = None
        if is_of_the_user(self._specification.entry_point):
            self.source_hash = origin_of(self._specification).source_hash
        else:
            self.version += _version_of_package(self._specification.entry_point)
        self.interface = Interface(
            observations_of(environment.observation_space), actions_of(environment.action_space)
        )
        self.n_inputs = self.interface.observations.n_inputs
        self.n_outputs = self.interface.actions.n_outputs
        threshold = getattr(environment.spec, "reward_threshold", None)
        self.threshold = None if threshold is None else float(threshold)
        success = {} if threshold is None else {"success": "fraction"}
        for name in measures:
            if name in success:
                raise SettingsError(
                    "options.measures must not have success where the environment has a reward_threshold, which makes "
                    f"this measure; got {brief(measures)}"
                )
        self._of_info = tuple(measures)
        self.measures = success | dict.fromkeys(measures, "")
        self.larger_is_better = dict.fromkeys(success, True) | dict(larger_is_better or {})

    @property
    def environment(self) -> Any:
        """The environment; each process makes one of its own."""
        if self._environment is None:
            self._environment = self._made(self._specification)
        return self._environment

    def _made(self, which: Any) -> Any:
        """Make the environment of a name or specification; another process may know the specification alone."""
        gymnasium = _gymnasium()
        try:
            return gymnasium.make(which, **self._make)
        except Exception as error:  # environments raise whatever their authors chose
            text = " ".join(f"{type(error).__name__}: {error}".split())
            told = f"id must be an environment that Gymnasium can make; got {self.id!r} ({text})"
            if isinstance(error, gymnasium.error.UnregisteredEnv):
                told += "; --parts FILE, or an import in a script, loads a file that registers one"
            raise SettingsError(told) from error

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: all but the environment."""
        return self.__dict__ | {"_environment": None}

    def evaluate(
        self, network: Actor, *, rng: np.random.Generator
    ) -> tuple[float, dict[str, float]]:
        """Play one episode, until the environment ends or cuts it.

        Raises
        ------
        ValueError
            If the environment returns an observation that is not of its space.
        """
        environment, decode = self.environment, self.interface.actions.decode
        drawn = rng if self.actions == "sampled" else None
        observation, _ = environment.reset(seed=int(rng.integers(2**31)))
        total, over = 0.0, False
        while not over:
            action = decode(network.act(self._encoded(observation)), drawn)
            observation, reward, terminated, truncated, info = environment.step(action)
            total += float(reward)
            over = bool(terminated or truncated)
        success = {} if self.threshold is None else {"success": float(total >= self.threshold)}
        return total, success | {name: self._number_of(info, name) for name in self._of_info}

    def _number_of(self, info: Mapping[str, Any], name: str) -> Any:
        if name not in info:
            raise ValueError(
                f"info of the last step of {self.id} must have {name}, a measure; it has {', '.join(info) or 'nothing'}"
            )
        return info[name]

    def _encoded(self, observation: Any) -> NDArray[np.float64]:
        """Return an observation as inputs; if it is not of its space, name the environment."""
        try:
            return self.interface.observations.encode(observation)
        except ValueError as error:
            raise ValueError(
                f"environment {self.id!r} must return what its observation_space declares: {error}"
            ) from error


def _gymnasium() -> Any:
    """Import Gymnasium; if it is missing, say which extra of EvoMatrix brings it."""
    try:
        return import_module("gymnasium")
    except ImportError as error:
        raise SettingsError(
            'name must be a reward whose packages are installed: pip install "evomatrix[control]"; '
            f"got gymnasium ({error})"
        ) from error


def _specification_of(environment: Any) -> Any:
    """Return how an environment is registered, with code of the user's as the code itself.

    Another process may not have registered the environment, and may not find the module of an entry point.
    """
    specification = _gymnasium().spec(environment.unwrapped.spec.id)
    if isinstance(specification.entry_point, str):
        module, _, name = specification.entry_point.partition(":")
        code = getattr(import_module(module), name)
        if is_of_the_user(code):
            return replace(specification, entry_point=code)
    return specification


def _version_of_package(entry_point: Any) -> str:
    """Return name and version of the installed package that has an entry point; nothing if that is Gymnasium."""
    is_name = isinstance(entry_point, str)
    module = entry_point if is_name else origin_of(entry_point, built_in=True).module
    root = module.partition(":")[0].partition(".")[0]
    if root == "gymnasium":
        return ""
    names = metadata.packages_distributions().get(root, [])
    return "".join(f", {name} {metadata.version(name)}" for name in sorted({*names}))


def observations_of(space: Any) -> Observations:
    """Return how the observations of a space of Gymnasium become inputs.

    Raises
    ------
    SettingsError
        If the space is neither a box nor one of discrete ones.
    """
    kind = type(space).__name__
    if kind == "Box":
        low, high = (np.asarray(one, np.float64).ravel() for one in (space.low, space.high))
        bounded = (np.abs(low) < LARGEST_BOUND) & (np.abs(high) < LARGEST_BOUND) & (high > low)
        low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
        offset, scale = (high + low) / 2.0, (high - low) / 2.0
        return Observations("numbers", tuple(offset.tolist()), tuple(scale.tolist()))
    if kind == "Discrete":
        return Observations("one_hot", counts=(int(space.n),), start=int(space.start))
    if kind == "MultiDiscrete":
        return Observations(
            "one_hot", counts=tuple(np.ravel(space.nvec).tolist()), start=_starts_of(space)
        )
    if kind == "MultiBinary":
        n = int(np.prod(space.shape))
        return Observations("numbers", (0.0,) * n, (1.0,) * n)
    raise SettingsError(
        f"id must be an environment whose observations are a Box, Discrete, MultiDiscrete or MultiBinary; got {space}"
    )


def actions_of(space: Any) -> Actions:
    """Return how outputs become actions of a space of Gymnasium.

    Raises
    ------
    SettingsError
        If the space is neither a box nor one of discrete ones.
    """
    kind = type(space).__name__
    if kind == "Discrete":
        return Actions("discrete", counts=(int(space.n),), start=int(space.start))
    if kind == "MultiDiscrete":
        return Actions(
            "multi_discrete",
            counts=tuple(np.ravel(space.nvec).tolist()),
            shape=space.shape,
            start=_starts_of(space),
        )
    if kind == "MultiBinary":
        return Actions("multi_binary", shape=space.shape)
    if kind == "Box":
        low, high = (np.asarray(one, np.float64).ravel() for one in (space.low, space.high))
        low = np.where(np.abs(low) < LARGEST_BOUND, low, -np.inf)
        high = np.where(np.abs(high) < LARGEST_BOUND, high, np.inf)
        return Actions(
            "numbers",
            tuple(low.tolist()),
            tuple(high.tolist()),
            shape=space.shape,
            dtype=space.dtype.name if space.dtype.kind in "iu" else "float32",
        )
    raise SettingsError(
        f"id must be an environment whose actions are a Box, Discrete, MultiDiscrete or MultiBinary; got {space}"
    )


def _starts_of(space: Any) -> int | tuple[int, ...]:
    """Return the first alternative of each choice of a MultiDiscrete; 0 if all begin with 0."""
    starts = np.ravel(getattr(space, "start", 0))
    return tuple(starts.tolist()) if starts.any() else 0
