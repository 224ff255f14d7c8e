"""A trained network for use: raw data in, labels or values out."""

import re

import numpy as np
import pytest
from sklearn.metrics import r2_score

from evo import DataError, Genome, Phenotype, Predictor, load_network
from evo.preparation import Preparation


@pytest.fixture
def two_by_three():
    """Return a network of two inputs and three linear outputs with known weights."""
    matrix = np.zeros((5, 5))
    matrix[:2, 2:] = [[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]]
    return Genome.from_matrix(matrix, n_inputs=2, n_outputs=3)


X = np.array([[3.0, 10.0], [1.0, 14.0], [9.0, 6.0]])
NORMALIZED = (X - [1.0, 10.0]) / [2.0, 4.0]


@pytest.fixture
def classifier(two_by_three):
    return Predictor(
        two_by_three,
        loss="cross_entropy",
        preparation=Preparation.scaling((2,), offset=[1.0, 10.0], scale=[2.0, 4.0]),
        classes=("left", "middle", "right"),
    )


def test_raw_inputs_are_normalised_before_the_network_sees_them(classifier, two_by_three):
    expected = Phenotype(two_by_three).output(NORMALIZED)
    np.testing.assert_allclose(classifier.predict_proba(X), expected, rtol=1e-15)


def test_the_label_is_that_of_the_most_probable_class(classifier):
    scores = NORMALIZED @ [[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]]
    names = np.array(["left", "middle", "right"])
    assert classifier.predict(X).tolist() == names[scores.argmax(axis=1)].tolist()
    assert len(set(classifier.predict(X))) > 1


def test_probabilities_are_the_softmax_of_the_scores(classifier):
    powers = np.exp(NORMALIZED @ [[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]])
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.predict_proba(X), expected, rtol=1e-12)


def test_the_score_of_a_classifier_is_its_accuracy(classifier):
    labels = classifier.predict(X)
    assert classifier.score(X, labels) == 1.0
    labels[0] = "none of them"
    assert classifier.score(X, labels) == pytest.approx(2 / 3)


def test_integer_labels_stay_integers(two_by_three, tmp_path):
    network = Predictor(two_by_three, loss="cross_entropy", classes=np.unique([7, 3, 5]))
    network.save(tmp_path / "net.npz")
    for one in (network, load_network(tmp_path / "net.npz")):
        assert one.classes == (3, 5, 7)
        assert np.issubdtype(one.predict(X).dtype, np.integer)


def test_regression_on_several_values_gives_a_row_each(two_by_three):
    network = Predictor(two_by_three, loss="squared_error")
    values = X @ [[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]]
    assert network.predict(X).shape == (3, 3)
    np.testing.assert_allclose(network.predict(X), values, rtol=1e-14)
    assert network.score(X, values) == pytest.approx(1.0)
    noisy = values + np.diag([1.0, 0.0, -1.0])
    assert network.score(X, noisy) == pytest.approx(r2_score(noisy, values), rel=1e-5)


def test_images_are_flattened_and_then_normalised_feature_by_feature(two_by_three):
    images = X.reshape(3, 1, 2)
    for offset, scale in (([1.0, 2.0], [2.0, 3.0]), (0.5, 4.0)):
        preparation = Preparation.scaling((2,), offset=offset, scale=scale)
        network = Predictor(two_by_three, loss="squared_error", preparation=preparation)
        np.testing.assert_array_equal(network.predict(images), network.predict(X))


def test_a_network_of_maps_reads_images_and_is_saved_and_loaded(any_map_genome, tmp_path):
    genome = any_map_genome(np.random.default_rng(0))
    assert genome.n_features == 2 * 6 * 6
    rng = np.random.default_rng(1)
    images = rng.normal(size=(4, 2, 6, 6))
    scale = rng.uniform(1, 2, 72)
    preparation = Preparation.scaling((72,), scale=scale)
    network = Predictor(
        genome, loss="cross_entropy", preparation=preparation, classes=("no", "yes")
    )
    expected = Phenotype(genome).output(images.reshape(4, 72) / scale)
    network.save(tmp_path / "net.npz")
    for one in (network, load_network(tmp_path / "net.npz")):
        assert one.genome.equals(genome)
        assert np.array_equal(one.predict_proba(images), expected)
    with pytest.raises(ValueError, match=r"^X must have 72 features a sample; got 2$"):
        network.predict(np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ("a", "b")}, "classes must be one per output (3); got 2"),
        (
            {"preparation": Preparation.scaling((3,))},
            "preparation must be of 2 inputs; got 3",
        ),
        ({"loss": "hinge"}, "loss must be one of"),
    ],
)
def test_settings_that_do_not_fit_are_refused(two_by_three, settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Predictor(two_by_three, **({"loss": "cross_entropy"} | settings))


def test_a_wrong_number_of_features_is_refused(two_by_three):
    network = Predictor(two_by_three, loss="cross_entropy")
    with pytest.raises(ValueError, match=r"must have 2 features a sample.*; got 3"):
        network.predict(np.zeros((2, 3)))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(classifier, number):
    X = np.zeros((3, 2))
    X[1, 0] = number
    for ask in (classifier.predict, classifier.predict_proba, lambda X: classifier.score(X, X)):
        with pytest.raises(DataError, match=rf"^X\[1, 0\] must be a finite float32; got {number}$"):
            ask(X)
