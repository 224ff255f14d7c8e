"""A run that is continued is the run that was longer from the start; a branch differs, and its lineage joins."""

import json
import shutil
import signal
from functools import partial

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from effort import first_now, trials
from same_tables import assert_same_file
from tests_of_kills import count_boundaries, in_child

from cnn.files import read_arrays, write_arrays
from cnn.training.recipe import Recipe, learning_rates
from evo.errors import EvoMatrixError, ResultsError, SettingsError
from evo.storage import is_complete
from evo.storage.individuals import load_individuals
from evo.storage.journal import read_journal
from evo.storage.tables import TABLES, TIMING_COLUMNS, TIMING_TABLES
from experiments import (
    Dataset,
    Experiment,
    continue_run,
    lineage,
    load_experiment,
    load_results,
    replay_lineage,
    resume,
    run,
    verify,
)
from experiments.analysis.beginnings import LineageWarning
from experiments.cli.app import main
from experiments.progress import Reporter
from experiments.studies.study import parse_study, run_study

EVOLUTION = {
    "population": 3,
    "generations": 2,
    "steps_per_generation": 6,
    "train_only_fraction": 0,
}
SETTINGS = {
    "name": "little",
    "seeds": 2,
    "dataset": {"name": "digits"},
    "founders": {"hidden": 6},
    "evolution": EVOLUTION,
    "policy": {"name": "adaptive"},
    "training": {"schedule": "constant"},
    "baseline": {"arms": ["mlp", "static"]},
}
QUIET = {"workers": 0, "figures": False}


def little(**changes):
    evolution = EVOLUTION | changes.pop("evolution", {})
    return Experiment.parse({**SETTINGS, "evolution": evolution, **changes}, "little")


def begin(folder, name, experiment=None, **options):
    return run(experiment or little(), results=folder, run_name=name, **QUIET, **options)


def go_on(folder, before, name, **options):
    return continue_run(
        folder / before, results=options.pop("results", folder), run_name=name, **QUIET | options
    )


def branch(folder, where, **options):
    """Continue the first seed of the run of two generations for one more, without baselines."""
    settings = {"baseline.arms": []} | options.pop("settings", {})
    options = {"generations": "+1", "seed": 0, "results": where} | options
    return go_on(folder, "two", "more", settings=settings, **options)


@pytest.mark.slow
def test_a_continuation_that_modifies_no_network_says_so(folder, tmp_path):
    notes = Notes()
    settings = {"evolution.train_only_fraction": 0.9}
    newer = branch(folder, tmp_path, settings=settings, reporter=notes)
    assert set(newer.individuals["origin"]) == {"continued"}
    assert any("No generation of this run modifies networks" in line for line in notes.lines)


def first_state(results):
    """Return the individuals with which a continued run began, by number, and its slots."""
    individuals, more = load_individuals(results.path / "states" / "seed-0-start.npz")
    return individuals, more["slots"]


def last_state(run_folder):
    """Return the individuals of the last population, by number."""
    return load_individuals(run_folder / "states" / "seed-0.npz")[0]


class Notes(Reporter):
    """Keeps what is told."""

    def __init__(self):
        self.lines = []

    def note(self, text):
        self.lines.append(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a run of two generations, and of one of four."""
    folder = tmp_path_factory.mktemp("continuation")
    begin(folder, "two")
    begin(folder, "four", little(evolution={"generations": 4}))
    return folder


# -- the run that was longer -------------------------------------------------------------------------------------------


def assert_goes_on(whole, newer, first):
    """Assert that a run that continues another one has all rows and files of the whole run from a generation on."""
    for table in sorted(TABLES.keys() - TIMING_TABLES):
        frames = [getattr(results, table) for results in (whole, newer)]
        names = [name for name in TIMING_COLUMNS | {"run"} if name in frames[0]]
        if table == "runs":
            names += ["continues", "first_generation", "start_individual"]
        if "generation" in frames[0]:
            generation = frames[0]["generation"]
            frames[0] = frames[0][generation.isna() | (generation >= first).fillna(False)]
        assert len(frames[0]) > 0 or table in {"baseline", "candidates"}, table
        frames = [frame.drop(columns=names).reset_index(drop=True) for frame in frames]
        pd.testing.assert_frame_equal(*frames, check_exact=True, obj=table)
    n_files = 0
    for kind in ("genomes", "networks", "states"):
        for path in sorted((whole.path / kind).iterdir()):
            generation = path.stem.partition("-generation-")[2]
            if not generation or int(generation) >= first:
                assert_same_file(path, newer.path / kind / path.name)
                n_files += 1
    assert n_files > 0


def files_of(run_folder):
    return {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()}


def test_a_run_that_is_continued_is_the_run_that_was_longer(folder, tmp_path):
    before = files_of(folder / "two")
    newer = go_on(folder, "two", "more", results=tmp_path, generations="+2")
    assert_goes_on(load_results(folder / "four"), newer, 3)
    assert files_of(folder / "two") == before
    assert newer.individuals["generation"].min() == 3
    runs = newer.runs
    assert runs["continues"].tolist() == ["two", "two"]
    assert runs["first_generation"].tolist() == [3, 3]
    assert runs["start_individual"].isna().all()


@pytest.mark.slow
def test_a_continued_run_is_continued_and_verified(folder, tmp_path):
    go_on(folder, "two", "three", results=tmp_path, generations=3)
    last = go_on(tmp_path, "three", "four", generations="+1")
    assert_goes_on(load_results(folder / "four"), last, 4)
    shutil.rmtree(tmp_path / "three")  # the newer run is complete in itself
    outcome = verify(last.path, workers=0)
    assert (outcome.difference, outcome.changes) == (None, ())
    assert outcome.n_rows > 0
    assert verify(last.path, seed=1, generations=(4, 4), workers=0).difference is None
    with pytest.raises(SettingsError, match=r"generations must be within 4\.\.4; got 3\.\.4"):
        verify(last.path, generations=(3, 4), workers=0)


@pytest.mark.slow
def test_a_continued_run_that_is_killed_and_resumed_is_the_one_that_was_not(folder, tmp_path):
    def work(root):
        if (root / "more").exists():
            resume(root / "more", **QUIET)
        else:
            go_on(folder, "two", "more", results=root, generations="+2")

    whole = load_results(folder / "four")
    n_boundaries = count_boundaries(lambda: work(tmp_path / "whole"))
    n_begun = 40  # within these the folder appears
    n_trials = trials(1, 3)
    fatal_ones = np.random.default_rng(3).integers(n_begun, n_boundaries, size=n_trials)
    for trial, fatal in enumerate(fatal_ones):
        root = tmp_path / str(trial)
        assert in_child(partial(work, root), fatal=fatal) == -signal.SIGKILL
        assert in_child(partial(work, root), fatal=n_begun) == -signal.SIGKILL
        assert in_child(partial(work, root)) == 0
        assert is_complete(root / "more")
        assert_goes_on(whole, load_results(root / "more"), 3)


@pytest.mark.slow
def test_a_continued_run_can_be_resumed_before_its_first_generation(folder, tmp_path):
    class Stopping(Reporter):
        def evaluated(self, individual):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go_on(folder, "two", "more", results=tmp_path, generations="+2", reporter=Stopping())
    assert load_results(tmp_path / "more").individuals.empty
    assert_goes_on(load_results(folder / "four"), resume(tmp_path / "more", **QUIET), 3)


@pytest.mark.slow
def test_ray_continues_as_a_serial_run_does(folder, tmp_path):
    newer = go_on(folder, "two", "more", results=tmp_path, generations="+2", workers=2)
    assert_goes_on(load_results(folder / "four"), newer, 3)


@pytest.mark.slow
def test_a_run_that_is_not_finished_is_continued_from_its_last_generation(folder, tmp_path):
    """Also while a process works on it: here the run itself, between two of its generations."""
    four = little(seeds=1, evolution={"generations": 4})

    class Continuing(Reporter):
        def generation(self, event, expected):
            if event.generation.number == 1:
                with pytest.raises(
                    SettingsError, match="generations must be at least 2, for seed 0"
                ):
                    go_on(tmp_path, "four", "none", generations=1)
                newer = go_on(tmp_path, "four", "more")
                whole = load_results(folder / "four")
                assert newer.individuals["generation"].unique().tolist() == [2, 3, 4]
                of_seed = whole.individuals.query("seed == 0 and generation > 1")
                assert newer.individuals["genome_hash"].tolist() == of_seed["genome_hash"].tolist()
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path, "four", four, reporter=Continuing())
    assert is_complete(tmp_path / "more")


@pytest.mark.slow
def test_a_run_that_was_killed_is_continued_from_its_last_commit(folder, tmp_path):
    four = little(seeds=1, evolution={"generations": 4}, baseline={"arms": []})
    n_boundaries = count_boundaries(lambda: begin(tmp_path / "whole", "four", four))
    whole = load_results(tmp_path / "whole" / "four")
    for fatal in np.random.default_rng(4).integers(
        n_boundaries // 3, 2 * n_boundaries // 3, size=2
    ):
        root = tmp_path / str(fatal)
        assert in_child(partial(begin, root, "four", four), fatal=fatal) == -signal.SIGKILL
        newer = go_on(root, "four", "more")
        assert_goes_on(whole, newer, newer.runs["first_generation"].item())
        assert not is_complete(root / "four")


@pytest.mark.slow
def test_a_state_that_was_committed_has_not_got_its_place_yet(folder, tmp_path):
    """A kill between the commit and the renaming leaves it so."""
    older = shutil.copytree(folder / "two", tmp_path / "two")
    for seed in (0, 1):
        state = read_journal(older).files[f"states/seed-{seed}.npz"]
        state.hidden(older).parent.mkdir(parents=True)
        (older / state.path).rename(state.hidden(older))
    newer = go_on(tmp_path, "two", "more", generations="+2")
    assert_goes_on(load_results(folder / "four"), newer, 3)


@pytest.mark.parametrize("mode", first_now(["asynchronous", "generational"]))
def test_an_asynchronous_run_is_continued_in_either_mode(tmp_path, mode):
    flying = {"mode": "asynchronous", "in_flight": 3}

    class Stopping(Reporter):
        n = 0

        def evaluated(self, individual):
            self.n += 1
            if (
                self.n == 14
            ):  # the second generation is complete, and some of the third have arrived
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path, "two", little(seeds=1, evolution=flying), reporter=Stopping())
    settings = {"evolution.mode": mode}
    settings |= {} if mode == "asynchronous" else {"evolution.in_flight": None}
    newer = branch(tmp_path, tmp_path, settings=settings)
    first = newer.runs["first_generation"].item()
    assert first < 3
    assert newer.individuals.groupby("generation").size().to_dict() == dict.fromkeys(
        range(first, 4), 6
    )
    assert verify(newer.path, workers=0).difference is None
    rebuilt = replay_lineage(newer, newer.winner()["individual"])
    assert [one.job.generation for one in rebuilt] == [0, 1, 2, 3]


@pytest.mark.slow
def test_one_seed_is_continued(folder, tmp_path):
    newer = go_on(folder, "two", "more", results=tmp_path, generations="+2", seed=1)
    whole = load_results(folder / "four").individuals.query("seed == 1 and generation > 2")
    assert newer.individuals["genome_hash"].tolist() == whole["genome_hash"].tolist()
    assert newer.runs["seed"].tolist() == [1]


# -- branches ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def branches(folder):
    """Two branches of a run, with the same learning rate and another one; and a branch of a branch."""
    options = {"generations": "+1", "seed": 0}
    go_on(folder, "two", "same", **options)
    slow = {"training.learning_rate": 0.001, "arm": "slow", "baseline.arms": []}
    go_on(folder, "two", "slow", settings=slow, **options)
    go_on(folder, "slow", "slower", **options)
    return folder


def test_a_branch_with_another_learning_rate_differs(branches):
    same, slow = (load_results(branches / name) for name in ("same", "slow"))
    assert same.individuals["individual"].tolist() == slow.individuals["individual"].tolist()
    assert (same.individuals["genome_hash"] != slow.individuals["genome_hash"]).any()
    assert slow.runs["training.learning_rate"].tolist() == [0.001]
    assert slow.comparison["arm"].tolist() == ["slow"]
    rates = slow.training["learning_rate"].unique()
    assert rates.tolist() == [0.001]


def test_the_ancestry_of_branches_joins_in_their_common_run(branches):
    names = ("two", "same", "slow", "slower")
    graph = lineage(load_results(*(branches / name for name in names)))
    assert nx.is_directed_acyclic_graph(graph)
    for name in names[1:]:
        winner = load_results(branches / name).winner()
        node = (name, 0, winner["individual"])
        above = nx.ancestors(graph, node)
        founders = [one for one in above if not graph.in_degree(one)]
        assert [(one[0], graph.nodes[one]["origin"]) for one in founders] == [("two", "founder")]
        assert graph.nodes[founders[0]]["founder"] == winner["founder"]
        alone = lineage(
            load_results(branches / name)
        )  # finds the older runs where config.json says
        assert nx.ancestors(alone, node) == above
        for one in above | {node}:
            assert alone.nodes[one]["genome_hash"] == graph.nodes[one]["genome_hash"]
            assert alone.in_edges(one) is not None
    n_rows = sum(len(load_results(branches / name).individuals) for name in names)
    assert len(graph) == n_rows


def test_a_lineage_across_runs_is_rebuilt(branches):
    results = load_results(branches / "slower")
    winner = results.winner()
    rebuilt = replay_lineage(results, winner["individual"])
    assert rebuilt[0].job.origin == "founder"
    assert [one.job.generation for one in rebuilt] == [0, 1, 2, 3, 4]
    assert rebuilt[-1].genome.equals(results.best().genome)
    assert rebuilt[-1].ancestry_steps == winner["ancestry_steps"] == 30


@pytest.fixture
def branches_gone(branches, tmp_path):
    """The runs that are continued are elsewhere; the folder of one that continues them."""
    moved = shutil.copytree(branches / "same", tmp_path / "same")
    elsewhere = branches.rename(branches.with_name("elsewhere"))
    yield moved
    elsewhere.rename(branches)


def test_without_the_older_run_the_lineage_begins_with_the_stored_state(branches_gone):
    moved = branches_gone
    results = load_results(moved)
    with pytest.warns(LineageWarning, match="continues two, which is not at "):
        graph = lineage(results)
    start = load_individuals(moved / "states" / "seed-0-start.npz")[0]
    older = {node for node in graph if node[0] == "two"}
    assert {node[2] for node in older} <= start.keys()
    assert older
    for node in older:
        assert graph.nodes[node]["genome_hash"] == start[node[2]].genome.fingerprint()
        assert graph.nodes[node].keys() == set(results.individuals)
    winner = results.winner()["individual"]
    with pytest.warns(LineageWarning):
        rebuilt = replay_lineage(results, winner)
    assert [one.job.generation for one in rebuilt] == [2, 3]
    assert rebuilt[-1].genome.equals(results.best().genome)


def test_an_altered_state_is_refused(branches, tmp_path):
    moved = shutil.copytree(branches / "same", tmp_path / "same")
    path = moved / "states" / "seed-0-start.npz"
    arrays, description = read_arrays(path)
    write_arrays(path, arrays, description | {"more": {}})
    with pytest.raises(ResultsError, match=r"seed-0-start\.npz is not as it was"):
        verify(moved, workers=0)


@pytest.mark.slow
def test_a_winner_that_the_newer_run_has_not_outdone_is_known(folder, tmp_path):
    """With this learning rate every individual diverges, so the population stays."""
    newer = branch(folder, tmp_path, settings={"training.learning_rate": 1e30})
    assert (newer.individuals["status"] != "ok").all()
    older, winner = load_results(folder / "two"), newer.winner()
    assert winner["genome_hash"] == older.winner(seed=0)["genome_hash"]
    assert newer.best().genome.equals(older.best(seed=0).genome)
    rebuilt = replay_lineage(newer, winner["individual"])
    assert rebuilt[-1].genome.equals(older.best(seed=0).genome)
    lost = int(newer.individuals["individual"].max())
    with pytest.raises(SettingsError, match=f"individual must have a fitness; {lost} has none"):
        go_on(tmp_path, "more", "none", generations="+1", individual=lost)


@pytest.mark.slow
def test_the_run_of_an_arm_is_continued(tmp_path):
    values = {
        "name": "small",
        "seeds": 1,
        "founders": {"hidden": 6},
        "evolution": EVOLUTION | {"population": 1, "generations": 1},
        "arms": {"set": {"policy": {"name": "set"}}, "mlp": {"evolve": False}},
    }
    run_study(parse_study(values, "small"), folder=tmp_path, **QUIET)
    newer = go_on(tmp_path, "set-seed-0", "more", generations="+1")
    assert newer.runs["arm"].tolist() == ["set"]
    assert newer.individuals["generation"].unique().tolist() == [2]
    with pytest.raises(SettingsError, match="must be a run in which networks evolved"):
        go_on(tmp_path, "mlp-seed-0", "none", generations="+1")


def test_a_newer_run_is_made_beside_the_older_one_or_beside_its_study(tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    values = {
        "name": "small",
        "seeds": 1,
        "dataset": {"name": "xor"},
        "founders": {"hidden": 3},
        "evolution": EVOLUTION | {"population": 2, "generations": 1},
        "controls": ["train_only"],
        "baseline": {"arms": []},
    }
    run_study(parse_study(values, "small"), folder=kept / "study", **QUIET)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    older = kept / "study" / "evolved-seed-0"
    newer = continue_run(older, generations="+1", run_name="newer", **QUIET)
    monkeypatch.chdir(older)
    again = continue_run("../../newer", generations="+1", run_name="again", **QUIET)
    within = continue_run(".", generations="+1", run_name="within", **QUIET)
    assert {one.path.parent.resolve() for one in (newer, again, within)} == {kept}
    assert [*(tmp_path / "here").iterdir()] == []
    assert len(load_results(kept / "study").compare()) == 1
    monkeypatch.chdir(tmp_path)
    moved = kept.rename(tmp_path / "moved")
    runs = {node[0] for node in load_results(moved / "again").lineage()}
    assert runs == {"again", "newer", "evolved-seed-0"}


# -- settings that change ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", first_now([4, 6]))
def test_a_schedule_is_that_of_the_ancestry_over_all_its_steps(folder, tmp_path, steps):
    settings = {"training.schedule": "cosine", "evolution.steps_per_generation": steps}
    newer = branch(folder, tmp_path, settings=settings)
    last = go_on(tmp_path, "more", "last", generations="+1")
    for results, total in ((newer, 18 + steps), (last, 18 + 2 * steps)):
        points = results.training.groupby("step")["learning_rate"].unique()
        rates = learning_rates(Recipe(), 0, total, total)
        assert points.index.max() == total  # the end of the schedule is reached
        assert {step: rate.tolist() for step, rate in points.items()} == {
            step: [rates[step - 1]] for step in points.index
        }


@pytest.mark.parametrize("population", first_now([5, 2]))
def test_another_population_is_filled_in_turn_and_best_first(folder, tmp_path, population):
    newer = branch(folder, tmp_path, settings={"evolution.population": population})
    members, slots = first_state(newer)
    older = last_state(folder / "two")
    best_first = sorted(older, key=lambda number: (-older[number].fitness, number))
    assert slots == [best_first[k % len(best_first)] for k in range(population)]
    assert set(members) == set(slots)
    assert newer.population.groupby("generation").size().tolist() == [population]


@pytest.mark.slow
def test_a_population_that_training_alone_has_made_smaller_fills_the_slots(tmp_path):
    """The best half has replaced the worse one before the last generation, which dropped the twins."""
    selection = {"name": "local_search", "replacement_interval": 2}
    closing = little(
        seeds=1,
        evolution={"generations": 3, "train_only_fraction": 0.34, "selection": selection},
        baseline={"arms": []},
    )
    older = begin(tmp_path, "closing", closing)
    assert older.population.groupby("generation").size().tolist() == [3, 3, 3, 2]
    newer = go_on(tmp_path, "closing", "more", generations="+3")
    assert newer.population.groupby("generation").size().tolist() == [3, 2, 2]
    shown = newer.individuals.groupby("generation")["origin"].value_counts()
    assert shown[4].to_dict() == {"child": 4, "continued": 2}


@pytest.mark.slow
def test_where_training_alone_goes_on_twins_are_trained_once(tmp_path):
    selection = {"name": "local_search", "replacement_interval": 2}
    begin(tmp_path, "two", little(seeds=1, evolution={"selection": selection}))
    newer = branch(tmp_path, tmp_path, settings={"evolution.train_only_fraction": 1.0})
    slots = first_state(newer)[1]
    assert (len(slots), len(set(slots))) == (3, 2)
    assert newer.individuals["origin"].tolist() == ["continued"] * 2
    assert newer.individuals["parents"].map(lambda one: one[0]).tolist() == [*dict.fromkeys(slots)]


def test_another_optimizer_begins_anew_and_says_so(folder, tmp_path):
    notes = Notes()
    settings = {"training.optimizer": "adam", "training.learning_rate": 0.001}
    newer = branch(folder, tmp_path, settings=settings, reporter=notes)
    assert any("optimizer begins anew" in line and "momentum" in line for line in notes.lines)
    assert all(one.optimizer_state is None for one in first_state(newer)[0].values())
    assert {one.optimizer_state.step for one in last_state(newer.path).values()} == {6}
    winner = newer.winner()["individual"]
    assert replay_lineage(newer, winner)[-1].genome.equals(newer.best().genome)


def test_another_fitness_judges_the_population_anew(folder, tmp_path):
    settings = {"evolution.fitness": "f1_macro", "evaluation.metrics": ["f1_macro"]}
    newer = branch(folder, tmp_path, settings=settings)
    members, older = first_state(newer)[0], last_state(folder / "two")
    assert all(one.fitness == one.metrics["f1_macro"] for one in members.values())
    for number, one in members.items():
        assert one.validation_loss == older[number].validation_loss
        assert one.fitness != older[number].fitness
    assert (newer.individuals["fitness"] == newer.individuals["validation_f1_macro"]).all()


def test_a_newer_run_declares_a_comparison_of_its_own_arms(folder, tmp_path):
    with pytest.raises(SettingsError, match=r"evaluation\.primary must be of two of the arms "):
        branch(folder, tmp_path, settings={"evaluation.primary": "evolved - lenet5"})


def test_a_policy_that_needs_layers_is_refused_where_they_are_lost(tmp_path):
    layered = little(
        seeds=1,
        founders={"graph": "layered", "hidden": 6},
        policy={"name": "weighted", "operator_weights": {"I": 1.0}},
        evolution={"selection": {"name": "random_search"}},
        baseline={"arms": []},
    )
    begin(tmp_path, "two", layered)
    told = refusal(tmp_path, settings={"policy.name": "set"})
    assert "seed 0: policy.name must not be 'set' for individual" in told
    assert "layers must be two or more numbers of at least 1 that add up to" in told


@pytest.mark.slow
def test_an_own_fitness_has_to_be_passed_again_or_replaced(tmp_path):
    def small_loss(network, validation):
        return -network.loss(validation.inputs, validation.targets)

    own = little(seeds=1, evolution={"generations": 1}, baseline={"arms": []})
    begin(tmp_path, "own", own, fitness=small_loss)
    with pytest.raises(SettingsError, match="must be passed again, in a script, with fitness="):
        go_on(tmp_path, "own", "none", generations="+1")
    go_on(tmp_path, "own", "again", generations="+1", fitness=small_loss)
    other = go_on(
        tmp_path, "own", "other", generations="+1", settings={"evolution.fitness": "accuracy"}
    )
    assert other.individuals["fitness"].between(0, 1).all()


def refusal(folder, **options):
    with pytest.raises(EvoMatrixError) as caught:
        go_on(folder, "two", "never", **{"generations": "+1"} | options)
    assert not (folder / "never").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (
            {"settings": {"training.learning_rat": 1}},
            "settings: training.learning_rat: unknown key (did you mean 'learning_rate'?)",
        ),
        (
            {"settings": {"training.learning_rate": -1}},
            "settings: training.learning_rate must be greater than 0; got -1",
        ),
        (
            {"settings": {"training": {"learning_rate": 1}}},
            "settings: training must name one setting, such as training.optimizer; got {'learning_rate': 1}",
        ),
        (
            {"settings": {"dataset.test": 0.5}},
            "settings: dataset.test must not be changed, because the test part of the newer run would hold samples on "
            "which its networks were trained; got 0.5",
        ),
        ({"settings": {"seed": 5}}, "settings: seed must not be changed, because with another one"),
        ({"settings": {"founders.hidden": 9}}, "settings: founders.hidden must not be changed"),
        ({"settings": {"evolve": False}}, "settings: evolve must not be changed, because only"),
        (
            {"settings": {"used": None}},
            "settings: used must be a setting of name, arm, evolution, policy,",
        ),
        (
            {"settings": {"evolution.generations": 9}},
            "settings: evolution.generations must not be given beside generations; got 9",
        ),
        ({"settings": {"policy.name": "layerwise"}}, 'settings: founders.graph must be "maps"'),
        ({"seed": 2}, "seed must be from 0 to 1; got 2"),
        (
            {"generations": 2},
            "generations must be at least 3, for seed 0 goes on after generation 2",
        ),
        ({"generations": None}, "generations must be at least 3, for seed 0 goes on after"),
        ({"generations": "-1"}, 'generations must be a whole number, or a text such as "+10"'),
        ({"generations": 3.5}, 'generations must be a whole number, or a text such as "+10"'),
        ({"individual": 1}, "seed must be given with individual, for the run has the seeds [0, 1]"),
        ({"individual": 999, "seed": 0}, "individuals, seed 0: there is no individual 999"),
        (
            {"dataset": Dataset.from_arrays(np.zeros((60, 64)), np.arange(60) % 10, name="mine")},
            "cannot be continued: that run used the data 'digits', now given is 'mine'",
        ),
    ],
)
def test_what_cannot_be_continued_is_refused_in_one_line(folder, options, rule):
    assert rule in refusal(folder, **options)


def test_what_has_nothing_to_continue_is_refused_in_one_line(folder, tmp_path):
    class Stopping(Reporter):
        def evaluated(self, individual):
            raise KeyboardInterrupt

    with pytest.raises(ResultsError, match="must be the folder of a run"):
        continue_run(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path, "early", reporter=Stopping())
    with pytest.raises(
        ResultsError, match=r"seed 0 has no finished generation .* evomatrix resume"
    ):
        go_on(tmp_path, "early", "none", generations="+1")
    with pytest.raises(TypeError, match="path must be"):
        continue_run(3)


@pytest.mark.parametrize("key", ["first_generation", "steps_before"])
def test_settings_that_do_not_say_where_a_seed_goes_on_are_refused(branches, tmp_path, key):
    moved = shutil.copytree(branches / "same", tmp_path / "same")
    config = json.loads((moved / "config.json").read_text("utf-8"))
    config["continues"][key] = {"7": 3}
    (moved / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(
        SettingsError, match=f"continues.{key} must have every seed; got none for 0"
    ):
        load_experiment(moved / "config.json")
    with pytest.raises(ResultsError, match=r"config\.json is not as it was committed"):
        verify(moved)


def test_the_settings_of_a_continued_run_do_not_begin_with_founders(branches, tmp_path):
    config = branches / "same" / "config.json"
    with pytest.raises(SystemExit) as caught:
        main(["run", str(config), "--results", str(tmp_path)])
    assert caught.value.code == 2
    assert not list(tmp_path.iterdir())


# -- one individual ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_slot_begins_with_one_individual(folder, tmp_path):
    older = load_results(folder / "two")
    winner = older.winner(seed=0)
    number = winner["individual"]
    newer = branch(folder, tmp_path, individual=number)
    assert newer.individuals["parents"].map(list).tolist() == [[number]] * 6
    assert newer.individuals["generation"].unique().tolist() == [winner["generation"] + 1]
    assert newer.runs["start_individual"].tolist() == [number]
    (one,), stored = first_state(newer)[0].values(), last_state(folder / "two")[number]
    assert np.array_equal(one.optimizer_state.moments, stored.optimizer_state.moments)
    n_before = len(older.individuals.query("seed == 0"))
    assert newer.runs["n_individuals"].tolist() == [n_before + 6]
    assert verify(newer.path, workers=0).difference is None


def test_an_individual_that_holds_no_slot_any_more_is_rebuilt_with_its_optimizer_state(
    folder, tmp_path
):
    whole = load_results(folder / "four").individuals.query("seed == 0")
    last, early = (last_state(folder / name) for name in ("four", "two"))
    number = max(early.keys() - last.keys())
    notes = Notes()
    newer = go_on(
        folder, "four", "more", results=tmp_path, individual=number, seed=0, reporter=notes
    )
    assert any("is rebuilt from its founder" in line for line in notes.lines)
    (one,) = first_state(newer)[0].values()
    assert one.genome.equals(early[number].genome)
    assert np.array_equal(one.optimizer_state.moments, early[number].optimizer_state.moments)
    first = newer.individuals["individual"].min()
    assert first == whole["individual"].max() + 1
    assert newer.individuals["generation"].unique().tolist() == [3, 4]
    assert replay_lineage(newer, newer.winner()["individual"])[2].genome.equals(one.genome)


# -- the command -------------------------------------------------------------------------------------------------------


def command(capsys, *arguments):
    """Return exit code, output and errors of the command."""
    code = 0
    try:
        main(["continue", *map(str, arguments), "--workers", "0", "--no-figures", "--quiet"])
    except SystemExit as leaving:
        code = leaving.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_command_continues_a_run(folder, tmp_path, capsys):
    code, out, err = command(
        capsys,
        *(folder / "two", "--generations", "+1", "--seed", 1, "--results", tmp_path),
        *("--set", "training.learning_rate=0.02", "--set", "arm=slow", "--set", "baseline.arms=[]"),
        *("--set", "policy.operator_weights={A = 1.0, N = 2.0}"),
        *("--set", "training.gradient_clip="),
    )
    assert (code or 0, err) == (0, "")
    (made,) = tmp_path.iterdir()
    assert out == f"{made}\n"
    newer = load_results(made)
    assert newer.runs["training.learning_rate"].tolist() == [0.02]
    assert newer.runs["training.gradient_clip"].isna().all()
    assert newer.runs["arm"].tolist() == ["slow"]
    assert newer.baseline.empty
    assert set("".join(newer.individuals["operators"])) <= {"A", "N"}


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["--set", "training.learning_rate"], "--set must be KEY=VALUE"),
        (["--set", "training.learning_rate=fast"], "training.learning_rate must be a number"),
        (["--generations", "more"], "generations must be a whole number"),
    ],
)
def test_a_wrong_input_is_one_line_and_exit_code_2(folder, capsys, arguments, rule):
    code, out, err = command(capsys, folder / "two", "--generations", "+1", *arguments)
    assert (code, out) == (2, "")
    assert rule in err
    assert err.count("\n") == 1
