"""What a run says of itself: data, fitness and own parts, command and machine; and the refusal to repeat another."""

import functools
import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cnn import Network, SoftmaxLayer
from evo import METRICS, OPERATORS, SELECTIONS, Activation, Operator, SettingsError
from evo.environment import environment
from evo.operators.screening import must_change_function, screened
from evo.origin import origin_of
from experiments import Dataset, Experiment, load_experiment, load_results, run, run_study
from experiments.settings.own_parts import REGISTRIES
from experiments.settings.used import Used
from experiments.studies import runner
from experiments.studies.provenance import change_in_words, used_by
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
    own = run(
        Experiment(**small),
        dataset=signs(),
        fitness=small_loss,
        workers=0,
        results=tmp_path,
        figures=False,
    )
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


@pytest.fixture(autouse=True)
def clean():
    """Take own parts back out."""
    before = [registry.own for registry, _ in REGISTRIES.values()]
    yield
    for (registry, _), own in zip(REGISTRIES.values(), before, strict=True):
        registry.install(own)


def test_a_run_says_which_operators_of_the_users_own_it_had(small, tmp_path):
    OPERATORS.register("Z", Operator("Z", "mine", propose, apply))
    results = run(Experiment(**small), dataset=signs(), workers=0, results=tmp_path, figures=False)
    parts = stored(results)["used"]["parts"]
    assert list(parts) == ["operators.Z"]
    assert (parts["operators.Z"]["module"], parts["operators.Z"]["name"]) == (__name__, "propose")


def test_the_settings_of_a_run_repeat_it(small, tmp_path):
    first = run(
        Experiment(**small, dataset={"name": "xor"}), workers=0, results=tmp_path, figures=False
    )
    again = run(
        load_experiment(first.path / "config.json"),
        workers=0,
        results=tmp_path / "again",
        figures=False,
    )
    assert stored(again) == stored(first)
    columns = ["individual", "genome_hash", "fitness"]
    pd.testing.assert_frame_equal(again.individuals[columns], first.individuals[columns])


def test_the_settings_of_a_run_are_refused_with_something_else(small, tmp_path):
    first = run(
        Experiment(**small),
        dataset=signs(),
        fitness=small_loss,
        workers=0,
        results=tmp_path,
        figures=False,
    )
    again = load_experiment(first.path / "config.json")
    folder = tmp_path / "again"

    def repeat(**more):
        with pytest.raises(SettingsError) as caught:
            run(again, workers=0, results=folder, **more)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert repeat(dataset=signs(1), fitness=small_loss).startswith(
        "the data 'signs' have changed since that run "
        f"(used.data.hash: '{signs().data_hash}', now '{signs(1).data_hash}')"
    )
    told = repeat(dataset=signs())
    assert told.startswith(
        f"that run used the fitness small_loss of {__name__}, now given is negative_loss of evo.evolution.fitness; "
        "what was passed to run() must be passed again, in a script, with fitness= (used.fitness.module: "
    )
    assert repeat(fitness=small_loss).startswith(
        "that run used the data 'signs', now given is 'digits'; what was passed to run() must be passed again, in a "
        "script, with dataset= (used.data.name: "
    )
    OPERATORS.register("Z", Operator("Z", "mine", propose, apply))
    assert repeat(dataset=signs(), fitness=small_loss).startswith(
        "the own part operators.Z is new since that run (used.parts.operators.Z: None, now"
    )
    assert not folder.exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"fitness": {"module": "mine", "name": "good", "source_hash": "b"}},
            "the fitness good of mine has changed since that run (used.fitness.source_hash: ",
        ),
        (
            {"parts": {"operators.Z": {"module": "mine", "name": "Z", "source_hash": "b"}}},
            "the own part operators.Z of mine has changed since that run (used.parts.operators.Z.",
        ),
        ({"parts": {}}, "the own part operators.Z of mine is not there, which --parts or "),
        ({"fitness": None}, "used.fitness: "),
    ],
)
def test_a_change_of_what_was_used_is_told_in_words(change, told):
    before = {
        "data": {"name": "signs", "shape": [3, 2], "hash": "a"},
        "fitness": {"module": "mine", "name": "good", "source_hash": "a"},
        "parts": {"operators.Z": {"module": "mine", "name": "Z", "source_hash": "a"}},
    }
    assert change_in_words(before, dict(before)) is None
    assert change_in_words(before, {**before, **change}).startswith(told)


@pytest.mark.parametrize("text", ["{", "[1]", '"digits"'])
def test_a_file_that_holds_no_settings_is_one_line(text, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=r"config\.json: must be ") as caught:
        load_experiment(path)
    assert "\n" not in str(caught.value)


def test_another_reward_is_told_without_a_word_about_fitness():
    def used(module):
        origin = {"module": module, "name": "Reach", "source_hash": "5f"}
        return {"fitness": origin, "parts": {"rewards.reach": origin}}

    told = change_in_words(used("__main__"), used("reach"), of_reward=True)
    assert told.startswith(
        "the reward of that run, task.name, was Reach of __main__, and is Reach of reach now; load the code"
    )
    assert "--parts FILE" in told
    assert "fitness=" not in told
    before, now = ({"data": {"name": "reach", "hash": one}} for one in ("5f", "a0"))
    told = change_in_words(before, now, of_reward=True)
    assert told.startswith("the reward 'reach' has changed since that run (used.data.hash: ")


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
    run_study(study, folder=tmp_path / "runs", figures=False)
    run_study(study, folder=tmp_path / "runs", figures=False)  # nothing to do
    write(1)
    with pytest.raises(
        SettingsError,
        match=r"for mlp-seed-0 is a run of it already: the data .* have changed since",
    ):
        run_study(study, folder=tmp_path / "runs", figures=False)


def test_a_study_takes_runs_on_data_that_are_not_there_any_more(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("a,kind\n" + "1,x\n2,y\n" * 20, "utf-8")
    mine = {"name": "csv", "options": {"path": str(table), "target": "kind"}}

    def begin(arm, dataset):
        arms = {arm: {"evolve": False, "baseline": {"arms": ["mlp"], "epochs": 1}}}
        values = {"name": "two", "seeds": 1, "dataset": dataset, "arms": arms}
        return run_study(parse_study(values, "two"), folder=tmp_path / "runs", figures=False)

    begin("first", mine)
    table.unlink()
    assert len(begin("second", {"name": "xor"}).paths) == 2


def test_a_study_takes_runs_that_do_not_say_what_they_used(tmp_path, monkeypatch):
    study = parse_study(
        {
            "name": "old",
            "seeds": 1,
            "dataset": {"name": "xor"},
            "arms": {"mlp": {"evolve": False, "baseline": {"arms": ["mlp"], "epochs": 1}}},
        },
        "old",
    )
    with monkeypatch.context() as older:
        older.setattr(runner, "with_used", lambda experiment, used: experiment)
        run_study(study, folder=tmp_path, figures=False)
    run_study(study, folder=tmp_path, figures=False)


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


class Priced:
    """A fitness that is an object with a number in it."""

    def __init__(self, price):
        self.price = price

    def __call__(self, network, validation):
        return -self.price * network.parameter_count


LARGEST = 2.0
TABLE = {"a": np.ones(3)}


def factor(rng):
    return LARGEST * rng.random()


def of_helper(network, validation):
    return factor(np.random.default_rng(0)) + np.exp(TABLE["a"]).sum()


def hash_of(part):
    return origin_of(part).source_hash


def test_what_a_part_uses_counts(monkeypatch, tmp_path):
    teachers = [Network([SoftmaxLayer(2)], (3,), rng=np.random.default_rng(k)) for k in (0, 1)]
    frames = [pd.DataFrame({"a": [1.0, k], "b": ["x", "y"]}) for k in (0, 1)]
    pairs = [
        (Priced(1.0), Priced(2.0)),
        *(tuple(map(weighted, pair)) for pair in (teachers, frames)),
        (weighted({1, 2}), weighted({1, 3})),
        (weighted(Path("a")), weighted(Path("b"))),
        (weighted(np.exp), weighted(np.sin)),
        (weighted(functools.lru_cache(factor)), weighted(functools.lru_cache(small_loss))),
        (
            without_source("a = 1\ndef own(n): return a"),
            without_source("a = 2\ndef own(n): return a"),
        ),
    ]
    for one, other in pairs:
        assert hash_of(one) == hash_of(one)
        assert hash_of(one) != hash_of(other), one
    before = hash_of(of_helper)
    teachers[0].output(np.ones((5, 3)))  # its buffers are no part of it
    for name, value in (("LARGEST", 3.0), ("TABLE", {"a": np.zeros(3)}), ("factor", small_loss)):
        with monkeypatch.context() as changed:
            changed.setattr(sys.modules[__name__], name, value)
            assert hash_of(of_helper) != before
    assert hash_of(of_helper) == before


def test_helpers_in_a_neighbouring_file_count(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    main = "import neighbours\ndef own(network, validation): return neighbours.price(network)\n"
    (tmp_path / "with_neighbours.py").write_text(main, "utf-8")
    hashes = []
    for price in ("1", "2"):
        (tmp_path / "neighbours.py").write_text(f"def price(n): return {price}\n", "utf-8")
        for name in ("with_neighbours", "neighbours"):
            sys.modules.pop(name, None)
        for folder in tmp_path.glob("__pycache__/*"):
            folder.unlink()
        importlib.invalidate_caches()
        hashes.append(hash_of(importlib.import_module("with_neighbours").own))
    assert hashes[0] != hashes[1]


@pytest.mark.slow
def test_a_hash_is_the_same_in_every_process(tmp_path):
    code = (
        "import logging, sys; sys.path.insert(0, 'tests/test_experiments/studies')\n"
        "from test_provenance import *\n"
        "network = Network([SoftmaxLayer(2)], (3,), rng=np.random.default_rng(0))\n"
        "parts = [of_helper, Priced(1.0), weighted({'a', 'b', 'c'}), weighted(network), "
        "weighted(logging.getLogger('a')), Operator('Z', 'mine', propose, apply)]\n"
        "print([hash_of(part) for part in parts])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert "None" not in printed.pop()


def test_an_operator_inside_a_function_of_the_package_is_the_users_own():
    own = screened(Operator("Z", "mine", propose, apply), must_change_function)
    origin = origin_of(own)
    assert (origin.module, origin.name) == (__name__, "propose")
    assert origin.source_hash != hash_of(
        screened(Operator("Z", "mine", weighted, apply), must_change_function)
    )


def own_signs():
    return signs(3)


OWN = {
    "evo.OPERATORS": ("Z", Operator("Z", "mine", propose, apply), {}),
    "evo.POLICIES": ("own", lambda editor, context, settings: [], {"policy": {"name": "own"}}),
    "evo.REMOVALS": ("own", lambda step, kept: [], {"policy": {"name": "rigl", "removal": "own"}}),
    "evo.REGROWTHS": (
        "own",
        lambda step, counts: [],
        {"policy": {"name": "rigl", "regrowth": "own"}},
    ),
    "evo.SCHEDULES": (
        "own",
        lambda progress: 1.0,
        {"policy": {"name": "rigl", "density_schedule": "own"}},
    ),
    "evo.SELECTIONS": (
        "own",
        SELECTIONS["random_search"],
        {"evolution.selection": {"name": "own"}},
    ),
    "evo.DESCRIPTORS": (
        "own",
        lambda individual: 1.0,
        {"evolution.selection": {"name": "novelty", "descriptors": ["own"]}},
    ),
    "evo.FITNESSES": ("own", small_loss, {"evolution.fitness": "own"}),
    "evo.REWARDS": ("own", lambda: None, {"task": {"name": "own"}}),
    "evo.METRICS": (
        "own",
        replace(METRICS["accuracy"], name="own"),
        {"evaluation": {"verdict": "own"}},
    ),
    "evo.ACTIVATIONS": ("own", Activation(lambda n: 2 * n, lambda n: 2.0), {}),
    "evo.GRAPHS": ("own", lambda spec: np.eye(8, k=1), {"founders": {"graph": "own"}}),
    "evo.TOPOLOGIES": (
        "own",
        lambda spec: np.ones((spec.n_sources, spec.n_targets)),
        {"founders": {"graph": "layered", "hidden": 4, "topology": "own"}},
    ),
    "experiments.DATASETS": ("own", own_signs, {"dataset": {"name": "own"}}),
    "experiments.ARMS": ("own", lambda spec: None, {"baseline": {"arms": ["own"]}}),
}


@pytest.mark.parametrize("kind", [one for one in REGISTRIES if one != "experiments.CONTROLS"])
def test_own_parts_of_every_kind_are_said(kind, small):
    name, part, named = OWN[kind]
    before = used_by(Experiment(**small), signs())
    REGISTRIES[kind][0].register(name, part)
    key = f"{kind.rpartition('.')[2].lower()}.{name}"
    unnamed = used_by(Experiment(**small), signs()).parts
    settings = {**small}
    for setting, value in named.items():
        section, _, inside = setting.partition(".")
        settings[section] = {**settings.get(section, {}), **({inside: value} if inside else value)}
    if kind == "evo.REWARDS":  # which needs no samples, and so none of the other settings
        settings = named
    if kind == "evo.GRAPHS":
        settings["founders"] = {"graph": "own", "hidden": 4}
    used = used_by(Experiment(**settings), signs())
    assert key in used.parts
    assert len(used.parts[key].source_hash) == 64
    needs_no_name = {"OPERATORS", "ACTIVATIONS", "REMOVALS", "REGROWTHS", "SCHEDULES"}
    assert (key in unnamed) == (kind.removeprefix("evo.") in needs_no_name)
    assert not before.parts
    assert Used.model_validate_json(used.model_dump_json()) == used


def test_a_metric_of_the_users_own_is_a_fitness_of_the_users_own(small):
    def own_metric(truth, output):
        return 0.5

    METRICS.register("half", replace(METRICS["accuracy"], name="half", function=own_metric))
    settings = {**small, "evolution": {**small["evolution"], "fitness": "half"}}
    fitness = used_by(Experiment(**settings), signs()).fitness
    assert (fitness.module, fitness.name.rpartition(".")[2]) == (__name__, "own_metric")
    assert fitness.source_hash


def test_a_function_that_refers_to_itself_has_a_hash():
    def count(n):
        return n and count(n - 1)

    def early():
        return late

    assert origin_of(count).source_hash == origin_of(count).source_hash
    assert origin_of(early).source_hash  # while `late` has no value yet
    late = 1
    assert early() == 1


def test_objects_that_refer_to_each_other_have_a_hash():
    nodes = [Priced(k) for k in range(60)]
    for node in nodes:
        node.others = nodes
    before = hash_of(weighted(nodes))
    nodes[-1].price = 7
    assert hash_of(weighted(nodes)) != before


def test_parts_of_the_package_have_no_hash():
    for registry, _ in REGISTRIES.values():
        origins = [registry.origin(name) for name in registry]
        assert {one.source_hash for one in origins} == {None}
        assert all(one.module and one.name for one in origins)


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
    assert noted["error"] == ""


def test_the_commit_is_that_of_the_checkout():
    command = ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    assert (environment()["commit"] or "").removesuffix("+changes") == found


# -- settings as columns -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_runs_group_by_their_settings(small, tmp_path):
    rates = (0.1, 0.01)
    for rate in rates:
        experiment = Experiment(**small, dataset={"name": "xor"}, training={"learning_rate": rate})
        run(experiment, workers=0, results=tmp_path, run_name=f"rate-{rate}", figures=False)
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


@pytest.mark.slow
def test_settings_of_different_kinds_load_together(small, tmp_path):
    for name, hidden in (("one", 4), ("two", [4, 3])):
        values = {**small, "founders": {"graph": "layered", "hidden": hidden, "density": 0.5}}
        run(
            Experiment(**values, dataset={"name": "xor"}),
            workers=0,
            results=tmp_path,
            run_name=name,
            figures=False,
        )
    fixed = {
        "name": "fixed",
        "evolve": False,
        "dataset": {"name": "xor", "options": {"noise": 0.2}},
    }
    fixed |= {"seeds": 1, "baseline": {"arms": ["mlp"], "epochs": 1}}
    run(Experiment(**fixed), results=tmp_path, run_name="three", figures=False)
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
