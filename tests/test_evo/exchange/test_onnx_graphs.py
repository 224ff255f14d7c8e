"""ONNX graphs, run by onnxruntime, against our own outputs: any genome, CNNs, whole predictors."""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cnn import Network, RasterizationLayer, SoftmaxLayer, lenet5
from evo import (
    ACTIVATIONS,
    BaselinePredictor,
    Genome,
    Phenotype,
    Predictor,
    Preparation,
    from_cnn,
    to_onnx,
    to_torch,
)
from evo.exchange import blocks
from evo.preparation import Normalization, Origin, Schema, Sequences, SequenceSchema

pytest.importorskip("onnx", reason="needs ONNX: pip install onnx")
runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install onnxruntime")


def outputs_of(model, **inputs):
    """Run a model on one thread; return its outputs by name."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def in_float32(genome):
    """Return a genome with weights that keep sums small, in float32."""
    values, bias = 0.4 * genome.values, genome.bias
    return replace(genome, values=values.astype(np.float32), bias=bias.astype(np.float32))


def assert_same_outputs(genome, rng, *, sequence=False):
    width = genome.n_features * (genome.ticks if sequence else 1)
    inputs = rng.normal(size=(3, width)).astype(np.float32)
    found = outputs_of(to_onnx(genome, sequence=sequence), X=inputs)["scores"]
    expected = Phenotype(genome, "squared_error").output(inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def check_genomes(any_network, seeds):
    for seed in seeds:
        genome, rng, n_steps = any_network(seed)
        assert_same_outputs(in_float32(genome), rng, sequence=n_steps > 1)


@pytest.mark.usefixtures("form")
def test_any_network_has_our_outputs(any_network):
    check_genomes(any_network, range(36))


@pytest.mark.slow
@pytest.mark.usefixtures("form")
def test_a_thousand_networks_have_our_outputs(any_network):
    check_genomes(any_network, range(1000, 2000))


def test_every_built_in_activation_is_known():
    rng = np.random.default_rng(0)
    names = sorted(ACTIVATIONS.built_in)
    matrix = np.zeros((2 * len(names) + 1,) * 2, np.float32)
    matrix[0, 1 : len(names) + 1] = rng.normal(size=len(names))
    matrix[1 : len(names) + 1, len(names) + 1 :] = np.eye(len(names))
    genome = Genome.from_matrix(
        matrix,
        n_inputs=1,
        n_outputs=len(names),
        activation=["identity", *names, *["identity"] * len(names)],
    )
    assert_same_outputs(genome, rng)


def test_a_network_whose_outputs_read_nothing_gives_biases():
    bias = np.array([0, 0, 2.0, 3.0])
    genome = Genome.from_matrix(np.zeros((4, 4)), n_inputs=2, n_outputs=2, bias=bias)
    found = outputs_of(to_onnx(genome), X=np.zeros((3, 2), np.float32))
    np.testing.assert_array_equal(found["scores"], [[2.0, 3.0]] * 3)


def test_a_large_and_almost_empty_matrix_is_not_written_out(monkeypatch):
    rng = np.random.default_rng(0)
    matrix = np.zeros((130, 130), np.float32)
    matrix[:60, 60:120] = rng.normal(size=(60, 60)) * (rng.random((60, 60)) < 0.03)
    matrix[60:120, 120:] = rng.normal(size=(60, 10))
    genome = Genome.from_matrix(matrix, n_inputs=60, n_outputs=10)
    dense = to_onnx(genome)
    monkeypatch.setattr(blocks, "SPARSE_FROM_SIZE", 100)
    monkeypatch.setattr(blocks, "SPARSE_UP_TO", 0.2)
    model = to_onnx(genome)
    assert model.ByteSize() < dense.ByteSize() - 4000
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("ReduceSum") == operators.count("MatMul") == 1
    assert_same_outputs(genome, rng)


def test_a_cnn_has_its_probabilities():
    rng = np.random.default_rng(0)
    network = lenet5(rng=rng)
    images = rng.random((2, 28, 28)).astype(np.float32)
    for model in (
        to_onnx(network, loss="cross_entropy"),
        to_onnx(from_cnn(network), loss="cross_entropy"),
    ):
        found = outputs_of(model, X=images.reshape(2, -1))["probabilities"]
        np.testing.assert_allclose(found, network.output(images), atol=1e-5)


def test_a_loss_on_values_leaves_the_scores_as_they_are(random_genome):
    genome = in_float32(random_genome(np.random.default_rng(1)))
    X = np.ones((1, 3), np.float32)
    found = outputs_of(to_onnx(genome, loss="squared_error"), X=X)
    np.testing.assert_allclose(
        found["values"], Phenotype(genome, "squared_error").output(X), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinge"}, "loss must be one of cross_entropy, .*; got 'hinge'"),
        ({"sequence": True}, "sequence must be False for a network of 1 tick; got True"),
    ],
)
def test_wrong_options_are_refused(random_genome, options, message):
    with pytest.raises(ValueError, match=message):
        to_onnx(random_genome(np.random.default_rng(0)), **options)


def test_something_else_is_refused():
    with pytest.raises(TypeError, match=r"network must be a Genome or a cnn.Network; got \[\]"):
        to_onnx([])


@pytest.mark.parametrize("convert", [to_onnx, to_torch])
def test_a_predictor_is_told_its_own_way(random_genome, convert):
    predictor = Predictor(random_genome(np.random.default_rng(0)), loss="squared_error")
    with pytest.raises(TypeError, match=r"got a Predictor: it has to_onnx\(\), .* its genome is"):
        convert(predictor)
    baseline = BaselinePredictor(lenet5(rng=np.random.default_rng(0)))
    with pytest.raises(TypeError, match=r"got a BaselinePredictor: .* its network is"):
        convert(baseline)


def test_without_onnx_one_line_says_how_to_install_it(random_genome, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"^to_onnx needs ONNX: pip install onnx$"):
        to_onnx(random_genome(np.random.default_rng(0)))


# -- predictors --------------------------------------------------------------------------------------------------------


@pytest.fixture
def people():
    """Return a table with every kind of column, gaps in two, and labels."""
    rng = np.random.default_rng(3)
    n = 40
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n).astype(float),
            "height": rng.normal(1.7, 0.1, n).astype(np.float32),
            "colour": rng.choice(["red", "green", "blue"], n),
            "member": rng.random(n) < 0.5,
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 999, n), "D"),
        }
    )
    frame.loc[::7, "age"] = np.nan
    frame.loc[3::9, "colour"] = None
    return frame


def test_a_predictor_brings_its_preparation_and_its_labels(people, random_genome):
    rng = np.random.default_rng(0)
    origin = Origin("X")
    schema, rows = Schema.infer(people, origin=origin)
    preparation = Preparation.fit(schema, rows, "standard", origin)
    (n_inputs,) = preparation.sample_shape
    genome = in_float32(random_genome(rng, n=n_inputs + 8, n_inputs=n_inputs, n_outputs=3))
    predictor = Predictor(
        genome, loss="cross_entropy", preparation=preparation, classes=("a", "b", "c")
    )
    numbers = people[["age", "height", "member", "joined"]].copy()
    numbers["joined"] = (numbers["joined"] - pd.Timestamp(0)) / pd.Timedelta(seconds=1)
    found = outputs_of(
        predictor.to_onnx(),
        X=numbers.to_numpy(np.float64),
        categories=people[["colour"]].fillna("").to_numpy(object),
    )
    np.testing.assert_allclose(found["probabilities"], predictor.predict_proba(people), atol=1e-5)
    assert found["label"].tolist() == predictor.predict(people).tolist()
    assert len(set(found["label"])) > 1


def test_values_come_in_the_units_of_the_data(random_genome):
    rng = np.random.default_rng(0)
    genome = in_float32(random_genome(rng))
    targets = Normalization("standard", np.array([5.0, -1e6]), np.array([2.0, 3e5]))
    predictor = Predictor(genome, loss="squared_error", targets=targets)
    X = rng.normal(size=(4, 3))
    found = outputs_of(predictor.to_onnx(), X=X)["values"]
    np.testing.assert_allclose(found, predictor.predict(X), rtol=1e-5)


def test_a_predictor_of_sequences_reads_sequences(random_genome):
    rng = np.random.default_rng(2)
    genome = in_float32(random_genome(rng, ticks=2))
    preparation = Preparation.scaling((6,), offset=0.5, scale=2.0)
    predictor = Predictor(genome, loss="cross_entropy", preparation=preparation, classes=(7, 3))
    X = rng.normal(size=(5, 6))
    found = outputs_of(predictor.to_onnx(), X=X)
    np.testing.assert_allclose(found["probabilities"], predictor.predict_proba(X), atol=1e-5)
    assert found["label"].tolist() == predictor.predict(X).tolist()


def predictor_of(genome, schema, rows, method, loss):
    """Return a predictor with a preparation that is fitted to rows, and with classes or a scaling of targets."""
    preparation = Preparation.fit(schema, rows, method, Origin("X"))
    n = len(genome.outputs)
    labels = {"classes": ("up", "down")}
    if loss == "squared_error":
        offset, scale = np.linspace(5.0, -9.0, n), np.linspace(2.0, 3.0, n)
        labels = {"targets": Normalization("standard", offset, scale)}
    return Predictor(genome, loss=loss, preparation=preparation, **labels)


def sequences_of(genome, rng, loss, *, extra_ticks, per_step):
    """Return a predictor that reads sequences of unequal length with a network, and the sequences."""
    genome = replace(genome, ticks=4 + extra_ticks)
    given = [rng.normal(2.0, 3.0, (n, genome.n_features)) for n in (4, 1, 3, 2, 4)]
    sequences = Sequences.read(given, Origin("X"))
    if per_step:
        sequences = replace(sequences, with_target=np.ones(len(sequences.steps), bool))
    options = {"names": None, "extra_ticks": extra_ticks, "longest": 4}
    schema = SequenceSchema.of(sequences, Origin("X"), **options)
    return predictor_of(genome, schema, sequences, "standard", loss), given


def assert_predicts(predictor, X, given, **inputs):
    """Compare the graph of a predictor, given its inputs, with the predictor, given raw rows or sequences."""
    found = outputs_of(predictor.to_onnx(), X=X, **inputs)
    on_classes = predictor.classes is not None
    assert [*found] == (["label", "probabilities"] if on_classes else ["values"])
    raw = found.pop("probabilities" if on_classes else "values")
    expected = predictor.predict_proba(given) if on_classes else predictor.predict(given)
    for k, wanted in enumerate(expected):
        of_sample = raw[k][: len(wanted)]
        np.testing.assert_allclose(of_sample, wanted, rtol=1e-5, atol=3e-5)
        if on_classes:
            best = np.array(predictor.classes)[of_sample.argmax(axis=-1)]
            labels = found["label"][k]
            assert np.array_equal(labels[: len(wanted)] if best.ndim else labels, best)


def padded(given):
    """Return sequences with anything after the last step, and their lengths."""
    X = np.full((len(given), max(map(len, given)), given[0].shape[1]), 1e3)
    for one, of_sample in zip(given, X, strict=True):
        of_sample[: len(one)] = one
    return {"X": X, "lengths": np.array([*map(len, given)])}


def check_predictors(any_network, seeds):
    """Compare predictors of rows and of sequences, whose outputs are read after the last step or after each."""
    for seed in seeds:
        genome, rng, n_steps = any_network(seed)
        genome = in_float32(genome)
        loss = ("cross_entropy", "squared_error")[seed // 2 % 2]
        if seed // 3 % 3:
            options = {"per_step": seed // 3 % 3 == 2, "extra_ticks": 2 * (seed // 9 % 2)}
            predictor, given = sequences_of(genome, rng, loss, **options)
            assert_predicts(predictor, given=given, **padded(given))
            continue
        X = rng.normal(2.0, 3.0, (5, genome.n_features * n_steps))
        schema, rows = Schema.infer(X, origin=Origin("X"))
        method = ("standard", "unit", "none")[seed % 3]
        assert_predicts(predictor_of(genome, schema, rows, method, loss), X, X)


def test_any_predictor_has_our_predictions(any_network):
    check_predictors(any_network, range(36))


@pytest.mark.slow
def test_a_thousand_predictors_have_our_predictions(any_network):
    check_predictors(any_network, range(1000, 2000))


def test_a_baseline_of_layers_on_sequences_is_refused():
    given = np.zeros((2, 4, 3))
    schema = SequenceSchema.of(
        Sequences.read(given, Origin("X")), Origin("X"), names=None, extra_ticks=0, longest=4
    )
    network = Network([RasterizationLayer(), SoftmaxLayer(2)], (4, 3), rng=np.random.default_rng(0))
    predictor = BaselinePredictor(
        network,
        preparation=Preparation(schema, Normalization("none", np.zeros(()), np.ones(()))),
        classes=(0, 1),
    )
    with pytest.raises(ValueError, match="must be an evolved one where samples are sequences"):
        predictor.to_onnx()


def test_a_baseline_reads_images_with_channels_last():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    origin = Origin("X")
    schema, rows = Schema.infer(X, channels="last", origin=origin)
    preparation = Preparation.fit(schema, rows, "unit", origin)
    network = Network([RasterizationLayer(), SoftmaxLayer(2)], (3, 4, 4), rng=rng)
    predictor = BaselinePredictor(network, preparation=preparation, classes=("day", "night"))
    found = outputs_of(predictor.to_onnx(), X=X.astype(np.float64))
    np.testing.assert_allclose(found["probabilities"], predictor.predict_proba(X), atol=1e-5)
    assert found["label"].tolist() == predictor.predict(X).tolist()
