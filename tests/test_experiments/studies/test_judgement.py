"""Metrics, predictions and weights in whole runs, from settings to tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as theirs
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from cnn.training.samples import Samples
from evo.errors import DataError, SettingsError
from evo.seeding import Purpose, seed_sequence
from evo.storage.tables import TIMING_COLUMNS
from experiments import Dataset, Experiment, load_dataset, load_results, run
from experiments.analysis.comparison import compare
from experiments.analysis.deciding import metric_of
from experiments.analysis.verdicts import verdict
from experiments.studies.judgement import check_defined, weighted

SETTINGS = {
    "name": "judged",
    "seeds": 2,
    "founders": {"hidden": 6},
    "evolution": {"population": 3, "generations": 1, "steps_per_generation": 15},
    "baseline": {"arms": ["mlp", "static"], "hidden": 6},
}


def uneven(n=150, labels=("calm", "storm")):
    """Return data of two classes, the second one rare."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(n, 3))
    rare = inputs[:, 0] + 0.5 * rng.normal(size=n) > 1.0
    return Dataset.from_arrays(inputs, np.where(rare, labels[1], labels[0]), name="weather")


def of(predictions, arm, seed):
    return predictions[(predictions["arm"] == arm) & (predictions["seed"] == seed)]


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    metrics = ["roc_auc", "log_loss", "f1_macro", "accuracy"]
    experiment = Experiment(
        **SETTINGS | {"evolution": SETTINGS["evolution"] | {"fitness": "roc_auc"}},
        evaluation={
            "metrics": metrics,
            "verdict": "balanced_accuracy",
            "primary": "mlp - static",
            "equivalence_margin": 0.01,
        },
        training={"class_weight": "balanced"},
    )
    return run(
        experiment,
        dataset=uneven(),
        workers=0,
        results=tmp_path_factory.mktemp("judged"),
        figures=False,
    )


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(90, 3))
    dataset = Dataset.from_arrays(inputs, 3 * inputs[:, :1] + rng.normal(size=(90, 1)) / 5)
    experiment = Experiment(
        **SETTINGS | {"evolution": SETTINGS["evolution"] | {"fitness": "r2"}},
        evaluation={"metrics": ["r2", "mae"], "verdict": "rmse"},
    )
    folder = tmp_path_factory.mktemp("values")
    return run(experiment, dataset=dataset, workers=0, results=folder, figures=False)


# -- predictions and metrics -------------------------------------------------------------------------------------------


def test_metrics_of_the_test_part_are_what_scikit_learn_makes_of_the_predictions(judged):
    for row in judged.comparison.itertuples():
        part = of(judged.predictions, row.arm, row.seed)
        chances = part.filter(like="probability_").to_numpy()
        assert row.test_accuracy == theirs.accuracy_score(part["truth"], part["prediction"])
        assert row.test_balanced_accuracy == theirs.balanced_accuracy_score(
            part["truth"], part["prediction"]
        )
        assert row.test_f1_macro == theirs.f1_score(
            part["truth"], part["prediction"], average="macro", zero_division=0
        )
        assert row.test_roc_auc == theirs.roc_auc_score(
            part["truth"] == "storm", part["probability_storm"]
        )
        assert row.test_log_loss == theirs.log_loss(part["truth"], chances)
        assert row.test_loss == pytest.approx(
            row.test_log_loss, rel=1e-5
        )  # the test has no weights


def test_metrics_of_values_are_what_scikit_learn_makes_of_the_predictions(values):
    for row in values.comparison.itertuples():
        part = of(values.predictions, row.arm, row.seed)
        truth, prediction = part["truth"], part["prediction"]
        assert row.test_r2 == theirs.r2_score(truth, prediction)
        assert row.test_mae == theirs.mean_absolute_error(truth, prediction)
        assert row.test_rmse == theirs.root_mean_squared_error(truth, prediction)
    assert not [name for name in values.predictions if name.startswith("probability")]


def test_a_prediction_names_its_sample_in_the_data_set(judged):
    dataset = uneven()
    for seed, part in judged.predictions.groupby("seed"):
        split = dataset.split(seed=seed_sequence(int(seed), Purpose.SPLIT))
        assert sorted(part["row"].unique()) == split.rows["test"].tolist()
        labels = np.array(dataset.classes)[dataset.targets[part["row"]]]
        assert (part["truth"] == labels).all()
        assert set(part["arm"]) == {"evolved", "mlp", "static"}
        best = judged.best(int(seed))
        rows = of(part, "evolved", seed)
        raw = dataset.inputs[rows["row"]]
        assert (best.predict(raw) == rows["prediction"]).all()
        assert best.score(raw, rows["truth"]) == theirs.accuracy_score(
            rows["truth"], rows["prediction"]
        )


def test_a_predefined_test_part_has_rows_of_its_own():
    one = uneven()
    whole = Dataset(
        "own", one.inputs, one.targets, one.classes, test=(one.inputs[:30], one.targets[:30])
    )
    split = whole.split(seed=0)
    assert split.rows["test"].tolist() == list(range(30))
    parts = np.concatenate([split.rows["train"], split.rows["validation"]])
    assert sorted(parts.tolist()) == list(range(len(whole)))


def test_labels_that_are_numbers_stay_numbers(finished):
    assert finished.predictions["truth"].dtype == "Int64"
    assert (finished.predictions["truth"] == finished.predictions["prediction"]).mean() > 0.2
    assert list(finished.predictions.filter(like="probability_")) == [
        f"probability_{k}" for k in range(10)
    ]


def test_several_values_have_a_column_each(tmp_path):
    rng = np.random.default_rng(2)
    inputs = rng.normal(size=(60, 3))
    dataset = Dataset.from_arrays(inputs, inputs[:, :2])
    experiment = Experiment(**SETTINGS | {"seeds": 1})
    results = run(experiment, dataset=dataset, workers=0, results=tmp_path, figures=False)
    part = of(results.predictions, "mlp", 0)
    expected = results.comparison.query("arm == 'mlp'")["test_loss"].iloc[0]
    error = (
        part[["truth_0", "truth_1"]].to_numpy() - part[["prediction_0", "prediction_1"]].to_numpy()
    )
    error /= results.network("mlp", 0).targets.scale
    assert 0.5 * (error**2).sum(axis=1).mean() == pytest.approx(expected, rel=1e-5)
    assert part["truth"].isna().all()


def test_the_chosen_metrics_stand_in_every_table(judged):
    names = ["roc_auc", "log_loss", "f1_macro", "balanced_accuracy"]
    for table, prefix in (
        ("individuals", "validation"),
        ("generations", "best_validation"),
        ("baseline", "validation"),
        ("comparison", "validation"),
        ("comparison", "test"),
    ):
        columns = [f"{prefix}_{name}" for name in names]
        frame = getattr(judged, table)
        assert [name for name in frame if name in columns] == columns
        ok = frame[frame["status"] == "ok"] if "status" in frame else frame
        assert ok[columns].notna().all().all()
    individuals = judged.individuals.dropna(subset="fitness")
    assert (individuals["fitness"] == individuals["validation_roc_auc"]).all()
    stored = pd.read_parquet(judged.path / "individuals")
    assert set(judged.individuals) == set(stored)


@pytest.mark.slow
def test_workers_compute_the_same_metrics_and_weights(judged, tmp_path):
    experiment = Experiment.model_validate_json((judged.path / "config.json").read_text("utf-8"))
    parallel = run(experiment, dataset=uneven(), workers=2, results=tmp_path, figures=False)
    for table in ("individuals", "generations", "comparison", "predictions"):
        frames = [getattr(one, table).drop(columns="run") for one in (judged, parallel)]
        timed = [name for name in frames[0] if name in TIMING_COLUMNS]
        pd.testing.assert_frame_equal(*(frame.drop(columns=timed) for frame in frames))


def test_by_default_no_metric_has_a_column(finished):
    for table in ("individuals", "generations", "baseline", "comparison"):
        assert not [name for name in getattr(finished, table) if "f1" in name or "auc" in name]
    assert set(finished.comparison["metric"]) == {"accuracy"}


def test_runs_with_other_metrics_and_labels_load_together(judged, values, finished):
    both = load_results(judged.path, values.path)
    assert {"test_f1_macro", "test_rmse"} <= set(both.comparison)
    assert both.comparison["test_rmse"].notna().sum() == len(values.comparison)
    assert len(both.predictions) == len(judged.predictions) + len(values.predictions)
    numbers = load_results(judged.path, finished.path).predictions
    assert set(numbers["truth"].map(type)) == {str}


# -- verdicts ----------------------------------------------------------------------------------------------------------


def test_the_verdict_is_about_the_chosen_metric(judged, values):
    assert judged.summary().columns[1] == "test_balanced_accuracy"
    first, line, _ = judged.verdicts()
    assert " mlp - static = " in first
    assert " declared before the run" in first
    assert all(", not declared before the run" in other for other in judged.verdicts()[1:])
    wide = judged.comparison.pivot_table(
        index="seed", columns="arm", values="test_balanced_accuracy"
    )
    mean = 100 * (wide["evolved"] - wide["mlp"]).mean()
    assert f"evolved - mlp = {mean:+.3g} points of test balanced accuracy" in line
    (line, _) = values.verdicts()
    assert " of test RMSE" in line
    wide = values.comparison.pivot_table(index="seed", columns="arm", values="test_rmse")
    if " wins: " in line:
        assert line.startswith("mlp" if (wide["mlp"] < wide["evolved"]).all() else "evolved")


def test_a_smaller_error_wins():
    rows = [
        {"run": "r", "seed": seed, "arm": arm, "test_loss": 1.0, "test_accuracy": None, "test_mae": error + seed / 100,
         "metric": "mae", "larger_is_better": False, "steps": 10}
        for seed in range(6)
        for arm, error in (("evolved", 1.0), ("mlp", 2.0))
    ]  # fmt: skip
    comparison = pd.DataFrame(rows)
    assert metric_of(comparison) == ("test_mae", -1)
    compared = compare(comparison, [("evolved", "mlp")])
    assert verdict(compared.iloc[0]).startswith("evolved wins: ")


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"evaluation": {"metrics": ["auc"]}},
            "evaluation.metrics.0 must be one of accuracy, .*'auc'",
        ),
        ({"evaluation": {"metrics": ["r2", "r2"]}}, "must name each metric at most once"),
        ({"evaluation": {"verdict": "loss"}}, "evaluation.verdict must be one of"),
        *(
            (
                {"evaluation": {"primary": primary}},
                'evaluation.primary must be two different arms, such as "evolved - cnn"; got ',
            )
            for primary in ("evolved", "evolved-cnn", "cnn - cnn", "a - b - c", " - cnn", "a  - b")
        ),
        (
            {"evaluation": {"primary": "evolved_& - cnn"}},
            "evaluation.primary must have names of arms, which must be letters .*; got 'evolved_&'",
        ),
        (
            {"evaluation": {"equivalence_margin": 0}},
            "evaluation.equivalence_margin must be greater than 0; got 0",
        ),
        ({"evolution": {"fitness": "precision"}}, "fitness must be one of negative_loss, accuracy"),
        ({"training": {"class_weight": "uniform"}}, "training.class_weight"),
        (
            {"training": {"class_weight": {"a": -1.0}}},
            "must be finite and at least 0; got a = -1.0",
        ),
    ],
)
def test_settings_that_name_no_metric_or_weight_are_refused(changes, message):
    with pytest.raises(SettingsError, match=message) as error:
        Experiment(**changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"evaluation": {"metrics": ["r2"]}},
            "evaluation.metrics must be for classification, .*got 'r2'",
        ),
        ({"evaluation": {"verdict": "mae"}}, "evaluation.verdict must be for classification"),
        ({"evolution": {"fitness": "rmse"}}, "evolution.fitness must be for classification"),
        (
            {"evaluation": {"primary": "evolved - cnn"}},
            "evaluation.primary must be of two of the arms evolved, mlp, static; got 'evolved - cnn'",
        ),
        (
            {"evaluation": {"equivalence_margin": 3}},
            "evaluation.equivalence_margin must be below 1 for accuracy, whose .* got 3",
        ),
        (
            {"training": {"class_weight": {"rain": 2}}},
            r"training.class_weight must name classes of 'weather' \(calm, storm\); got 'rain'",
        ),
        (
            {"training": {"augmentation": {"flip": True}}},
            r"training.augmentation must not be given unless samples are images .*shape \(3,\) in 'weather'",
        ),
    ],
)
def test_what_does_not_suit_the_data_is_refused_before_any_work(tmp_path, changes, message):
    with pytest.raises(SettingsError, match=message):
        run(Experiment(**SETTINGS | changes), dataset=uneven(), workers=0, results=tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"class_weight": "balanced"}},
        {"training": {"label_smoothing": 0.1}},
        {"evolution": {"fitness": "accuracy"}},
    ],
)
def test_regression_has_no_classes_to_weigh_or_to_count(tmp_path, changes):
    dataset = Dataset.from_arrays(np.eye(30), np.arange(30.0))
    with pytest.raises(
        SettingsError, match=r"class_weight|label_smoothing must be 0|got .accuracy"
    ):
        run(Experiment(**SETTINGS | changes), dataset=dataset, workers=0, results=tmp_path / "r")


def test_a_metric_that_selects_must_be_defined_on_the_validation_part():
    dataset = uneven()
    split = dataset.split(seed=0)
    validation = split.validation
    calm = Samples(validation.inputs, np.zeros_like(validation.targets))
    experiment = Experiment(evolution={"fitness": "roc_auc"})
    check_defined(experiment, dataset, split)
    message = (
        "evolution.fitness must be defined on the validation part of 'weather'; .*class 1 has none"
    )
    with pytest.raises(SettingsError, match=message):
        check_defined(experiment, dataset, replace(split, validation=calm))


# -- weights -----------------------------------------------------------------------------------------------------------


def test_balanced_weights_are_those_of_scikit_learn():
    dataset = uneven()
    split = weighted(
        Experiment(training={"class_weight": "balanced"}), dataset, dataset.split(seed=0)
    )
    targets = split.train.targets
    of_class = compute_class_weight("balanced", classes=np.unique(targets), y=targets)
    np.testing.assert_allclose(split.train.weights, of_class[targets], rtol=1e-6)
    np.testing.assert_allclose(
        split.validation.weights, of_class[split.validation.targets], rtol=1e-6
    )
    assert split.train.weights.mean() == pytest.approx(1, rel=1e-6)
    assert split.test.weights is None


@pytest.mark.parametrize("given", [{"storm": 5, "calm": 2}, {"storm": 2.5}])
def test_weights_by_label_are_those_of_scikit_learn_with_mean_1(given):
    dataset = uneven()
    split = weighted(Experiment(training={"class_weight": given}), dataset, dataset.split(seed=0))
    labels = np.array(dataset.classes)[split.train.targets]
    wanted = compute_sample_weight({"calm": 1} | given, labels)
    np.testing.assert_allclose(split.train.weights, wanted / wanted.mean(), rtol=1e-6)


def test_labels_that_are_numbers_are_weighed_by_number_or_by_text():
    for given in ({0: 3.0}, {"0": 3.0}):
        assert Experiment(training={"class_weight": given}).training.class_weight == {"0": 3.0}


def test_weights_of_samples_and_of_classes_are_multiplied():
    one = uneven()
    own = np.random.default_rng(0).uniform(0, 2, len(one))
    dataset = Dataset("weather", one.inputs, one.targets, one.classes, sample_weights=own)
    raw = dataset.split(seed=0)
    split = weighted(Experiment(training={"class_weight": {"storm": 4}}), dataset, raw)
    expected = own[raw.rows["train"]] * np.where(raw.train.targets == 1, 4, 1)
    np.testing.assert_allclose(split.train.weights, expected / expected.mean(), rtol=1e-5)
    assert dataset.data_hash != one.data_hash
    with pytest.raises(
        DataError, match=r"weather: sample_weights must be at least 0; got weights\[0\]"
    ):
        Dataset("weather", one.inputs, one.targets, one.classes, sample_weights=-own)


def test_without_weights_a_split_stays_as_it_is():
    dataset = uneven()
    split = dataset.split(seed=0)
    assert weighted(Experiment(), dataset, split) is split


def test_weights_find_the_rare_class(tmp_path):
    """With a weight on the rare class, more of its samples are found, by evolved and by fixed networks."""
    recall = {}
    for name, weight in (("plain", None), ("balanced", "balanced")):
        experiment = Experiment(**SETTINGS | {"name": name}, training={"class_weight": weight})
        results = run(experiment, dataset=uneven(400), workers=0, results=tmp_path, figures=False)
        rare = results.predictions.query("truth == 'storm'")
        found = (rare["prediction"] == "storm").groupby(rare["arm"]).mean()
        recall[name] = found[["evolved", "mlp"]]
        losses = results.comparison.set_index("arm")["test_loss"]
        assert losses.notna().all()
    assert (recall["balanced"] > recall["plain"]).all()


@pytest.mark.slow
def test_equal_weights_of_samples_change_nothing_but_rounding(tmp_path):
    one = load_dataset("digits")
    plain = run(
        Experiment(**SETTINGS | {"seeds": 1}),
        dataset=one,
        workers=0,
        results=tmp_path,
        figures=False,
    )
    equal = Dataset(
        one.name, one.inputs, one.targets, one.classes, sample_weights=np.full(len(one), 3.0)
    )
    same = run(
        Experiment(**SETTINGS | {"seeds": 1}),
        dataset=equal,
        workers=0,
        results=tmp_path,
        figures=False,
    )
    np.testing.assert_allclose(
        plain.baseline["validation_loss"], same.baseline["validation_loss"], rtol=1e-4
    )
