"""XOR: what no single unit can do, and one hidden layer can (S2)."""

import itertools

import numpy as np
import pytest
import scipy.optimize

from cnn import (
    HiddenLayer,
    LinearSVM,
    LogisticRegression,
    Perceptron,
    Recipe,
    Samples,
    SoftmaxLayer,
    SoftmaxRegression,
    evaluate,
    mlp,
    train,
)

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = np.array([0, 1, 1, 0])
FUNCTIONS = list(itertools.product([0, 1], repeat=4))


def is_separable(x, signs):
    """Decide by linear programming whether some (w, b) has y (w·x + b) ≥ 1 for all samples.

    Any strict separation can be scaled to that, so "infeasible" is a proof that there is none.
    """
    rows = signs[:, np.newaxis] * np.column_stack([x, np.ones(len(x))])
    found = scipy.optimize.linprog(
        np.zeros(rows.shape[1]), A_ub=-rows, b_ub=-np.ones(len(x)), bounds=(None, None)
    )
    assert found.status in {0, 2}  # solved, or infeasible
    return found.status == 0


def test_no_hyperplane_separates_xor():
    signs = 2.0 * XOR - 1
    assert not is_separable(CORNERS, signs)
    # Why: the four demands y (w·x + b) > 0 add up to 0 > 0, whatever w and b are.
    np.testing.assert_array_equal(signs @ np.column_stack([CORNERS, np.ones(4)]), 0)


def test_three_corners_of_four_are_the_most_a_hyperplane_gets_right():
    signs = 2.0 * XOR - 1
    right = [
        len(chosen)
        for size in range(5)
        for chosen in itertools.combinations(range(4), size)
        if is_separable(CORNERS[list(chosen)], signs[list(chosen)])
    ]
    assert max(right) == 3
    assert right.count(3) == 4  # any three of them


def test_of_all_16_functions_of_two_bits_only_xor_and_its_opposite_are_out_of_reach():
    beyond = [bits for bits in FUNCTIONS if not is_separable(CORNERS, 2.0 * np.array(bits) - 1)]
    assert beyond == [(0, 1, 1, 0), (1, 0, 0, 1)]


@pytest.mark.parametrize("bits", FUNCTIONS)
def test_the_perceptron_converges_on_exactly_the_separable_functions(bits):
    labels = np.array(bits)
    if len(set(bits)) == 1:
        with pytest.raises(ValueError, match="at least 2 classes"):
            Perceptron().fit(CORNERS, labels)
        return
    model = Perceptron().fit(CORNERS, labels)
    assert model.converged_ == (bits not in {(0, 1, 1, 0), (1, 0, 0, 1)})


@pytest.mark.parametrize("random_state", [None, 0, 1, 2])
def test_the_perceptron_never_stops_making_mistakes_on_xor(random_state):
    model = Perceptron(max_epochs=2000, random_state=random_state).fit(CORNERS, XOR)
    assert not model.converged_
    assert model.n_epochs_ == 2000
    assert model.mistakes_.min() >= 1
    assert model.score(CORNERS, XOR) <= 0.75


@pytest.mark.parametrize("model", [LogisticRegression(), SoftmaxRegression(), LinearSVM(C=100.0)])
def test_no_other_linear_classifier_does_better(model):
    assert model.fit(CORNERS, XOR).score(CORNERS, XOR) <= 0.75


def learn_xor(network, seed, steps=500):
    samples = Samples(CORNERS, XOR)
    report = train(
        network,
        samples,
        Recipe(optimizer="adam", learning_rate=0.05, batch_size=4, schedule="constant"),
        first_step=0,
        steps=steps,
        total_steps=steps,
        order_seed=np.random.SeedSequence(seed),
    )
    assert report.status == "ok"
    return evaluate(network, samples)


@pytest.mark.parametrize("seed", range(8))
def test_one_hidden_layer_solves_xor(seed):
    network = mlp(2, 8, 2, rng=np.random.default_rng(seed))
    result = learn_xor(network, seed)
    assert result.accuracy == 1
    assert result.loss < 0.05
    np.testing.assert_array_equal(network.predict(CORNERS), XOR)


def test_the_same_training_without_a_hidden_layer_does_not():
    result = learn_xor(mlp(2, (), 2, rng=np.random.default_rng(0)), 0, steps=2000)
    assert result.accuracy <= 0.75
    assert result.loss == pytest.approx(np.log(2), abs=1e-3)  # a coin for every corner


def test_an_mlp_is_the_layers_it_was_asked_for(rng):
    network = mlp(5, [7, 6], 3, rng=rng, activation="sigmoid", dtype=np.float64)
    assert [type(layer) for layer in network.layers] == [HiddenLayer, HiddenLayer, SoftmaxLayer]
    assert [layer.n_nodes for layer in network.layers] == [7, 6, 3]
    assert network.layers[0].activation == network.layers[1].activation == "sigmoid"
    assert network.parameter_count == 7 * 6 + 6 * 8 + 3 * 7
    assert network.dtype == np.float64


def test_a_loss_on_values_gives_an_mlp_an_identity_output(rng):
    network = mlp(5, 4, 2, rng=rng, loss="squared_error")
    assert isinstance(network.layers[-1], HiddenLayer)
    assert network.layers[-1].activation == "identity"
    assert network.output(rng.normal(size=(3, 5))).shape == (3, 2)


@pytest.mark.parametrize(
    ("hidden", "options", "message"),
    [
        (0, {}, "n_nodes must be at least 1; got 0"),
        (3, {"activation": "step"}, "activation must be one of"),
        (3, {"loss": "hinge"}, "loss must be one of"),
    ],
)
def test_an_mlp_names_what_it_cannot_be(hidden, options, message, rng):
    with pytest.raises(ValueError, match=message):
        mlp(2, hidden, 2, rng=rng, **options)
