"""Runs that a reward judges: their tables, and the same results serial, on Ray, killed and resumed, and verified."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from older_runs import make_older
from reaching import TASK, Reach, assert_same, little, trained
from tests_of_kills import count_boundaries, in_child

import evo
from evo.errors import ResultsError, SettingsError
from evo.seeding import Purpose, generator
from experiments import continue_run, load_results, replay_lineage, resume, run, study, verify
from experiments.analysis import anytime, time_to_target
from experiments.analysis.comparison import compare, missed_budgets, summarize
from experiments.analysis.curves import costs_of
from experiments.report import write_report
from experiments.settings.study import parse_study
from experiments.studies.study import run_study


@pytest.fixture(scope="module", autouse=True)
def reach():
    own = evo.REWARDS.own
    evo.REWARDS.register("reach", Reach)
    yield
    evo.REWARDS.install(own)


def begin(folder, experiment, name="one", **options):
    options = {"workers": 0, "figures": False, "quiet": True} | options
    return run(experiment, results=folder, run_name=name, **options)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(little, id="evolved alone", marks=pytest.mark.slow),
        pytest.param(trained, id="trained too"),
    ],
)
def experiment(request):
    return request.param()


@pytest.fixture(scope="module")
def done(experiment, tmp_path_factory):
    return begin(tmp_path_factory.mktemp("serial"), experiment)


def test_tables_say_what_was_played(done, experiment):
    individuals, runs = done.individuals, done.runs.set_index("seed")
    assert (individuals["status"] == "ok").all()
    np.testing.assert_array_equal(individuals["fitness"], individuals["validation_return"])
    np.testing.assert_allclose(
        individuals["validation_return"], -individuals["validation_distance"]
    )
    assert (individuals["validation_steps"] == 6).all()
    strategy, steps = experiment.task.strategy, experiment.evolution.steps_per_generation
    per_phase = steps * strategy.population * strategy.episodes if experiment.task.trains else 0
    played = individuals["reused_from"].isna() * (3 + per_phase)
    np.testing.assert_array_equal(individuals["played_episodes"], played)
    np.testing.assert_array_equal(individuals["played_steps"], 6 * played)
    of_seeds = individuals.groupby("seed")[["played_episodes", "played_steps"]].sum()
    np.testing.assert_array_equal(of_seeds, runs[["search_played_episodes", "search_played_steps"]])
    assert set(runs["task"]) == {"reward"}
    assert set(runs["dataset"]) == {"reach"}
    assert set(runs["evolution.fitness"]) == {"return"}
    macs = (individuals["macs"] * 6 * per_phase)[individuals["reused_from"].isna()].sum()
    assert individuals["training_macs"].sum() == macs
    compared = done.comparison.set_index(["seed", "arm"])
    assert set(compared.index.get_level_values("arm")) == {"evolved", "static"}
    evolved = compared.xs("evolved", level="arm")
    np.testing.assert_array_equal(
        evolved["total_played_episodes"], runs["search_played_episodes"].loc[evolved.index]
    )
    assert done.predictions.empty


def test_the_test_is_that_of_episodes_which_selection_never_sees(done, experiment):
    for seed in (0, 1):
        network = evo.Actor(done.network("evolved", seed).network)
        returns = []
        for k in range(10):
            network.reset()
            rng = generator(seed, Purpose.TEST_EPISODES, 0, k)
            returns.append(Reach().evaluate(network, rng=rng)[0])
        row = done.comparison.query("seed == @seed and arm == 'evolved'")
        assert row["test_return"].item() == pytest.approx(np.mean(returns), rel=1e-12)


def test_all_individuals_of_a_generation_play_the_same_episodes(tmp_path):
    same = little(policy={"name": "none"}, evolution={"population": 2, "generations": 2}, seeds=1)
    table = begin(tmp_path, same).individuals
    by_founder = table.groupby("founder")["fitness"]
    assert [len({*one}) for _, one in by_founder] == [3, 3]  # each generation has its own
    task = {**TASK, "same_episodes": "run"}
    fixed = begin(tmp_path, same.model_copy(update={"task": task}), "fixed").individuals
    assert [len({*one}) for _, one in fixed.groupby("founder")["fitness"]] == [1, 1]


def test_a_verdict_needs_equal_episodes_and_is_about_the_return(done):
    compared = done.compare()
    assert compared["metric"].item() == "return"
    assert compared["must_be_equal"].item() == "total_played_episodes"
    (line,) = done.verdicts()
    assert "of test return" in line
    assert "budgets differ: evolved had" in line
    assert done.summary()["test_return"].notna().all()


class Directed(Reach):
    """Says which distances are better."""

    larger_is_better = {"distance": False}  # noqa: RUF012 - as a user writes it


def test_a_measure_decides_where_the_reward_says_which_values_are_better(tmp_path):
    evo.REWARDS.register("directed", Directed, replace=True)
    task = {**TASK, "name": "directed"}
    results = begin(tmp_path, little(task=task, evaluation={"verdict": "distance"}))
    assert set(results.comparison["metric"]) == {"distance"}
    compared = results.compare()
    assert (compared["metric"].item(), compared["larger_is_better"].item()) == ("distance", False)
    assert results.summary().columns[1] == "test_distance"
    (line, *_) = results.verdicts()
    assert "of test distance" in line
    assert "validation_distance" in results.pareto()


@pytest.mark.parametrize(
    ("reward", "verdict", "rule"),
    [
        (
            "reach",
            "distanc",
            r"must be one of return, steps, distance; got 'distanc' \(did you mean",
        ),
        ("reach", "accuracy", "must be one of return, steps, distance; got 'accuracy'"),
        (
            "reach",
            "distance",
            r".* got 'distance': give the class, or compiled_task, larger_is_better = \{'distance': True\}, or False",
        ),
        ("directed", "steps", "must be a measure of which the reward says whether larger values"),
    ],
)
def test_a_measure_that_cannot_decide_is_refused_in_one_line(reward, verdict, rule, tmp_path):
    evo.REWARDS.register("directed", Directed, replace=True)
    experiment = little(task={**TASK, "name": reward}, evaluation={"verdict": verdict})
    for refused in (
        lambda: begin(tmp_path / "one", experiment),
        lambda: study(experiment, {"a": {}}, folder=tmp_path / "study", workers=0, quiet=True),
    ):
        with pytest.raises(SettingsError, match=f"^evaluation.verdict.*{rule}"):
            refused()
    assert not [*tmp_path.iterdir()]


def test_the_best_network_says_that_a_reward_has_judged_it(done, tmp_path):
    assert "task=reward" in repr(done.best()).replace("'", "")
    assert "task=reward" in repr(done.network("static")).replace("'", "")
    copied = evo.load_network(done.best().save(tmp_path / "best"))
    assert repr(copied) == repr(done.best())


def test_the_best_network_acts(done):
    best = done.best()
    first = best.act([0.1, 0.4])
    assert first.shape == (1,)
    np.testing.assert_array_equal(first, best.network.output(np.array([[0.1, 0.4]]))[0])
    assert done.network("static").act([0.1, 0.4]).shape == (1,)


@pytest.mark.parametrize("part", [0.5, pytest.param(0.9, marks=pytest.mark.slow)])
def test_a_killed_run_that_is_resumed_is_the_run_that_was_not(done, experiment, tmp_path, part):
    whole = count_boundaries(lambda: begin(tmp_path, experiment, "whole"))
    code = in_child(lambda: begin(tmp_path, experiment), fatal=int(part * whole))
    assert code == -9
    assert_same(done, resume(tmp_path / "one", workers=0, figures=False, quiet=True))


def test_a_run_is_verified_and_its_winner_is_rebuilt(done):
    assert verify(done.path, workers=0, quiet=True).difference is None
    winner = done.winner(seed=1)
    line = replay_lineage(done, winner["individual"], seed=1)
    assert line[-1].fitness == winner["fitness"]
    assert line[-1].genome.fingerprint() == winner["genome_hash"]


def test_a_run_goes_on_in_a_newer_one(done, experiment, tmp_path):
    options = {"workers": 0, "quiet": True, "figures": False, "run_name": "newer"}
    newer = continue_run(done.path, generations="+1", results=tmp_path, **options)
    generations = experiment.evolution.generations
    assert set(newer.individuals["generation"]) == {generations + 1}
    before, after = (one.runs["search_played_episodes"].sum() for one in (done, newer))
    assert after == before + newer.individuals["played_episodes"].sum()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("task.episodes", 9, "the fitness of its population is the mean over so many episodes"),
        ("task.strategy.name", "cma_es", "the state of its networks is that of this strategy"),
        ("task.options", {"steps": 2}, "its networks were judged otherwise"),
    ],
)
def test_what_judged_a_population_stays_when_it_goes_on(done, name, value, reason):
    rule = rf"^settings: {name} must not be changed, because {reason} \(of task only task\.test_episodes, .*\)"
    with pytest.raises(SettingsError, match=rule):
        continue_run(done.path, settings={name: value}, generations="+1", quiet=True)


def test_a_run_goes_on_with_other_test_episodes_and_another_strength_of_its_strategy(
    done, experiment, tmp_path
):
    changes = {"task.test_episodes": 4}
    if experiment.task.trains:
        changes |= {"task.strategy.std": 0.2, "task.strategy.population": 6}
    options = {"workers": 0, "quiet": True, "figures": False, "run_name": "newer"}
    newer = continue_run(done.path, settings=changes, generations="+1", results=tmp_path, **options)
    assert newer.runs["n_test"].eq(4).all()
    if experiment.task.trains:
        assert newer.individuals["played_episodes"].max() == 3 + 2 * 6


def test_a_run_of_samples_gets_no_task_when_it_goes_on(finished):
    rule = (
        "^settings: task.test_episodes must not be changed, because its networks were judged other"
    )
    with pytest.raises(SettingsError, match=rule):
        continue_run(finished.path, settings={"task.test_episodes": 3}, quiet=True)


def test_the_winners_topology_is_trained_anew_and_shuffled_by_a_strategy(tmp_path):
    experiment = trained(seeds=1, baseline={"arms": ["static", "retrained", "shuffled"]})
    experiment = experiment.model_copy(update={"founders": {"hidden": 6, "density": 0.4}})
    results = begin(tmp_path, experiment)
    table = results.baseline.set_index("arm")
    assert {*table.index} == {"static", "retrained", "shuffled"}
    assert set(table["status"]) == {"ok"}
    assert table["steps"].nunique() == table["played_episodes"].nunique() == 1
    assert table["steps"].iloc[0] > 0
    assert table["validation_return"].notna().all()
    compared = results.comparison.set_index("arm")
    assert {*compared.index} == {"evolved", *table.index}
    assert compared.loc["retrained", "parameters"] == compared.loc["evolved", "parameters"]
    assert verify(results.path, workers=0, quiet=True).difference is None


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    return begin(tmp_path_factory.mktemp("untrained"), little())


def cells(printed):
    """Return the lines of a printed table without its frame."""
    return [" ".join(re.split(r"[┃│\s]+", line)).strip() for line in printed.splitlines()]


def test_the_shell_shows_measures_and_episodes_and_nothing_that_nobody_spent(
    untrained, done, evomatrix, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    _, out, _ = evomatrix("show", untrained.path)
    title, _, headings, _, evolved, *_ = cells(out)
    assert title == "Test return, mean of 2 seeds ± 95 % interval"
    told = "return steps per episode distance parameters MACs episodes environment steps"
    assert headings == f"network {told}"
    row = untrained.summary().loc["evolved"]
    assert evolved.split()[-2:] == [
        f"{row[f'total_played_{one}']:,.0f}" for one in ("episodes", "steps")
    ]
    assert f" {row['test_distance']:.4g} " in evolved
    assert row["test_distance"] == pytest.approx(-row["test_return"])
    _, out, _ = evomatrix("compare", untrained.path)
    told = "95 % interval p (Holm) steps per episode distance"
    assert told in cells(out)[2]
    if done.runs["search_steps"].any():  # a strategy trains
        _, out, _ = evomatrix("show", done.path)
        assert "parameters MACs steps seconds episodes" in cells(out)[2]


def test_reports_have_measures_and_episodes_and_nothing_that_nobody_spent(untrained, tmp_path):
    from experiments.report import write_summary

    summary = write_summary(untrained, tmp_path / "summary.md").read_text("utf-8")
    report = write_report(untrained, tmp_path / "report.html").read_text("utf-8")
    assert "Reward reach; 2 seeds" in report
    assert r"test\_distance & " in summary  # of LaTeX
    assert '"label": "environment steps"' in report.replace('"label":"', '"label": "')
    assert "gradient steps so far" not in report  # nothing trains
    for name in ("test_distance", "test_steps", "total_played_episodes"):
        assert f"| {name} |".replace("_", r"\_") in summary
        assert f"Mean over seeds of the {name[5:]}" in report or "distance" not in name
    for name in ("train_seconds", "total_steps"):
        assert name.replace("_", r"\_") not in summary
    assert "(0)" not in summary.split("## Arms")[0]


def test_a_report_and_pictures_are_drawn(done, tmp_path):
    from experiments.figures.pictures import figure
    from experiments.report import write_summary

    text = write_report(done, tmp_path / "report.html").read_text("utf-8")
    assert "test episodes, which each seed draws once" in text
    assert text.count("Left out:") == 1  # no individual failed
    summary = write_summary(done, tmp_path / "summary.md").read_text("utf-8")
    assert r"total\_played\_episodes" in summary
    assert figure(done, "generations")


def test_the_best_network_so_far_is_drawn_against_what_was_played(done, untrained):
    from experiments.figures.curves import draw_anytime

    for results in (done, untrained):
        curves = anytime(results)
        last = curves.groupby(["arm", "seed"]).last()
        runs = results.runs.set_index("seed")
        evolved, static = last.loc["evolved"], last.loc["static"]
        baseline = results.baseline.set_index("seed")
        for name in ("episodes", "steps"):
            column = "environment_steps" if name == "steps" else name
            assert evolved[column].tolist() == runs[f"search_played_{name}"].tolist()
            assert static[column].tolist() == baseline[f"played_{name}"].tolist()
        assert evolved["macs"].tolist() == runs["search_training_macs"].tolist()
        trains = ["steps", "macs"] if runs["search_steps"].any() else []
        played = ["episodes", "environment_steps"]
        assert [*costs_of(curves)] == [*played, *trains, "seconds"]
        assert np.isfinite(time_to_target(curves, -10.0, "episodes")["episodes"]).all()
        by_default = draw_anytime(results).axes[0]
        assert by_default.get_xlabel() == "episodes so far, all individuals"
        assert by_default.get_xscale() == "log"
        by = draw_anytime(results, by="environment_steps").axes[0]
        assert by.get_xlabel() == "environment steps so far, all individuals"
    with pytest.raises(ResultsError, match=r"by must be one of episodes, .*seconds; got 'steps'"):
        draw_anytime(untrained, by="steps")


@pytest.mark.slow
def test_another_reward_is_told_when_a_run_is_resumed(experiment, tmp_path):
    class Other(Reach):
        """Another reward."""

        def evaluate(self, network, *, rng):
            return 1.0, {"distance": 0.0}

    whole = count_boundaries(lambda: begin(tmp_path, experiment, "whole"))
    in_child(lambda: begin(tmp_path, experiment), fatal=whole // 2)
    evo.REWARDS.register("reach", Other, replace=True)
    try:
        with pytest.raises(SettingsError, match=r"cannot go on as it began: .*'reach'"):
            resume(tmp_path / "one", workers=0, quiet=True)
    finally:
        evo.REWARDS.register("reach", Reach, replace=True)


def test_a_reward_that_raises_is_a_status_of_the_individual(tmp_path):
    class Broken(Reach):
        """Fails where a network pushes to the left."""

        def evaluate(self, network, *, rng):
            if network.act([0.3, 0.2])[0] < 0:
                raise RuntimeError("lost")
            return super().evaluate(network, rng=rng)

    evo.REWARDS.register("broken", Broken)
    results = begin(tmp_path, little(task={**TASK, "name": "broken"}))
    found = results.individuals
    failed = found[found["status"] == "failed"]
    assert 0 < len(failed) < len(found)
    assert set(failed["reason"]) == {"RuntimeError: lost"}
    assert failed["validation_return"].isna().all()
    assert (failed[["played_episodes", "played_steps"]] == 1).all(axis=None)  # it failed at once
    of_seeds = found.groupby("seed")["played_episodes"].sum()
    np.testing.assert_array_equal(of_seeds, results.runs["search_played_episodes"])
    evolved = results.comparison.query("arm == 'evolved'")
    assert evolved["test_return"].notna().all()


@pytest.mark.parametrize("fails_at", [6, 10], ids=["training", "judgement"])
def test_an_individual_whose_reward_raises_is_charged_the_episodes_that_it_began(
    fails_at, tmp_path
):
    class Late(Reach):
        """Fails once: a train phase has 8 episodes, and then 3 judge."""

        played = 0

        def evaluate(self, network, *, rng):
            self.played += 1
            if self.played == fails_at:
                raise RuntimeError("lost")
            return super().evaluate(network, rng=rng)

    evo.REWARDS.register("late", Late, replace=True)
    experiment = trained(seeds=1).model_copy(update={"task": {"name": "late"}})
    found = begin(tmp_path, experiment).individuals.iloc[0]
    assert (found["status"], found["reason"]) == ("failed", "RuntimeError: lost")
    assert (found["played_episodes"], found["played_steps"]) == (fails_at, 6 * (fails_at - 1))


def test_a_baseline_whose_reward_raises_is_charged_the_episodes_that_it_began(tmp_path):
    class Late(Reach):
        """Fails once, after so many episodes."""

        played, fails_at = 0, 0

        def evaluate(self, network, *, rng):
            self.played += 1
            if self.played == self.fails_at:
                raise RuntimeError("lost")
            return super().evaluate(network, rng=rng)

    evo.REWARDS.register("late", Late, replace=True)
    experiment = trained(seeds=1).model_copy(update={"task": {"name": "late"}})
    fine = begin(tmp_path, experiment, "fine")
    of_search, whole = (
        int(table[name].item())
        for table, name in (
            (fine.runs, "search_played_episodes"),
            (fine.baseline, "played_episodes"),
        )
    )
    for begun in (5, whole - 1):  # in training, and in the second of three episodes that judge
        Late.fails_at = of_search + begun
        results = begin(tmp_path, experiment, f"at {begun}")
        row = results.baseline.iloc[0]
        assert (row["arm"], row["status"], row["reason"]) == (
            *("static", "failed", "RuntimeError: lost"),
        )
        assert (row["played_episodes"], row["played_steps"]) == (begun, 6 * (begun - 1))
        summary = results.summary()
        assert summary.loc["static", ["seeds", "total_played_episodes"]].tolist() == [0, begun]
        assert summary.loc["evolved", "total_played_episodes"] == of_search


def drop_column(path, table, column):
    """Turn a finished run into one of an older version, which did not have a column; return its path."""
    make_older(path)
    (part,) = (path / table).glob("*.parquet")
    pq.write_table(pq.read_table(part).drop_columns(column), part)
    return path


def test_a_reward_that_raises_in_the_test_leaves_an_arm_without_test_values_but_with_a_reason(
    tmp_path, evomatrix
):
    class Brittle(Reach):
        """Fails now and then."""

        def evaluate(self, network, *, rng):
            if rng.random() < 0.03:
                raise RuntimeError("lost")
            return super().evaluate(network, rng=rng)

    evo.REWARDS.register("brittle", Brittle)
    task = {"name": "brittle", "episodes": 1, "test_episodes": 200}
    results = begin(tmp_path, little(task=task, seeds=1))
    assert results.comparison["test_return"].isna().all()
    assert results.comparison["validation_return"].notna().all()
    assert any("evolved has no result with 1 seed" in line for line in results.verdicts())
    assert set(results.comparison["reason"]) == {"in a test episode: RuntimeError: lost"}
    lost = results.failures()
    assert (lost["arm"] == "evolved").sum() == 1
    assert set(lost.loc[lost["arm"].notna(), "status"]) == {"failed"}
    assert {*lost["reason"]} >= {*results.comparison["reason"]}
    told = "evolved failed with seed 0, in a test episode: RuntimeError: lost"
    assert told in results.divergences()
    _, out, _ = evomatrix("show", results.path)
    assert f"\n{told}\n" in out
    assert "return: no result" in cells(out)
    report = write_report(results, tmp_path / "report.html").read_text("utf-8")
    assert f"<li>{told}</li>" in report
    assert "<td>in a test episode: RuntimeError: lost</td>" in report
    older = drop_column(results.path, "comparison", "reason")
    assert load_results(older).comparison["reason"].isna().all()
    assert "evolved" not in load_results(older).failures()["arm"].tolist()


@pytest.mark.parametrize("name", ["dataset", "fitness"])
def test_data_and_fitness_are_refused_beside_a_reward(name, tmp_path):
    given = {"dataset": evo_dataset(), "fitness": lambda network, validation: 0.0}[name]
    with pytest.raises(SettingsError, match=f"{name} must not be given where the settings have a"):
        begin(tmp_path, little(), **{name: given})


def evo_dataset():
    from experiments import load_dataset

    return load_dataset("xor", n_samples=20)


def test_controls_of_a_reward_play_as_many_episodes(tmp_path):
    evaluation = {"equal": ["total_networks"]}  # in the place of episodes
    base = little(baseline={"arms": []}, seeds=1, evaluation=evaluation)
    values = json.loads(base.model_dump_json())
    values["evolution"]["population"] = 4
    study = parse_study({**values, "controls": ["random_search", "train_only"]}, "study")
    results = run_study(study, results=tmp_path, workers=0, quiet=True, figures=False)
    found = results.summary()
    assert set(found.index) == {"evolved", "random_search", "train_only"}
    played = found["total_played_episodes"]
    assert played["train_only"] == pytest.approx(played["random_search"], rel=0.15)
    compared = results.compare()
    assert {"random_search", "train_only"} <= set(compared["other"])
    assert set(compared["must_be_equal"]) == {"total_networks"}
    dearer = compared.iloc[0].to_dict() | {"difference": 2, "low": 1, "high": 3}
    dearer |= {"total_played_episodes": 78, "other_total_played_episodes": 72}
    assert missed_budgets(dearer) == []
    by_default = {**dearer, "must_be_equal": "total_played_episodes"}
    assert missed_budgets(by_default) == ["total_played_episodes"]


def test_an_asynchronous_run_is_judged_by_episodes_too(tmp_path):
    evolution = {"population": 3, "generations": 3, "mode": "asynchronous"}
    results = begin(tmp_path, little(evolution=evolution, seeds=1))
    assert results.individuals["arrival"].notna().all()
    assert results.comparison["test_return"].notna().all()


def test_results_of_samples_have_no_columns_of_episodes(finished):
    for table in ("runs", "individuals", "comparison", "baseline"):
        assert not [name for name in getattr(finished, table) if "played" in name]
    assert not [name for name in finished.summary() if "played" in name]


def test_a_run_without_test_episodes_has_no_comparison(tmp_path):
    results = begin(tmp_path, little(task={**TASK, "test_episodes": 0}, seeds=1))
    assert results.comparison.empty
    assert load_results(results.path).best().act([0.0, 0.0]).shape == (1,)


def test_the_page_has_the_published_numbers_of_the_preset():
    repository = Path(__file__).parents[3]
    page = (repository / "docs" / "rewards.md").read_text("utf-8")
    table = pd.read_csv(repository / "results" / "reference" / "cart-pole" / "comparison.csv")
    for arm, row in summarize(table.assign(run="")).iterrows():
        assert (
            f"| `{arm}` | {row['test_return']:.1f} | {row['low']:.1f} to {row['high']:.1f} | "
            f"{row['total_played_episodes']:,.0f} | {row['total_played_steps']:,.0f} |"
        ) in page
    (found,) = compare(
        table.assign(run=""), [("evolved", "random_search")], declared="evolved - random_search"
    ).to_dict("records")
    assert pd.isna(found["winner"])
    told = f"is {found['difference']:.1f} ({found['low']:.1f} to {found['high']:.1f}), p {found['p']:.2g}"
    assert told in page


def test_a_bound_of_a_train_phase_does_not_bound_the_static_arm(tmp_path):
    evolution = {
        "population": 2,
        "generations": 2,
        "steps_per_generation": 5,
        "budget": {"steps": 2},
    }
    experiment = trained().model_copy(update={"seeds": 1, "evolution": evolution})
    steps = begin(tmp_path, experiment).comparison.set_index("arm")["steps"]
    assert steps["static"] == steps.drop("static").item() > 2


@pytest.mark.parametrize("reused", [True, False])
def test_a_strategy_trains_equal_networks_of_another_order_anew(reused, tmp_path):
    experiment = little() if reused else trained()
    policy = {"name": "weighted", "operator_weights": {"H": 1.0}}
    evolution = {"population": 4, "generations": 3, "selection": {"name": "local_search"}}
    changes = {"seeds": 1, "policy": policy, "evolution": evolution}
    found = begin(tmp_path, experiment.model_copy(update=changes))
    individuals = found.individuals.set_index("individual")
    reordered = individuals.loc[found.operations["individual"].unique()]
    assert len(reordered) > 0
    assert (reordered["status"] == "ok").all()
    assert reordered["reused_from"].notna().any() == reused


SCHEMES = {
    "map_elites": {"descriptors": ["distance", "depth"]}
    | {"bounds": {"distance": [0, 2], "depth": [0, 4]}, "bins": [2, 2]},
    "novelty": {"descriptors": ["distance"], "archive": 1},
    "nsga2": {"objectives": ["fitness", "-distance", "macs"]},
    "speciation": {"species": 2},
}


@pytest.mark.parametrize(
    "name", ["map_elites", *(pytest.param(one, marks=pytest.mark.slow) for one in [*SCHEMES][1:])]
)
def test_selections_see_measures_and_a_run_that_stops_goes_on_alike(name, tmp_path, evomatrix):
    chosen = little(
        seeds=1,
        evolution={
            "population": 5,
            "generations": 3,
            "selection": {"name": name, **SCHEMES[name]},
            "recombination": {"probability": 0.5, "mode": "crossover", "relatives": "population"},
        },
    )
    boundaries = count_boundaries(lambda: begin(tmp_path / "whole", chosen))
    whole = load_results(tmp_path / "whole" / "one")
    assert len(whole.individuals) <= chosen.evolution.expected_individuals()
    holders = whole.population_at(2)
    if name == "map_elites":
        rows = np.digitize(holders["validation_distance"], [1])
        columns = np.digitize(holders["depth"].astype(float), [2])
        cells = {*zip(rows.tolist(), columns.tolist(), strict=True)}
        assert len(cells) == holders["individual"].nunique()
        last = whole.quality_diversity().iloc[-1]
        _, out, _ = evomatrix("show", whole.path)
        assert (
            f"\nElites of evolved: {len(cells)} of 4 cells are filled (coverage {len(cells) / 4:.0%}), "
            f"QD score {last['qd_score']:.4g} above {last['offset']:.4g}\n"
        ) in out
        assert last["offset"] < 0
    code = in_child(lambda: begin(tmp_path, chosen), fatal=int(0.6 * boundaries))
    assert code == -9
    assert_same(whole, resume(tmp_path / "one", workers=0, figures=False, quiet=True))


def test_a_measure_that_a_reward_does_not_have_is_refused_before_any_work(tmp_path):
    chosen = little(evolution={"selection": {"name": "novelty", "descriptors": ["distanc"]}})
    told = (
        r"^evolution\.selection\.descriptors must be one of n_nodes.*distance; got .*'distance'\?"
    )
    with pytest.raises(SettingsError, match=told):
        begin(tmp_path, chosen)
    study = {**chosen.model_dump(mode="json", exclude_unset=True), "arms": {"a": {}}}
    with pytest.raises(SettingsError, match=told):
        run_study(parse_study(study, "little"), folder=tmp_path / "study", workers=0)
    assert [*tmp_path.iterdir()] == []
