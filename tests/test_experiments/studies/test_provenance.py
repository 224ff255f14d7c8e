"""What a run says of itself: data, fitness and own parts, command and machine; and the refusal to repeat another."""

import functools
import json
import subprocess
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evo import OPERATORS, Operator, SettingsError
from evo.environment import environment
from experiments import Dataset, Experiment, load_experiment, load_results, run, run_study
from experiments.studies.provenance import origin_of
from experiments.studies.study import parse_study

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def small():
    """Return the settings of a run of a moment."""
    return {
        "name": "small",
        "seeds": 1,
        "founders": {"hidden": 4, "density": 0.5},
        "evolution": {"population": 2, "generations": 1, "steps_per_generation": 5},
        "baseline": {"arms": []},
    }


def signs(seed=0):
    X = np.random.default_rng(seed).normal(size=(120, 3))
    return Dataset.from_arrays(X, np.where(X[:, 0] > 0, "plus", "minus"), name="signs")


def stored(results, name="config.json"):
    return json.loads((results.path / name).read_text("utf-8"))


def small_loss(network, validation):
    return -network.loss(validation.inputs, validation.targets)


# -- data, fitness, own parts ------------------------------------------------------------------------------------------


def test_a_run_says_which_data_and_which_fitness_it_used(finished, small, tmp_path):
    own = run(Experiment(**small), dataset=signs(), fitness=small_loss, workers=0, results=tmp_path)
    data = signs()
    used = stored(own)["used"]
    assert used["data"] == {"name": "signs", "shape": [120, 3], "hash": data.data_hash}
    assert (used["fitness"]["module"], used["fitness"]["name"]) == (__name__, "small_loss")
    assert len(used["fitness"]["source_hash"]) == 64
    columns = own.runs[["dataset.name", "evolution.fitness"]].iloc[0].tolist()
    assert columns == ["signs", "small_loss"]
    built_in = stored(finished)["used"]
    assert built_in["data"]["shape"] == [1797, 8, 8]
    assert built_in["fitness"] == {
        "module": "evo.evolution.fitness",
        "name": "negative_loss",
        "source_hash": None,
    }
    assert built_in["parts"] == {}


def propose(editor, context):
    return {"k": float(context.rng.normal())}


def apply(editor, parameters):
    editor.assign(np.array([0]), np.array([editor.n_nodes - 1]), np.array([parameters["k"]]))


def test_a_run_says_which_operators_of_the_users_own_it_had(small, tmp_path, monkeypatch):
    monkeypatch.setitem(OPERATORS, "Z", Operator("Z", "mine", propose, apply))
    results = run(Experiment(**small), dataset=signs(), workers=0, results=tmp_path)
    parts = stored(results)["used"]["parts"]
    assert list(parts) == ["operators.Z"]
    assert (parts["operators.Z"]["module"], parts["operators.Z"]["name"]) == (__name__, "propose")


def test_the_settings_of_a_run_repeat_it(small, tmp_path):
    first = run(Experiment(**small, dataset={"name": "xor"}), workers=0, results=tmp_path)
    again = run(load_experiment(first.path / "config.json"), workers=0, results=tmp_path / "again")
    assert stored(again) == stored(first)
    columns = ["individual", "genome_hash", "fitness"]
    pd.testing.assert_frame_equal(again.individuals[columns], first.individuals[columns])


def test_the_settings_of_a_run_are_refused_with_something_else(small, tmp_path, monkeypatch):
    first = run(
        Experiment(**small), dataset=signs(), fitness=small_loss, workers=0, results=tmp_path
    )
    again = load_experiment(first.path / "config.json")
    folder = tmp_path / "again"

    def repeat(**more):
        with pytest.raises(SettingsError) as caught:
            run(again, workers=0, results=folder, **more)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert repeat(dataset=signs(1), fitness=small_loss).startswith(
        f"used.data.hash: '{signs().data_hash}', now '{signs(1).data_hash}'"
    )
    assert repeat(dataset=signs()).startswith("used.fitness.module: ")
    assert repeat(fitness=small_loss).startswith("used.data.name: 'signs', now 'digits'")
    monkeypatch.setitem(OPERATORS, "Z", Operator("Z", "mine", propose, apply))
    assert repeat(dataset=signs(), fitness=small_loss).startswith(
        "used.parts.operators.Z: None, now"
    )
    assert not folder.exists()


@pytest.mark.parametrize("text", ["{", "[1]", '"digits"'])
def test_a_file_that_holds_no_settings_is_one_line(text, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=r"config\.json: must be ") as caught:
        load_experiment(path)
    assert "\n" not in str(caught.value)


def test_a_study_does_not_reuse_a_run_on_other_data(tmp_path):
    table = tmp_path / "mine.csv"

    def write(seed):
        data = signs(seed)
        rows = [
            f"{a:.4f},{b:.4f},{kind}"
            for (a, b, _), kind in zip(data.inputs, data.targets, strict=True)
        ]
        table.write_text("\n".join(["a,b,kind", *rows]) + "\n", "utf-8")

    study = parse_study(
        {
            "name": "own",
            "seeds": 1,
            "dataset": {"name": "csv", "options": {"path": str(table), "target": "kind"}},
            "arms": {"mlp": {"evolve": False, "baseline": {"arms": ["mlp"], "epochs": 1}}},
        },
        "own",
    )
    write(0)
    run_study(study, folder=tmp_path / "runs")
    run_study(study, folder=tmp_path / "runs")  # nothing to do
    write(1)
    with pytest.raises(SettingsError, match=r"was begun with something else \(used\.data\.hash: "):
        run_study(study, folder=tmp_path / "runs")


def test_a_study_takes_runs_that_do_not_say_what_they_used(tmp_path):
    study = parse_study(
        {
            "name": "old",
            "seeds": 1,
            "dataset": {"name": "xor"},
            "arms": {"mlp": {"evolve": False, "baseline": {"arms": ["mlp"], "epochs": 1}}},
        },
        "old",
    )
    run_study(study, folder=tmp_path)
    config = tmp_path / "mlp-seed-0" / "config.json"
    values = json.loads(config.read_text("utf-8"))
    del values["used"]
    config.write_text(json.dumps(values), "utf-8")
    run_study(study, folder=tmp_path)


# -- the hash of a part ------------------------------------------------------------------------------------------------


def weighted(weight):
    def fitness(network, validation):
        return -weight * network.loss(validation.inputs, validation.targets)

    return fitness


def without_source(text):
    namespace = {}
    exec(text, namespace)  # as in a session without files
    return namespace["own"]


class Simulator:
    """A fitness that is an object."""

    def __call__(self, network, validation):
        return 0.0


def test_parts_that_compute_something_else_have_other_hashes():
    parts = [
        small_loss,
        weighted(1.0),
        weighted(2.0),
        weighted(np.ones(3)),
        weighted(np.zeros(3)),
        weighted({"a": [1, 2]}),
        weighted({"a": [1, 3]}),
        functools.partial(small_loss, validation=1),
        functools.partial(small_loss, validation=2),
        without_source("def own(network, validation): return 1.0"),
        without_source("def own(network, validation): return 2.0"),
        Simulator(),
        Operator("Z", "mine", propose, apply),
        Operator("Z", "mine", propose, propose),
    ]
    hashes = [origin_of(part).source_hash for part in parts]
    assert None not in hashes
    assert len(set(hashes)) == len(hashes)
    assert [origin_of(part).source_hash for part in parts] == hashes
    assert origin_of(weighted(1.0)).source_hash == hashes[1]


def test_a_function_that_refers_to_itself_has_a_hash():
    def count(n):
        return n and count(n - 1)

    def early():
        return late

    assert origin_of(count).source_hash == origin_of(count).source_hash
    assert origin_of(early).source_hash  # while `late` has no value yet
    late = 1
    assert early() == 1


def test_parts_of_the_package_have_no_hash():
    assert all(origin_of(operator).source_hash is None for operator in OPERATORS.values())


# -- command and machine -----------------------------------------------------------------------------------------------


def test_a_run_says_by_which_command_when_and_where_it_was_made(finished):
    noted = stored(finished, "environment.json")
    assert noted["command"]
    assert noted["cpu_features"]
    assert noted["numba_target"]["cpu"]
    assert all(one["core"] for one in noted["blas"])
    started, ended = (datetime.fromisoformat(noted[name]) for name in ("started", "ended"))
    assert started.tzinfo is not None
    assert started <= ended
    assert "error" not in noted


def test_the_commit_is_that_of_the_checkout():
    command = ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    assert (environment()["commit"] or "").removesuffix("+changes") == found


# -- settings as columns -----------------------------------------------------------------------------------------------


def test_runs_group_by_their_settings(small, tmp_path):
    rates = (0.1, 0.01)
    for rate in rates:
        experiment = Experiment(**small, dataset={"name": "xor"}, training={"learning_rate": rate})
        run(experiment, workers=0, results=tmp_path, run_name=f"rate-{rate}")
    results = load_results(tmp_path)
    for rate, rows in results.runs.groupby("training.learning_rate"):
        assert rows["run"].tolist() == [f"rate-{rate}"]
    assert sorted(results.runs["training.learning_rate"]) == sorted(rates)
    alone = pd.read_parquet(tmp_path / "rate-0.1" / "runs")
    assert alone["training.learning_rate"].tolist() == [0.1]
    types = results.runs.dtypes.astype(str)
    assert types["training.learning_rate"] == "float64"
    assert types["training.batch_size"] == types["founders.max_macs"] == "Int64"
    assert results.runs["policy.name"].tolist() == ["mixed", "mixed"]
    assert not results.runs["founders.sequence"].any()


def test_settings_of_different_kinds_load_together(small, tmp_path):
    for name, hidden in (("one", 4), ("two", [4, 3])):
        values = {**small, "founders": {"graph": "layered", "hidden": hidden, "density": 0.5}}
        run(
            Experiment(**values, dataset={"name": "xor"}),
            workers=0,
            results=tmp_path,
            run_name=name,
        )
    fixed = {
        "name": "fixed",
        "evolve": False,
        "dataset": {"name": "xor", "options": {"noise": 0.2}},
    }
    fixed |= {"seeds": 1, "baseline": {"arms": ["mlp"], "epochs": 1}}
    run(Experiment(**fixed), results=tmp_path, run_name="three")
    runs = load_results(tmp_path).runs.set_index("run")
    assert runs.loc[["one", "two"], "founders.hidden"].tolist() == ["4", "[4, 3]"]
    assert pd.isna(runs.loc["three", "founders.hidden"])
    assert runs["dataset.options.noise"].fillna(0).tolist() == [0, 0.2, 0]
    assert runs["baseline.epochs"].isna().tolist() == [True, False, True]
    assert load_results(tmp_path / "one").runs["founders.hidden"].tolist() == [4]


def test_every_setting_of_a_section_is_a_column(finished):
    def leaves(values, prefix=""):
        for name, value in values.items():
            if isinstance(value, dict):
                yield from leaves(value, f"{prefix}{name}.")
            else:
                yield prefix + name

    values = stored(finished)
    del values["used"]
    expected = {name for name in leaves(values) if "." in name}
    assert {name for name in finished.runs.columns if "." in name} == expected
