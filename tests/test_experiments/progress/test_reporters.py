"""What people and logs are told of a run: where, in which words, and with which counts."""

import io
import logging
import re
import sys
from types import SimpleNamespace

import pytest
import rich.console

from evo.evolution.fitness import FITNESSES
from experiments import Experiment, run, study
from experiments.progress import LogReporter, Reporter, TerminalReporter, default_reporter
from experiments.progress.choice import chosen_maker
from experiments.progress.counts import Counts
from experiments.progress.describing import fitness_title, quality

LITTLE = {
    "name": "little",
    "seeds": 1,
    "dataset": {"name": "xor", "options": {"n_samples": 60}},
    "founders": {"hidden": 3},
    "evolution": {"population": 3, "generations": 1, "steps_per_generation": 3},
    "baseline": {"arms": ["mlp"], "hidden": 2},
}


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self):
        return True


def little(**changes):
    return Experiment.parse({**LITTLE, **changes}, "little")


def begin(folder, settings=None, **options):
    return run(settings or little(), results=folder, **({"workers": 0, "figures": False} | options))


def with_terminal(monkeypatch):
    """Make standard error a terminal of 200 columns, and return what is written there."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


# -- where -------------------------------------------------------------------------------------------------------------


def test_a_terminal_and_a_notebook_have_a_live_line_and_other_places_a_log(monkeypatch):
    with_terminal(monkeypatch)
    assert isinstance(default_reporter(), TerminalReporter)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(default_reporter(), LogReporter)
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    assert isinstance(default_reporter(), TerminalReporter)


def test_a_terminal_shows_the_live_line_on_standard_error_only(tmp_path, capsys, monkeypatch):
    stderr = with_terminal(monkeypatch)
    begin(tmp_path)
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", stderr.getvalue())
    assert re.search(
        r"seed 0, generation 1/1: fitness -[\d.]+ \(median -[\d.]+\), validation accuracy [\d.]+ %"
        r"(, \d in flight)? +[━╸╺ ]+ \d/9",
        shown,
    )
    assert re.search(r"seed 0: best validation accuracy [\d.]+ %, \d+ edges", shown)
    assert capsys.readouterr().out == ""


def test_a_quiet_run_tells_nothing(tmp_path, caplog, monkeypatch):
    stderr = with_terminal(monkeypatch)
    caplog.set_level(logging.INFO, "experiments.progress")
    begin(tmp_path, quiet=True)
    assert (stderr.getvalue(), caplog.messages) == ("", [])
    assert chosen_maker(None, quiet=True) is Reporter


def test_too_few_seeds_for_a_declared_comparison_are_told_before_the_run(tmp_path, caplog):
    begin(tmp_path, little(evaluation={"primary": "evolved - mlp"}))
    assert caplog.record_tuples[0][1:] == (
        logging.WARNING,
        "evaluation.primary: 1 seed can show no p below 1, so neither arm of evolved - mlp can win; 6 seeds can",
    )


def test_a_notebook_has_one_display_that_is_written_anew(monkeypatch):
    shells = pytest.importorskip("IPython.core.interactiveshell", reason="pip install ipython")
    from IPython.utils.capture import capture_output

    shells.InteractiveShell.instance()
    try:
        console = rich.console.Console(force_jupyter=True)
        monkeypatch.setattr("experiments.progress.terminal.SECONDS_BETWEEN_DISPLAYS", 0.0)
        with capture_output() as captured, TerminalReporter(console) as reporter:
            reporter.starting("little", 0, 9)
            reporter.asked(3)
            reporter.evaluated(SimpleNamespace(status="failed"))
    finally:
        shells.InteractiveShell.clear_instance()
    first, *displays = captured.outputs
    assert ": about 9 networks to train, in this process" in first.data["text/plain"]
    assert [one.update for one in displays] == [False, True, True]
    assert "little, 3 in flight" in displays[0].data["text/plain"]
    assert "little, 2 in flight, 1 failed" in displays[1].data["text/plain"]
    assert "1/9" in displays[1].data["text/plain"]
    assert displays[2].data == {"text/plain": ""}


# -- in which words ----------------------------------------------------------------------------------------------------


def test_a_log_has_a_line_for_each_generation_and_baseline_and_for_the_end(tmp_path, caplog):
    caplog.set_level(logging.INFO, "experiments.progress")
    results = begin(tmp_path, run_name="one")
    lines = caplog.messages
    rows = results.generations.set_index("generation")
    assert lines[0] == "little: about 9 networks to train, in this process"
    told = [one for one in lines if "generation" in one]
    assert len(told) == 2
    for number, line in enumerate(told):
        best, accuracy = rows.loc[number, ["best_fitness", "best_validation_accuracy"]]
        population = results.population_at(number)["fitness"]
        expected = (
            f"one: seed 0, generation {number}/1: fitness {best:.3g} (median {population.median():.3g}), "
            f"validation accuracy {100 * accuracy:.1f} %, 0 in flight, 0 failed, "
        )
        assert line.startswith(expected)
        assert re.fullmatch(r"\d+ s left", line.removeprefix(expected))
    assert told[-1].endswith(", 0 s left")
    (baseline,) = (one for one in lines if "trained" in one)
    assert re.fullmatch(r"one: seed 0: mlp trained, validation accuracy [\d.]+ %", baseline)
    assert lines[-1] == f"one: finished; results: {tmp_path / 'one'}"


def test_lines_name_the_fitness_and_the_metric_of_verdicts(tmp_path, caplog):
    caplog.set_level(logging.INFO, "experiments.progress")
    evolution = LITTLE["evolution"] | {"generations": 0, "fitness": "f1_macro"}
    begin(tmp_path, little(evolution=evolution, evaluation={"verdict": "log_loss"}))
    (line,) = (one for one in caplog.messages if "generation" in one)
    assert re.search(r": F1 \(macro\) 0?[.\d]+ \(median [.\d]+\), validation log loss \d", line)
    (line,) = (one for one in caplog.messages if "trained" in one)
    assert "mlp trained, validation log loss " in line


def test_a_fitness_is_called_by_its_name_unless_it_is_the_usual_one_or_has_none():
    def title(name, fitness=None):
        experiment = little(evolution={"fitness": name})
        return fitness_title(experiment, fitness or FITNESSES[name])

    assert title("negative_loss") == "fitness"
    assert title("accuracy") == "accuracy"
    assert title("log_loss") == "minus log loss"
    assert title("accuracy", lambda network, validation: 0.0) == "fitness"


def test_a_metric_without_a_value_is_told():
    assert quality("roc_auc", 0.5, 0.5, {"roc_auc": None}).endswith("not defined")


# -- with which counts -------------------------------------------------------------------------------------------------


class Counting(Reporter):
    """Keeps the number of individuals in flight after each change."""

    def __init__(self):
        self.seen = [0]

    def asked(self, count):
        self.seen.append(self.seen[-1] + count)

    def evaluated(self, individual):
        self.seen.append(self.seen[-1] - 1)

    def given_up(self, count):
        self.seen.append(self.seen[-1] - count)


def assert_counts(seen, most):
    assert (min(seen), max(seen), seen[-1]) == (0, most, 0)


@pytest.mark.parametrize(("mode", "most"), [("generational", 6), ("asynchronous", 2)])
def test_in_flight_is_never_negative_and_nothing_at_the_end(mode, most, tmp_path):
    counting = Counting()
    evolution = LITTLE["evolution"] | {"mode": mode}
    if mode == "asynchronous":
        evolution["in_flight"] = 2
    results = begin(tmp_path, little(evolution=evolution), reporter=counting)
    changes = [
        after - before for before, after in zip(counting.seen, counting.seen[1:], strict=False)
    ]
    assert changes.count(-1) == len(results.individuals)
    assert_counts(counting.seen, most)


def test_in_flight_is_nothing_after_an_interruption(tmp_path):
    class Interrupting(Counting):
        def evaluated(self, individual):
            super().evaluated(individual)
            if len(self.seen) == 4:
                raise KeyboardInterrupt

    counting = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path, reporter=counting)
    assert counting.seen == [0, 3, 2, 1, 0]


@pytest.mark.slow
def test_in_flight_counts_hold_for_searches_side_by_side_on_workers(tmp_path, ray_of_tests):
    counting = Counting()
    arms = {"a": {}, "b": {"founders.hidden": 5}}
    study(
        little(),
        arms,
        seeds=2,
        results=tmp_path,
        address=ray_of_tests,
        figures=False,
        reporter=lambda: counting,
    )
    assert (min(counting.seen), counting.seen[-1]) == (0, 0)
    assert max(counting.seen) > 3


def test_the_time_left_follows_from_the_speed_so_far(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("experiments.progress.counts.time.monotonic", lambda: now[0])
    counts = Counts()
    counts.begin(10)
    assert counts.seconds_left is None
    counts.ask(4)
    now[0] += 6
    for status in ("ok", "failed", "duplicate"):
        counts.evaluate(SimpleNamespace(status=status))
    assert (counts.in_flight, counts.failed, counts.seconds_left) == (1, 1, 14.0)
    counts.done = 8  # an earlier process did most of it
    assert counts.seconds_left == 4.0


# -- wrong arguments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"quiet": 1}, "quiet must be True or False; got 1"),
        ({"quiet": True, "reporter": Reporter()}, "quiet must be False where a reporter is given"),
        ({"reporter": Reporter}, "reporter must be a Reporter, .* got the class Reporter"),
        ({"callbacks": Reporter()}, "callbacks must be a list of callbacks, .*; got a Reporter"),
        ({"callbacks": [Reporter]}, "callbacks must be a list .* got the class Reporter in it"),
    ],
)
def test_a_wrong_argument_is_refused_before_any_work(options, rule, tmp_path):
    with pytest.raises(TypeError, match=rule):
        begin(tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_study_needs_a_function_that_makes_reporters(tmp_path):
    with pytest.raises(
        TypeError, match=r"reporter must be a function that makes .* got a Reporter"
    ):
        study(little(), {"a": {}}, results=tmp_path, reporter=Reporter())
