"""Augmented images: what is drawn, and that nothing but seed, epoch and sample decides it."""

import numpy as np
import pytest

from cnn import HiddenLayer, Network, RasterizationLayer, Recipe, Samples, SoftmaxLayer, train
from cnn.augmentation import Augmentation, augmented, check_images
from cnn.augmentation.augmentation_kernels import WORDS, augment, draw_below
from cnn.training import trainer
from cnn.training.descent import samples_of_steps
from cnn.training.recipe import batch_indices
from evo import Genome, Phenotype

SEED = np.random.SeedSequence(4, spawn_key=(2,))
ALL = Augmentation(shift=2, flip=True, erase=3)


def images(n=40, shape=(2, 7, 9), dtype=np.float32):
    return np.random.default_rng(1).normal(1, 1, (n, *shape)).astype(dtype)


def written_out(image, key, number, settings):
    """Return one image, shape (maps, rows, columns), changed by slices of NumPy."""
    n_rows, n_columns = image.shape[1:]
    draws = [
        draw_below(key, WORDS * number + word, n)
        for word, n in enumerate((2 * settings.shift + 1,) * 2 + (2, n_rows, n_columns))
    ]
    if settings.flip and draws[2]:
        image = image[:, :, ::-1]
    s = settings.shift
    padded = np.pad(image, ((0, 0), (s, s), (s, s)), "edge")
    out = padded[:, 2 * s - draws[0] :, 2 * s - draws[1] :][:, :n_rows, :n_columns].copy()
    rows, columns = (np.arange(n) - centre + settings.erase // 2
                     for n, centre in ((n_rows, draws[3]), (n_columns, draws[4])))  # fmt: skip
    inside = (rows[:, None] >= 0) & (rows[:, None] < settings.erase)
    out[:, inside & (columns >= 0) & (columns < settings.erase)] = 0
    return out


@pytest.mark.parametrize(
    "settings",
    [Augmentation(), Augmentation(shift=3), Augmentation(flip=True), Augmentation(erase=4), ALL],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_images_are_shifted_flipped_and_erased_as_written_out(settings, dtype):
    given, chosen = images(dtype=dtype), np.array([3, 0, 39, 3])
    found = augmented(given, settings, chosen, np.array([1, 1, 1, 2]), SEED)
    assert found.dtype == dtype
    for k, (number, epoch) in enumerate(zip(chosen, (1, 1, 1, 2), strict=True)):
        seed = np.random.SeedSequence(4, spawn_key=(2, epoch, 1))
        key = seed.generate_state(1, np.uint64)[0]
        np.testing.assert_array_equal(found[k], written_out(given[number], key, number, settings))


def test_a_map_may_have_no_axis():
    given = images()[:, 0]
    chosen, epochs = np.arange(40), np.zeros(40, int)
    np.testing.assert_array_equal(
        augmented(given, ALL, chosen, epochs, SEED),
        augmented(given[:, None], ALL, chosen, epochs, SEED)[:, 0],
    )


def test_draws_are_uniform_and_each_sample_and_epoch_has_its_own():
    n, rows, columns = 20_000, 5, 7
    marks = np.arange(rows * columns, dtype=np.float32).reshape(1, rows, columns)
    given, chosen = np.tile(marks, (n, 1, 1)), np.arange(n)
    settings = Augmentation(shift=2, flip=True)
    first, second = (
        augmented(given, settings, chosen, np.full(n, e), SEED)[:, 2, 3] for e in range(2)
    )
    counts = np.bincount(first.astype(int), minlength=rows * columns).reshape(rows, columns)
    expected = np.where((np.arange(columns) >= 1) & (np.arange(columns) <= 5), 1 / 25, 0)
    np.testing.assert_allclose(counts / n, np.tile(expected, (rows, 1)), atol=0.006)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.03
    ends = augmented(given, Augmentation(flip=True), chosen, np.zeros(n, int), SEED)[:, 0, 0]
    assert np.mean(ends == 6) == pytest.approx(0.5, abs=0.015)
    erased = augmented(given + 1, Augmentation(erase=1), chosen, np.zeros(n, int), SEED) == 0
    np.testing.assert_allclose(erased.mean(axis=0), 1 / 35, atol=0.005)


def network(seed=0):
    layers = [RasterizationLayer(), HiddenLayer(6), SoftmaxLayer(3)]
    return Network(layers, (2, 7, 9), rng=np.random.default_rng(seed))


def graph():
    rng = np.random.default_rng(0)
    matrix = np.zeros((135, 135), np.float32)
    matrix[:126, 126:] = rng.normal(0, 0.1, (126, 9))
    matrix[126:132, 132:] = rng.normal(0, 0.5, (6, 3))
    return Phenotype(Genome.from_matrix(matrix, n_inputs=126, n_outputs=3))


def training_samples():
    rng = np.random.default_rng(3)
    weights = np.where(np.arange(40) < 9, 0, rng.uniform(0.5, 1.5, 40))
    return Samples(images(), rng.integers(3, size=40), weights)


RECIPE = Recipe(batch_size=8, learning_rate=0.02, augmentation={"shift": 1, "flip": True})


def run(trained, samples, recipe=RECIPE, first_step=0, steps=23, state=None):
    return train(
        trained,
        samples,
        recipe,
        first_step=first_step,
        steps=steps,
        total_steps=23,
        order_seed=SEED,
        state=state,
    )


@pytest.mark.parametrize("build", [network, graph])
def test_both_engines_train_on_the_images_of_seed_epoch_and_sample(build, monkeypatch):
    """Each step on its own images, given as they are; and in parts, however many images are in memory."""
    samples, plain = (
        training_samples(),
        RECIPE.model_copy(update={"augmentation": {"shift": 0, "flip": False}}),
    )
    whole, one_by_one = build(), build()
    run(whole, samples)
    state = None
    for step in range(23):
        (order,) = batch_indices(40, 8, step, 1, SEED)
        epochs = (8 * step + np.arange(8)) // 40
        seen = augmented(samples.inputs, RECIPE.augmentation, order, epochs, SEED)
        given = samples.inputs.copy()
        given[order] = seen
        batch = Samples(given, samples.targets, samples.weights)
        state = run(one_by_one, batch, plain, step, 1, state).state
    np.testing.assert_array_equal(whole.parameters, one_by_one.parameters)
    monkeypatch.setattr(trainer, "AUGMENTED_NUMBERS", 3 * 8 * 126)
    cut = build()
    state = run(cut, samples, steps=10).state
    run(cut, samples, first_step=10, steps=13, state=state)
    np.testing.assert_array_equal(whole.parameters, cut.parameters)
    unchanged = build()
    run(unchanged, samples, plain)
    assert np.abs(unchanged.parameters - whole.parameters).max() > 1e-4


def test_samples_of_steps_are_what_training_sees():
    samples = training_samples()
    order = batch_indices(40, 8, 9, 2, SEED)
    seen = samples_of_steps(samples, RECIPE, order, 9, SEED)
    epochs = np.repeat([1, 2], 8)
    expected = augmented(samples.inputs, RECIPE.augmentation, order.ravel(), epochs, SEED)
    np.testing.assert_array_equal(seen.inputs, expected)
    np.testing.assert_array_equal(seen.targets, samples.targets[order.ravel()])
    np.testing.assert_array_equal(seen.weights, samples.weights[order.ravel()])
    plain = samples_of_steps(samples, Recipe(batch_size=8), order, 9, SEED)
    np.testing.assert_array_equal(plain.inputs, samples.inputs[order.ravel()])


@pytest.mark.parametrize(
    ("settings", "shape", "message"),
    [
        ({"flip": True}, (12,), r"must not be given unless samples are images .*; got samples of shape \(12,\)"),
        ({"erase": 1}, (1, 2, 3, 4), "must not be given unless samples are images"),
        ({"shift": 7}, (2, 7, 9), "a.shift must be below 7, the images' shorter side; got 7"),
        ({"erase": 8}, (9, 7), "a.erase must be at most 7, the images' shorter side; got 8"),
    ],
)  # fmt: skip
def test_what_does_not_suit_the_samples_is_refused(settings, shape, message):
    with pytest.raises(ValueError, match=message):
        check_images(Augmentation(**settings), shape, "a")
    check_images(Augmentation(), shape, "a")


def test_training_refuses_it_before_the_first_step():
    before = network().parameters
    trained = network()
    with pytest.raises(ValueError, match=r"recipe.augmentation.shift must be below 7"):
        run(trained, training_samples(), Recipe(augmentation={"shift": 7}))
    np.testing.assert_array_equal(trained.parameters, before)


@pytest.mark.parametrize("wrong", [{"shift": -1}, {"erase": -2}, {"flip": "yes"}, {"crop": 2}])
def test_settings_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValueError, match=f"augmentation.{next(iter(wrong))}"):
        Recipe(augmentation=wrong)


def test_images_that_cannot_be_written_compile_nothing_more():
    """What a Ray worker gets out of shared memory is read-only."""
    given, chosen, epochs = images(), np.arange(3), np.zeros(3, int)
    expected = augmented(given, ALL, chosen, epochs, SEED)
    compiled = len(augment.signatures)
    for array in (given, chosen, epochs):
        array.flags.writeable = False
    np.testing.assert_array_equal(augmented(given, ALL, chosen, epochs, SEED), expected)
    assert len(augment.signatures) == compiled
