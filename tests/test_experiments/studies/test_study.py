"""Experiments with arms: what a file may say, what is done once, and the comparison over all runs."""

import copy
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from older_runs import make_older

from evo.errors import ResultsError, SettingsError
from experiments import (
    Callback,
    StopRun,
    load_experiment,
    load_results,
    load_study,
    run,
    run_study,
)
from experiments.analysis.comparison import pooled
from experiments.cli.app import main
from experiments.progress import Reporter
from experiments.studies import execution
from experiments.studies.study import parse_study

VALUES = {
    "name": "small",
    "seeds": 2,
    "founders": {"hidden": 8},
    "evolution": {
        "population": 1,
        "generations": 3,
        "steps_per_generation": 5,
        "train_only_fraction": 0.34,
    },
    "policy": {"name": "none"},
    "training": {"learning_rate": 0.1},
    "baseline": {"activation": "relu", "hidden": 9},
    "arms": {
        "mlp": {"evolve": False, "baseline": {"arms": ["mlp"]}},
        "alone": {},
        "set": {"policy": {"name": "set"}, "evolution": {"selection": {"name": "random_search"}}},
        "many": {"founders": {"density": 0.5}, "evolution": {"population": 2}},
    },
}

DECLARED = {"evaluation": {"primary": "alone - mlp", "equivalence_margin": 0.5}}


def study_of(**values):
    return parse_study({**copy.deepcopy(VALUES), **values}, "small")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the folder of a finished study, and its results."""
    folder = tmp_path_factory.mktemp("study") / "runs"
    return folder, run_study(study_of(**DECLARED), folder=folder, workers=0, figures=False)


# -- settings ----------------------------------------------------------------------------------------------------------


def test_an_arm_has_what_all_share_and_what_is_its_own():
    arms = study_of().arms
    assert list(arms) == ["mlp", "alone", "set", "many"]
    assert [one.arm for one in arms.values()] == ["evolved", "alone", "set", "many"]
    assert {one.name for one in arms.values()} == {"small"}
    assert arms["many"].founders.hidden == 8
    assert (arms["many"].founders.density, arms["alone"].founders.density) == (0.5, 0.2)
    assert [arms[name].evolution.population for name in ("alone", "many")] == [1, 2]
    assert arms["set"].evolution.selection.name == "random_search"
    assert arms["set"].evolution.generations == 3
    assert len({one.training for one in arms.values()}) == 1
    assert arms["alone"].baseline.arms == ()


def test_a_fixed_arm_gets_the_steps_of_those_that_evolve():
    fixed = study_of().arms["mlp"]
    assert not fixed.evolve
    assert (fixed.baseline.total_steps, fixed.baseline.epochs) == (20, None)
    assert (fixed.baseline.hidden, fixed.baseline.activation) == (9, "relu")
    longer = study_of(evolution={"generations": 5, "steps_per_generation": 5})
    assert longer.arms["mlp"].baseline.total_steps == 30
    own = {"mlp": {"evolve": False, "baseline": {"arms": ["mlp"], "epochs": 2}}}
    assert study_of(arms=own).arms["mlp"].baseline.total_steps is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"arms": {}}, "small: arms must be one table or more"),
        ({"arms": 3}, "small: arms must be one table or more"),
        ({"arms": {"a": 3}}, "small: arms.a must be a table; got 3"),
        ({"arms": {"a": {"seed": 3}}}, "small: arms.a.seed must be the same for all arms"),
        ({"arms": {"a": {"dataset": {}}}}, "small: arms.a.dataset must be the same for all arms"),
        ({"arms": {"a/b": {}}}, "small: arms.a/b: arm must be letters"),
        ({"arms": {"a": {"policy": {"nam": "set"}}}}, "small: arms.a: policy.nam: unknown key"),
        (
            {"arms": {"a": {"evolve": False, "policy": {}, "baseline": {"arms": ["mlp"]}}}},
            "small: arms.a: policy must not be given where evolve = false",
        ),
        (
            {
                "arms": {"a": {"evolve": False, "baseline": {"arms": ["mlp"]}}},
                "evolution": {"steps_per_generation": 0},
            },
            "small: arms.a: baseline.epochs must be given",
        ),
    ],
)
def test_an_error_is_one_line_that_names_arm_and_setting(values, message):
    with pytest.raises(SettingsError) as caught:
        study_of(**values)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_files_with_arms_and_without_are_told_apart(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[arms.a]\n[arms.b]\npolicy.name = "set"\n')
    assert load_study(path).arms["b"].policy.name == "set"
    with pytest.raises(SettingsError, match="has arms; load_study loads it"):
        load_experiment(path)
    with pytest.raises(SettingsError, match="arms must be one table or more"):
        load_study("digits")


# -- running -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_settings_of_a_run_repeat_it_though_the_declared_arms_are_others_too(
    finished, tmp_path
):
    folder, results = finished
    stored = load_experiment(folder / "alone-seed-1" / "config.json")
    again = run(stored, workers=0, results=tmp_path, figures=False)
    row = results.comparison.query("run == 'alone-seed-1'")
    assert again.comparison["test_loss"].tolist() == row["test_loss"].tolist()


@pytest.mark.slow
def test_the_winner_is_that_of_the_declared_arm_unless_another_one_is_asked_for(finished):
    _, results = finished
    assert results.declared_arms == ("alone", "mlp")
    assert results.winner()["run"].startswith("alone-")
    assert results.winner(seed=0, arm="many")["run"] == "many-seed-0"
    with pytest.raises(ResultsError, match="holds no finished search of the arm few"):
        results.winner(arm="few")


def test_of_runs_that_are_not_finished_nothing_is_compared(tmp_path, capsys):
    class Stopping(Callback):
        def generation(self, event):
            raise StopRun("it is enough")

    only = study_of(seeds=1)
    run_study(only, arms=["many"], folder=tmp_path, callbacks=[Stopping()], workers=0, quiet=True)
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(tmp_path)])
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert printed == f"evomatrix: {tmp_path}: holds no finished run with a test part\n"


def test_every_arm_runs_with_every_seed_as_a_run_of_its_own(finished):
    folder, results = finished
    names = {f"{arm}-seed-{seed}" for arm in VALUES["arms"] for seed in (0, 1)}
    assert (
        {path.name for path in folder.iterdir() if path.is_dir()}
        == {path.name for path in results.paths}
        == names
    )
    assert results.unfinished == []
    comparison = results.comparison
    assert set(comparison["arm"]) == set(VALUES["arms"])
    assert set(comparison["steps"]) == {20}
    assert (
        comparison["run"] == comparison["arm"] + "-seed-" + comparison["seed"].astype(str)
    ).all()
    assert (
        results.operations.query("run == 'set-seed-0'")["operator"].tolist() == ["A", "A", "N"] * 2
    )


def test_what_is_finished_is_not_done_again_and_what_has_begun_is_left_alone(
    finished, tmp_path, caplog
):
    folder, results = finished
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = run_study(study_of(**DECLARED), folder=folder, workers=0)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    pd.testing.assert_frame_equal(again.comparison, results.comparison)
    too_few = "evaluation.primary: 2 seeds can show no p below 0.5, so neither arm of alone - mlp "
    assert [one[: len(too_few)] for one in caplog.messages] == [too_few]

    (tmp_path / "alone-seed-0").mkdir()
    told = []

    class Keeping(Reporter):
        def note(self, text):
            told.append(text)

    some = run_study(
        study_of(seeds=1),
        arms=["alone", "mlp"],
        folder=tmp_path,
        workers=0,
        reporter=Keeping,
        figures=False,
    )
    assert [path.name for path in some.paths] == ["mlp-seed-0"]
    alone = tmp_path / "alone-seed-0"
    assert f"alone-seed-0: is not finished; it holds no run, so delete {alone}" in told


def test_a_run_that_another_process_begins_first_is_left_to_it(tmp_path):
    told = []

    class Racing(Reporter):
        """The second one is made when the run of `alone` is about to begin: by then another process has its folder."""

        made = 0

        def __init__(self):
            Racing.made += 1
            if Racing.made == 2:
                (tmp_path / "alone-seed-0").mkdir()

        def note(self, text):
            told.append(text)

    some = run_study(
        study_of(seeds=1),
        arms=["alone", "mlp"],
        folder=tmp_path,
        workers=0,
        reporter=Racing,
        figures=False,
    )
    assert [path.name for path in some.paths] == ["mlp-seed-0"]
    assert told[:1] == ["alone-seed-0: another process has begun it"]


def test_individuals_can_be_told_apart_by_arm(finished):
    _, results = finished
    rows = results.individuals.merge(results.runs[["run", "seed", "arm"]], on=["run", "seed"])
    assert (rows["run"] == rows["arm"] + "-seed-" + rows["seed"].astype(str)).all()
    assert set(rows["arm"]) == {"alone", "set", "many"}
    assert results.runs.query("run == 'mlp-seed-0'")["arm"].isna().all()


@pytest.mark.slow
def test_an_arm_alone_gives_what_it_gives_among_others_and_pictures_if_wanted(
    finished, tmp_path, monkeypatch
):
    monkeypatch.setattr(execution, "SECONDS_WORTH_PICTURES", 0.0)
    others, results = finished
    one = tmp_path / "one"
    alone = run_study(study_of(seed=1, seeds=1), arms=["set"], folder=one, workers=0)
    pictures = [sorted(path.name for path in folder.rglob("*.png")) for folder in (one, others)]
    assert pictures == [["confusion.png", "generations.png", "graph.png", "matrix.png"], []]
    columns = ["test_loss", "test_accuracy", "parameters", "macs"]
    both = [
        one.comparison.query("run == 'set-seed-1'")[columns].to_numpy() for one in (alone, results)
    ]
    assert (both[0] == both[1]).all()


def test_an_arm_that_comes_to_nothing_costs_no_result_of_the_others(tmp_path):
    arms = {"fine": {}, "wild": {"training": {"learning_rate": 1e30}}}
    results = run_study(
        study_of(seeds=1, arms=arms), folder=tmp_path / "runs", workers=0, figures=False
    )
    assert results.comparison["arm"].tolist() == ["fine"]
    assert results.unfinished == ["wild-seed-0"]


def test_unknown_arms_and_workers_are_refused_before_any_work(tmp_path):
    with pytest.raises(SettingsError, match="arms must be among mlp, alone, set, many; got cnn"):
        run_study(study_of(), arms=["cnn"], results=tmp_path)
    with pytest.raises(SettingsError, match=r"got alnoe \(did you mean 'alone'\?\)"):
        run_study(study_of(), arms=["alnoe"], results=tmp_path)
    with pytest.raises(SettingsError, match="workers must be a whole number of at least 0; got -1"):
        run_study(study_of(), workers=-1, results=tmp_path)
    with pytest.raises(SettingsError, match="address must not be given where one search after the"):
        run_study(study_of(seeds=1), arms=["mlp", "alone"], address="auto", results=tmp_path)
    large = {"a": {"founders": {"hidden": 32, "ticks": 3, "sequence": True}}}
    with pytest.raises(SettingsError, match=r"founders.ticks:? must divide the 64 features"):
        run_study(study_of(arms=large), results=tmp_path)
    assert list(tmp_path.iterdir()) == []


# -- comparing ---------------------------------------------------------------------------------------------------------


def test_the_arms_are_compared_over_all_runs_paired_by_seed(finished):
    _, results = finished
    table = results.pooled()
    found = results.compare("mlp").set_index("arm")
    wide = results.comparison.pivot_table(index="seed", columns="arm", values="test_accuracy")
    assert set(found.index) == {"alone", "many", "set"}
    for arm, one in found.iterrows():
        assert (one["other"], one["seeds"]) == ("mlp", 2)
        assert one["difference"] == pytest.approx((wide[arm] - wide["mlp"]).mean())
    totals = table.groupby("arm")["total_steps"].unique()
    # A child that nothing changes repeats its parent's training, and is not charged for it.
    expected = {"mlp": [20], "alone": [20], "set": [20], "many": [40]}
    assert {arm: steps.tolist() for arm, steps in totals.items()} == expected


def test_two_arms_are_compared_in_the_order_in_which_they_are_named(finished):
    _, results = finished
    (row,) = results.compare("set", "alone").to_dict("records")
    assert (row["arm"], row["other"], row["n_comparisons"]) == ("set", "alone", 1)
    back = results.compare("alone", "set").iloc[0]
    assert back["difference"] == -row["difference"]
    (line,) = results.verdicts("set", "alone")
    assert "set - alone = " in line
    with pytest.raises(ResultsError, match=r"among .*; got 'alon' \(did you mean 'alone'\?\)"):
        results.compare("set", "alon")
    for arms in (("set", "set"), ("set", "alone", "mlp")):
        with pytest.raises(ResultsError, match="arms must be one arm or two different ones; got "):
            results.compare(*arms)


def test_the_declared_comparison_is_known_from_the_tables_of_the_runs(finished):
    folder, results = finished
    assert set(results.runs["evaluation.primary"]) == {"alone - mlp"}
    for compared in (results.compare(), results.compare("mlp"), results.compare("set")):
        declared = compared[compared["declared"]]
        assert declared[["arm", "other"]].to_numpy().tolist() == [["alone", "mlp"]]
        assert set(compared["margin"]) == {0.5}
        assert set(compared.loc[~compared["declared"], "n_comparisons"]) == {len(compared) - 1}
    assert set(results.compare("mlp", margin=0.1)["margin"]) == {0.1}
    lines = results.verdicts("many")
    assert sum(", declared before the run" in line for line in lines) == 1
    without = load_results(folder / "set-seed-0", folder / "mlp-seed-0").verdicts()
    assert without[0] == "no result of alone - mlp, which was declared before the run"


def test_runs_of_which_only_some_declared_a_comparison_declared_none(finished):
    _, results = finished
    runs = results.runs.copy()
    runs.loc[0, "evaluation.primary"] = None
    assert not replace(results, runs=runs).compare()["declared"].any()


def test_a_study_declares_a_comparison_of_its_own_arms():
    with pytest.raises(
        SettingsError,
        match=r"small: evaluation\.primary must be of two of the arms mlp, alone, set, many; got 'alone - cnn'",
    ):
        study_of(evaluation={"primary": "alone - cnn"})
    with pytest.raises(SettingsError, match=r"got 'mpl - alone' \(did you mean 'mlp'\?\)"):
        study_of(evaluation={"primary": "mpl - alone"})


def test_runs_that_cannot_be_pooled_are_refused(finished):
    _, results = finished
    with pytest.raises(ResultsError, match="arms must be among alone, many, mlp, set; got 'cnn'"):
        results.compare("cnn")
    twice = pd.concat([results.comparison, results.comparison.head(1).assign(run="other")])
    with pytest.raises(ResultsError, match="alone-seed-0 and other have alone with seed 0"):
        pooled(twice, results.runs, results.baseline)
    other = results.runs.assign(data_hash=range(len(results.runs)))
    with pytest.raises(ResultsError, match="runs must be of one data set"):
        pooled(results.comparison, other, results.baseline)


@pytest.mark.slow
def test_the_command_line_runs_an_experiment_with_arms_and_compares(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nseeds = 2\n[evolution]\npopulation = 1\ngenerations = 1\nsteps_per_generation = 3\n'
        '[policy]\nname = "none"\n[arms.b]\n[arms.mlp]\nevolve = false\nbaseline.arms = ["mlp"]\n'
    )
    folder = tmp_path / "runs"
    for arms in ("mlp", "b"):
        with pytest.raises(SystemExit) as ended:
            main(
                [
                    "run",
                    str(path),
                    "--arms",
                    arms,
                    "--folder",
                    str(folder),
                    "--workers",
                    "0",
                    "--no-figures",
                ]
            )
        assert not ended.value.code
    assert sum(one.is_dir() for one in folder.iterdir()) == 4
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["compare", str(folder)])
    shown = capsys.readouterr().out
    assert "− mlp" in shown
    assert "(2 pairs)" in shown
    with pytest.raises(SystemExit):
        main(["compare", str(folder / "b-seed-0"), str(folder / "mlp-seed-0"), "--against", "b"])
    assert "− b" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(folder), "--margin", "0.99"])
    assert not ended.value.code
    assert "no difference beyond 99 points (TOST, p" in capsys.readouterr().out
    for margin, message in (
        ("0", "margin must be a finite number above 0; got 0.0"),
        ("3", "margin must be below 1 for accuracy, whose values are shares of 1: 0.005 is half"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["compare", str(folder), "--margin", margin])
        assert ended.value.code == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["compare", str(folder), "--against", "mpl"])
    assert "got 'mpl' (did you mean 'mlp'?)" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["run", "xor", "--arms", "b"])
    assert ended.value.code == 2
    assert "arms: must not be given for xor, which has no arms; got " in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["run", str(path), "--generations", "5"])
    assert ended.value.code == 2
    assert (
        f"generations: must not be given, for each arm of {path} has its own; got 5"
        in capsys.readouterr().err
    )


def test_one_seed_has_no_interval(finished):
    folder, _ = finished
    single = load_results(folder / "alone-seed-0", folder / "mlp-seed-0")
    found = single.compare("mlp").iloc[0]
    assert (found["arm"], found["seeds"], found["low"]) == ("alone", 1, -math.inf)


def test_a_folder_with_other_settings_is_refused_before_any_work(finished):
    folder, _ = finished
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(SettingsError, match=r"evaluation\.primary: 'alone - mlp', now 'set - mlp'"):
        run_study(study_of(evaluation={"primary": "set - mlp"}), folder=folder, workers=0)
    longer = study_of(seeds=3, training={"learning_rate": 0.2})
    with pytest.raises(SettingsError) as caught:
        run_study(longer, folder=folder, workers=0)
    assert "training.learning_rate: 0.1, now 0.2" in str(caught.value)
    assert str(folder / "mlp-seed-0") in str(caught.value)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_further_seeds_of_an_arm_have_its_settings(finished, tmp_path):
    folder, _ = finished
    before = sorted(folder.iterdir())
    other = study_of(**DECLARED, seed=2, training={"learning_rate": 0.2})
    with pytest.raises(SettingsError) as caught:
        run_study(other, arms=["alone"], folder=folder, workers=0, figures=False)
    assert str(caught.value) == (
        f"folder: {folder / 'alone-seed-0'} was begun with something else than alone-seed-2 "
        "(training.learning_rate: 0.1, now 0.2); take another folder, or delete it"
    )
    assert sorted(folder.iterdir()) == before
    copied = Path(shutil.copytree(folder, tmp_path / "runs"))
    same = study_of(**DECLARED, seed=2, seeds=1)
    run_study(same, arms=["mlp"], folder=copied, workers=0, figures=False)
    assert (copied / "mlp-seed-2").exists()


def test_a_setting_that_is_newer_than_a_run_has_its_default_there(finished, tmp_path):
    folder = Path(shutil.copytree(finished[0], tmp_path / "runs"))
    run = folder / "alone-seed-0"
    make_older(run)
    settings = json.loads((run / "config.json").read_text("utf-8"))
    assert settings["training"].pop("l2") == 0.0
    (run / "config.json").write_text(json.dumps(settings), "utf-8")
    same = study_of(**DECLARED, seeds=1)
    run_study(same, arms=["alone"], folder=folder, workers=0, figures=False)
    other = study_of(**DECLARED, seeds=1, training={"l2": 0.001})
    with pytest.raises(SettingsError, match=r"training\.l2: 0\.0, now 0\.001"):
        run_study(other, arms=["alone"], folder=folder, workers=0, figures=False)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "runs").write_text("no")
    with pytest.raises(SettingsError, match="folder must be a folder"):
        run_study(study_of(), folder=tmp_path / "runs", workers=0)


@pytest.mark.parametrize("other", [{"evolve": False, "baseline": {"arms": ["mlp"]}}, {}])
def test_no_two_arms_have_one_name_in_the_table(other):
    arms = {"one": {"evolve": False, "baseline": {"arms": ["mlp"]}}}
    name = "two" if other else "mlp"
    with pytest.raises(
        SettingsError, match="a name of its own in the table; got 'mlp', which is also that of arms"
    ):
        study_of(arms=arms | {name: other})
