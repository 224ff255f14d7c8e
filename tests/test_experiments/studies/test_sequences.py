"""Experiments on sequences of unequal length and on series: from settings to tables and to the saved winner."""

import numpy as np
import pandas as pd
import pytest

from evo import Genome, Phenotype
from evo.errors import DataError, ResultsError, SettingsError
from experiments import Dataset, Experiment, load_network, run, verify
from experiments.analysis.samples import mcnemar_of_seeds, over_samples
from experiments.arms.reservoir import Readout, draw_reservoir
from experiments.audit.difference import table_difference
from experiments.settings.experiment import load_experiment
from experiments.studies.judgement import weighted

RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(2, 6, 60)
X = [RNG.normal(size=(n, 2)) for n in LENGTHS]
SUMS = Dataset.from_sequences(X, [10 * one.sum() for one in X], name="sums")
SIGNS = Dataset.from_sequences(
    X,
    [np.where(one[:, 0] > 0, "up", "down") for one in X],
    name="signs",
    per_step=True,
    with_target=[np.arange(n) > 0 for n in LENGTHS],
)


def small(**settings):
    return Experiment(
        name="sequences",
        seeds=1,
        **{
            "founders": {"graph": "recurrent", "hidden": 4},
            "evolution": {"population": 2, "generations": 1, "steps_per_generation": 4},
            "baseline": {"arms": ["static", "reservoir"], "hidden": 5},
            **settings,
        },
    )


def run_small(dataset, folder, **settings):
    return run(
        small(**settings), dataset=dataset, workers=0, results=folder, figures=False, quiet=True
    )


@pytest.fixture(scope="module")
def of_sums(tmp_path_factory):
    return run_small(SUMS, tmp_path_factory.mktemp("sums"), evaluation={"metrics": ["r2"]})


@pytest.fixture(scope="module")
def of_signs(tmp_path_factory):
    return run_small(SIGNS, tmp_path_factory.mktemp("signs"))


def test_ticks_follow_the_data(of_sums):
    stored = load_experiment(of_sums.path / "config.json")
    assert (stored.founders.ticks, stored.founders.sequence) == (5, True)
    assert (of_sums.individuals["ticks"] == 5).all()


@pytest.mark.parametrize("arm", ["evolved", "static", "reservoir"])
def test_a_saved_network_scores_as_the_tables_say(of_sums, of_signs, arm, tmp_path):
    for results, dataset, column in (
        (of_sums, SUMS, "test_r2"),
        (of_signs, SIGNS, "test_accuracy"),
    ):
        sequences, y = small().dataset.split(dataset, 0).raw("test")
        path = results.network(arm, seed=0).save(tmp_path / f"{dataset.name}-{arm}")
        score = load_network(path).score(sequences, y)
        assert score == results.comparison.set_index("arm").loc[arm, column]


def test_each_sequence_has_a_prediction_in_the_table(of_sums):
    rows = of_sums.predictions.query("arm == 'evolved'")
    found = of_sums.best().predict([X[i] for i in rows["row"]])
    np.testing.assert_array_equal(rows["prediction"], found)
    np.testing.assert_allclose(rows["truth"], [10 * X[i].sum() for i in rows["row"]])
    assert "step" not in rows


def test_each_step_with_a_target_has_a_prediction_in_the_table(of_signs):
    rows = of_signs.predictions.query("arm == 'evolved'")
    test = small().dataset.split(SIGNS, 0).rows["test"]
    expected = [(i, t) for i in test for t in range(1, LENGTHS[i])]
    assert [*zip(rows["row"], rows["step"], strict=True)] == expected
    of_step = of_signs.best().predict([X[i] for i in test])
    assert [len(one) for one in of_step] == LENGTHS[test].tolist()
    assert rows["prediction"].tolist() == [label for one in of_step for label in one[1:]]
    assert rows["truth"].tolist() == ["up" if X[i][t, 0] > 0 else "down" for i, t in expected]
    probabilities = of_signs.best().predict_proba([X[0], X[1]])
    assert [one.shape for one in probabilities] == [(n, 2) for n in LENGTHS[:2]]


def test_labels_of_steps_may_be_given_sequence_by_sequence(of_signs):
    labels = [np.where(one[:, 0] > 0, "up", "down") for one in X[:3]]
    best = of_signs.best()
    hits = np.concatenate([a == b for a, b in zip(best.predict(X[:3]), labels, strict=True)])
    assert best.score(X[:3], labels) == hits.mean()


def test_a_repeated_run_gives_the_same_tables(of_signs):
    assert verify(of_signs.path, dataset=SIGNS).difference is None


@pytest.mark.slow
def test_workers_of_ray_give_the_same_tables(of_signs, tmp_path):
    on_ray = run(small(), dataset=SIGNS, workers=1, results=tmp_path, figures=False, quiet=True)
    for table in ("individuals", "comparison", "predictions", "operations"):
        here, there = getattr(of_signs, table), getattr(on_ray, table)
        assert table_difference(table, here, there) is None


def test_a_reservoir_keeps_all_weights_but_those_of_its_readout(of_sums, tmp_path):
    longer = run_small(
        SUMS,
        tmp_path,
        evolution={"population": 2, "generations": 1, "steps_per_generation": 8},
        training={"l2": 0.01},
    )
    before, after = (one.network("reservoir", seed=0).genome for one in (of_sums, longer))
    changed = before.to_dense() != after.to_dense()
    assert not changed[:, :7].any()
    assert changed[:7, 7].all()
    moved = before.bias != after.bias
    assert moved.tolist() == [False] * 7 + [True]


def test_a_reservoir_has_the_spectral_radius_and_the_gradient_of_its_readout():
    genome = draw_reservoir(2, 30, 1, ticks=5, spectral_radius=0.7, rng=np.random.default_rng(0))
    hidden = genome.to_dense()[2:32, 2:32]
    assert np.abs(np.linalg.eigvals(hidden)).max() == pytest.approx(0.7, rel=1e-5)
    samples = small().dataset.split(SUMS, 0).train
    readout = Readout(Phenotype(genome, "squared_error"))
    readout.parameters[...] = np.arange(33) / 50
    batch = samples.inputs, samples.targets, None
    value, gradient = readout.loss_and_gradients(*batch, readings=samples.readings)
    of_whole = readout.whole().loss_and_gradients(*batch, readings=samples.readings)
    assert value == of_whole[0]
    edges, bias = of_whole[1][:-31], of_whole[1][-1:]
    np.testing.assert_array_equal(gradient, [*edges[-32:], *bias])
    assert readout.loss(*batch, samples.readings) == pytest.approx(value, rel=1e-6)


def test_arms_that_read_no_unequal_sequences_are_refused():
    message = (
        "baseline.arms: mlp needs sequences of one length with one target each, and those of 'sums'"
    )
    with pytest.raises(SettingsError, match=message):
        run(small(baseline={"arms": ["mlp"]}), dataset=SUMS, workers=0)
    rows = Dataset.from_arrays(np.zeros((9, 2)) + np.arange(9)[:, None], np.arange(9.0))
    with pytest.raises(SettingsError, match=r"baseline\.arms: reservoir needs sequences"):
        run(small(founders={"hidden": 2}), dataset=rows, workers=0)


def test_the_steps_of_sequences_are_weighed_by_their_classes(tmp_path):
    experiment = small(training={"class_weight": "balanced"}, baseline={"arms": ["static"]})
    split = weighted(experiment, SIGNS, experiment.dataset.split(SIGNS, 0))
    train, classes = split.train, range(SIGNS.n_outputs)
    assert train.weights.shape == train.targets.shape
    of_classes = [np.unique(train.weights[train.targets == k]).item() for k in classes]
    counts = [np.count_nonzero(train.targets == k) for k in classes]
    assert np.ptp(np.multiply(of_classes, counts)) < 1e-5 * len(train.targets)
    assert len({*counts}) > 1
    assert train.total_weight == pytest.approx(len(train))
    results = run(experiment, dataset=SIGNS, workers=0, results=tmp_path, figures=False, quiet=True)
    assert results.comparison["test_loss"].notna().all()
    losses = run_small(SIGNS, tmp_path / "plain", baseline={"arms": ["static"]}).individuals
    assert not np.array_equal(results.individuals["train_loss"], losses["train_loss"])


def test_other_ticks_and_maps_are_refused():
    for settings, message in (
        ({"founders": {"graph": "recurrent", "ticks": 3}}, "founders.ticks must be 5 for the sequences of 'signs'"),
        ({"training": {"augmentation": {"shift": 1}}}, "training.augmentation must be off for 'signs'"),
        ({"founders": {"graph": "maps", "layers": [[2, 2]]}}, "founders.graph must not be \"maps\" for 'signs'"),
    ):  # fmt: skip
        with pytest.raises(SettingsError, match=message):
            run(small(**settings), dataset=SIGNS, workers=0)


def test_given_founders_need_the_ticks_of_the_data(tmp_path):
    matrix = (RNG.normal(size=(6, 6)) / 5).astype(np.float32)
    options = {"n_inputs": 2, "n_outputs": 1}
    given = {"founders": {"graph": "given"}, "baseline": {"arms": []}}
    shorter = Genome.from_matrix(np.pad(matrix, 4), n_inputs=10, n_outputs=1, ticks=4)
    message = "must have 5 ticks, one for each step of the sequences; got 4"
    with pytest.raises(SettingsError, match=message):
        run(small(**given), dataset=SUMS, founders=[shorter], workers=0)
    founders = [Genome.from_matrix(matrix, ticks=5, **options), matrix]
    results = run(
        small(**given),
        dataset=SUMS,
        founders=founders,
        workers=0,
        results=tmp_path,
        figures=False,
        quiet=True,
    )
    assert (results.individuals["ticks"] == 5).all()


def test_longer_sequences_than_the_network_has_ticks_are_refused(of_sums):
    with pytest.raises(DataError, match=r"X\[0\] must have at most 5 steps"):
        of_sums.best().predict([np.zeros((6, 2))])


def test_rigl_grows_by_the_gradient_at_the_readings(tmp_path):
    results = run_small(
        SIGNS,
        tmp_path,
        policy={"name": "rigl"},
        baseline={"arms": []},
        evolution={"population": 2, "generations": 2, "steps_per_generation": 4},
    )
    children = results.individuals.query("origin == 'child'")
    assert (children["status"] == "ok").all()
    assert set(children["individual"]) == set(results.operations["individual"])


def test_an_mlp_reads_sequences_of_one_length(tmp_path):
    series = Dataset.from_series(np.sin(np.arange(80.0) / 3), window=4)
    results = run_small(series, tmp_path, baseline={"arms": ["mlp", "reservoir"], "hidden": 5})
    best, network = results.best(), results.network("mlp", seed=0)
    windows = [np.sin(np.arange(4.0) / 3)]
    assert best.predict(windows).shape == network.predict(windows).shape == (1,)
    with pytest.raises(DataError, match="X must have sequences of 4 steps for a network of layers"):
        network.predict([np.zeros(3)])
    assert best.predict([np.zeros(3)]).shape == (1,)


def test_a_sequence_counts_once_however_many_targets_it_has():
    lengths = [100, *[1] * 9]
    rows = [
        {"seed": seed, "arm": arm, "row": row, "step": step, "truth": 1, "prediction": prediction}
        for seed in range(3)
        for arm, first in (("a", 1), ("b", 0))
        for row, length in enumerate(lengths)
        for step in range(length)
        for prediction in [first if row == 0 else 1]
    ]
    table = pd.DataFrame(rows)
    found = over_samples(table, "a", "b")
    assert [found["difference"], found["seeds_low"]] == pytest.approx([0.1, 0.1])
    with pytest.raises(ResultsError, match="one for each sample for McNemar's test"):
        mcnemar_of_seeds(table, "a", "b")
