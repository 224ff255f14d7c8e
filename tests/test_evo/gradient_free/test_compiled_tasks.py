"""Compiled tasks of the user's own: what an agent computes, how scores are made, and the errors."""

from dataclasses import replace

import numba
import numpy as np
import pytest

from cnn import Samples
from evo import Genome, NeuroevolutionSettings, Phenotype, neuroevolve, replay
from evo.gradient_free import act, compiled_task

SEQUENCE = np.random.default_rng(0).normal(size=(5, 6, 2)).astype(np.float32)
"""Five episodes of six steps of two numbers."""


def last_output(agent, episode, measures):
    """Show an episode step by step; return the first output at the end, and write all outputs of that step."""
    for step in range(len(episode) // 2):
        agent.inputs[:] = episode[2 * step : 2 * step + 2]
        act(agent)
    measures[:] = agent.outputs
    return agent.outputs[0]


OBSERVING = compiled_task(
    last_output,
    n_inputs=2,
    n_outputs=2,
    episodes=SEQUENCE.reshape(5, -1),
    measures=("first", "second"),
)


def cyclic_genome(rng, ticks):
    """Return a network of seven nodes whose every entry is stored: forward, delayed and on the diagonal."""
    matrix = rng.normal(scale=0.5, size=(7, 7)).astype(np.float32)
    matrix[:, :2] = 0
    genome = Genome.from_matrix(
        matrix, n_inputs=2, n_outputs=2, ticks=ticks, activation="tanh", output_activation="sigmoid"
    )
    return genome.with_values(genome.values, rng.normal(size=7).astype(np.float32))


def test_with_memory_an_episode_is_a_sequence_of_one_step_a_tick():
    rng = np.random.default_rng(1)
    for _ in range(10):
        genome = cyclic_genome(rng, ticks=6)
        expected = Phenotype(genome, "squared_error").output(SEQUENCE)
        one_tick = Genome.from_matrix(
            genome.to_dense(),
            n_inputs=2,
            n_outputs=2,
            ticks=1,
            activation="tanh",
            output_activation="sigmoid",
        ).with_values(genome.values, genome.bias)
        scores = OBSERVING.play(one_tick, SEQUENCE.reshape(5, -1), memory=True)
        np.testing.assert_allclose(scores[:, 1:], expected, atol=1e-5)
        assert np.array_equal(scores[:, 0].astype(np.float32), scores[:, 1].astype(np.float32))


@pytest.mark.parametrize("ticks", [1, 3])
def test_without_memory_only_the_last_step_counts(ticks):
    rng = np.random.default_rng(2)
    genome = cyclic_genome(rng, ticks)
    scores = OBSERVING.play(genome, SEQUENCE.reshape(5, -1))
    expected = Phenotype(genome, "squared_error").output(SEQUENCE[:, -1])
    np.testing.assert_allclose(scores[:, 1:], expected, atol=1e-5)


SETTINGS = NeuroevolutionSettings(population=40, generations=12, hidden=3, memory=True)


def test_fitness_and_measures_are_means_over_the_episodes_and_stand_in_the_table():
    result = neuroevolve(OBSERVING, SETTINGS, seed=3)
    scores = result.play(SEQUENCE.reshape(5, -1)).mean(axis=0)
    last = result.table.iloc[-1]
    assert [last["best_fitness"], last["best_first"], last["best_second"]] == pytest.approx(
        scores.tolist(), rel=1e-12
    )
    assert scores[0] == result.winner_fitness
    assert scores[1] != scores[2]
    genome, ancestors = result.lineage()
    assert ancestors
    for ancestor in ancestors:
        genome = replay(ancestor.record, genome)
    assert genome.equals(result.winner)


def test_episodes_may_be_drawn_and_are_those_of_the_seed_of_the_run():
    seen = []

    def draw(rng):
        seen.append(rng.normal(size=(2, 4)))
        return seen[-1]

    task = replace(OBSERVING, draw_episodes=draw)
    settings = SETTINGS.model_copy(update={"generations": 3})
    results = [neuroevolve(task, settings, seed=seed) for seed in (1, 1, 2)]
    assert len(seen) == 3, "the episodes of a run are drawn once"
    assert np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])
    assert results[0].winner.equals(results[1].winner)


def test_a_task_is_compiled_once_whatever_the_networks():
    for hidden in (0, 2, 5):
        settings = SETTINGS.model_copy(update={"hidden": hidden, "generations": 2})
        neuroevolve(OBSERVING, settings, seed=0)
    assert len(OBSERVING.evaluate.signatures) == 1


def test_a_function_that_numba_has_compiled_is_a_task_too():
    @numba.njit
    def play(agent, episode, measures):
        act(agent)
        return -abs(agent.outputs[0] - episode[0])

    task = compiled_task(play, n_inputs=1, n_outputs=1, episodes=[[3.5]])
    result = neuroevolve(task, NeuroevolutionSettings(target_fitness=-0.01), seed=0)
    assert result.solved
    assert Phenotype(result.winner, "squared_error").output([[0.0]])[0, 0] == pytest.approx(
        3.5, abs=0.011
    )


def test_networks_whose_fitness_is_not_finite_come_last():
    def play(agent, episode, measures):
        act(agent)
        return np.nan if agent.outputs[0] > 0 else agent.outputs[0]

    task = compiled_task(play, n_inputs=1, n_outputs=1, episodes=[[0.0]])
    result = neuroevolve(task, NeuroevolutionSettings(generations=4), seed=0)
    assert result.table["n_diverged"].min() > 0
    assert -0.1 < result.winner_fitness <= 0


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_inputs": 0}, "n_inputs must be at least 1; got 0"),
        ({"n_outputs": -1}, "n_outputs must be at least 1; got -1"),
        ({"measures": ("a", "a")}, r"measures must have different names; got \('a', 'a'\)"),
        (
            {"episodes": [1.0, 2.0]},
            r"episodes must be a row of finite numbers each, .*; got .* \(2,\)",
        ),
        ({"episodes": np.zeros((0, 3))}, r"episodes must be .* at least one; got .* \(0, 3\)"),
        ({"episodes": [[np.nan]]}, "episodes must be a row of finite numbers each"),
    ],
)
def test_a_task_that_cannot_be_is_refused(changes, message):
    given = {"n_inputs": 1, "n_outputs": 1, "episodes": [[0.0]], **changes}
    with pytest.raises(ValueError, match=f"^{message}"):
        compiled_task(last_output, **given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "squared_error"}, "loss must not be set: .*; got 'squared_error'"),
        ({"fitness": "accuracy"}, "fitness must not be set: .*; got 'accuracy'"),
    ],
)
def test_settings_of_samples_are_refused_with_a_task(settings, message):
    with pytest.raises(ValueError, match=message):
        neuroevolve(OBSERVING, NeuroevolutionSettings(**settings), seed=0)


def test_a_target_is_refused_where_the_task_has_its_own_test():
    task = replace(OBSERVING, passes=lambda play: bool(play([[1.0, 1.0]])[0, 0] > 0.2))
    with pytest.raises(ValueError, match=r"target_fitness must be none where .*; got 0\.5"):
        neuroevolve(task, NeuroevolutionSettings(target_fitness=0.5), seed=0)
    result = neuroevolve(task, SETTINGS, seed=0)
    assert result.solved
    assert result.play([[1.0, 1.0]])[0, 0] > 0.2


def test_genomes_that_a_task_cannot_play_with_are_refused():
    genome = cyclic_genome(np.random.default_rng(0), 1)
    task = compiled_task(last_output, n_inputs=3, n_outputs=2, episodes=[[0.0]])
    with pytest.raises(ValueError, match="genome must have 3 inputs and 2 outputs; got 2 and 2"):
        task.play(genome, [[0.0]])
    empty = Genome.from_matrix(np.zeros((5, 5)), n_inputs=2, n_outputs=2)
    moved = replace(empty, roles=empty.roles[[2, 0, 1, 3, 4]])
    with pytest.raises(ValueError, match="genome must have its inputs first and its outputs last"):
        OBSERVING.play(moved, SEQUENCE.reshape(5, -1))
    signed = Genome.from_matrix(
        genome.to_dense(), n_inputs=2, n_outputs=2, threshold=0.1, threshold_mode="signed"
    )
    with pytest.raises(ValueError, match="genome must have neurons only and one threshold"):
        OBSERVING.play(signed, SEQUENCE.reshape(5, -1))


def test_the_winner_of_samples_plays_no_episodes():
    result = neuroevolve(Samples([[0.0]], [[1.0]]), NeuroevolutionSettings(generations=2), seed=0)
    with pytest.raises(TypeError, match="play must be of a run on a compiled task"):
        result.play([[0.0]])
    with pytest.raises(ValueError, match="memory must be false on samples"):
        neuroevolve(Samples([[0.0]], [[1.0]]), NeuroevolutionSettings(memory=True), seed=0)
