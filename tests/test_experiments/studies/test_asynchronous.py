"""Runs without a barrier: killed and resumed, computed again in the recorded order, on workers of uneven speed."""

import os
import signal
import time
from collections import deque

import pytest
from same_tables import assert_equal
from tests_of_kills import count_boundaries, in_child

from evo import SELECTIONS
from evo.errors import SettingsError
from evo.executors import SerialExecutor
from evo.selection import Selection
from evo.storage import in_flight
from experiments import (
    Experiment,
    continue_run,
    load_results,
    replay_lineage,
    resume,
    run,
    verify,
)
from experiments.progress import Reporter
from experiments.studies import execution

SETTINGS = {
    "name": "one",
    "seeds": 2,
    "dataset": {"name": "digits"},
    "founders": {"hidden": 6},
    "evolution": {
        "mode": "asynchronous",
        "population": 4,
        "generations": 4,
        "steps_per_generation": 6,
        "selection": {"replacement_interval": 2},
    },
    "policy": {"name": "adaptive"},
    "baseline": {"arms": ["mlp"]},
}


def experiment(**evolution):
    return Experiment.parse(
        {**SETTINGS, "evolution": {**SETTINGS["evolution"], **evolution}}, "test"
    )


def begin(folder, settings=None, **options):
    options = {"workers": 0, "run_name": "one", "figures": False} | options
    return run(settings or experiment(), results=folder, **options)


class UnevenExecutor(SerialExecutor):
    """Evaluates in this process, as if individuals took unequal time: their numbers say which one of all arrives."""

    def evaluate(self, work, *, one_by_one=False):
        while work:
            first = min(work, key=lambda one: one.job.individual * 7919 % 101)
            work.remove(first)
            yield from super().evaluate(deque([first]))


@pytest.fixture
def uneven(monkeypatch):
    monkeypatch.setattr(execution, "SerialExecutor", UnevenExecutor)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution, "SerialExecutor", UnevenExecutor)
        return begin(tmp_path_factory.mktemp("whole"))


class Dying(Reporter):
    """Kills its process when an individual has arrived, the `fatal`-th one."""

    def __init__(self, fatal):
        self.left = fatal

    def evaluated(self, individual):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def kill(folder, fatal, settings=None):
    def begin_or_go_on():
        if (folder / "one").exists():
            resume(folder / "one", workers=0, figures=False, reporter=lambda: Dying(fatal))
        else:
            begin(folder, settings, reporter=Dying(fatal))

    assert in_child(begin_or_go_on) == -signal.SIGKILL


# -- what is in the tables ---------------------------------------------------------------------------------------------


def test_generations_overlap_and_have_the_numbers_of_the_generational_mode(whole, tmp_path):
    generational = begin(tmp_path, experiment(mode="generational"))
    columns = ["seed", "generation", "individual", "slot", "ancestry_steps"]
    for table, shared in {
        "individuals": columns,
        "generations": ["generation", "n_individuals"],
    }.items():
        one, other = (getattr(results, table)[shared] for results in (whole, generational))
        assert one.equals(other)
    assert whole.runs["search_steps"].equals(generational.runs["search_steps"])
    assert generational.individuals["arrival"].isna().all()
    for _, rows in whole.individuals.groupby("seed"):
        arrived = rows.sort_values("arrival")
        assert arrived["arrival"].tolist() == list(range(len(rows)))
        assert not arrived["generation"].is_monotonic_increasing
        arrival = rows.set_index("individual")["arrival"]
        for row in rows[rows["generation"] > 0].itertuples():
            assert arrival[row.parents[0]] < row.arrival


def test_every_ancestor_of_the_winner_can_be_rebuilt(whole):
    winner = whole.winner()
    lineage = replay_lineage(whole, winner["individual"], seed=winner["seed"])
    assert len(lineage) == 5


def test_a_run_says_how_many_workers_are_idle(tmp_path, monkeypatch):
    monkeypatch.setattr(UnevenExecutor, "n_workers", 5)
    monkeypatch.setattr(execution, "SerialExecutor", UnevenExecutor)
    told = []

    class Telling(Reporter):
        def note(self, text):
            told.append(text)

    begin(tmp_path, experiment(generations=0), reporter=Telling())
    assert told == ["3 of 5 workers are idle: evolution.in_flight = 2"]


# -- computed again ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_is_computed_again_in_its_order_of_arrival(whole):
    outcome = verify(whole.path, workers=0)
    assert outcome.difference is None
    assert outcome.n_rows > 200


@pytest.mark.slow
def test_another_order_gives_other_individuals(whole, tmp_path):
    """So the order is needed, and comparing the tables proves it."""
    other = begin(tmp_path)
    assert not other.individuals["genome_hash"].equals(whole.individuals["genome_hash"])


def slow_for_some(network, validation, evaluation):
    """Sleep for networks that a number of theirs chooses, so that they arrive late."""
    time.sleep(0.2 if int(abs(evaluation.loss) * 1e6) % 4 == 0 else 0.01)
    return -evaluation.loss


def on_workers(folder, **options):
    evolution = {"selection": {"name": "tournament"}, "population": 6, "in_flight": 4}
    settings = experiment(**evolution, generations=3).model_copy(update={"seeds": 1})
    return begin(folder, settings, workers=2, fitness=slow_for_some, **options)


@pytest.mark.slow
def test_what_workers_of_uneven_speed_gave_is_computed_again_in_this_process(tmp_path):
    results = on_workers(tmp_path)
    order = results.individuals.sort_values("arrival")["individual"].tolist()
    assert order != sorted(order)
    assert verify(results.path, workers=0, fitness=slow_for_some).difference is None


@pytest.mark.slow
def test_what_workers_gave_before_and_after_a_stop_is_computed_again_on_other_workers(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(in_flight, "SECONDS_BETWEEN_FILES", 0.0)

    class Stopping(Reporter):
        left = 15

        def evaluated(self, individual):
            self.left -= 1
            if self.left == 0:
                raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        on_workers(tmp_path, reporter=Stopping())
    begun = load_results(tmp_path / "one")
    assert len(begun.individuals) < 15
    options = {"workers": 2, "fitness": slow_for_some}
    resumed = resume(tmp_path / "one", figures=False, **options)
    assert resumed.individuals["arrival"].sort_values().tolist() == list(range(24))
    assert verify(tmp_path / "one", **{**options, "workers": 1}).difference is None


# -- killed and resumed ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_in_one_process_that_is_killed_and_resumed_is_the_run_that_was_not(
    whole, uneven, tmp_path, monkeypatch
):
    """Killed among the founders, while generations overlap, and in the search with the second seed."""
    monkeypatch.setattr(in_flight, "SECONDS_BETWEEN_FILES", 0.0)
    for fatal in (3, 9, 12, 1, 8):
        kill(tmp_path, fatal)
    resumed = resume(tmp_path / "one", workers=0, figures=False)
    assert_equal(whole, resumed)
    assert len(list(resumed.path.glob("states/*"))) == 2


@pytest.mark.slow
def test_what_had_arrived_is_not_evaluated_again(uneven, tmp_path, monkeypatch):
    monkeypatch.setattr(in_flight, "SECONDS_BETWEEN_FILES", 0.0)
    kill(tmp_path, 11)

    counted = []

    class Counting(Reporter):
        def evaluated(self, individual):
            counted.append(1)

    resumed = resume(tmp_path / "one", workers=0, figures=False, reporter=Counting)
    assert len(counted) == len(resumed.individuals) - 11


@pytest.mark.slow
def test_what_arrived_after_one_that_is_lost_is_evaluated_again(
    whole, uneven, tmp_path, monkeypatch
):
    monkeypatch.setattr(in_flight, "SECONDS_BETWEEN_FILES", 0.0)
    kill(tmp_path, 11)
    folder = tmp_path / "one" / ".in-flight"
    by_time = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert len(by_time) > 3
    by_time[1].write_bytes(b"damaged")
    assert_equal(whole, resume(tmp_path / "one", workers=0, figures=False))


@pytest.mark.slow
def test_of_an_unfinished_run_the_generations_are_computed_again(uneven, tmp_path, monkeypatch):
    """Individuals of generations that are not complete have their places in the order too."""
    kill(tmp_path, 25)
    monkeypatch.setattr(execution, "SerialExecutor", SerialExecutor)
    unfinished = load_results(tmp_path / "one")
    last = int(unfinished.generations["generation"].max())
    assert 1 <= last < 4
    outcome = verify(tmp_path / "one", seed=0, generations=(0, last), workers=0)
    assert outcome.difference is None


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(4))
def test_no_boundary_matters(whole, uneven, tmp_path, trial):
    """Of all calls that bring files to the disk, a fortieth for each trial."""
    n_boundaries = count_boundaries(lambda: begin(tmp_path / "counted"))
    for fatal in range(10 * trial, n_boundaries, 40):
        folder = tmp_path / str(fatal)
        assert in_child(lambda folder=folder: begin(folder), fatal=fatal) == -signal.SIGKILL
        begun = (folder / "one").exists()
        resumed = resume(folder / "one", workers=0, figures=False) if begun else begin(folder)
        assert_equal(whole, resumed)


@pytest.mark.slow
def test_a_run_goes_on_as_another_run_from_the_last_complete_generation(uneven, tmp_path):
    """What had arrived of later generations is left behind, and made again."""
    kill(tmp_path, 25)
    older = load_results(tmp_path / "one")
    last = int(older.generations["generation"].max())
    newer = continue_run(
        tmp_path / "one", generations=last + 2, seed=0, workers=0, results=tmp_path,
        run_name="newer", figures=False,
    )  # fmt: skip
    assert newer.generations["generation"].tolist() == [last + 1, last + 2]
    numbers = newer.individuals["individual"].tolist()
    first = len(older.individuals)
    assert numbers == list(range(first, first + len(numbers)))
    assert newer.individuals["arrival"].sort_values().tolist() == list(range(len(numbers)))
    assert verify(newer.path, workers=0).difference is None
    winner = newer.winner()["individual"]
    assert len(replay_lineage(newer, winner)) == last + 3


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.fixture
def own_selection():
    before, local = SELECTIONS.own, SELECTIONS["local_search"]
    SELECTIONS.register("mine", Selection(local.propose, local.select))
    yield
    SELECTIONS.install(before)


def test_a_selection_that_needs_whole_generations_is_refused(own_selection):
    with pytest.raises(SettingsError) as caught:
        experiment(selection={"name": "mine"})
    assert str(caught.value) == (
        "test: evolution.selection.name must be one of local_search, tournament, random_search "
        "where mode = \"asynchronous\"; got 'mine'"
    )
