"""The compiled cart-pole is Gymnasium's CartPole-v1 to the bit."""

import numpy as np
import pytest

from evo import Genome
from evo.gradient_free.control import cart_pole, cart_pole_episodes
from evo.gradient_free.control.cart_pole_kernels import push

gymnasium = pytest.importorskip(
    "gymnasium", reason='the peer of cart-pole is not installed: pip install -e ".[control]"'
)


@pytest.fixture(scope="module")
def env():
    with gymnasium.make("CartPole-v1") as made:
        yield made


def test_starts_are_those_of_a_reset_with_the_same_seed(env):
    seeds = [0, 1, 7, 2**31 - 1]
    for seed, episode in zip(seeds, cart_pole_episodes(seeds), strict=True):
        env.reset(seed=seed)
        assert np.array_equal(env.unwrapped.state, episode[1:])
        assert episode[0] == env.spec.max_episode_steps


def test_states_are_the_same_to_the_bit_under_random_actions(env):
    rng, n_steps = np.random.default_rng(0), 0
    for seed in range(40):
        env.reset(seed=seed)
        state, stands = cart_pole_episodes([seed])[0, 1:].copy(), True
        while stands:
            action = int(rng.integers(2))
            stands = push(state, action)
            _, _, terminated, _, _ = env.step(action)
            assert np.array_equal(state, env.unwrapped.state)
            assert stands is not terminated
            n_steps += 1
    assert n_steps > 500


def test_returns_of_networks_are_those_of_the_environment(env):
    rng, task, returns = np.random.default_rng(1), cart_pole(), []
    for seed in range(20):
        matrix = np.zeros((6, 6), np.float32)
        matrix[:4, 4:] = rng.normal(size=(4, 2))
        matrix[2:4, 5] += seed % 5
        genome = Genome.from_matrix(matrix, n_inputs=4, n_outputs=2)
        observation, _ = env.reset(seed=seed)
        total, done = 0.0, False
        while not done:
            scores = [np.float32(0)] * 2
            for i in range(4):  # sums in the order of the network, in its precision
                scores = [scores[k] + matrix[i, 4 + k] * observation[i] for k in range(2)]
            observation, reward, terminated, truncated, _ = env.step(int(scores[1] > scores[0]))
            total, done = total + reward, terminated or truncated
        assert task.play(genome, cart_pole_episodes([seed]))[0].tolist() == [total, total]
        returns.append(total)
    assert min(returns) < 20
    assert max(returns) == 500


def test_episodes_follow_from_the_seed_of_the_run():
    draws = [cart_pole(3).draw_episodes(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert draws[0].shape == (3, 5)
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    with pytest.raises(ValueError, match="episodes must be at least 1; got 0"):
        cart_pole(0)
