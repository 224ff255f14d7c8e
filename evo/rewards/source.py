"""What stands in the place of a data set and of its parts in a run that is judged by a reward."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from evo.errors import SettingsError
from evo.preparation import Preparation
from evo.rewards.interface import Interface
from evo.rewards.reward import REWARDS, Reward, directions_of, interface_of, measures_of
from evo.rewards.settings import TaskSettings
from evo.rewards.strategies import check_installed


@dataclass(frozen=True, eq=False)
class EpisodeSource:
    """A reward with its settings.

    Attributes
    ----------
    settings : TaskSettings
    reward : Reward
    """

    settings: TaskSettings
    reward: Reward

    task: ClassVar[str] = "reward"
    classes: ClassVar[None] = None
    target_names: ClassVar[None] = None
    output_names: ClassVar[None] = None
    value_names: ClassVar[tuple[str, ...]] = ()
    n_ticks: ClassVar[None] = None
    has_targets_per_step: ClassVar[bool] = False

    @classmethod
    def of(cls, settings: TaskSettings) -> "EpisodeSource":
        """Make the reward of some settings.

        Raises
        ------
        SettingsError
            If the options do not suit it, or a package is missing.
        """
        check_installed(settings.strategy)
        reward = settings.make()
        if getattr(reward, "is_fixed", False):
            for name in ("episodes", "test_episodes"):
                count = getattr(settings, name)
                if count > 1:
                    raise SettingsError(
                        f"task.{name} must be at most 1 where all episodes are the same, unless task.options.start is "
                        f'"random"; got {count}'
                    )
        return cls(settings, reward)

    def __len__(self) -> int:
        """Return 0: there are no samples."""
        return 0

    @property
    def name(self) -> str:
        """The environment, or the reward."""
        return self.settings.title

    @property
    def n_features(self) -> int:
        """Number of inputs."""
        return self.reward.n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return self.reward.n_outputs

    @property
    def input_shape(self) -> tuple[int]:
        """Shape of an observation as a network gets it."""
        return (self.n_features,)

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of all measures."""
        return measures_of(self.reward)

    @property
    def directions(self) -> dict[str, bool]:
        """Whether larger values are better, of the measures of which that is known."""
        return directions_of(self.reward)

    @property
    def interface(self) -> Interface | None:
        """How the reward turns outputs into actions."""
        return interface_of(self.reward)

    @property
    def version(self) -> str | None:
        """The version of the package that the environment comes from, if the reward says it."""
        version: str | None = getattr(self.reward, "version", None)
        return version

    @cached_property
    def data_hash(self) -> str:
        """The SHA-256 of name, options, and the version or the code of the reward, in hexadecimal."""
        name = self.settings.name
        code = REWARDS.origin(name) if name in REWARDS.own else self.reward
        parts = {
            "name": name,
            "id": self.settings.id,
            "options": self.settings.options,
            "version": self.version,
            "source": getattr(code, "source_hash", None),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class EpisodeSplit:
    """The episodes of one seed: they follow from the seed, so there is nothing to hold.

    Attributes
    ----------
    dataset : EpisodeSource
    """

    dataset: EpisodeSource

    target_scaling: ClassVar[None] = None

    @property
    def input_shape(self) -> tuple[int]:
        """Shape of an observation as a network gets it."""
        return self.dataset.input_shape

    @cached_property
    def preparation(self) -> Preparation:
        """A preparation that leaves observations as they are."""
        return Preparation.scaling(self.input_shape)

    @property
    def n_test(self) -> int:
        """Number of test episodes."""
        return self.dataset.settings.test_episodes
