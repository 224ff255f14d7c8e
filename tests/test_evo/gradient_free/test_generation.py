"""Whole generations in compiled code: children replay, sizes and scores are those of the compiled network."""

import numpy as np
import pytest

from evo import Genome, NeuroevolutionSettings, Phenotype, replay
from evo.errors import SettingsError
from evo.evolution.statistics import describe_neurons, describe_sizes
from evo.gradient_free import act, compiled_task
from evo.gradient_free.agent_kernels import interface_to
from evo.gradient_free.dense_population import check_dense_form, genome_at, stacked
from evo.gradient_free.generation import (
    breed,
    draw_key,
    play_networks,
    rules_of,
    score_networks,
    sizes_of,
)
from evo.gradient_free.settings import WeightSettings
from evo.operators.operation import OperatorSettings
from evo.phenotype.actor import Actor
from evo.policies import PolicySettings
from evo.rewards import play
from evo.rewards.compiled_reward import CompiledReward

LETTERS = dict.fromkeys("ABCDFHN", 1.0)
OPERATORS = OperatorSettings(mutation_probability=0.6, max_density=1.0)


def founder(rng, *, ticks, n_hidden=6, threshold=None):
    n = 3 + n_hidden + 2
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.3)
    matrix[:, :3] = 0
    if ticks == 1:
        matrix = np.triu(matrix, 1)
    return Genome.from_matrix(
        matrix.astype(np.float32),
        n_inputs=3,
        n_outputs=2,
        activation=["identity"] * 3 + [*rng.choice(["tanh", "relu", "sine"], n_hidden + 2)],
        bias=rng.normal(size=n).astype(np.float32),
        threshold=threshold,
        ticks=ticks,
    )


def generations(ticks, *, n=12, last=4, **options):
    """Return parents, children and their networks after some generations."""
    rng = np.random.default_rng(ticks)
    parents = [founder(rng, ticks=ticks, threshold=(None, 0.1)[k % 2], **options) for k in range(n)]
    rules = rules_of(parents[0], OPERATORS, WeightSettings(), 3)
    for _ in range(last):
        children, networks = breed(parents, rules, LETTERS, [draw_key(rng) for _ in parents])
        before, parents = parents, [child.genome for child in children]
    return before, children, networks, rules


at_ticks = pytest.mark.parametrize("ticks", [1, 3])


@at_ticks
def test_children_replay_and_say_how_many_entries_there_were(ticks):
    parents, children, networks, rules = generations(ticks)
    for p, (parent, child) in enumerate(zip(parents, children, strict=True)):
        check_dense_form(child.genome)
        assert replay(child.operations, parent).equals(child.genome)
        assert np.array_equal(
            genome_at(networks, p, rules).values, child.genome.values, equal_nan=True
        )
        assert 1 <= len(child.operations) <= 3
        sizes = [(one.n_stored_before, one.n_active_before) for one in child.operations]
        after = [(one.n_stored_after, one.n_active_after) for one in child.operations]
        assert sizes[0] == (parent.n_stored, parent.active_mask().sum())
        assert sizes[1:] == after[:-1]
        assert after[-1] == (child.genome.n_stored, child.genome.active_mask().sum())
    assert any(child.genome.threshold is None for child in children)


def test_a_child_depends_on_its_parent_and_its_key_alone():
    parents, _, _, rules = generations(2)
    keys = [draw_key(np.random.default_rng(k)) for k in range(len(parents))]
    together, _ = breed(parents, rules, LETTERS, keys)
    backwards, _ = breed(parents[::-1], rules, LETTERS, keys[::-1])
    for one, other in zip(together, backwards[::-1], strict=True):
        assert one.genome.equals(other.genome)
        assert one.operations == other.operations


@at_ticks
def test_sizes_are_those_of_the_compiled_network(ticks):
    _, children, networks, rules = generations(ticks)
    for child, sizes in zip(children, sizes_of(networks, rules), strict=True):
        genome = child.genome
        wanted = describe_sizes(genome, Phenotype(genome, "squared_error"))
        found = describe_neurons(genome, sizes.n_computed, sizes.n_effective, sizes.n_active)
        assert found == wanted
        assert sizes.n_stored == genome.n_stored


@at_ticks
@pytest.mark.parametrize("n_samples", [1, 2, 4, 37, 256])
def test_scores_are_those_of_the_compiled_network_to_the_bit(ticks, n_samples):
    _, children, networks, rules = generations(ticks)
    inputs = np.random.default_rng(0).normal(size=(n_samples, 3)).astype(np.float32)
    batches = [inputs, inputs[: (n_samples + 1) // 2]]
    for child, scores in zip(children, score_networks(networks, rules, batches), strict=True):
        network = Phenotype(child.genome, "squared_error")
        for found, batch in zip(scores, batches, strict=True):
            np.testing.assert_array_equal(found.T, network.output(batch))


def echo(agent, episode, measures):
    total = 0.0
    for step in range(int(episode[0])):
        for i in range(3):
            agent.inputs[i] = np.float32(episode[1 + i] * (step + 1))
        act(agent)
        total += agent.outputs[0] - 0.5 * agent.outputs[1]
    measures[0] = agent.outputs[1]
    return total


TASK = compiled_task(
    echo,
    n_inputs=3,
    n_outputs=2,
    episodes=lambda rng: np.column_stack([rng.integers(2, 6, 3), rng.normal(size=(3, 3))]),
    measures=("last",),
)


def streams():
    return [np.random.default_rng(k) for k in range(4)]


@at_ticks
def test_both_engines_play_alike_to_the_bit_and_count_steps(ticks):
    _, children, networks, rules = generations(ticks)
    rows = play_networks(networks, rules, TASK, streams())
    reward = CompiledReward(TASK)
    steps = sum(int(TASK.draw_episodes(rng)[:, 0].sum()) for rng in streams())
    for child, own in zip(children, rows, strict=True):
        played = play(reward, Phenotype(child.genome, "squared_error"), streams())
        assert [*played.measures.values()] == np.mean(own, axis=0).tolist()
        assert (played.episodes, played.steps) == (4, steps) == (4, own[:, 1].sum())


@at_ticks
def test_a_network_acts_in_a_compiled_task_as_an_actor_does(ticks):
    """The sums have another order, so the outputs are equal to rounding; the state lasts as long."""
    _, children, _, _ = generations(ticks)

    class Echo:
        n_inputs, n_outputs = 3, 2
        measures = {"last": ""}  # noqa: RUF012 - as a user writes it

        def evaluate(self, network, *, rng):
            rows = []
            for episode in TASK.draw_episodes(rng):
                network.reset()
                total = 0.0
                for step in range(int(episode[0])):
                    outputs = network.act(episode[1:] * (step + 1))
                    total += float(outputs[0]) - 0.5 * float(outputs[1])
                rows.append((total, float(outputs[1])))
            fitness, last = np.mean(rows, axis=0).tolist()
            return fitness, {"last": last}

    for child in children:
        network = Phenotype(child.genome, "squared_error")
        ours, theirs = (play(one, network, streams()) for one in (CompiledReward(TASK), Echo()))
        assert ours.measures == pytest.approx(theirs.measures, rel=1e-4, abs=1e-4)
        assert ours.steps == theirs.steps


def test_networks_of_any_order_play_in_compiled_tasks():
    """Operators of the general engine move inputs and outputs; the network that acts has copies of the outputs."""
    rng = np.random.default_rng(3)
    genome = founder(rng, ticks=2)
    order = rng.permutation(genome.n_nodes)
    moved = Genome.from_matrix(genome.to_dense(), n_inputs=3, n_outputs=2, ticks=2)
    for node, place in ((0, 9), (10, 2)):
        moved = replay([("O", {"node": node, "destination": place})], moved)
    assert len(order) == moved.n_nodes
    assert moved.roles[0] != moved.roles[1] or moved.roles[-1] != moved.roles[-2]

    network = Phenotype(moved, "squared_error")
    found = play(CompiledReward(TASK), network, streams()).measures["last"]
    lasts = []
    actor = Actor(network)
    for rng_ in streams():
        own = []
        for episode in TASK.draw_episodes(rng_):
            actor.reset()
            for step in range(int(episode[0])):
                outputs = actor.act(episode[1:] * (step + 1))
            own.append(float(outputs[1]))
        lasts.append(np.mean(own))
    assert found == pytest.approx(np.mean(lasts), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mutation_probability", 0.5),
        ("mutation_std", 1.0),
        ("activations", ("relu",)),
        ("max_parameters", 5),
        ("max_macs", 5),
    ],
)
def test_settings_of_operators_that_compiled_mutation_does_not_read_are_refused(name, value):
    with pytest.raises(SettingsError, match=f"operators.{name} must not be given"):
        NeuroevolutionSettings(operators={name: value})
    if name == "mutation_probability":
        assert PolicySettings(
            name="compiled", operators={name: value}
        ).operators == OperatorSettings(**{name: value})
    else:
        with pytest.raises(SettingsError, match=f"operators.{name} must not be given"):
            PolicySettings(name="compiled", operators={name: value})


def test_the_policy_draws_as_neuroevolution_does_by_default():
    policy, raw = PolicySettings(name="compiled"), NeuroevolutionSettings()
    assert policy.operator_weights == raw.operator_weights
    assert policy.max_operations == raw.max_operations
    assert policy.operators.mutation_probability == 1 - raw.growth_fraction
    assert policy.weights.model_dump().items() <= raw.model_dump().items()


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"threshold": -0.5}, "threshold of at least 0"),
        ({"threshold_mode": "signed"}, "one threshold on magnitudes"),
        ({"dtype": np.float64}, "weights of float32"),
    ],
)
def test_genomes_that_are_not_dense_are_refused(changes, rule):
    dtype = changes.pop("dtype", np.float32)
    genome = Genome.from_matrix(
        np.array([[0, 1], [0, 0]], dtype), n_inputs=1, n_outputs=1, **changes
    )
    with pytest.raises(ValueError, match=rule):
        check_dense_form(genome)


def test_steps_are_counted_for_each_network():
    _, children, _, _ = generations(1)
    networks = stacked([child.genome for child in children])
    interface = interface_to(len(children), 3, 2, 1, memory=False)
    TASK.scores(networks, interface, np.array([[5.0, 0, 0, 0], [3.0, 0, 0, 0]]), 2, 4)
    assert interface.steps.tolist() == [0, 0, 8, 8] + [0] * 8
