"""The trained baselines that a run leaves: raw data in, labels or values out."""

import re

import numpy as np
import pytest

from cnn import load_model, small_cnn
from cnn.training.trainer import EVALUATION_BATCH
from evo.errors import DataError, ResultsError
from evo.files import read_arrays, write_arrays
from evo.preparation import Preparation
from evo.storage.predictor import BaselinePredictor, inputs_path
from experiments import Dataset, Experiment, load_dataset, load_network, load_results, run
from experiments.progress import Reporter
from experiments.settings.experiment import DatasetSettings

SEEDS, ARMS = [3, 4], ["cnn", "mlp", "static"]


@pytest.fixture
def predictor():
    """Return an untrained network of images with labels and a normalisation of its own."""
    network = small_cnn((8, 8), 3, rng=np.random.default_rng(0))
    preparation = Preparation.scaling((8, 8), offset=8.0, scale=4.0)
    return BaselinePredictor(network, preparation=preparation, classes=("a", "b", "c"))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("arm", ARMS)
def test_a_baseline_predicts_raw_data_as_well_as_the_comparison_says(finished, arm, seed):
    X, y = DatasetSettings().split(load_dataset("digits"), seed).raw("test")
    network = finished.network(arm, seed)
    row = finished.comparison.query("arm == @arm and seed == @seed").iloc[0]
    assert network.score(X, y) == row["test_accuracy"]
    assert network.network.parameter_count == row["parameters"]
    np.testing.assert_allclose(network.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("arm", ARMS)
def test_without_a_seed_it_is_the_one_with_the_lowest_validation_loss(finished, arm):
    X = load_dataset("digits").inputs[:50]
    losses = finished.baseline.query("arm == @arm").set_index("seed")["validation_loss"]
    chosen, other = (finished.network(arm, seed) for seed in (losses.idxmin(), losses.idxmax()))
    found = finished.network(arm).predict_proba(X)
    np.testing.assert_array_equal(found, chosen.predict_proba(X))
    assert not np.array_equal(found, other.predict_proba(X))


def test_evolved_is_the_winner(finished):
    same = finished.network("evolved", 4).genome.fingerprint()
    assert same == finished.best(4).genome.fingerprint()


@pytest.mark.parametrize(
    ("arm", "seed", "message"),
    [
        ("cnn", 99, "holds no trained cnn with seed 99; its baselines: cnn, mlp, static"),
        ("lenet5", None, "holds no trained lenet5; its baselines: cnn, mlp, static"),
        (
            "statc",
            None,
            "holds no trained statc; its baselines: cnn, mlp, static (did you mean 'static'?)",
        ),
    ],
)
def test_a_baseline_that_is_not_there_is_named(finished, arm, seed, message):
    with pytest.raises(ResultsError, match=f"^{re.escape(f'{finished.path}: {message}')}$"):
        finished.network(arm, seed)


def test_raw_inputs_are_normalised_before_the_network_sees_them(predictor):
    X = np.random.default_rng(1).uniform(0, 16, (2 * EVALUATION_BATCH + 3, 8, 8))
    expected = predictor.network.output(((X - 8) / 4).astype(np.float32))
    np.testing.assert_allclose(predictor.predict_proba(X), expected, rtol=1e-4)
    np.testing.assert_array_equal(
        predictor.predict(X), np.array(["a", "b", "c"])[expected.argmax(axis=1)]
    )
    flat = X.reshape(len(X), 64)
    np.testing.assert_array_equal(predictor.predict(flat), predictor.predict(X))
    assert predictor.predict(X[:0]).shape == (0,)


@pytest.mark.parametrize("shape", [(2, 63), (2, 8, 9), (2, 4, 16), (2, 16, 4)])
def test_samples_of_another_shape_are_refused(predictor, shape):
    with pytest.raises(DataError, match=r"^X must have samples of shape \(8, 8\); got \("):
        predictor.predict(np.zeros(shape))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ("a", "b")}, "classes must be one per output (3); got 2"),
        (
            {"preparation": Preparation.scaling((8, 9))},
            "preparation must be of samples of shape (8, 8); got (8, 9)",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(predictor, settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        BaselinePredictor(predictor.network, **settings)


def test_a_saved_baseline_predicts_the_same_and_its_network_is_one_of_cnn(predictor, tmp_path):
    X = np.random.default_rng(1).uniform(0, 16, (20, 8, 8))
    path = tmp_path / "net.npz"
    predictor.save(path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["net-inputs.npz", "net.npz"]
    loaded = load_network(path)
    assert type(loaded) is BaselinePredictor
    np.testing.assert_array_equal(loaded.predict_proba(X), predictor.predict_proba(X))
    assert loaded.predict(X).tolist() == predictor.predict(X).tolist()
    np.testing.assert_array_equal(load_model(path).parameters, predictor.network.parameters)


def test_a_folder_that_is_not_there_is_one_clear_error(predictor, tmp_path):
    with pytest.raises(ResultsError, match="cannot be written"):
        predictor.save(tmp_path / "nowhere" / "net.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "evomatrix-network-1"}, "format must be evomatrix-inputs-1; got"),
        ({"classes": ["a"]}, "classes must be one per output"),
        ({"classes": 5}, "not a baseline's inputs"),
        ({"scale": np.zeros(())}, "scale must be finite and not 0"),
        ({"offset": np.array("x")}, "not a baseline's inputs"),
        ({"offset": np.zeros(3)}, "offset must be one number"),
        ({"offset": np.zeros((), np.float32)}, "offset must be one number or 64; got float32"),
        ({"fills": np.zeros(1)}, "fills must be 0 numbers"),
        ({"preparation": {}}, "not a baseline's inputs ('schema')"),
        ({"preparation": None}, "not a baseline's inputs"),
    ],
    ids=str,
)
def test_a_changed_file_of_inputs_is_one_line_that_names_it(predictor, tmp_path, change, message):
    predictor.save(tmp_path / "net.npz")
    beside = inputs_path(tmp_path / "net.npz")
    arrays, description = read_arrays(beside)
    in_arrays = {name: value for name, value in change.items() if name in arrays}
    others = {name: value for name, value in change.items() if name not in arrays}
    write_arrays(beside, arrays | in_arrays, description | others)
    assert message in refusal(tmp_path / "net.npz", beside)


@pytest.mark.parametrize("name", ["net.npz", "net-inputs.npz"])
@pytest.mark.parametrize("keep", [None, 0, 100])
def test_a_missing_or_truncated_file_is_named(predictor, tmp_path, name, keep):
    predictor.save(tmp_path / "net.npz")
    damaged = tmp_path / name
    content = damaged.read_bytes()
    damaged.unlink()
    if keep is not None:
        damaged.write_bytes(content[:keep])
    message = refusal(tmp_path / "net.npz", damaged)
    assert (message == f"{damaged}: no such file") == (keep is None)


def refusal(path, named):
    with pytest.raises(ResultsError) as caught:
        load_network(path)
    message = str(caught.value)
    assert message.startswith(f"{named}: ")
    assert "\n" not in message
    return message


def test_regression_predicts_in_the_units_of_the_data(tmp_path):
    rng = np.random.default_rng(1)
    X = rng.normal(50, [1, 10, 100], size=(150, 3))
    y = (X - 50) @ [3.0, -0.2, 0.01]
    experiment = Experiment(
        seeds=1,
        evolve=False,
        training={"learning_rate": 0.02},
        baseline={"arms": ["mlp"], "epochs": 60, "hidden": 8},
    )
    results = run(experiment, dataset=Dataset.from_arrays(X, y), results=tmp_path, figures=False)
    network = results.network("mlp")
    assert network.preparation.normalization.offset.shape == (3,)
    assert network.predict(X).shape == y.shape
    assert network.score(X, y) > 0.9
    with pytest.raises(ValueError, match="needs classes"):
        network.predict_proba(X)


def test_a_diverged_baseline_leaves_no_network(tiny, tmp_path):
    evolution = {"population": 2, "generations": 1, "steps_per_generation": 20}
    baseline = {"arms": ["mlp", "static"], "learning_rate": 1e30}
    results = run(
        tiny(seeds=1, evolution=evolution, baseline=baseline),
        workers=0,
        results=tmp_path,
        figures=False,
    )
    assert sorted(path.name for path in (results.path / "networks").iterdir()) == [
        "seed-3-static.npz",
        "seed-3.npz",
    ]
    with pytest.raises(ResultsError, match="holds no trained mlp; its baselines: mlp, static"):
        results.network("mlp")


def test_an_interrupted_run_keeps_the_networks_that_were_finished(tiny, tmp_path):
    class Interrupting(Reporter):
        def generation(self, event, expected):
            if (event.seed, event.generation.number) == (4, 1):
                raise KeyboardInterrupt

    evolution = {"population": 2, "generations": 2, "steps_per_generation": 5}
    with pytest.raises(KeyboardInterrupt):
        run(
            tiny(evolution=evolution),
            workers=0,
            results=tmp_path,
            run_name="r",
            reporter=Interrupting(),
        )
    left = load_results(tmp_path / "r")
    assert left.best().predict(load_dataset("digits").inputs[:5]).shape == (5,)
    assert left.winner()["seed"] == 3
    assert left.comparison.empty
