"""Experiments without evolution: fixed networks, trained for epochs, with curves, tables and a comparison."""

import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from cnn import Samples, fit, lenet1, lenet5, small_cnn
from cnn.training.trainer import evaluate
from evo.errors import EvoMatrixError, ResultsError, SettingsError
from evo.evolution.settings import EvolutionSettings
from evo.seeding import Purpose, generator, seed_sequence
from evo.storage.run_reader import is_complete
from evo.storage.tables import KEYS, TABLES, TIMING_COLUMNS, TIMING_TABLES
from experiments import Dataset, Experiment, load_dataset, load_experiment, load_results, run
from experiments.arms import build_arm
from experiments.cli.app import main
from experiments.figures.pictures import save_figures
from experiments.progress import Reporter, TerminalReporter

EPOCHS, SEEDS, ARMS = 3, [3, 4], ["cnn", "mlp"]
SETTINGS = {
    "name": "alone",
    "seed": SEEDS[0],
    "seeds": len(SEEDS),
    "evolve": False,
    "training": {"learning_rate": 0.1, "weight_decay": 0.005},
    "baseline": {"arms": ARMS, "epochs": EPOCHS},
}
EMPTY = {"candidates", "generations", "population", "individuals", "operations", "credits"}


def alone(**changes):
    """Return an experiment without evolution, with changes to its settings."""
    return Experiment.parse({**SETTINGS, **changes}, "alone")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return run(alone(), results=tmp_path_factory.mktemp("first"), run_name="alone")


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    return run(
        alone(),
        workers=0,
        results=tmp_path_factory.mktemp("second"),
        run_name="alone",
        figures=False,
    )


def split_of(seed):
    return load_dataset("digits").split(seed=seed_sequence(seed, Purpose.SPLIT))


def steps_per_epoch(seed):
    return -(-len(split_of(seed).train) // 32)


# -- tables ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_tables_of_evolution_are_empty_and_the_others_filled(trained, table):
    frame = pd.read_parquet(trained.path / table)
    assert (len(frame) == 0) == (table in EMPTY)
    assert not getattr(trained, table)[list(KEYS[table])].duplicated().any()


@pytest.mark.parametrize("table", sorted(TABLES.keys() - TIMING_TABLES))
def test_a_repetition_gives_the_same_tables(trained, repeated, table):
    again = getattr(repeated, table)
    timeless = [column for column in again if column not in TIMING_COLUMNS]
    pd.testing.assert_frame_equal(again[timeless], getattr(trained, table)[timeless])


def test_the_run_table_says_that_nothing_was_searched(trained):
    assert trained.runs["seed"].tolist() == SEEDS
    assert (trained.runs[["n_individuals", "n_failures", "search_steps", "search_macs"]] == 0).all(
        axis=None
    )
    assert trained.runs["best_individual"].isna().all()
    assert not trained.evolved


def test_every_epoch_is_validated_and_ends_a_piece_of_the_curve(trained):
    for (seed, arm), curve in trained.training.groupby(["seed", "arm"]):  # noqa: B007 - arm is in the query
        n_steps = steps_per_epoch(seed)
        validated = curve.dropna(subset="validation_loss")
        assert validated["step"].tolist() == [n_steps * k for k in range(1, EPOCHS + 1)]
        assert validated["validation_accuracy"].between(0.3, 1).all()
        assert len(curve) >= 10 * EPOCHS
        assert curve[["loss", "learning_rate", "gradient_norm"]].gt(0).all(axis=None)
        assert curve["learning_rate"].is_monotonic_decreasing
        row = trained.baseline.query("seed == @seed and arm == @arm").iloc[0]
        last = validated.iloc[-1]
        assert row["validation_loss"] == last["validation_loss"]
        assert row["validation_accuracy"] == last["validation_accuracy"]
        assert row["steps"] == row["kept_steps"] == EPOCHS * n_steps


def test_the_figures_are_those_of_a_fit_by_hand(trained):
    seed, experiment = SEEDS[0], alone()
    split = split_of(seed)
    network = small_cnn((8, 8), 10, rng=generator(seed, Purpose.BASELINE))
    fit(
        network,
        split.train,
        split.validation,
        experiment.training,
        epochs=EPOCHS,
        order_seed=seed_sequence(seed, Purpose.BATCHES),
    )
    on_test = evaluate(network, split.test)
    row = trained.comparison.query("seed == @seed and arm == 'cnn'").iloc[0]
    assert (row["test_loss"], row["test_accuracy"]) == (on_test.loss, on_test.accuracy)
    assert (row["parameters"], row["macs"]) == (network.parameter_count, network.macs)


def test_an_evolved_network_is_validated_at_the_end_of_each_train_phase(finished):
    evolved = finished.training[finished.training["arm"] == "evolved"]
    validated = evolved.dropna(subset="validation_loss")
    ends = evolved.groupby(["seed", "individual"])["step"].max()
    assert validated.set_index(["seed", "individual"])["step"].equals(ends)
    of_individuals = finished.individuals.set_index(["seed", "individual"])["validation_loss"]
    assert validated.set_index(["seed", "individual"])["validation_loss"].equals(of_individuals)


# -- what people see ---------------------------------------------------------------------------------------------------


def test_a_summary_has_mean_and_standard_deviation_per_arm(trained):
    summary = trained.summary()
    wide = trained.comparison.pivot_table(index="seed", columns="arm", values="test_accuracy")
    assert list(summary.index) == ARMS
    np.testing.assert_allclose(summary["test_accuracy"], wide.mean())
    np.testing.assert_allclose(summary["deviation"], wide.std(ddof=1))
    (line,) = trained.verdicts()
    assert "cnn - mlp = " in line


def test_show_prints_deviation_steps_and_seconds_and_no_search(trained, capsys):
    with pytest.raises(SystemExit):
        main(["show", str(trained.path)])
    printed = capsys.readouterr().out
    assert "Test accuracy, mean of 2 seeds ± standard deviation" in printed
    deviation = 100 * trained.summary()["deviation"]["cnn"]
    assert re.search(rf"cnn +│ \d+\.\d % ± {deviation:.1f} │ +2,746 │ +5,216 │ +\d+ │", printed)
    assert "whole search" not in printed
    assert "evolved" not in printed


def test_the_pictures_are_of_the_learning_curves_and_of_confusion(trained):
    drawn = {}
    save_figures(trained, SimpleNamespace(save_figure=drawn.__setitem__))
    assert drawn.keys() == {"confusion.png", "learning.png"}
    assert all(len(content) > 5000 for content in drawn.values())


def test_there_is_no_winner(trained):
    with pytest.raises(ResultsError, match="holds no finished search"):
        trained.best()


@pytest.mark.slow
def test_progress_is_a_line_per_network_and_on_a_terminal_a_live_one_per_epoch(tmp_path):
    plain, live = io.StringIO(), io.StringIO()
    for text, terminal in ((plain, False), (live, True)):
        console = Console(file=text, force_terminal=terminal, width=80, no_color=True)
        run(alone(seeds=1), results=tmp_path, reporter=TerminalReporter(console), figures=False)
    lines = plain.getvalue().splitlines()
    assert lines[0] == "alone: 2 networks to train for 3 epochs each, in this process"
    assert [line.split(", ")[0] for line in lines[1:]] == [f"seed 3: {arm} trained" for arm in ARMS]
    assert re.search(r"seed 3, mlp 3/3: loss [\d.]+, accuracy \d+\.\d %, [\d,]+/s", live.getvalue())
    assert "6/6" in live.getvalue()


def test_an_interruption_leaves_what_was_finished(tmp_path):
    notes = []

    class Interrupting(Reporter):
        def epoch(self, event):
            if (event.seed, event.arm, event.record.epoch) == (3, "mlp", 2):
                raise KeyboardInterrupt

        def note(self, text):
            notes.append(text)

    with pytest.raises(KeyboardInterrupt):
        run(alone(), results=tmp_path, run_name="r", reporter=Interrupting())
    assert notes[-1].endswith(f"to go on: evomatrix resume {tmp_path / 'r'}")
    left = load_results(tmp_path / "r")
    assert left.baseline["arm"].tolist() == ["cnn"]
    assert left.network("cnn").predict(load_dataset("digits").inputs[:5]).shape == (5,)
    assert left.comparison.empty
    assert not is_complete(tmp_path / "r")


# -- patience and divergence -------------------------------------------------------------------------------------------


def test_patience_ends_early_and_keeps_the_best_epoch(tmp_path):
    training = {"learning_rate": 0.2, "schedule": "constant"}
    baseline = {"arms": ["mlp"], "epochs": 200, "patience": 3}
    results = run(alone(training=training, baseline=baseline), results=tmp_path, figures=False)
    for _, row in results.baseline.iterrows():
        curve = results.training[results.training["seed"] == row["seed"]]
        losses = curve.dropna(subset="validation_loss").set_index("step")["validation_loss"]
        n_steps = steps_per_epoch(row["seed"])
        assert row["steps"] == losses.index[-1] < 200 * n_steps
        assert row["kept_steps"] == losses.idxmin() == row["steps"] - 3 * n_steps
        assert row["validation_loss"] == losses.min()
    compared = results.comparison["validation_loss"]
    np.testing.assert_array_equal(compared, results.baseline["validation_loss"])


def test_a_run_in_which_every_network_diverges_says_so_in_one_line(tmp_path):
    training = {"optimizer": "sgd", "learning_rate": 1e30}
    with pytest.raises(EvoMatrixError, match=r"^every baseline diverged: .*at step \d+$"):
        run(alone(training=training), results=tmp_path, run_name="r")
    left = load_results(tmp_path / "r")
    assert set(left.baseline["status"]) == {"diverged"}
    assert left.baseline["reason"].str.contains("at step").all()
    reasons = left.baseline.query("seed == 3").set_index("arm")["reason"]
    with pytest.raises(ResultsError) as caught:
        left.summary()
    assert str(caught.value) == (
        f"{tmp_path / 'r'}: has no comparison, because every baseline diverged: "
        f"cnn diverged with seeds 3, 4: {reasons['cnn']}; mlp diverged with seeds 3, 4: {reasons['mlp']}"
    )


def test_show_names_a_baseline_that_diverged(tiny, tmp_path, capsys):
    evolution = {"population": 2, "generations": 1, "steps_per_generation": 20}
    baseline = {"arms": ["mlp", "static"], "learning_rate": 1e30}
    experiment = tiny(seeds=1, evolution=evolution, baseline=baseline)
    results = run(experiment, workers=0, results=tmp_path, figures=False)
    with pytest.raises(SystemExit):
        main(["show", str(results.path)])
    printed = capsys.readouterr().out
    reason = results.baseline.query("arm == 'mlp'")["reason"].item()
    assert f"\nmlp diverged with seed 3: {reason}\n" in printed
    assert "static diverged" not in printed
    assert re.search(r"│ mlp +│ no result │", printed)
    assert "no comparison: evolved and mlp have no seed in common" in printed
    assert "; mlp has no result with 1 seed\n" in printed
    compared = results.compare().set_index("other")
    assert compared.loc["mlp", ["seeds", "other_diverged", "superiority"]].tolist() == [0, 1, 1.0]
    assert compared.loc["static", ["seeds", "other_diverged"]].tolist() == [1, 0]


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lenet-mnist", "lenet-fashion"])
def test_the_lenet_presets_train_lenet5_for_ten_epochs_with_one_recipe(name):
    experiment = load_experiment(name)
    assert not experiment.evolve
    assert (experiment.baseline.arms, experiment.baseline.epochs) == (("lenet5",), 10)
    assert experiment.training == load_experiment("lenet-mnist").training
    stored = experiment.model_dump_json()
    assert Experiment.model_validate_json(stored) == experiment
    assert not {"founders", "evolution", "policy"} & set(json.loads(stored))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"founders": {}}, "founders must not be given where evolve = false"),
        (
            {"evolution": {"steps_per_generation": 5}},
            "evolution must not be given where evolve = false",
        ),
        ({"policy": {"name": "set"}}, "policy must not be given where evolve = false"),
        ({"baseline": {}}, "baseline.epochs must be given where evolve = false"),
        ({"baseline": {"epochs": 0}}, "baseline.epochs must be greater than or equal"),
        ({"baseline": {"epochs": 1, "arms": []}}, "baseline.arms must name at least one"),
        (
            {"baseline": {"epochs": 1, "arms": ["cnn", "static"]}},
            "baseline.arms must not name static, the winner's founder",
        ),
        (
            {"baseline": {"epochs": 1, "arms": ["cnn", "cnn"]}},
            "baseline.arms must name each arm at most once",
        ),
        (
            {"evolve": True, "baseline": {"patience": 2}},
            "baseline.patience must not be given without epochs",
        ),
        (
            {"evolve": True},
            "baseline.epochs must not be given unless evolve = false, because beside evolution a "
            "baseline gets the steps of the winner; got 3",
        ),
        ({"baseline": {"epochs": 1, "pooling": "min"}}, "baseline.pooling must be 'max'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_in_one_line(changes, message):
    with pytest.raises(SettingsError) as caught:
        alone(**changes)
    assert str(caught.value).startswith(f"alone: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"workers": 2}, "workers"), ({"address": "auto"}, "address"), ({"fitness": max}, "fitness")],
)
def test_arguments_of_a_search_are_refused(tmp_path, arguments, name):
    with pytest.raises(SettingsError, match=f"^{name} must not be given where evolve = false"):
        run(alone(), results=tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_options_of_a_search_are_refused(tmp_path, capsys):
    arguments = ["run", "lenet-mnist", "--population", "3", "--results", str(tmp_path)]
    with pytest.raises(SystemExit):
        main(arguments)
    refused = "lenet-mnist: evolution must not be given where evolve = false"
    assert capsys.readouterr().err == f"evomatrix: {refused}\n"


FLAT = Dataset.from_arrays([[float(k), 1.0] for k in range(40)], [k % 2 for k in range(40)])


@pytest.mark.parametrize("arm", ["lenet1", "lenet5"])
def test_a_network_that_does_not_suit_the_data_is_refused_before_any_work(tmp_path, arm):
    experiment = alone(baseline={"arms": [arm], "epochs": 1})
    with pytest.raises(SettingsError, match=f"{arm} does not suit 'digits': images must have"):
        run(experiment, results=tmp_path)
    with pytest.raises(SettingsError, match=f"{arm} needs images, and a sample of 'arrays'"):
        run(experiment, dataset=FLAT, results=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_static_arm_without_a_winner_is_refused():
    with pytest.raises(SettingsError, match="nothing evolved"):
        build_arm("static", FLAT, alone().baseline, None, _Seeded)


class _Seeded:
    seed, loss, evolution, layers = 0, "cross_entropy", EvolutionSettings(), ()
    train = Samples(np.zeros((1, 28, 28), np.float32), np.zeros(1, np.int64))


@pytest.mark.parametrize(("arm", "build"), [("lenet1", lenet1), ("lenet5", lenet5)])
def test_the_lenets_are_those_of_cnn_unless_the_settings_say_more(arm, build):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(40, 28, 28)).astype(np.float32)
    dataset = Dataset.from_arrays(images, [k % 4 for k in range(40)])
    own = build_arm(arm, dataset, alone().baseline, None, _Seeded)
    expected = build((28, 28), 4, rng=generator(0, Purpose.BASELINE))
    assert own.summary() == expected.summary()
    np.testing.assert_array_equal(own.parameters, expected.parameters)
    mean = alone(baseline={"epochs": 1, "pooling": "mean", "activation": "relu"}).baseline
    changed = build_arm(arm, dataset, mean, None, _Seeded)
    pooling = [layer.method for layer in changed.layers if hasattr(layer, "method")]
    assert pooling == ["mean", "mean"]
    assert changed.layers[0].activation == "relu"


@pytest.mark.slow
def test_regression_works_too(tmp_path):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(120, 3))
    dataset = Dataset.from_arrays(X, X @ [1.0, -2.0, 0.5], name="plane")
    baseline = {"arms": ["mlp"], "epochs": 20, "hidden": 8}
    results = run(
        alone(training={"learning_rate": 0.02}, baseline=baseline),
        dataset=dataset,
        results=tmp_path,
    )
    assert results.training["validation_accuracy"].isna().all()
    assert (results.comparison["test_loss"] < 0.2).all()
    drawn = {}
    save_figures(results, SimpleNamespace(save_figure=drawn.__setitem__))
    assert drawn.keys() == {"learning.png"}
