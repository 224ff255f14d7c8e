"""Environments of Gymnasium as rewards: spaces become inputs and outputs, and an episode is that of a plain loop."""

import json

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from evo import Actor, Genome, Interface, Phenotype, Predictor, TaskSettings, load_network
from evo.errors import ResultsError, SettingsError
from evo.files import write_arrays
from evo.genome.codec import genome_to_arrays
from evo.rewards import play
from evo.rewards.gymnasium_reward import actions_of, observations_of
from evo.rewards.reward import directions_of

CART = TaskSettings(id="CartPole-v1")


def genome(n_inputs=4, n_outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    n = n_inputs + 5 + n_outputs
    matrix = np.triu(rng.normal(size=(n, n)), 1).astype(np.float32)
    return Genome.from_matrix(matrix, n_inputs=n_inputs, n_outputs=n_outputs)


@pytest.mark.parametrize("seed", range(4))
def test_an_episode_is_that_of_a_plain_loop(seed):
    network = Phenotype(genome(seed=seed), "squared_error")
    reward = CART.make()
    returned, measures = reward.evaluate(Actor(network), rng=np.random.default_rng(seed))
    with gymnasium.make("CartPole-v1") as environment:
        low, high = environment.observation_space.low, environment.observation_space.high
        scale = np.where(high < 1e6, (high - low) / 2, 1.0)
        rng = np.random.default_rng(seed)
        observation, _ = environment.reset(seed=int(rng.integers(2**31)))
        total, over = 0.0, False
        while not over:
            action = int(network.output((observation / scale)[None]).argmax())
            observation, one, terminated, truncated, _ = environment.step(action)
            total, over = total + one, terminated or truncated
    assert returned == total
    assert measures == {"success": float(total >= 475)}


def test_a_choice_may_be_drawn_by_the_stream_of_the_episode():
    network = Phenotype(genome(), "squared_error")
    reward = TaskSettings(id="CartPole-v1", options={"actions": "sampled"}).make()
    found = [
        reward.evaluate(Actor(network), rng=np.random.default_rng(seed))[0]
        for seed in (0, 0, 1, 2, 3)
    ]
    assert found[0] == found[1]
    assert len({*found}) > 1


OBSERVED = [
    (spaces.Box(np.float32([-2, 0]), np.float32([2, 10]), (2,)), [1.0, 5.0], [0.5, 0.0]),
    (spaces.Box(-np.inf, np.inf, (2, 1)), [[3.0], [4.0]], [3.0, 4.0]),
    (spaces.Box(0, 255, (2, 2), np.uint8), [[0, 255], [255, 0]], [-1, 1, 1, -1]),
    (spaces.Discrete(3, start=5), 6, [0, 1, 0]),
    (spaces.MultiDiscrete([2, 3]), [1, 2], [0, 1, 0, 0, 1]),
    (spaces.MultiDiscrete([2, 3], np.uint64), np.uint64([1, 2]), [0, 1, 0, 0, 1]),
    (spaces.Discrete(2, start=-1), np.uint8(0), [0, 1]),
    (spaces.MultiDiscrete([3, 3], start=[1, 1]), [1, 1], [1, 0, 0, 1, 0, 0]),
    (spaces.MultiDiscrete([[2], [3]], start=[[4], [-1]]), [[5], [1]], [0, 1, 0, 0, 1]),
    (spaces.MultiBinary(3), [1, 0, 1], [1, 0, 1]),
]


@pytest.mark.parametrize(("space", "observation", "inputs"), OBSERVED)
def test_observations_become_inputs(space, observation, inputs):
    found = observations_of(space)
    assert found.n_inputs == len(inputs)
    np.testing.assert_allclose(found.encode(observation), inputs)


@pytest.mark.parametrize(
    ("space", "observation", "rule"),
    [
        (spaces.Box(-1, 1, (3,)), 0.5, r"shape \(3,\), .*; got float of shape \(\)$"),
        (spaces.Box(-1, 1, (3,)), [0.5], r"shape \(3,\), .*; got list of shape \(1,\)$"),
        (spaces.Box(-1, 1, (1,)), [0.5, 0.1], r"shape \(1,\), .*; got list of shape \(2,\)$"),
        (spaces.Box(-1, 1, (1,)), {"x": 0.5}, r"shape \(1,\), .*; got dict$"),
        (spaces.Box(-1, 1, (2,)), [[0.5, 1.0], [0.5]], r"shape \(2,\), .*; got list$"),
        (spaces.Discrete(3), 0.5, r"shape \(1,\), .* whole numbers; got float of shape \(\)$"),
        (
            spaces.Discrete(3, start=2),
            5,
            r"choices among \(3,\) alternatives from 2 on; got \[5\]$",
        ),
        (spaces.MultiDiscrete([2, 3]), [2, 0], r"choices among .* from 0 on; got \[2, 0\]$"),
        (spaces.MultiDiscrete([2, 3]), 1, r"shape \(2,\), .* whole numbers; got int of shape"),
    ],
)
def test_observations_of_another_space_are_refused(space, observation, rule):
    found = observations_of(space)
    with pytest.raises(ValueError, match=f"^observation must have {rule}"):
        found.encode(observation)


class Deceiver(gymnasium.Env):
    """Returns other observations than it declares."""

    observation_space, action_space = spaces.Box(-1, 1, (3,)), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}


def test_an_environment_that_returns_other_observations_than_it_declares_is_named():
    gymnasium.register("Deceiver-v0", entry_point=Deceiver)
    reward = TaskSettings(id="Deceiver-v0", options={"make": {"disable_env_checker": True}}).make()
    network = Actor(Phenotype(genome(n_inputs=3), "squared_error"))
    rule = r"^environment 'Deceiver-v0' must return .* declares: observation must have shape \(3,\)"
    with pytest.raises(ValueError, match=rule):
        reward.evaluate(network, rng=np.random.default_rng(0))


ACTED = [
    (spaces.Discrete(3, start=-1), [0.1, 0.3, 0.2], 0),
    (spaces.MultiDiscrete([2, 3]), [0.0, 1.0, 3.0, 2.0, 1.0], [1, 0]),
    (spaces.MultiBinary(3), [0.5, -0.5, 0.1], [1, 0, 1]),
    (spaces.Box(np.float32([-2, 0]), np.float32([2, 10]), (2,)), [0.5, -7.0], [1.0, 0.0]),
    (spaces.Box(-np.inf, np.inf, (1,)), [3.5], [3.5]),
    (spaces.MultiDiscrete([2, 3], start=[5, -1]), [0.0, 1.0, 3.0, 2.0, 1.0], [6, -1]),
    (spaces.MultiDiscrete([[2], [2]], start=[[3], [7]]), [0.0, 1.0, 3.0, 2.0], [[4], [7]]),
    (spaces.Box(0, 10, (3,), np.int32), [0.3, -2.0, 2.0], [6, 0, 10]),
    (spaces.Box(0, 255, (2, 1), np.uint8), [0.0, 1.0], [[128], [255]]),
    (spaces.Box(-(2**31), 2**31 - 1, (2,), np.int32), [-2.6, 1e30], [-3, 2**31 - 1]),
    (spaces.Box(-(2**63), 2**63 - 1, (2,), np.int64), [2.4, -1e30], [2, -(2**63)]),
    (spaces.Box(np.float32(-1e30), np.float32(1e30), (1,)), [3.5], [3.5]),
    (spaces.Box(0, np.inf, (2,)), [-0.632, 7.0], [0.0, 7.0]),
    (spaces.Box(-np.inf, np.float32(0.1), (2,)), [-3.0, 2.0], [-3.0, np.float32(0.1)]),
    (spaces.Box(0, 2**31 - 1, (2,), np.int32), [-2.0, 2.6], [0, 3]),
]


@pytest.mark.parametrize(("space", "outputs", "action"), ACTED)
def test_outputs_become_actions_of_the_space(space, outputs, action):
    found = actions_of(space)
    assert found.n_outputs == len(outputs)
    acted = found.decode(np.float32(outputs))
    np.testing.assert_allclose(acted, action)
    assert space.contains(acted)
    drawn = found.decode(np.float32(outputs), np.random.default_rng(0))
    assert space.contains(drawn)


@pytest.mark.parametrize(("space", "of"), [(one, of) for one, *_ in ACTED for of in (actions_of,)])
def test_an_interface_comes_back_from_json(space, of):
    interface = Interface(observations_of(spaces.Box(-1, 1, (2,))), of(space))
    assert Interface.from_values(json.loads(json.dumps(interface.to_values()))) == interface


@pytest.mark.parametrize("space", [space for space, *_ in ACTED])
def test_numbers_have_the_dtype_of_their_space_if_it_is_of_whole_numbers(space):
    actions = actions_of(space)
    for outputs in (np.zeros, lambda n: np.full(n, np.inf), lambda n: np.full(n, 1e30)):
        if actions.dtype != "float32":
            assert actions.decode(outputs(actions.n_outputs)).dtype == space.dtype
    assert ("dtype" in Interface(observations_of(space), actions).to_values()["actions"]) == (
        isinstance(space, spaces.Box) and space.dtype.kind in "iu"
    )


NUMBERS = Interface(observations_of(spaces.Box(-1, 1, (2,))), actions_of(spaces.Box(-1, 1, (3,))))
CART_POLE = Interface(observations_of(spaces.Box(-1, 1, (4,))), actions_of(spaces.Discrete(2)))
CHOICES = Interface(
    observations_of(spaces.MultiDiscrete([2, 3])), actions_of(spaces.MultiDiscrete([2, 3]))
)


@pytest.mark.parametrize(
    ("interface", "part", "name", "value", "rule"),
    [
        (NUMBERS, "observations", "offset", [np.nan, 0.0], "finite numbers as offset; got"),
        (NUMBERS, "observations", "offset", [0.0], "as many offsets as scales; got 1 and 2"),
        (NUMBERS, "observations", "scale", [np.inf, 1.0], "finite numbers as scale; got"),
        (NUMBERS, "observations", "scale", ["1", 1.0], "finite numbers as scale; got"),
        (NUMBERS, "observations", "scale", [0.0, 1.0], "a scale other than 0; got"),
        (NUMBERS, "observations", "scale", 1.0, "finite numbers as scale; got 1.0"),
        (NUMBERS, "observations", "scale", [10**400, 1], ""),
        (NUMBERS, "observations", "scale", [10**30, 0], "a scale other than 0; got"),
        (NUMBERS, "observations", "counts", [2], "no numbers as counts"),
        (CHOICES, "observations", "counts", [2, 0], "whole numbers of at least 1 as counts; got"),
        (CHOICES, "observations", "counts", [2.5, 3], "whole numbers of at least 1 as counts; got"),
        (CHOICES, "observations", "counts", [], "whole numbers of at least 1 as counts; got"),
        (CHOICES, "observations", "start", [1], "a whole number as start, or one of each choice"),
        (CHOICES, "observations", "start", 0.5, "a whole number as start, or one of each choice"),
        (CHOICES, "actions", "counts", [2, True], "whole numbers of at least 1 as counts; got"),
        (CHOICES, "actions", "counts", [5], "2 counts; got"),
        (CART_POLE, "actions", "start", [0], "one whole number as start; got"),
        (CHOICES, "actions", "shape", [-2], "whole numbers of at least 1 as shape; got"),
        (CHOICES, "actions", "low", [1.0], "0 numbers as low; got"),
        (NUMBERS, "actions", "low", [-1.0], "3 numbers as low; got"),
        (NUMBERS, "actions", "high", [1.0, 1.0, np.nan], "3 numbers as high; got"),
        (NUMBERS, "actions", "dtype", "object", "a dtype that is float32 or of whole numbers"),
        (NUMBERS, "actions", "dtype", {"int8": []}, "a dtype that is float32 or of whole numbers"),
    ],
)
def test_an_interface_of_a_file_with_impossible_numbers_is_refused(
    interface, part, name, value, rule
):
    values = json.loads(json.dumps(interface.to_values()))
    assert Interface.from_values(values) == interface
    values[part][name] = value
    with pytest.raises(ValueError, match=f"^interface must have {part if rule else ''}.*{rule}"):
        Interface.from_values(values)


def test_choices_are_drawn_by_the_softmax_of_their_outputs():
    outputs, rng = np.log(np.float32([0.2, 0.5, 0.3])), np.random.default_rng(0)
    actions = actions_of(spaces.Discrete(3))
    counts = np.bincount([actions.decode(outputs, rng) for _ in range(4000)])
    np.testing.assert_allclose(counts / 4000, [0.2, 0.5, 0.3], atol=0.03)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (
            {"id": "Nowhere-v0"},
            r"task\.id must be an environment that Gymnasium can make; got 'Now.*; --parts FILE, or an import",
        ),
        ({"id": "CartPole-v1", "options": {"actions": "best"}}, r"task\.options\.actions must be"),
        ({"id": "CartPole-v1", "options": {"speed": 2}}, r"task\.options must be .*got 'speed'"),
    ],
)
def test_an_environment_that_cannot_be_made_is_told_in_one_line(settings, rule):
    with pytest.raises(SettingsError, match=rule):
        TaskSettings(**settings).make()


class Counter(gymnasium.Env):
    """Three steps, counted in `info` from the first one."""

    observation_space, action_space = spaces.Box(-1, 1, (1,)), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.zeros(1, np.float32), 1.0, self.steps == 3, False, {"count": np.int64(self.steps)}


@pytest.fixture
def counter():
    gymnasium.register("Counter-v0", entry_point=Counter, reward_threshold=3.0)
    yield lambda **options: TaskSettings(id="Counter-v0", options=options).make()
    del gymnasium.registry["Counter-v0"]


def test_numbers_of_the_last_info_are_measures(counter):
    reward = counter(measures=["count"], larger_is_better={"count": False})
    network, rng = Phenotype(genome(1), "squared_error"), np.random.default_rng(0)
    assert play(reward, network, [rng]).measures == {
        **{"return": 3.0, "steps": 3.0},
        **{"success": 1.0, "count": 3.0},
    }
    assert directions_of(reward) == {"return": True, "success": True, "count": False}
    with pytest.raises(ValueError, match=r"info of the last step of Counter-v0 must have speed"):
        counter(measures=["speed"]).evaluate(Actor(network), rng=rng)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"measures": "count"}, r"task\.options\.measures must be names .*got 'count'"),
        ({"measures": ["success"]}, r"task\.options\.measures must not have success where"),
        ({"measures": ["a b"]}, r"measures must have names of letters.*got 'a b'"),
        ({"larger_is_better": ["count"]}, r"task\.options\.larger_is_better must be true or false"),
        ({"larger_is_better": {"count": True}}, r"larger_is_better must be true or false by names"),
    ],
)
def test_measures_of_info_that_cannot_be_are_refused(counter, options, rule):
    with pytest.raises(SettingsError, match=rule):
        counter(**options)


def test_a_space_without_numbers_is_refused():
    space = spaces.Dict({"a": spaces.Discrete(2)})
    with pytest.raises(SettingsError, match="whose observations are a Box, Discrete"):
        observations_of(space)
    with pytest.raises(SettingsError, match="whose actions are a Box, Discrete"):
        actions_of(space)


def test_a_saved_network_acts_in_the_environment(tmp_path):
    interface = CART.make().interface
    saved = Predictor(genome(), loss="squared_error", interface=interface).save(tmp_path / "net")
    loaded = load_network(saved)
    assert "task='reward'" in repr(loaded)
    with gymnasium.make("CartPole-v1") as environment:
        observation, _ = environment.reset(seed=0)
        action = loaded.act(observation)
        assert environment.action_space.contains(action)
        assert action == int(
            loaded.network.output(interface.observations.encode(observation)[None]).argmax()
        )


@pytest.mark.parametrize("change", ["kind", "sizes", "form"])
def test_a_file_with_a_broken_interface_is_refused(tmp_path, change):
    interface = CART.make().interface.to_values()
    if change == "kind":
        interface["actions"]["kind"] = "levitate"
    elif change == "sizes":
        interface["observations"] |= {"offset": [0.0], "scale": [1.0]}
    else:
        interface = {"actions": 3}
    arrays, description = genome_to_arrays(genome())
    preparation = Predictor(genome(), loss="squared_error").preparation.to_arrays()
    more = {"format": "evomatrix-network-1", "loss": "squared_error", "classes": None}
    more |= {"preparation": preparation[1], "interface": interface}
    path = tmp_path / "net.npz"
    write_arrays(path, arrays | preparation[0], description | more)
    with pytest.raises(ResultsError, match=r"not a network file .*interface must"):
        load_network(path)
