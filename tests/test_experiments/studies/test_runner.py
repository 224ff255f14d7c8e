"""A whole run, from settings to tables, figures and a network that predicts."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from effort import first_now
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import Perceptron

from cnn import OPTIMIZERS
from cnn.training.trainer import evaluate
from evo.errors import ResultsError
from evo.seeding import Purpose, seed_sequence
from evo.storage.journal import read_journal
from evo.storage.predictor import load_network
from evo.storage.tables import KEYS, TABLES, OwnColumns, schema
from experiments import Dataset, Experiment, load_dataset, load_experiment, load_results, run
from experiments.studies import execution

ARMS = ["cnn", "evolved", "mlp", "static"]
SEEDS = [3, 4]


def split_of(dataset, seed):
    """Return the split that a run with the default shares and this seed works on."""
    return dataset.split(seed=seed_sequence(seed, Purpose.SPLIT))


def raw_test_part(dataset, seed):
    """Return the test part's inputs in the units of the data set, and its class indices or values."""
    split = split_of(dataset, seed)
    return split.test.inputs * split.normalization.scale + split.normalization.offset, (
        dataset.targets[split.rows["test"]]
    )


# -- tables ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_filled_and_typed_as_declared(finished, table):
    stored = pq.read_table(finished.path / table)
    declared = [name for name in stored.column_names if "." not in name]  # the others are settings
    own = OwnColumns(classes=tuple(range(10)))
    assert stored.select(declared).schema.equals(schema(table, own))
    frame = pd.read_parquet(finished.path / table)
    if table == "candidates":  # of the arm cnn_search, which the run has not
        assert frame.empty
        return
    assert len(frame) > 0
    assert set(frame["run"]) == {"tiny"}
    assert "seed" not in declared or set(frame["seed"]) == set(SEEDS)
    assert len(getattr(load_results(finished.path), table)) == len(frame)


@pytest.mark.parametrize("table", TABLES)
def test_keys_are_unique_and_order_the_rows(finished, table):
    frame = getattr(finished, table)[list(KEYS[table])]
    assert not frame.duplicated().any()
    pd.testing.assert_frame_equal(
        frame, frame.sort_values(list(KEYS[table]), kind="stable", ignore_index=True)
    )


def test_a_run_is_complete_and_its_journal_lists_its_files(finished):
    journal = read_journal(finished.path)
    assert journal.is_complete
    on_disk = {
        part.relative_to(finished.path).as_posix()
        for kind in ("*.parquet", "*.npz")
        for part in finished.path.rglob(kind)
    }
    assert set(journal.files) == on_disk | {"config.json"}
    assert len(list(finished.path.rglob("*.parquet"))) == len(TABLES)
    assert [path.name for path in finished.path.rglob(".*")] == []


def test_the_settings_of_a_run_are_stored_with_it(finished, tiny):
    stored = (finished.path / "config.json").read_text("utf-8")
    repeating = Experiment.model_validate_json(stored)
    assert repeating.used is not None
    assert repeating.model_copy(update={"used": None}) == tiny()
    packages = json.loads((finished.path / "environment.json").read_text("utf-8"))["packages"]
    assert packages["numpy"] == np.__version__


def test_the_run_table_counts_what_the_others_hold(finished):
    for _, row in finished.runs.iterrows():
        individuals = finished.individuals[finished.individuals["seed"] == row["seed"]]
        generations = finished.generations[finished.generations["seed"] == row["seed"]]
        assert row["n_individuals"] == len(individuals)
        assert row["n_failures"] == (individuals["status"] != "ok").sum()
        assert row["search_steps"] == individuals["steps"].sum()
        assert row["search_samples"] == 32 * individuals["steps"].sum()
        assert row["search_macs"] == 32 * (individuals["steps"] * individuals["macs"]).sum()
        assert row["n_individuals"] == generations["n_individuals"].sum()
        assert row["data_hash"] == load_dataset("digits").data_hash
        split = split_of(load_dataset("digits"), row["seed"])
        sizes = row[["n_train", "n_validation", "n_test"]].tolist()
        assert sizes == [len(split.train), len(split.validation), len(split.test)]


def test_every_generation_has_as_many_survivors_as_slots(finished):
    last = finished.generations.groupby("seed")["generation"].max()
    assert set(last) == {3}
    founders = finished.individuals.query("generation == 0")
    assert (founders.groupby("seed").size() == 4).all()
    assert set(founders["origin"]) == {"founder"}
    children = finished.individuals.query("origin == 'child'")
    assert set(children["generation"]) == {1, 2}, "the last quarter only trains"


def test_the_best_of_a_generation_is_no_worse_than_any_survivor(finished):
    for _, row in finished.generations.iterrows():
        rows = finished.individuals.query(
            "seed == @row.seed and generation == @row.generation and survived"
        )
        assert (rows["fitness"] <= row["best_fitness"]).all()


def test_operations_are_those_that_individuals_list(finished):
    listed = finished.individuals.set_index(["seed", "individual"])["operators"]
    applied = (
        finished.operations.sort_values("position")
        .groupby(["seed", "individual"])["operator"]
        .agg("".join)
    )
    assert (listed[listed != ""].sort_index() == applied.sort_index()).all()
    assert len(applied) == (listed != "").sum()
    assert set("".join(applied)) >= set("ABCDFHN")


def test_every_operation_says_how_to_replay_it_and_starts_where_the_one_before_ended(finished):
    for _, rows in finished.operations.groupby(["seed", "individual"]):
        assert rows["position"].tolist() == list(range(len(rows)))
        assert all(isinstance(json.loads(text), dict) for text in rows["parameters"])
        for kind in ("n_stored", "n_active"):
            before, after = rows[f"{kind}_before"].tolist(), rows[f"{kind}_after"].tolist()
            assert before[1:] == after[:-1]


def test_parents_come_from_an_earlier_generation(finished):
    generation = finished.individuals.set_index(["seed", "individual"])["generation"]
    for _, row in finished.individuals.iterrows():
        assert len(row["parents"]) == (row["origin"] != "founder")
        for parent in row["parents"]:
            assert generation[row["seed"], parent] < row["generation"]


# -- the comparison ----------------------------------------------------------------------------------------------------


def test_the_comparison_has_one_row_per_arm_and_seed(finished):
    found = sorted(zip(finished.comparison["arm"], finished.comparison["seed"], strict=True))
    assert found == [(arm, seed) for arm in ARMS for seed in SEEDS]


def test_baselines_train_for_as_many_steps_as_the_winner(finished):
    winners = finished.runs.merge(
        finished.individuals,
        left_on=["seed", "best_individual"],
        right_on=["seed", "individual"],
    ).set_index("seed")
    steps = winners["ancestry_steps"]
    assert (steps == 40).all()
    for _, row in finished.baseline.iterrows():
        assert row["steps"] == steps[row["seed"]]
    for _, row in finished.comparison.iterrows():
        assert row["steps"] == steps[row["seed"]]


def test_the_winner_of_the_comparison_is_the_winner_of_the_search(finished):
    evolved = finished.comparison.query("arm == 'evolved'").set_index("seed")
    last = finished.generations.query("generation == 3").set_index("seed")
    for of_winner, of_best in (
        ("validation_loss", "best_validation_loss"),
        ("validation_accuracy", "best_validation_accuracy"),
    ):
        np.testing.assert_allclose(evolved[of_winner], last[of_best], rtol=1e-6)


def test_a_summary_and_a_verdict_per_baseline(finished):
    assert list(finished.summary().index) == ["evolved", "cnn", "mlp", "static"]
    assert [" evolved - " in f" {line}" for line in finished.verdicts()] == [True] * 3


def test_the_test_part_is_read_once_per_arm_and_after_everything_else(tiny, tmp_path, monkeypatch):
    test = split_of(load_dataset("digits"), 3).test.inputs
    seen = []

    def counted(where):
        def counting(network, samples):
            same = samples.inputs.shape == test.shape and np.array_equal(samples.inputs, test)
            seen.append((where, same))
            return evaluate(network, samples)

        return counting

    places = (
        "experiments.studies.execution",
        "experiments.studies.seed_run",
        "experiments.arms.training",
        "evo.evolution.tasks",
    )
    for where in places:
        monkeypatch.setattr(f"{where}.evaluate", counted(where))
    run(tiny(seeds=1), workers=0, results=tmp_path, figures=False)
    assert {where for where, _ in seen} == set(places)
    reads = [where for where, is_test in seen if is_test]
    assert reads == ["experiments.studies.seed_run"] * len(ARMS)
    first = [is_test for _, is_test in seen].index(True)
    assert {where for where, _ in seen[first:]} == {"experiments.studies.seed_run"}


# -- the winner as a network -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_winner_predicts_raw_data_as_well_as_the_comparison_says(finished, seed):
    X, y = raw_test_part(load_dataset("digits"), seed)
    best = finished.best(seed)
    row = finished.comparison.query("arm == 'evolved' and seed == @seed").iloc[0]
    assert np.mean(best.predict(X) == y) == pytest.approx(row["test_accuracy"])
    assert best.score(X, y) == pytest.approx(row["test_accuracy"])
    assert best.network.parameter_count == row["parameters"]


def test_the_best_of_all_seeds_is_chosen_on_validation_data(finished):
    evolved = finished.comparison.query("arm == 'evolved'").set_index("seed")
    chosen = evolved["validation_loss"].idxmin()
    assert finished.best().genome.fingerprint() == finished.best(chosen).genome.fingerprint()


def test_a_seed_that_was_not_run_has_no_winner(finished):
    with pytest.raises(ResultsError, match="no finished search with seed 99"):
        finished.best(99)


def test_a_saved_winner_predicts_the_same(finished, tmp_path):
    X = load_dataset("digits").inputs
    best = finished.best()
    best.save(tmp_path / "best.npz")
    loaded = load_network(tmp_path / "best.npz")
    np.testing.assert_array_equal(loaded.predict_proba(X), best.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), best.predict(X))


@pytest.mark.slow
def test_a_run_of_seconds_draws_nothing_and_a_longer_one_draws_pictures(
    finished, tiny, tmp_path, monkeypatch
):
    assert not (finished.path / "figures").exists()
    monkeypatch.setattr(execution, "SECONDS_WORTH_PICTURES", 0.0)
    evolution = {"population": 1, "generations": 1, "steps_per_generation": 1}
    settings = tiny(seeds=1, evolution=evolution, baseline={"arms": []})
    unwanted = run(settings, workers=0, results=tmp_path, run_name="none", figures=False)
    assert not (unwanted.path / "figures").exists()
    results = run(settings, workers=0, results=tmp_path)
    figures = sorted((results.path / "figures").iterdir())
    names = ["confusion.png", "generations.png", "graph.png", "matrix.png"]
    assert [figure.name for figure in figures] == names
    for figure in figures:
        content = figure.read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert content.endswith(b"IEND\xaeB`\x82")
        assert len(content) > 5000


# -- your own fitness and data -----------------------------------------------------------------------------------------


def test_a_fitness_of_ones_own_decides(tiny, tmp_path):
    def fewest_parameters(network, validation):
        return -float(network.parameter_count)

    results = run(
        tiny(seeds=1), workers=0, fitness=fewest_parameters, results=tmp_path, figures=False
    )
    fitness = results.individuals["fitness"]
    assert fitness.min() < fitness.max()
    assert -results.best().network.parameter_count == fitness.max()
    assert results.generations["best_fitness"].iloc[-1] == fitness.max()


def test_a_fitness_named_in_the_settings_decides(tiny, tmp_path):
    evolution = {
        "population": 2,
        "generations": 1,
        "steps_per_generation": 5,
        "fitness": "accuracy",
    }
    results = run(tiny(seeds=1, evolution=evolution), workers=0, results=tmp_path, figures=False)
    assert (results.individuals["fitness"] == results.individuals["validation_accuracy"]).all()


def small(**changes):
    """Return an experiment on flat data."""
    settings = {
        "name": "own",
        "seeds": 1,
        "founders": {"hidden": 8, "density": 0.5},
        "evolution": {"population": 4, "generations": 2, "steps_per_generation": 60},
        "baseline": {"arms": ["mlp"]},
    }
    return Experiment(**settings | changes)


@pytest.mark.parametrize("optimizer", first_now(OPTIMIZERS))
def test_children_of_every_optimizer_train_on(tmp_path, optimizer):
    results = run(
        small(dataset={"name": "xor"}, training={"optimizer": optimizer, "learning_rate": 0.01}),
        workers=0,
        results=tmp_path,
        figures=False,
    )
    assert set(results.individuals["status"]) == {"ok"}


def test_classification_of_ones_own_arrays_predicts_the_labels_given(tmp_path):
    X, y = load_wine(return_X_y=True)
    names = np.array(["barolo", "grignolino", "barbera"])[y]
    dataset = Dataset.from_arrays(X, names, name="wine")
    results = run(small(), dataset=dataset, workers=0, results=tmp_path, figures=False)
    assert set(results.runs["dataset"]) == {"wine"}
    predicted = results.best().predict(X)
    assert set(predicted) == set(names)
    assert np.mean(predicted == names) > 0.9


@pytest.mark.slow
def test_regression_on_ones_own_arrays_predicts_in_their_units(tmp_path):
    X, y = load_diabetes(return_X_y=True)
    training = {"learning_rate": 0.01}
    evolution = {"population": 4, "generations": 2, "steps_per_generation": 50}
    results = run(
        small(training=training, evolution=evolution),
        dataset=Dataset.from_arrays(X, y, name="progression"),
        workers=0,
        results=tmp_path,
        figures=False,
    )
    best = results.best()
    assert best.predict(X).shape == y.shape
    assert best.score(X, y) > 0.3
    for table in (results.comparison, results.individuals, results.baseline):
        assert table["validation_accuracy"].isna().all()
    assert set(results.summary().columns) >= {"test_loss", "low", "high"}
    X_test, y_test = raw_test_part(Dataset.from_arrays(X, y), 0)
    row = results.comparison.query("arm == 'evolved'").iloc[0]
    errors = (best.predict(X_test) - y_test[:, 0]) / best.targets.scale  # (n,)
    loss = 0.5 * np.mean(errors**2)
    assert row["test_loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.slow
def test_a_csv_file_named_in_a_toml_file_is_evolved_on(tmp_path):
    X, y = load_wine(return_X_y=True, as_frame=True)
    path = tmp_path / "wine.csv"
    X.assign(cultivar=y.map({0: "a", 1: "b", 2: "c"})).to_csv(path, index=False)
    settings = tmp_path / "wine.toml"
    settings.write_text(
        'name = "wine"\nseeds = 1\n[dataset]\nname = "csv"\n'
        f'options = {{ path = "{path.as_posix()}", target = "cultivar" }}\n'
        "[founders]\nhidden = 4\ndensity = 0.5\n"
        "[evolution]\npopulation = 2\ngenerations = 1\nsteps_per_generation = 50\n"
        '[baseline]\narms = ["mlp"]\n',
        "utf-8",
    )
    results = run(load_experiment(settings), workers=0, results=tmp_path / "results", figures=False)
    assert results.runs["n_features"].tolist() == [13]
    assert results.best().classes == ("a", "b", "c")
    assert results.best().score(X, y.map({0: "a", 1: "b", 2: "c"})) > 0.8


@pytest.mark.slow
def test_evolution_solves_xor_which_one_perceptron_cannot(tmp_path):
    settings = load_experiment("xor").model_copy(update={"seeds": 1})
    results = run(settings, workers=0, results=tmp_path, figures=False)
    dataset = load_dataset("xor", **settings.dataset.options)
    split = split_of(dataset, 0)
    evolved = results.comparison.query("arm == 'evolved'")["test_accuracy"].item()
    perceptron = Perceptron(random_state=0).fit(split.train.inputs, split.train.targets)
    assert evolved >= 0.95
    assert perceptron.score(split.test.inputs, split.test.targets) <= 0.8


# -- folders of runs ---------------------------------------------------------------------------------------------------


def test_a_folder_of_runs_is_loaded_as_one(finished, tiny, tmp_path):
    run(tiny(seeds=1), workers=0, results=tmp_path, run_name="other", figures=False)
    shutil.copytree(finished.path, tmp_path / "tiny")
    (tmp_path / "notes").mkdir()
    both = load_results(tmp_path)
    assert [path.name for path in both.paths] == ["other", "tiny"]
    assert both.runs["run"].tolist() == ["other", "tiny", "tiny"]
    assert len(both.individuals) > len(finished.individuals)
    with pytest.raises(ResultsError, match="other and tiny have cnn with seed"):
        both.summary()
    with pytest.raises(ResultsError, match="other and tiny have cnn with seed 3"):
        both.verdicts()
    with pytest.raises(ValueError, match="these results have 2"):
        _ = both.path


@pytest.mark.parametrize(("folder", "rule"), [("nowhere", "no such folder"), ("", "neither")])
def test_a_place_without_runs_is_named(tmp_path, folder, rule):
    path = tmp_path / folder
    with pytest.raises(ResultsError, match=rule) as caught:
        load_results(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_of_a_run_is_no_run(finished):
    config = finished.path / "config.json"
    with pytest.raises(ResultsError) as caught:
        load_results(config)
    told = f"{config}: must be the folder of a run, or a folder of runs; got a file, which is in {finished.path}"
    assert str(caught.value) == told


def test_a_run_with_a_damaged_table_is_named_in_one_line(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "tiny")
    part = next((tmp_path / "tiny" / "individuals").glob("part-*.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(ResultsError, match="is not as it was committed") as caught:
        load_results(tmp_path / "tiny")
    assert "\n" not in str(caught.value)


def test_a_run_folder_is_never_written_over(finished, tiny):
    before = (finished.path / "journal.jsonl").read_bytes()
    with pytest.raises(ResultsError, match="must not exist yet") as caught:
        run(tiny(), workers=0, results=finished.path.parent, run_name="tiny")
    assert str(finished.path) in str(caught.value)
    assert (finished.path / "journal.jsonl").read_bytes() == before


@pytest.mark.slow
def test_runs_that_begin_in_the_same_second_have_folders_of_their_own(tiny, tmp_path):
    evolution = {"population": 1, "generations": 0, "steps_per_generation": 1}
    quick = tiny(seeds=1, evolution=evolution, baseline={"arms": ["mlp"]})
    paths = {Path(run(quick, workers=0, results=tmp_path, figures=False).path) for _ in range(3)}
    assert len(paths) == 3


def test_without_evolution_the_static_arm_is_the_winner(tmp_path):
    """It trains as the evolved do, dormant entries too, and is judged as they are."""
    experiment = Experiment(
        name="control",
        seeds=1,
        dataset={"name": "digits"},
        founders={"graph": "layered", "hidden": 20, "density": 0.9, "active_fraction": 0.3},
        evolution={
            "population": 1,
            "generations": 0,
            "steps_per_generation": 60,
            "dormant": "straight_through",
        },
        baseline={"arms": ["static"]},
    )
    table = run(experiment, workers=0, results=tmp_path, figures=False).comparison.set_index("arm")
    same = ["test_accuracy", "test_loss", "validation_loss", "parameters", "macs", "steps"]
    assert (table.loc["evolved", same] == table.loc["static", same]).all()
    assert table.loc["static", "macs"] < 0.5 * (64 * 20 + 20 * 10)
