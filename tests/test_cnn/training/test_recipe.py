import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn.training.optimizers import OPTIMIZERS
from cnn.training.recipe import Recipe, batch_indices, learning_rates

SEED = np.random.SeedSequence(7, spawn_key=(3,))
SCHEDULES = Recipe.model_json_schema()["properties"]["schedule"]["enum"]


@given(
    n_samples=st.integers(1, 9),
    batch_size=st.integers(1, 12),
    first_step=st.integers(0, 20),
    n_steps=st.integers(0, 9),
)
def test_batches_cut_the_stream_of_permutations(n_samples, batch_size, first_step, n_steps):
    stream = []
    while len(stream) < (first_step + n_steps) * batch_size:
        epoch = len(stream) // n_samples
        seed = np.random.SeedSequence(7, spawn_key=(3, epoch))
        stream.extend(np.random.default_rng(seed).permutation(n_samples).tolist())
    expected = [
        stream[step * batch_size : (step + 1) * batch_size]
        for step in range(first_step, first_step + n_steps)
    ]
    plan = batch_indices(n_samples, batch_size, first_step, n_steps, SEED)
    assert plan.shape == (n_steps, batch_size)
    assert plan.tolist() == expected


@given(n_samples=st.integers(1, 30), n_epochs=st.integers(1, 4))
def test_every_epoch_sees_each_sample_once(n_samples, n_epochs):
    plan = batch_indices(n_samples, 1, 0, n_samples * n_epochs, SEED).reshape(n_epochs, n_samples)
    assert (np.sort(plan, axis=1) == np.arange(n_samples)).all()


def test_epochs_differ_and_so_do_seeds():
    first, second = batch_indices(50, 50, 0, 2, SEED)
    assert (first != second).any()
    assert (first != batch_indices(50, 50, 0, 1, np.random.SeedSequence(8))[0]).any()


@pytest.mark.parametrize(
    ("counts", "name"),
    [((0, 1, 0, 1), "n_samples"), ((1, 0, 0, 1), "batch_size"), ((1, 1, -1, 1), "first_step")],
)
def test_counts_out_of_range_are_named(counts, name):
    with pytest.raises(ValueError, match=f"{name} must be at least"):
        batch_indices(*counts, SEED)


def test_schedules_follow_their_formulas():
    def rates(schedule):
        return learning_rates(Recipe(learning_rate=2.0, schedule=schedule), 0, 8, 8)

    np.testing.assert_allclose(rates("constant"), 2.0)
    np.testing.assert_allclose(rates("step"), [2, 2, 2, 2, 0.2, 0.2, 0.02, 0.02])
    np.testing.assert_allclose(rates("cosine"), 1 + np.cos(np.pi * np.arange(8) / 8))
    np.testing.assert_allclose(rates("linear"), 2 - np.arange(8) / 4)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_spans_the_steps_after_the_warm_up(schedule):
    recipe = Recipe(learning_rate=2.0, schedule=schedule)
    warmed = learning_rates(recipe.model_copy(update={"warm_up": 0.21}), 0, 14, 14)
    np.testing.assert_allclose(warmed[:3], [0.5, 1.0, 1.5])  # ⌈0.21 · 14⌉ = 3 steps
    np.testing.assert_array_equal(warmed[3:], learning_rates(recipe, 0, 11, 11))


@pytest.mark.parametrize("warm_up", [0.0, 0.3])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_learning_rate_depends_on_the_step_alone(schedule, warm_up):
    recipe = Recipe(schedule=schedule, warm_up=warm_up)
    whole = learning_rates(recipe, 0, 37, 50)
    parts = [learning_rates(recipe, 0, 11, 50), learning_rates(recipe, 11, 26, 50)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert (whole > 0).all()


def test_cosine_ends_near_zero():
    assert learning_rates(Recipe(learning_rate=1.0), 999, 1, 1000).item() < 1e-5


def test_steps_beyond_the_run_are_refused():
    with pytest.raises(ValueError, match="must end by total_steps = 10; got 8 \\+ 3"):
        learning_rates(Recipe(), 8, 3, 10)


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0},
        {"learning_rate": math.inf},
        {"learning_rate": math.nan},
        {"momentum": 1},
        {"weight_decay": -0.1},
        {"batch_size": 0},
        {"gradient_clip": 0},
        {"optimizer": "lion"},
        {"schedule": "exponential"},
        {"warm_up": 1},
        {"warm_up": -0.1},
        {"l2": -0.1},
        {"label_smoothing": 1},
        {"label_smoothing": -0.1},
        {"nesterov": True},
    ],
)
def test_a_recipe_refuses_settings_out_of_bounds(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recipe(**wrong)


def test_a_recipe_names_every_optimizer_and_describes_every_setting():
    assert set(Recipe.model_json_schema()["properties"]["optimizer"]["enum"]) == set(OPTIMIZERS)
    assert all(field.description for field in Recipe.model_fields.values())
