"""Evolution strategies: their gradients and steps, compared with the true gradient of a reward that has one."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import rankdata

from cnn import Recipe
from cnn.training.budget import TrainingBudget
from evo import Genome, Phenotype
from evo.rewards import StrategySettings
from evo.rewards.strategies import RankedAscent, centered_ranks, train_by_cma, train_by_ranks


class Near:
    """Minus the squared distance of the outputs to wanted ones, at a point that every episode has for itself."""

    n_inputs, n_outputs = 2, 2

    def evaluate(self, network, *, rng):
        x = rng.normal(size=2)
        return -float(np.sum((network.act(x) - wanted(x)) ** 2))


def wanted(x):
    return np.array([x[0] - x[1], 0.5 * x[1]])


def network(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    matrix = np.triu(rng.normal(size=(7, 7)), 1)
    genome = Genome.from_matrix(
        matrix.astype(dtype), n_inputs=2, n_outputs=2, activation="identity"
    )
    return Phenotype(genome, "squared_error")


def gradient_of_loss(net, points):
    """Return the gradient of the mean squared distance, which the engine computes by backpropagation."""
    targets = np.array([wanted(x) for x in points])
    return net.loss_and_gradients(np.array(points), targets)[1].copy()


def test_the_estimated_gradient_points_where_the_true_one_points():
    net = network()
    settings = StrategySettings(name="openai_es", population=1000, std=0.01, episodes=8)
    ascent = RankedAscent(net, Near(), settings, seed=1, first_step=5)
    before = net.parameters.copy()
    loss, estimated = ascent.loss_and_gradients(None, None)
    np.testing.assert_array_equal(net.parameters, before)
    assert loss > 0
    assert (ascent.step, ascent.episodes, ascent.steps) == (6, 8000, 8000)
    from evo.seeding import Purpose, generator

    points = [generator(1, Purpose.TRAIN_EPISODES, 5, k).normal(size=2) for k in range(8)]
    true = gradient_of_loss(net, points)
    cosine = estimated @ true / np.linalg.norm(estimated) / np.linalg.norm(true)
    assert cosine > 0.95


def test_ranks_are_those_of_scipy():
    returns = np.random.default_rng(0).integers(0, 5, (6, 2)).astype(float)
    expected = (rankdata(returns) - 1) / (returns.size - 1) - 0.5
    np.testing.assert_allclose(centered_ranks(returns).ravel(), expected.ravel())


def trained(phases, seed=2, name="openai_es"):
    """Train a network in phases; return its parameters and its last report."""
    net, state, first = network(), None, 0
    settings = StrategySettings(name=name, population=16, std=0.1)
    common = {"budget": TrainingBudget(), "record_every": 2}
    for steps in phases:
        ascent = RankedAscent(net, Near(), settings, seed, first)
        if name == "cma_es":
            report = train_by_cma(ascent, settings, seed=seed, steps=steps, **common)
        else:
            recipe = Recipe(learning_rate=0.05, optimizer="adam")
            schedule = {"total_steps": sum(phases), "state": state}
            report = train_by_ranks(ascent, recipe, steps=steps, **schedule, **common)
        state, first = report.state, first + steps
    return net.parameters.copy(), report


@pytest.mark.parametrize("name", ["openai_es", "cma_es"])
def test_a_strategy_finds_better_weights_and_repeats_itself_bit_for_bit(name):
    parameters, report = trained([60], name=name)
    again, _ = trained([60], name=name)
    other, _ = trained([60], seed=3, name=name)
    np.testing.assert_array_equal(parameters, again)
    assert not np.array_equal(parameters, other)
    assert (report.status, report.steps) == ("ok", 60)
    points = np.random.default_rng(9).normal(size=(200, 2))
    net, before = network(), network().loss(points, np.array([wanted(x) for x in points]))
    net.parameters[...] = parameters
    assert net.loss(points, np.array([wanted(x) for x in points])) < 0.1 * before
    assert report.curve.loss[-1] < 0.4 * report.curve.loss[0]


def test_phases_of_the_gradient_strategy_have_the_bits_of_one_phase():
    np.testing.assert_array_equal(trained([4, 6])[0], trained([10])[0])


def test_a_network_of_one_parameter_is_trained_too():
    genome = Genome.from_matrix(np.zeros((2, 2)), n_inputs=1, n_outputs=1, activation="identity")
    net = Phenotype(genome, "squared_error")
    assert net.parameter_count == 1  # the bias of the output
    near = SimpleNamespace(
        n_inputs=1,
        n_outputs=1,
        evaluate=lambda network, *, rng: -abs(float(network.act([1.0])[0]) - 1.5),
    )
    settings = StrategySettings(name="cma_es", population=4)
    common = {"seed": 0, "steps": 40, "budget": TrainingBudget(), "record_every": 40}
    report = train_by_cma(RankedAscent(net, near, settings, 0, 0), settings, **common)
    assert report.status == "ok"
    assert net.parameters.item() == pytest.approx(1.5, abs=0.1)


def test_a_return_that_is_not_finite_is_told_as_divergence():
    lost = SimpleNamespace(n_inputs=2, n_outputs=2, evaluate=lambda network, *, rng: np.nan)
    settings = StrategySettings(name="cma_es", population=4)
    common = {"seed": 0, "steps": 2, "budget": TrainingBudget(), "record_every": 1}
    net = network()
    report = train_by_cma(RankedAscent(net, lost, settings, 0, 0), settings, **common)
    assert report.status == "diverged"
    assert "not finite" in report.reason


def ranked(evaluate):
    """Train by ranks in episodes that return what a function of the random stream gives."""
    reward = SimpleNamespace(
        n_inputs=2, n_outputs=2, evaluate=lambda network, *, rng: evaluate(rng)
    )
    settings = StrategySettings(name="openai_es", population=4)
    ascent = RankedAscent(network(), reward, settings, 0, 0)
    common = {"state": None, "budget": TrainingBudget(), "record_every": 1}
    return train_by_ranks(ascent, Recipe(), steps=20, total_steps=20, **common)


def test_rare_returns_of_a_large_unit_are_no_divergence_but_those_that_are_not_finite_are():
    rare = ranked(lambda rng: -2e7 if rng.random() < 0.3 else 0.0)
    assert (rare.status, rare.reason, rare.steps) == ("ok", "", 20)
    assert rare.curve.loss[0] == 0 < max(rare.curve.loss)
    for lost in (np.nan, -np.inf):
        report = ranked(lambda rng, lost=lost: lost if rng.random() < 0.3 else 0.0)
        assert report.status == "diverged"


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"std": 0.3}, 'std must not be given where name = "none"'),
        ({"name": "openai_es", "population": 5}, "population must be even"),
    ],
)
def test_settings_of_a_strategy_that_cannot_be_are_refused(settings, rule):
    with pytest.raises(ValueError, match=rule):
        StrategySettings(**settings)
