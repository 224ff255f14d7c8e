"""The settings of a task whose individuals are judged by a reward, and of the strategy that trains them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cnn.settings import NoEffectError
from evo.rewards.compiled_reward import has_fixed_start
from evo.rewards.reward import REWARDS, Reward, make_reward, options_of
from evo.settings import Settings

StrategyName = Literal["none", "openai_es", "cma_es"]
"""How a train phase moves weights by the reward."""


class StrategySettings(Settings, frozen=True, extra="forbid"):
    """How a train phase moves the weights of a network by the reward, while its topology stays."""

    name: StrategyName = Field(
        "none",
        description="The evolution strategy. none: weights move by operators alone, and there is no train phase. "
        "openai_es: the gradient of the expected reward is estimated from networks with noise on their weights, in "
        "pairs of opposite noise, by ranks (Salimans et al. 2017); the recipe of [training] makes the step. cma_es: "
        "CMA-ES (Hansen 2016), by the package cmaes; its covariance begins anew in each train phase.",
    )
    population: int = Field(
        16,
        ge=4,
        description="Networks with noise on their weights that one step evaluates; even for openai_es.",
    )
    std: float = Field(
        0.1,
        gt=0,
        allow_inf_nan=False,
        description="Standard deviation of the noise on each weight; for cma_es, at the beginning of a train phase.",
    )
    episodes: int = Field(
        1,
        ge=1,
        description="Episodes of each of these networks. All networks of a step play the same episodes, and each step "
        "has episodes of its own.",
    )

    @model_validator(mode="after")
    def _settings_are_read(self) -> Self:
        if self.name == "none":
            self._refuse(("population", "std", "episodes"), 'where name = "none"')
        if self.name == "openai_es" and self.population % 2:
            raise ValueError(
                f'population must be even where name = "openai_es"; got {self.population}'
            )
        return self


class TaskSettings(Settings, frozen=True, extra="forbid"):
    """A reward that judges networks, in place of a data set: episodes instead of samples."""

    name: Annotated[str, REWARDS] = Field(
        "gymnasium",
        description="Name of the reward, a key of evo.REWARDS. gymnasium: an environment of Gymnasium.",
    )
    id: str | None = Field(
        None, description="gymnasium: name of the environment, such as CartPole-v1."
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description='Keyword parameters of the reward. gymnasium: actions = "greedy" or "sampled", how a choice is '
        "made; make, a table with further parameters of gymnasium.make; measures, names of numbers of info, whose "
        "values at the last step of an episode are measures; larger_is_better, a table that says of these measures "
        "whether larger values are better.",
    )
    episodes: int = Field(
        8,
        ge=1,
        description="Episodes by which an individual is judged; its fitness is the mean of their returns.",
    )
    same_episodes: Literal["generation", "run"] = Field(
        "generation",
        description="How long these episodes stay the same. generation: all individuals of a generation play the same "
        "episodes, and each generation has episodes of its own, so that nobody adapts to a few of them. run: all "
        "individuals play the same episodes.",
    )
    test_episodes: int = Field(
        100,
        ge=0,
        description="Episodes that each arm plays once after the last training, for the table comparison; selection "
        "never sees them. 0: the run has no test, and so no comparison.",
    )
    strategy: StrategySettings = StrategySettings()

    @model_validator(mode="before")
    @classmethod
    def _options_are_in_their_place(cls, values: Any) -> Any:
        """Say where an option of the reward stands that is given beside the settings of the task."""
        if not isinstance(values, Mapping) or values.get("name") not in REWARDS:
            return values
        name = str(values["name"])
        options = options_of(name) or ()
        for key in values:
            if key in options and key not in cls.model_fields:
                raise ValueError(
                    f"options.{key} must be given in the place of task.{key}, for it is an option of the reward "
                    f"{name!r}"
                )
        return values

    @model_validator(mode="before")
    @classmethod
    def _fixed_episodes_are_those_of_the_run(cls, values: Any) -> Any:
        """Let the episodes be those of the run where all of them are the same."""
        if isinstance(values, Mapping) and has_fixed_start(
            values.get("name"), values.get("options", {})
        ):
            return {"same_episodes": "run", **values}
        return values

    @model_validator(mode="after")
    def _episodes_differ(self) -> Self:
        if self.same_episodes == "generation" and has_fixed_start(self.name, self.options):
            rule = 'unless options.start = "random", because all episodes are the same'
            raise NoEffectError("same_episodes", rule, self.same_episodes)
        return self

    @model_validator(mode="after")
    def _environment_suits(self) -> Self:
        if self.name != "gymnasium":
            self._refuse(("id",), 'unless name = "gymnasium"')
        return self

    @property
    def trains(self) -> bool:
        """Whether individuals have a train phase."""
        return self.strategy.name != "none"

    @property
    def title(self) -> str:
        """The environment, or the reward."""
        return self.name if self.id is None else self.id

    def make(self) -> Reward:
        """Make the reward.

        Raises
        ------
        SettingsError
            If the options do not suit it.
        """
        given = {} if self.id is None else {"id": self.id}
        return make_reward(self.name, self.options | given)
