"""The published MNIST and Fashion-MNIST files, where they are at hand."""

import numpy as np
import pytest

from experiments.datasets import load_dataset

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["mnist", "fashion-mnist"])
def dataset(request, published):
    return load_dataset("idx", data_dir=published(request.param))


def test_sixty_thousand_images_of_ten_classes_and_ten_thousand_for_the_test(dataset):
    assert dataset.name in ("mnist", "fashion-mnist")
    assert dataset.inputs.shape == (60_000, 28, 28)
    assert dataset.test[0].shape == (10_000, 28, 28)
    assert (dataset.inputs.min(), dataset.inputs.max()) == (0, 255)
    assert dataset.classes == tuple(range(10))


def test_known_facts_about_the_published_files_hold(dataset):
    # First labels, training mean and deviation in units of 255, as they are quoted everywhere.
    first, mean, deviation = {
        "mnist": ([5, 0, 4, 1, 9], 0.1307, 0.3081),
        "fashion-mnist": ([9, 0, 0, 3, 0], 0.2860, 0.3530),
    }[dataset.name]
    assert dataset.targets[:5].tolist() == first
    assert abs(dataset.inputs.mean(dtype=np.float64) / 255 - mean) < 5e-5
    assert abs(dataset.inputs.std(dtype=np.float64) / 255 - deviation) < 5e-5


def test_the_official_test_part_is_kept_and_the_rest_is_stratified(dataset):
    split = dataset.split(seed=0, normalization="unit")
    assert [len(split.train), len(split.validation), len(split.test)] == [51_000, 9_000, 10_000]
    np.testing.assert_array_equal(split.test.targets, dataset.test[1])
    np.testing.assert_allclose(split.test.inputs[0], dataset.test[0][0] / 255, rtol=1e-6)
    exact = np.bincount(dataset.targets) * 0.15
    assert np.abs(np.bincount(split.validation.targets) - exact).max() < 1
