"""Questions about runs that a line answers: each frame against the tables that it is made of."""

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evo.errors import ResultsError
from evo.storage.tables import KEYS, TABLES
from experiments import Experiment, continue_run, lineage, run
from experiments.analysis import (
    changed_settings,
    operator_effects,
    operator_uses,
    pareto,
    population_at,
)
from experiments.analysis.beginnings import LineageWarning
from experiments.analysis.frames.elites import elites
from experiments.analysis.frames.searches import selection_front
from experiments.settings.columns import default_settings
from experiments.statistics import interval

KEY = ["run", "seed", "individual"]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "analysis.md"


@pytest.mark.parametrize(
    ("method", "section"),
    [
        ("operator_effects", "Operators"),
        ("settings", "Settings and failures"),
        ("quality_diversity", "Small and good networks"),
        ("learning_curve", "Training of the winner"),
    ],
)
def test_the_page_describes_the_columns_of_a_frame(finished, method, section):
    text = PAGE.read_text("utf-8").split(f"## {section}\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", text))
    of_training = {column.name for column in TABLES["training"]}  # the page links to them
    kept = replace(finished, runs=finished.runs.assign(**GRID))
    results = kept if method == "quality_diversity" else finished
    assert set(getattr(results, method)()) - of_training - named - {"run", "seed"} == set()


# -- joins -------------------------------------------------------------------------------------------------------------


def joins_of_two():
    """Yield the tables that can be joined: the second has at most one row for each row of the first."""
    for left, right in itertools.permutations(TABLES, 2):
        if set(KEYS[right]) <= {column.name for column in TABLES[left]}:
            yield left, right


@pytest.mark.parametrize(("left", "right"), list(joins_of_two()))
def test_joined_tables_have_the_rows_of_the_first_and_every_column_under_one_name(
    finished, left, right
):
    joined = finished.join(left, right)
    first, second = getattr(finished, left), getattr(finished, right)
    assert len(joined) == len(first)
    assert joined.columns.is_unique
    assert joined.shape[1] == first.shape[1] + second.shape[1] - len(KEYS[right])
    assert not [name for name in joined if name.endswith(("_x", "_y"))]
    assert joined[list(KEYS[left])].equals(first[list(KEYS[left])])


def test_a_chain_of_tables_is_joined_with_settings_and_parents(finished):
    joined = finished.join("operations", "individuals", "runs")
    assert joined["individuals_generation"].equals(joined["generation"])
    assert (joined["training.batch_size"] == 32).all()
    parents = finished.individuals.set_index(KEY)["parents"]
    for row in joined.itertuples():
        assert [row.parent] == list(parents[row.run, row.seed, row.individual])


def test_tables_are_not_joined_where_rows_would_multiply_or_are_unknown(finished):
    with pytest.raises(ValueError, match="individuals must come before tables with fewer rows"):
        finished.join("runs", "individuals")
    with pytest.raises(ValueError, match=r"got 'individual' \(did you mean 'individuals'\?\)"):
        finished.join("individual")
    with pytest.raises(ValueError, match="at least one; got none"):
        finished.join()


def test_of_several_parents_the_first_one_is_the_parent_and_the_others_are_mates(finished):
    two = finished.individuals.assign(parents=[[2, 1]] * len(finished.individuals))
    assert set(replace(finished, individuals=two).join("individuals")["parent"]) == {2}


# -- the search --------------------------------------------------------------------------------------------------------


def test_the_population_after_a_generation_is_who_held_its_slots(finished):
    for generation in range(4):
        found = finished.population_at(generation)
        held = finished.population.query("generation == @generation")
        assert found[["seed", "slot", "individual"]].to_numpy().tolist() == (
            held[["seed", "slot", "individual"]].to_numpy().tolist()
        )
        assert (found["individuals_generation"] <= generation).all()
        own = finished.individuals.set_index(KEY)["fitness"]
        assert found["fitness"].tolist() == own[found[KEY].itertuples(index=False)].tolist()
    assert finished.population_at().equals(finished.population_at(3))
    with pytest.raises(ResultsError, match="one of the runs': 0 to 3; got 4"):
        finished.population_at(4)
    with pytest.raises(ResultsError, match="none; got 0"):
        population_at(finished.population.iloc[:0], finished.individuals, 0)


def test_no_network_beats_one_of_the_front_and_every_other_is_beaten(finished):
    front = finished.pareto()
    assert front["arm"].notna().sum() > 0
    assert front["individual"].notna().sum() > 0
    ok = finished.individuals.query("status == 'ok'")
    columns = ["run", "seed", "validation_accuracy", "parameters", "macs"]
    networks = pd.concat([ok[columns], finished.baseline[columns]])
    for seed, of_seed in networks.groupby("seed"):
        points = of_seed[columns[2:]].astype(float).to_numpy() * [-1, 1, 1]
        beaten = [
            bool(((points <= one).all(axis=1) & (points < one).any(axis=1)).any()) for one in points
        ]
        expected = points[~np.array(beaten)]
        found = front[front["seed"] == seed][columns[2:]].astype(float).to_numpy() * [-1, 1, 1]
        assert sorted(map(tuple, found)) == sorted(map(tuple, expected))
        assert (np.diff(found[:, 0]) >= 0).all()


def test_a_front_may_be_of_another_metric(finished):
    front = finished.pareto("loss")
    lowest = (
        finished.individuals["validation_loss"].min(),
        finished.baseline["validation_loss"].min(),
    )
    assert front["validation_loss"].min() == min(lowest)
    with pytest.raises(ResultsError, match="metric must be one of loss, accuracy; got 'f1'"):
        finished.pareto("f1")
    nobody = finished.individuals.iloc[:0], finished.baseline.iloc[:0]
    assert pareto(*nobody, "loss", larger_is_better=False).empty


@pytest.mark.parametrize(
    "objectives",
    [
        ["validation_loss", "parameters", "macs"],
        ["fitness", "macs"],
        ["parameters"],
        ["fitness"],
        ["-density", "loss"],
    ],
)
def test_the_front_of_nsga2_is_that_of_the_last_population_in_its_objectives(finished, objectives):
    settings = {
        "evolution.selection.name": "nsga2",
        "evolution.selection.objectives": json.dumps(objectives),
    }
    kept = replace(finished, runs=finished.runs.assign(**settings))
    front, members = kept.selection_front(), kept.population_at()
    signs = [-1 if name == "fitness" or name.startswith("-") else 1 for name in objectives]
    columns = {"-density": "density", "loss": "validation_loss"}
    objectives = [columns.get(name, name) for name in objectives]
    assert [*front][6:] == objectives
    for seed, of_seed in members.groupby("seed"):
        points = of_seed[objectives].astype(float).to_numpy() * signs
        beaten = [
            ((points <= one).all(axis=1) & (points < one).any(axis=1)).any() for one in points
        ]
        found = front[front["seed"] == seed]
        assert set(found["individual"]) == set(of_seed["individual"][~np.array(beaten)])
        assert (np.diff(found[objectives[0]].astype(float)) * signs[0] >= 0).all()


def test_a_front_needs_runs_with_nsga2_and_the_same_objectives(finished):
    with pytest.raises(ResultsError, match="no run here has the selection nsga2"):
        finished.selection_front()
    old = finished.runs.loc[:, [name for name in finished.runs if "selection" not in name]]
    with pytest.raises(ResultsError, match="no run here has the selection"):
        replace(finished, runs=old).selection_front()
    settings = {"evolution.selection.name": "nsga2", "evolution.selection.objectives": '["macs"]'}
    one = finished.runs.assign(**settings)
    other = one.assign(**{"run": "other", "evolution.selection.objectives": '["fitness", "macs"]'})
    both = replace(finished, runs=pd.concat([one, other]))
    with pytest.raises(ResultsError, match="got fitness, macs; macs"):
        both.selection_front()
    settings = {**settings, "evolution.selection.objectives": '["mine"]'}
    own = replace(finished, runs=finished.runs.assign(**settings))
    with pytest.raises(ResultsError, match="no table has the descriptor or measure 'mine'"):
        own.selection_front()


# -- learning curves ---------------------------------------------------------------------------------------------------


def test_a_learning_curve_is_the_training_of_the_winner_and_all_its_ancestors(finished):
    winner = finished.winner()
    curve = finished.learning_curve()
    assert curve["step"].is_monotonic_increasing
    assert curve["step"].is_unique
    assert curve["step"].iloc[-1] == winner["ancestry_steps"]
    assert set(curve["seed"]) == {winner["seed"]}
    ends = curve.groupby("individual", sort=False).last()
    assert ends.index[-1] == winner["individual"]
    assert ends["parent"].tolist() == [pd.NA, *ends.index[:-1]]
    own = finished.individuals.query("seed == @winner['seed']").set_index("individual")
    assert ends["validation_loss"].tolist() == own.loc[ends.index, "validation_loss"].tolist()
    founder = finished.individuals.iloc[0]
    assert set(finished.learning_curve(founder)["individual"]) == {0}
    with pytest.raises(ResultsError, match=r"individual must be in the results; got .*9999"):
        finished.learning_curve(winner | {"individual": 9999})


def test_an_ancestor_that_took_over_a_result_has_the_training_of_that_result(finished):
    child = finished.individuals.query("origin == 'child'").iloc[0]
    same = finished.individuals.query(
        "origin == 'continued' and generation == @child.generation and seed == @child.seed"
    ).iloc[0]
    changed = finished.individuals.copy()
    changed.loc[child.name, "reused_from"] = same["individual"]
    curve = replace(finished, individuals=changed).learning_curve(child).query("generation > 0")
    of_same = finished.learning_curve(same).query("generation > 0")
    assert curve["loss"].tolist() == of_same["loss"].tolist()
    assert set(curve["individual"]) == {child["individual"]}
    assert set(curve["reused_from"]) == {same["individual"]}


@pytest.fixture(scope="module")
def continued(tiny, tmp_path_factory):
    """Return a run and the run that continues it."""
    folder = tmp_path_factory.mktemp("continued")
    options = {"workers": 0, "figures": False, "results": folder}
    evolution = {"population": 2, "generations": 2, "steps_per_generation": 5}
    older = run(
        tiny(seeds=1, evolution=evolution, baseline={"arms": []}), run_name="older", **options
    )
    return older, continue_run(older.path, generations=4, run_name="newer", **options)


def test_a_learning_curve_goes_back_into_the_older_run(continued):
    older, newer = continued
    curve = newer.learning_curve()
    assert curve["run"].unique().tolist() == ["older", "newer"]
    assert curve["step"].is_monotonic_increasing
    assert curve["step"].iloc[-1] == newer.winner()["ancestry_steps"]
    of_older = curve.query("run == 'older'")
    last = {"run": "older", "seed": of_older["seed"].iloc[0]}
    before = older.learning_curve(last | {"individual": of_older["individual"].iloc[-1]})
    assert before["loss"].tolist() == of_older["loss"].tolist()


def test_without_the_older_run_a_learning_curve_begins_with_the_newer_one(continued, tmp_path):
    _, newer = continued
    moved = tmp_path / "newer"
    newer.path.rename(moved)
    try:
        older = newer.path.parent / "older"
        older.rename(tmp_path / "gone")
        with pytest.warns(LineageWarning, match="continues older, which is not at"):
            curve = replace(newer, paths=(moved,)).learning_curve()
        assert curve["run"].unique().tolist() == ["newer"]
        assert curve["step"].iloc[0] > 10
    finally:
        (tmp_path / "gone").rename(older)
        moved.rename(newer.path)


def test_parents_in_an_older_run_count_in_the_gains_of_their_children(continued):
    _, newer = continued
    uses = newer.operator_uses().query("generation == 3")
    assert len(uses)
    assert uses["gain"].notna().all()
    own = operator_uses(newer.individuals, newer.operations).query("generation == 3")
    assert own["gain"].isna().all()


def test_the_method_gives_the_graph_of_the_function(finished):
    graph, same = finished.lineage(), lineage(finished)
    assert list(graph.nodes) == list(same.nodes)
    assert list(graph.edges) == list(same.edges)


# -- operators ---------------------------------------------------------------------------------------------------------


def test_gains_are_those_of_which_the_run_made_its_credits(finished):
    uses = finished.operator_uses()
    by = ["run", "seed", "generation"]
    largest = uses.groupby(by)["gain"].transform("max")
    shares = uses.assign(share=(uses["gain"] / largest).where(largest > 0, 0.0))
    own = shares.groupby([*by, "operator"]).agg(credit=("share", "sum"), n_uses=("gain", "count"))
    stored = finished.credits.query("n_uses > 0").set_index([*by, "operator"])
    assert own.index.equals(stored.index)
    assert own["n_uses"].tolist() == stored["n_uses"].tolist()
    assert own["credit"].tolist() == pytest.approx(stored["credit"].tolist())
    assert (uses["gain"] == uses["difference"].clip(lower=0)).all()


def test_an_operation_that_freezes_a_topology_is_not_one_that_was_chosen(finished):
    first = finished.operations[KEY].iloc[0]
    is_first = (finished.operations[KEY] == first).all(axis=1)
    frozen = finished.operations["modification"].mask(is_first, "drop_dormant")
    uses = operator_uses(finished.individuals, finished.operations.assign(modification=frozen))
    assert not (uses[KEY] == first).all(axis=1).any()
    older = finished.operations.assign(modification=None)  # a run of an older version
    assert len(operator_uses(finished.individuals, older)) == len(finished.operator_uses())


def test_effects_are_means_over_seeds_with_their_intervals(finished):
    uses, effects = finished.operator_uses(), finished.operator_effects().set_index("operator")
    assert set(effects.index) == set(finished.operations["operator"])
    for operator, children in uses.groupby("operator"):
        row = effects.loc[operator]
        assert row["n_children"] == len(children) == row["n_compared"]
        assert row["survived"] == children["survived"].mean()
        of_seeds = interval([one.mean() for _, one in children.groupby("seed")["difference"]])
        assert row["difference"] == pytest.approx(of_seeds.mean)
        assert row["difference_low"] == pytest.approx(of_seeds.low)
        assert row["seeds"] == of_seeds.n


def test_a_failed_child_has_gained_nothing_and_has_no_difference(finished):
    changed = finished.individuals.copy()
    child = finished.operations[KEY].iloc[0]
    is_child = (changed[KEY] == child).all(axis=1)
    changed.loc[is_child, ["status", "fitness"]] = ["failed", np.nan]
    uses = operator_uses(changed, finished.operations)
    failed = uses[(uses[KEY] == child).all(axis=1)]
    assert (failed["gain"] == 0).all()
    assert failed["difference"].isna().all()
    effects = operator_effects(failed)
    assert (effects["n_failures"] == 1).all()
    assert effects["difference"].isna().all()


def test_a_run_in_which_nothing_evolved_has_empty_frames(tmp_path):
    baseline = {"arms": ["mlp"], "epochs": 1, "hidden": 4}
    experiment = Experiment(seeds=1, evolve=False, dataset={"name": "xor"}, baseline=baseline)
    results = run(experiment, workers=0, results=tmp_path, figures=False)
    assert results.operator_uses().empty
    assert results.operator_effects().empty
    assert results.population_at().empty
    assert results.failures().empty
    assert results.pareto()["arm"].tolist() == ["mlp"]
    assert not results.settings()["setting"].str.startswith("evolution.").any()
    with pytest.raises(ResultsError, match="holds no finished search"):
        results.learning_curve()


# -- settings and failures ---------------------------------------------------------------------------------------------


def test_every_setting_that_was_changed_stands_beside_its_default(finished):
    found = finished.settings().set_index("setting")
    assert found.index.is_unique
    assert dict(found.loc["evolution.population"]) == {
        "run": "tiny",
        "value": "4",
        "default": "16",
    }
    assert found.loc["baseline.arms", "value"] == '["cnn", "mlp", "static"]'
    assert set(found.index) == {
        *("founders.hidden", "evolution.population", "evolution.generations"),
        *("evolution.steps_per_generation", "policy.rewiring_probability"),
        *("policy.max_operations", "baseline.arms"),
    }


def test_values_are_compared_as_values_and_a_run_without_evolution_has_no_settings_of_it():
    runs = pd.DataFrame(
        {
            "run": ["a", "a", "b"],
            "n_individuals": [0, 0, 3],
            "training.batch_size": [32.0, 32.0, 64.0],  # whole numbers with a gap elsewhere
            "policy.name": [None, None, "set"],
            "dataset.options.k": [None, None, True],
        }
    )
    defaults = {"training.batch_size": 32, "policy.name": "adaptive", "training.new": 0.5}
    assert changed_settings(runs, defaults).fillna("").to_numpy().tolist() == [
        ["a", "training.new", "", "0.5"],
        ["b", "training.batch_size", "64", "32"],
        ["b", "policy.name", "set", "adaptive"],
        ["b", "training.new", "", "0.5"],
        ["b", "dataset.options.k", "true", ""],
    ]


def test_defaults_are_those_of_an_experiment_without_settings():
    assert default_settings()["training.batch_size"] == Experiment().training.batch_size


def test_failures_have_rows_of_individuals_and_of_baselines(finished):
    assert finished.failures().empty
    individuals, baseline = finished.individuals.copy(), finished.baseline.copy()
    individuals.loc[5, ["status", "reason"]] = ["failed", "no way"]
    baseline.loc[0, ["status", "reason"]] = ["diverged", "its loss is not finite"]
    found = replace(finished, individuals=individuals, baseline=baseline).failures()
    assert found["status"].tolist() == ["failed", "diverged"]
    assert found["reason"].tolist() == ["no way", "its loss is not finite"]
    assert found["individual"].tolist() == [individuals.loc[5, "individual"], pd.NA]
    assert found["parent"].tolist() == [individuals.loc[5, "parents"][0], pd.NA]
    assert found["arm"].isna().tolist() == [True, False]


# -- MAP-Elites --------------------------------------------------------------------------------------------------------

GRID = {
    "evolution.selection.name": "map_elites",
    "evolution.selection.descriptors": '["density", "loss"]',
    "evolution.selection.bins": "[2, 2]",
    "evolution.selection.bounds.density": "[0.0, 1.0]",
    "evolution.selection.bounds.loss": "[0.0, 1.0]",
}


def test_elites_are_the_best_of_each_cell_of_the_last_population(finished):
    kept = replace(finished, runs=finished.runs.assign(**GRID))
    found, members = kept.elites(), kept.population_at()
    columns = ["density", "validation_loss"]
    assert [*found][6:] == [
        *("n_cells", "fitness", "density", "density_bin"),
        *("validation_loss", "validation_loss_bin"),
    ]
    assert set(found["n_cells"]) == {4}
    for seed, of_seed in members.groupby("seed"):
        cells = (of_seed[columns].astype(float) >= 0.5).astype(int)
        best = of_seed["fitness"].groupby([cells[name] for name in columns]).max()
        filled = found[found["seed"] == seed].set_index(["density_bin", "validation_loss_bin"])
        assert filled["fitness"].to_dict() == best.to_dict()


@pytest.mark.parametrize("shift", [0.0, 100.0], ids=["below 0", "above 0"])
def test_coverage_and_qd_score_are_those_of_the_cells_of_each_generation(finished, shift):
    individuals = finished.individuals.assign(fitness=finished.individuals["fitness"] + shift)
    kept = replace(finished, runs=finished.runs.assign(**GRID), individuals=individuals)
    found = kept.quality_diversity().set_index(["seed", "generation"])
    best = {}
    for generation in range(4):
        for seed, members in kept.population_at(generation).groupby("seed"):
            columns = members[["density", "validation_loss"]].astype(float)
            cells = [tuple(one) for one in (columns.to_numpy() >= 0.5).tolist()]
            fitness = best.setdefault((seed, generation), {})
            for cell, value in zip(cells, members["fitness"], strict=True):
                fitness[cell] = max(value, fitness.get(cell, -np.inf))
    assert {*found.index} == {*best}
    lowest = min(min(one.values()) for one in best.values())
    offset = 0.0 if shift else lowest
    assert set(found["offset"]) == {offset}
    for key, fitness in best.items():
        row = found.loc[key]
        assert row[["n_elites", "n_cells", "coverage"]].tolist() == [
            *(len(fitness), 4, len(fitness) / 4),
        ]
        assert row["qd_score"] == pytest.approx(sum(one - offset for one in fitness.values()))
    further = kept.quality_diversity(lowest - 1).set_index(["seed", "generation"])
    raised = found["qd_score"] + found["n_elites"] * (offset - lowest + 1)
    np.testing.assert_allclose(further["qd_score"], raised)
    with pytest.raises(
        ResultsError, match=r"^offset must be at most the lowest fitness of an elite"
    ):
        kept.quality_diversity(lowest + 0.1)


def test_a_population_without_an_elite_covers_nothing(finished):
    individuals = finished.individuals.copy()
    nowhere = individuals["seed"] == individuals["seed"].iloc[0]
    individuals.loc[nowhere, "validation_loss"] = np.nan
    kept = replace(finished, runs=finished.runs.assign(**GRID), individuals=individuals)
    found = kept.quality_diversity()
    is_empty = found["seed"] == individuals["seed"].iloc[0]
    assert (found.loc[is_empty, ["n_elites", "coverage", "qd_score"]] == 0).all(axis=None)
    assert (found.loc[~is_empty, "n_elites"] > 0).all()


@pytest.mark.parametrize("name", ["steps", "slot", "parent", "generation"])
def test_a_measure_may_have_the_name_of_another_column(finished, name):
    members = finished.population_at()
    reached = members["n_active"] / members["n_active"].max()
    population = members.assign(**{f"validation_{name}": reached})
    grid = {key.replace("loss", name): value for key, value in GRID.items()}
    grid["evolution.selection.descriptors"] = json.dumps(["density", name])
    found = elites(population, finished.runs.assign(**grid))
    assert f"validation_{name}" in found
    assert set(found[f"validation_{name}"]) <= set(reached)
    front = {
        "evolution.selection.name": "nsga2",
        "evolution.selection.objectives": json.dumps([f"-{name}"]),
    }
    best = selection_front(population, finished.runs.assign(**front))
    assert set(best[f"validation_{name}"]) == {
        reached[of_seed.index].max() for _, of_seed in members.groupby("seed")
    }


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_networks_without_a_value_are_in_no_cell_and_in_no_front(finished, value):
    population = finished.population_at()
    first = population.index[0]
    population.loc[first, "validation_loss"] = value
    found = elites(population, finished.runs.assign(**GRID))
    assert np.isfinite(found["validation_loss"].astype(float)).all()
    front = {
        "evolution.selection.name": "nsga2",
        "evolution.selection.objectives": '["-loss", "macs"]',
    }
    best = selection_front(population, finished.runs.assign(**front))
    number = population.loc[first, ["seed", "individual"]].tolist()
    for table in (found, best):
        assert number not in table[["seed", "individual"]].to_numpy().tolist()


def test_elites_need_runs_with_map_elites_and_one_grid(finished):
    with pytest.raises(ResultsError, match="no run here has the selection map_elites"):
        finished.elites()
    one = finished.runs.assign(**GRID)
    other = one.assign(**{"run": "other", "evolution.selection.bins": "[4, 1]"})
    with pytest.raises(ResultsError, match="must have the same grid"):
        replace(finished, runs=pd.concat([one, other])).elites()
    with pytest.raises(ResultsError, match="no run here has the selection map_elites"):
        finished.quality_diversity()


def test_runs_with_different_grids_have_the_coverage_of_their_own(finished):
    other = finished.runs.assign(**{**GRID, "evolution.selection.bins": "[1, 1]"})
    runs = finished.runs.assign(**GRID).where(finished.runs["seed"] == 3, other)
    runs["run"] = runs["run"] + runs["seed"].astype(str)
    tables = {
        name: table.assign(run=table["run"] + table["seed"].astype(str))
        for name, table in (
            ("population", finished.population),
            ("individuals", finished.individuals),
        )
    }
    found = replace(finished, runs=runs, **tables).quality_diversity()
    assert found.groupby("seed")["n_cells"].unique().map(list).to_dict() == {3: [4], 4: [1]}
