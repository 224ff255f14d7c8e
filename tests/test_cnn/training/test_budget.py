"""Budgets: a phase ends at the tightest bound, exactly, and means what as many steps mean."""

import time

import numpy as np
import pytest

from cnn import HiddenLayer, Network, Recipe, Samples, SoftmaxLayer
from cnn.training.budget import Clock, TrainingBudget
from cnn.training.trainer import train


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(90, 6)).astype(np.float32)
    return Samples(inputs, (inputs[:, 0] > 0).astype(np.int64))


def build():
    return Network([HiddenLayer(5), SoftmaxLayer(2)], (6,), rng=np.random.default_rng(1))


def phase(samples, budget=None, steps=40, **options):
    network = build()
    report = train(
        network,
        samples,
        Recipe(batch_size=16),
        first_step=0,
        steps=steps,
        total_steps=40,
        order_seed=0,
        budget=budget,
        **options,
    )
    return network, report


MACS = 6 * 5 + 5 * 2


@pytest.mark.parametrize(
    ("budget", "steps", "ended_by"),
    [
        (TrainingBudget(), 40, "steps"),
        (TrainingBudget(steps=7), 7, "steps"),
        (TrainingBudget(samples=16 * 9 + 15), 9, "samples"),
        (TrainingBudget(macs=16 * MACS * 11), 11, "macs"),
        (TrainingBudget(macs=16 * MACS * 12 - 1), 11, "macs"),
        (TrainingBudget(steps=30, samples=16 * 5, macs=16 * MACS * 6), 5, "samples"),
        (TrainingBudget(samples=10**9, seconds=3600), 40, "steps"),
    ],
)
def test_the_tightest_bound_ends_a_phase(samples, budget, steps, ended_by):
    network, report = phase(samples, budget)
    assert (report.steps, report.samples, report.ended_by) == (steps, 16 * steps, ended_by)
    same, _ = phase(samples, steps=steps)
    assert np.array_equal(network.parameters, same.parameters)
    assert report.curve.step[-1] == steps


@pytest.mark.parametrize("name", ["samples", "macs"])
def test_a_budget_below_one_step_is_refused(samples, name):
    cost = {"samples": 16, "macs": 16 * MACS}[name]
    rule = rf"budget\.{name} must allow one step at least, which costs {cost}; got {cost - 1}"
    with pytest.raises(ValueError, match=rule):
        phase(samples, TrainingBudget(**{name: cost - 1}))
    assert phase(samples, TrainingBudget(**{name: cost}))[1].steps == 1


class Slow:
    """A network that takes its time."""

    def __init__(self):
        self.network = build()
        self.parameters = self.network.parameters
        self.loss, self.output = self.network.loss, self.network.output

    def loss_and_gradients(self, inputs, targets):
        time.sleep(0.01)
        return self.network.loss_and_gradients(inputs, targets)


def test_no_step_begins_when_time_is_up_and_as_many_steps_are_the_same_phase(samples):
    def run(steps, budget):
        network = Slow()
        started = time.perf_counter()
        report = train(
            network,
            samples,
            Recipe(batch_size=16),
            first_step=0,
            steps=steps,
            total_steps=1000,
            order_seed=0,
            budget=budget,
            record_every=400,
        )
        return network, report, time.perf_counter() - started

    network, report, elapsed = run(1000, TrainingBudget(seconds=0.3))
    assert report.ended_by == "seconds"
    assert 2 <= report.steps <= 30
    assert elapsed > 0.29
    assert report.curve.step.tolist() == [report.steps]
    again, repeated, _ = run(report.steps, None)
    assert repeated.ended_by == "steps"
    assert np.array_equal(network.parameters, again.parameters)
    assert repeated.curve.loss.tolist() == pytest.approx(report.curve.loss.tolist())


def test_parts_between_two_looks_at_the_clock_leave_no_record(samples):
    _, looked = phase(samples, TrainingBudget(seconds=3600), record_every=15)
    _, unlimited = phase(samples, record_every=15)
    assert looked.curve.step.tolist() == unlimited.curve.step.tolist() == [15, 30, 40]
    np.testing.assert_array_equal(looked.curve.loss, unlimited.curve.loss)


def test_a_clock_lets_the_first_step_pass_and_then_halves_what_is_left():
    clock = Clock(1e-9)
    assert clock.steps_before_check(0, 50) == 1
    assert clock.steps_before_check(1, 50) == 0
    assert Clock(None).steps_before_check(10, 50) == 50
    assert Clock(3600).steps_before_check(10, 50) == 50


def test_macs_need_a_network_that_tells_them(samples):
    with pytest.raises(ValueError, match=r"budget\.macs must be None for a network without macs"):
        train(
            Slow(), samples, Recipe(), first_step=0, steps=1, total_steps=1, order_seed=0,
            budget=TrainingBudget(macs=10),
        )  # fmt: skip


@pytest.mark.parametrize("setting", [{"steps": 0}, {"macs": -1}, {"seconds": 0.0}, {"hours": 1}])
def test_bounds_are_positive(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        TrainingBudget(**setting)


def test_gradients_are_recorded_before_clipping(samples):
    network = build()
    options = {"first_step": 0, "steps": 6, "total_steps": 6, "order_seed": 0}
    recipe = Recipe(batch_size=90, gradient_clip=1e-3, learning_rate=1e-9)
    report = train(network, samples, recipe, **options, record_every=2, record_parameters=True)
    curve = report.curve
    assert curve.gradients.shape == (3, network.parameter_count)
    np.testing.assert_allclose(
        np.linalg.norm(curve.gradients, axis=1), curve.gradient_norm, rtol=1e-5
    )
    assert curve.gradient_norm.min() > 1e-3
    without = train(build(), samples, recipe, **options).curve
    assert without.gradients.shape == (1, 0)
