"""Averages of the parameters: which numbers they are, what the network has, and what training goes on with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn import HiddenLayer, Network, Recipe, Samples, SoftmaxLayer, evaluate, fit, train
from cnn.training.recipe import average_shares

SEED, TOTAL = np.random.SeedSequence(3), 42
EXPONENTIAL = {"average": "exponential", "average_decay": 0.9}
TAIL = {"average": "tail", "average_fraction": 0.3}


def network():
    layers = [HiddenLayer(6), SoftmaxLayer(3)]
    return Network(layers, (4,), rng=np.random.default_rng(0), dtype=np.float64)


def draw(n, seed=0):
    inputs = np.random.default_rng(seed).normal(size=(n, 4))
    return Samples(inputs, np.abs(inputs[:, :3]).argmax(axis=1))


def recipe(average=None):
    return Recipe(batch_size=8, learning_rate=0.05, **(average or {}))


def run(trained, average, *, first_step=0, steps=TOTAL, state=None):
    plan = {"first_step": first_step, "steps": steps, "total_steps": TOTAL, "order_seed": SEED}
    return train(trained, draw(53), recipe(average), state=state, **plan)


def means(average, iterates, total_steps, first_step):
    """Return the average after each step, written out."""
    if average is EXPONENTIAL:
        for t in range(1, len(iterates) + 1):
            weights = 0.9 ** np.arange(t - 1, -1, -1)
            yield weights @ iterates[:t] / weights.sum()
    else:
        start = total_steps - -(-3 * total_steps // 10)
        for t in range(1, len(iterates) + 1):
            yield (
                iterates[max(start - first_step, 0) : t].mean(axis=0)
                if (first_step + t > start)
                else iterates[t - 1]
            )


@pytest.mark.parametrize("average", [EXPONENTIAL, TAIL])
@given(total_steps=st.integers(1, 40), first_step=st.integers(0, 39), cut=st.integers(0, 40))
def test_shares_give_the_mean_that_was_asked_for(average, total_steps, first_step, cut):
    """Updates are counted since weights were drawn, at `first_step`; in two phases."""
    first_step = min(first_step, total_steps - 1)
    n_steps = total_steps - first_step
    cut = min(cut, n_steps)
    parts = [
        average_shares(recipe(average), first_step, cut, total_steps, 0),
        average_shares(recipe(average), first_step + cut, n_steps - cut, total_steps, cut),
    ]
    iterates, found = np.random.default_rng(1).normal(size=(n_steps, 2)), np.full(2, 1e3)
    expected = means(average, iterates, total_steps, first_step)
    for share, iterate, mean in zip(np.concatenate(parts), iterates, expected, strict=True):
        assert 0 < share <= 1
        found = found + share * (iterate - found) if share < 1 else iterate
        np.testing.assert_allclose(found, mean, atol=1e-9)


@pytest.mark.parametrize("average", [EXPONENTIAL, TAIL])
def test_the_network_has_the_average_and_the_state_has_what_training_goes_on_with(average):
    iterates, single, state = [], network(), None
    for step in range(TOTAL):
        state = run(single, None, first_step=step, steps=1, state=state).state
        assert state.last_weights is None
        iterates.append(single.parameters.copy())
    averaged = network()
    report = run(averaged, average)
    *_, mean = means(average, np.array(iterates), TOTAL, 0)
    np.testing.assert_allclose(averaged.parameters, mean, rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(report.state.last_weights, single.parameters)
    np.testing.assert_array_equal(report.state.moments, state.moments)
    cut, state = network(), None
    for start, end in ((0, 11), (11, 33), (33, TOTAL)):
        state = run(cut, average, first_step=start, steps=end - start, state=state).state
    np.testing.assert_array_equal(cut.parameters, averaged.parameters)
    np.testing.assert_array_equal(state.rows, report.state.rows)


@pytest.mark.parametrize("patience", [None, 2])
def test_the_average_is_validated_and_kept_and_a_paused_fit_goes_on_with_the_same_bits(patience):
    options = {"epochs": 6, "order_seed": SEED, "patience": patience}
    given = draw(53), draw(40, seed=1), recipe(EXPONENTIAL)
    whole, paused = network(), network()
    expected = fit(whole, *given, **options)
    first = fit(paused, *given, until=2, **options)
    assert first.epochs[-1].validation_loss == evaluate(paused, given[1]).loss
    second = fit(paused, *given, state=first.state, **options)
    np.testing.assert_array_equal(paused.parameters, whole.parameters)
    assert first.epochs + second.epochs == expected.epochs
    kept = expected.epochs[-1 if patience is None else expected.best_epoch - 1]
    assert evaluate(whole, given[1]).loss == kept.validation_loss


def test_a_state_of_another_network_is_refused():
    state = run(network(), EXPONENTIAL).state
    other = Network([SoftmaxLayer(3)], (4,), rng=np.random.default_rng(0), dtype=np.float64)
    strange = type(state)(np.zeros((1, other.parameter_count)), 3, state.last_weights)
    with pytest.raises(ValueError, match=r"state must hold last weights of shape \(15,\); got"):
        run(other, EXPONENTIAL, state=strange)


@pytest.mark.parametrize(
    "wrong", [{"average": "swa"}, {"average_decay": 1}, {"average_fraction": 0}]
)
def test_settings_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recipe(**wrong)
