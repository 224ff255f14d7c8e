"""Rewards: episodes, their means and their streams; what is no reward is refused in one line."""

import re

import numpy as np
import pytest

from evo import REWARDS, Genome, Phenotype, TaskSettings, compiled_task
from evo.errors import SettingsError
from evo.interruption import Interruption, interruptible
from evo.rewards import EpisodeError, play
from evo.rewards.compiled_reward import CompiledReward
from evo.rewards.reward import check_reward, directions_of
from evo.seeding import Purpose, generator
from experiments import Experiment


def network(weight=1.0):
    """Return a network of one edge: the output is weight · input."""
    genome = Genome.from_matrix(
        [[0, weight], [0, 0]], n_inputs=1, n_outputs=1, activation="identity"
    )
    return Phenotype(genome, "squared_error")


class Drawn:
    """Give what the network makes of a drawn number, after as many steps as the number says."""

    n_inputs = n_outputs = 1

    def __init__(self, *, returns=None, measures=None):
        self.measures = measures or {}
        self._returns = returns or (lambda output: output)

    def evaluate(self, network, *, rng):
        number = int(rng.integers(1, 9))
        for _ in range(number):
            (output,) = network.act([number])
        return self._returns(float(output))


def test_the_fitness_is_the_mean_over_episodes_with_streams_of_their_own():
    streams = [generator(3, Purpose.VALIDATION_EPISODES, 2, k) for k in range(6)]
    numbers = [
        int(generator(3, Purpose.VALIDATION_EPISODES, 2, k).integers(1, 9)) for k in range(6)
    ]
    assert len(set(numbers)) > 2
    played = play(Drawn(), network(2.0), streams)
    assert played.measures == {"return": 2.0 * np.mean(numbers), "steps": np.mean(numbers)}
    assert (played.episodes, played.steps) == (6, sum(numbers))


def test_measures_stand_beside_the_fitness():
    reward = Drawn(returns=lambda one: (one, {"half": one / 2}), measures={"half": "m"})
    played = play(reward, network(), [np.random.default_rng(k) for k in range(4)])
    assert played.measures["half"] == played.measures["return"] / 2
    assert [*played.measures] == ["return", "steps", "half"]


@pytest.mark.parametrize(
    ("returned", "rule"),
    [
        ("far", "fitness must be a number; got 'far'"),
        (None, "fitness must be a number; got None"),
        ((1.0, {}), r"evaluate must return \(fitness, \{'half'\}\); got \(1.0, \{\}\)"),
        ((1.0, {"half": "a"}), "half must be a number; got 'a'"),
    ],
)
def test_an_episode_that_returns_something_else_is_told(returned, rule):
    measures = {"half": "m"} if isinstance(returned, tuple) else {}
    reward = Drawn(returns=lambda output: returned, measures=measures)
    with pytest.raises(EpisodeError) as error:
        play(reward, network(), [np.random.default_rng(0)])
    assert isinstance(error.value.cause, TypeError | ValueError)
    assert re.search(rule, str(error.value.cause))


class Third:
    """Raise an error in the third episode, after two steps; an episode has as many steps as its number."""

    n_inputs = n_outputs = 1

    def __init__(self, error):
        self.error, self.played = error, 0

    def evaluate(self, network, *, rng):
        self.played += 1
        for _ in range(min(self.played, 2)):
            network.act([0.5])
        if self.played == 3:
            raise self.error
        return 1.0


@pytest.mark.parametrize("error", [RuntimeError("lost"), SystemExit(2), KeyboardInterrupt("own")])
def test_an_error_says_how_many_episodes_were_begun(error):
    with interruptible(), pytest.raises(EpisodeError) as raised:
        play(Third(error), network(), [np.random.default_rng(k) for k in range(9)])
    assert raised.value.cause is error
    assert (raised.value.episodes, raised.value.steps) == (3, 5)


def test_an_interruption_is_no_error_of_a_reward():
    with pytest.raises(Interruption):
        play(Third(Interruption(2)), network(), [np.random.default_rng(k) for k in range(9)])


@pytest.fixture
def registered():
    """Return a function that registers rewards for one test."""
    own = REWARDS.own
    yield lambda name, part: REWARDS.register(name, part, replace=True)
    REWARDS.install(own)


@pytest.mark.parametrize(
    ("part", "rule"),
    [
        (object, "n_inputs must be a whole number of at least 1; got None"),
        (lambda: type("R", (), {"n_inputs": 1, "n_outputs": 0}), "n_outputs must be a whole"),
        (lambda: type("R", (), {"n_inputs": 1, "n_outputs": 1}), r"must have a method evaluate\("),
        (lambda: Drawn(measures={"steps": "s"}), "measures must have names"),
        (
            type("R", (Drawn,), {"larger_is_better": {"height": True}}),
            r"larger_is_better must be true or false by names of measures \(return, steps\)",
        ),
        (lambda size: Drawn(), "missing 1 required positional argument: 'size'"),
    ],
)
def test_what_is_no_reward_is_refused_in_one_line(registered, part, rule):
    registered("wrong", part)
    with pytest.raises(SettingsError, match=f"^task: reward 'wrong': .*{rule}"):
        TaskSettings(name="wrong").make()


def test_options_are_the_keyword_parameters_of_a_reward(registered):
    registered("drawn", lambda size: Drawn(returns=lambda output: size))
    made = TaskSettings(name="drawn", options={"size": 7}).make()
    assert play(made, network(), [np.random.default_rng(0)]).measures["return"] == 7


@pytest.mark.parametrize(
    ("name", "given", "rule"),
    [
        (
            "sized",
            {"sise": 3},
            r"options must be options of the reward 'sized' \(size, unit\); got 'sise' \(did you mean 'size'\?\)",
        ),
        (
            "bare",
            {"size": 3},
            r"options must be options of the reward 'bare' \(it has none\); got 'size'",
        ),
        (
            "gymnasium",
            {"action": "greedy"},
            r"options must be .*got 'action' \(did you mean 'actions'",
        ),
    ],
)
def test_an_unknown_option_is_told_with_the_known_ones(registered, name, given, rule):
    registered("sized", lambda size=1, *, unit="m": Drawn())
    registered("bare", lambda: Drawn(measures={}))
    options = {"id": "CartPole-v1"} if name == "gymnasium" else {}
    with pytest.raises(SettingsError, match=rf"^task\.{rule}"):
        TaskSettings(name=name, options=given, **options).make()


def test_a_reward_may_take_any_options(registered):
    registered("open", lambda **options: Drawn(returns=lambda output: options["size"]))
    made = TaskSettings(name="open", options={"size": 7}).make()
    assert play(made, network(), [np.random.default_rng(0)]).measures["return"] == 7


def test_an_option_beside_the_settings_of_the_task_is_told_where_it_stands(registered):
    registered("sized", lambda size=1: Drawn())
    rule = r"^task\.options\.size must be given in the place of task\.size, for it is an option of the reward 'sized'$"
    with pytest.raises(SettingsError, match=rule):
        Experiment(task={"name": "sized", "size": 3})
    with pytest.raises(SettingsError, match=r"task\.sise: unknown key \(known: name"):
        Experiment(task={"name": "sized", "sise": 3})


def test_a_reward_must_be_something_that_makes_one():
    with pytest.raises(TypeError, match="reward 'three' must be a class or a function"):
        REWARDS.register("three", 3)


def test_a_compiled_task_says_which_values_of_its_measures_are_better():
    def stay(agent, episode, measures):
        return 0.0

    def reward_with(**directions):
        return CompiledReward(
            compiled_task(
                stay,
                n_inputs=1,
                n_outputs=1,
                episodes=[[0.0]],
                measures=("gap",),
                larger_is_better=directions,
            )
        )

    assert directions_of(reward_with(gap=False)) == {"gap": False, "return": True}
    with pytest.raises(ValueError, match="larger_is_better must be true or false by names"):
        check_reward(reward_with(gaps=False))


@pytest.mark.parametrize("name", ["fitness", "validation_loss"])
def test_a_measure_must_not_have_the_name_of_an_objective(name):
    with pytest.raises(ValueError, match=f"measures must have names .* got '{name}'"):
        check_reward(Drawn(measures={name: ""}))
