"""Callbacks hear every event of every run in order, and stop a run so that it can go on as if it had not stopped."""

import json
from types import SimpleNamespace

import pytest
from same_tables import assert_equal, assert_equal_tables

from evo.errors import ResultsError
from evo.storage.run_reader import is_complete
from experiments import (
    Callback,
    Experiment,
    StopRun,
    continue_run,
    resume,
    run,
    study,
)
from experiments.progress import CallbackError, GenerationDone
from experiments.studies.cells import Runs

LITTLE = {
    "name": "little",
    "seeds": 2,
    "dataset": {"name": "xor", "options": {"n_samples": 40}},
    "founders": {"hidden": 3},
    "evolution": {"population": 2, "generations": 2, "steps_per_generation": 3},
    "baseline": {"arms": ["mlp"], "hidden": 2},
}
ARMS = {"a": {}, "b": {"founders.hidden": 5}, "mlp": {"evolve": False, "baseline.arms": ["mlp"]}}


def little(**changes):
    return Experiment.parse({**LITTLE, **changes}, "little")


def begin(folder, settings=None, **options):
    fixed = {"workers": 0, "figures": False, "run_name": "one"}
    return run(settings or little(), results=folder, **(fixed | options))


def environment_of(path):
    return json.loads((path / "environment.json").read_text("utf-8"))


class Hearing(Callback):
    """Keeps what it hears: the run, the event, and where the run then stands."""

    def __init__(self):
        self.heard = []
        self.events = []

    def keep(self, event, *what):
        self.events.append(event)
        self.heard.append((event.run, *what))

    def begun(self, event):
        self.keep(event, "begun")

    def generation(self, event):
        self.keep(event, "generation", event.seed, event.generation.number)

    def epoch(self, event):
        self.keep(event, "epoch", event.seed, event.record.epoch)

    def trained(self, event):
        self.keep(event, "trained", event.seed, event.arm)

    def finished(self, event):
        self.keep(event, "finished")

    def stopped(self, event):
        self.keep(event, "stopped", event.reason)


class Stopping(Hearing):
    """Stops a run, or all, after a generation of a seed."""

    def __init__(self, generation=1, seed=0, run=None):
        super().__init__()
        self.fatal = ("generation", seed, generation)
        self.run = run

    def keep(self, event, *what):
        super().keep(event, *what)
        if what == self.fatal and self.run in (None, event.run):
            raise StopRun("enough is known")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The results of a run that nobody stopped, and the callback that heard it."""
    hearing = Hearing()
    return begin(tmp_path_factory.mktemp("whole"), callbacks=[hearing]), hearing


# -- events ------------------------------------------------------------------------------------------------------------


def test_the_events_of_a_run_come_in_order_with_the_values_of_its_tables(whole):
    results, hearing = whole
    generations = [("one", "generation", seed, k) for seed in (0, 1) for k in range(3)]
    assert hearing.heard == [
        ("one", "begun"),
        *generations,
        ("one", "trained", 0, "mlp"),
        ("one", "trained", 1, "mlp"),
        ("one", "finished"),
    ]
    first, *others, last = hearing.events
    assert (first.path, first.experiment.name) == (results.path, "little")
    assert first.settings["evolution.population"] == 2
    rows = results.generations
    of_generations = others[: len(generations)]
    assert [one.best_fitness for one in of_generations] == rows["best_fitness"].tolist()
    assert [one.n_failed for one in of_generations] == rows["n_failures"].tolist()
    losses = [one.validation_loss for one in others[len(generations) :]]
    assert losses == results.baseline["validation_loss"].tolist()
    assert last.results.verdicts() == results.verdicts()


def test_the_median_is_that_of_the_population(whole):
    results, hearing = whole
    for event in hearing.events:
        if hasattr(event, "generation"):
            of_seed = results.population_at(event.generation.number).query(f"seed == {event.seed}")
            assert event.median_fitness == of_seed["fitness"].median()


def test_the_median_leaves_out_who_has_no_fitness():
    population = [SimpleNamespace(fitness=one) for one in (1.0, None, 4.0, 2.0)]
    done = SimpleNamespace(population=population)
    event = GenerationDone("one", 0, done, 1, "fitness", "accuracy")
    assert event.median_fitness == 2.0


def test_epochs_of_baselines_are_heard(tmp_path):
    hearing = Hearing()
    settings = Experiment(
        seeds=1,
        dataset=LITTLE["dataset"],
        evolve=False,
        baseline={"arms": ["mlp"], "hidden": 2, "epochs": 2},
    )
    begin(tmp_path, settings, callbacks=[hearing])
    told = [what for _, *what in hearing.heard]
    assert told == [
        ["begun"],
        ["epoch", 0, 1],
        ["epoch", 0, 2],
        ["trained", 0, "mlp"],
        ["finished"],
    ]


def events_by_run(hearing):
    found = {}
    for name, *what in hearing.heard:
        found.setdefault(name, []).append(tuple(what))
    return found


SEARCH = [("begun",), *(("generation", 0, k) for k in range(3))]


def begin_study(folder, callback, **options):
    fixed = {"seeds": 1, "workers": 0, "figures": False, "callbacks": [callback]}
    return study(little(), folder=folder, **({"arms": ARMS} | fixed | options))


@pytest.fixture(scope="module")
def whole_study(tmp_path_factory):
    """The results of a study whose searches go on side by side, and the callback that heard it."""
    hearing = Hearing()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Runs, "_are_brief", lambda self, evolving: False)
        return begin_study(tmp_path_factory.mktemp("study"), hearing), hearing


@pytest.mark.slow
def test_one_callback_hears_all_runs_of_a_study_whose_searches_go_on_side_by_side(whole_study):
    _, hearing = whole_study
    assert events_by_run(hearing) == {
        "a-seed-0": [*SEARCH, ("finished",)],
        "b-seed-0": [*SEARCH, ("finished",)],
        "mlp-seed-0": [("begun",), ("trained", 0, "mlp"), ("finished",)],
    }
    order = [(name, what) for name, what, *_ in hearing.heard if what in {"begun", "finished"}]
    assert order.index(("a-seed-0", "finished")) > order.index(("b-seed-0", "begun"))


HALVED = {"arms": {"e": {}}, "grid": {"founders.hidden": [1, 4]}, "halving": {"rungs": [0]}}


@pytest.mark.slow
def test_a_run_that_halving_stops_is_heard_to_stop(tmp_path):
    hearing = Hearing()
    begin_study(tmp_path, hearing, **HALVED)
    found = events_by_run(hearing)
    lost, won = sorted(found, key=lambda name: len(found[name]))
    assert found[won] == [*SEARCH, ("finished",)]
    assert found[lost][:-1] == SEARCH[:2]
    assert found[lost][-1][0] == "stopped"
    assert found[lost][-1][1].startswith("at rung 1, after generation 0")


# -- stop early --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode", ["generational", pytest.param("asynchronous", marks=pytest.mark.slow)]
)
def test_a_run_that_a_callback_stops_goes_on_to_the_same_bits(mode, whole, tmp_path):
    settings, expected = None, whole[0]
    if mode == "asynchronous":
        settings = little(seeds=1, evolution=LITTLE["evolution"] | {"mode": mode, "in_flight": 2})
        expected = begin(tmp_path / "whole", settings)
    stopping, also = Stopping(), Hearing()
    stopped = begin(tmp_path, settings, callbacks=[stopping, also])
    assert stopped.generations["generation"].tolist() == [0, 1]
    assert stopped.comparison.empty
    assert stopping.heard[-1] == ("one", "stopped", "Stopping: enough is known")
    assert also.heard == stopping.heard
    assert not is_complete(stopped.path)
    noted = environment_of(stopped.path)
    assert (noted["stopped_by"], noted["error"]) == ("Stopping: enough is known", "")

    hearing = Hearing()
    resumed = resume(stopped.path, workers=0, figures=False, callbacks=[hearing])
    assert_equal(resumed, expected)
    assert hearing.heard[:2] == [("one", "begun"), ("one", "generation", 0, 2)]
    assert hearing.heard[-1] == ("one", "finished")
    assert environment_of(resumed.path)["stopped_by"] == ""


def test_who_stopped_a_run_and_how_it_goes_on_is_told(tmp_path, caplog):
    caplog.set_level("INFO", "experiments.progress")
    begin(tmp_path, callbacks=[Stopping(0)])
    assert caplog.messages[-1] == (
        "Stopped by Stopping: enough is known. What is finished is kept; "
        f"to go on: evomatrix resume {tmp_path / 'one'}"
    )


@pytest.mark.slow
def test_a_callback_stops_a_run_on_workers(whole, tmp_path):
    stopped = begin(tmp_path, workers=2, callbacks=[Stopping(1, seed=1)])
    assert stopped.comparison.empty
    assert_equal(resume(stopped.path, workers=0, figures=False), whole[0])


@pytest.mark.slow
@pytest.mark.parametrize("together", [False, True])
def test_a_callback_stops_one_run_of_a_study_only(
    together, whole_study, tmp_path, monkeypatch, caplog
):
    caplog.set_level("INFO", "experiments.progress")
    if together:
        monkeypatch.setattr(Runs, "_are_brief", lambda self, evolving: False)
    stopping = Stopping(1, run="a-seed-0")
    results = begin_study(tmp_path, stopping)
    assert set(results.comparison["run"]) == {"b-seed-0", "mlp-seed-0"}
    assert events_by_run(stopping)["a-seed-0"][-1] == ("stopped", "Stopping: enough is known")
    assert environment_of(tmp_path / "a-seed-0")["stopped_by"] == "Stopping: enough is known"
    assert sum("Stopped by Stopping: enough is known" in one for one in caplog.messages) == 1

    resumed = resume(tmp_path, workers=0, figures=False)
    assert_equal_tables(resumed, whole_study[0])


@pytest.mark.slow
def test_halving_cannot_decide_without_a_run_that_a_callback_stopped(tmp_path):
    later = HALVED | {"halving": {"rungs": [1]}}
    with pytest.raises(ResultsError, match="e-hidden-1-seed-0 is not there: Stopping: enough"):
        begin_study(tmp_path, Stopping(0, run="e-hidden-1-seed-0"), **later)
    assert len(resume(tmp_path, workers=0, figures=False).runs) == 2


def test_a_run_that_continues_another_one_has_callbacks_too(whole, tmp_path):
    stopped = continue_run(
        whole[0].path,
        generations="+1",
        workers=0,
        results=tmp_path,
        run_name="more",
        figures=False,
        callbacks=[Stopping(3)],
    )
    assert stopped.comparison.empty
    assert stopped.generations["generation"].max() == 3


# -- errors ------------------------------------------------------------------------------------------------------------


class Failing(Callback):
    def __init__(self, method, error):
        def fail(event):
            raise error

        setattr(self, method, fail)


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("generation", ZeroDivisionError("no")),
        pytest.param("begun", OSError("no"), marks=pytest.mark.slow),
        pytest.param("trained", KeyError("no"), marks=pytest.mark.slow),
    ],
)
def test_an_error_of_a_callback_ends_its_run_which_can_be_resumed(method, error, whole, tmp_path):
    also = Hearing()
    with pytest.raises(
        CallbackError, match=f"callback Failing raised an error in {method}: "
    ) as told:
        begin(tmp_path, callbacks=[Failing(method, error), also])
    assert told.value.__cause__ is error
    assert also.heard[-1][1] == "stopped"
    assert "CallbackError" in environment_of(tmp_path / "one")["error"]
    assert_equal(resume(tmp_path / "one", workers=0, figures=False), whole[0])


def test_an_error_while_the_end_is_told_does_not_hide_why_the_run_ended(tmp_path):
    failing = [Failing("generation", ValueError("first")), Failing("stopped", OSError("second"))]
    with pytest.raises(
        CallbackError, match="raised an error in generation: ValueError: first"
    ) as told:
        begin(tmp_path, little(seeds=1), callbacks=failing)
    assert told.value.__notes__ == ["callback Failing raised an error in stopped: OSError: second"]


def test_a_finished_run_stays_finished_whatever_a_callback_raises(tmp_path, caplog):
    caplog.set_level("INFO", "experiments.progress")
    with pytest.raises(CallbackError, match="raised an error in finished: StopRun: too late"):
        begin(tmp_path, callbacks=[Failing("finished", StopRun("too late"))])
    assert is_complete(tmp_path / "one")
    assert not any("to go on" in one for one in caplog.messages)
