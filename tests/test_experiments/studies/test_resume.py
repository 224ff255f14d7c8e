"""A run that is killed and resumed is the run that was not: the same tables, genomes and networks, to the bit."""

import dataclasses
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
from effort import trials
from same_tables import assert_equal, assert_equal_tables, assert_same_file
from tests_of_kills import count_boundaries, in_child

from cnn.files import read_arrays, write_arrays
from evo import Genome
from evo.environment import environment
from evo.errors import ChangedError, ResultsError, SettingsError
from evo.evolution.evolution import EvolutionError
from evo.evolution.individual import Individual
from evo.storage import in_flight, is_complete
from evo.storage.journal import read_journal
from evo.storage.run_lock import RunLockedError
from evo.storage.run_reader import RepairWarning
from evo.storage.run_store import RunStore
from evo.storage.tables import TIMING_COLUMNS
from experiments import Dataset, Experiment, load_results, resume, run
from experiments.cli.app import main
from experiments.progress import Reporter
from experiments.studies import provenance
from experiments.studies.study import parse_study, run_study

SETTINGS = {
    "name": "little",
    "seeds": 2,
    "dataset": {"name": "digits"},
    "founders": {"hidden": 6},
    "evolution": {"population": 3, "generations": 3, "steps_per_generation": 6},
    "policy": {"name": "adaptive"},
    "baseline": {"arms": ["mlp", "static"]},
}
FIXED = {
    "name": "fixed",
    "seeds": 1,
    "evolve": False,
    "training": {
        "warm_up": 0.2,
        "l2": 0.001,
        "label_smoothing": 0.1,
        "dropout": 0.2,
        "average": "exponential",
        "average_decay": 0.95,
        "augmentation": {"shift": 1, "erase": 2},
    },
    "baseline": {"arms": ["mlp", "cnn"], "epochs": 4, "patience": 2},
}


def little(**changes):
    return Experiment.parse({**SETTINGS, **changes}, "little")


def begin(folder, experiment=None, **options):
    options = {"workers": 0, "run_name": "one", "figures": False} | options
    return run(experiment or little(), results=folder, **options)


def go_on(folder, **options):
    return resume(folder / "one", **({"workers": 0, "figures": False} | options))


def begin_or_go_on(folder, experiment=None):
    if (folder / "one").exists():
        go_on(folder)
    else:
        begin(folder, experiment)


def assert_same_files(one, other):
    """Assert that two runs have the same genomes, networks and states, array by array."""
    for folder in ("genomes", "networks", "states"):
        names = [sorted(path.name for path in (run / folder).iterdir()) for run in (one, other)]
        assert names[0] == names[1]
        for name in names[0]:
            assert_same_file(one / folder / name, other / folder / name)


def assert_resumed_alike(whole, folder):
    """Assert that a run which ended in spite of kills is the whole one."""
    assert is_complete(folder / "one")
    assert_equal(load_results(whole / "one"), load_results(folder / "one"))
    assert_same_files(whole / "one", folder / "one")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that was not killed, and the number of its boundaries."""
    folder = tmp_path_factory.mktemp("whole")
    begin(tmp_path_factory.mktemp("warm"))  # compiles, so that a forked process does not
    return folder, count_boundaries(lambda: begin(folder))


def kill_at(folder, experiment, boundaries):
    """Kill a run at some boundaries of its life, each time in the process that goes on with it; then let it end."""
    for fatal in boundaries:
        assert in_child(lambda: begin_or_go_on(folder, experiment), fatal=fatal) == -signal.SIGKILL
    assert in_child(lambda: begin_or_go_on(folder, experiment)) == 0


def test_a_run_that_is_killed_and_resumed_is_the_run_that_was_not(whole, tmp_path):
    folder, n_boundaries = whole
    rng = np.random.default_rng(5)
    for trial in range(trials(1, 2)):
        root = tmp_path / str(trial)
        kill_at(root, None, rng.integers(n_boundaries, size=1))
        assert_resumed_alike(folder, root)


@pytest.mark.slow
def test_a_run_goes_on_with_its_images_and_its_averages(tmp_path):
    experiment = little(training=FIXED["training"])
    begin(tmp_path / "warm", experiment)
    n_boundaries = count_boundaries(lambda: begin(tmp_path / "whole", experiment))
    for fatal in (n_boundaries // 3, n_boundaries // 2):
        root = tmp_path / str(fatal)
        kill_at(root, experiment, [fatal])
        assert_resumed_alike(tmp_path / "whole", root)
    workers = tmp_path / "workers"
    begin(workers, experiment, workers=2)
    assert_resumed_alike(tmp_path / "whole", workers)


@pytest.mark.slow
def test_a_run_on_sequences_goes_on_with_its_ticks_and_its_reservoir(tmp_path):
    experiment = little(
        seeds=1,
        dataset={"name": "delayed-xor", "options": {"n_samples": 40, "longest": 9}},
        founders={"graph": "recurrent", "hidden": 6},
        baseline={"arms": ["static", "reservoir"], "hidden": 8},
    )
    begin(tmp_path / "warm", experiment)
    n_boundaries = count_boundaries(lambda: begin(tmp_path / "whole", experiment))
    for fatal in (1, n_boundaries // 2, n_boundaries - 30):
        root = tmp_path / str(fatal)
        kill_at(root, experiment, [fatal])
        assert_resumed_alike(tmp_path / "whole", root)


@pytest.mark.slow
def test_a_run_may_be_killed_many_times(whole, tmp_path):
    kill_at(tmp_path, None, [150, 30, 120, 41])
    assert_resumed_alike(whole[0], tmp_path)
    resumed = [*read_journal(tmp_path / "one").of_kind("resumed")]
    assert len(resumed) == 4
    assert all(one["differences"] == [] for one in resumed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_no_boundary_and_no_moment_matters(tmp_path, seed):
    """Each seed: a twentieth of all boundaries, and twenty moments."""
    experiment = little(seed=seed)
    folder = tmp_path / "whole"
    begin(tmp_path / "warm", experiment)  # compiles, so that the moments lie within the run
    started = time.perf_counter()
    n_boundaries = count_boundaries(lambda: begin(folder, experiment))
    seconds = time.perf_counter() - started
    for fatal in range(seed, n_boundaries, 20):
        root = tmp_path / f"boundary-{fatal}"
        kill_at(root, experiment, [fatal])
        assert_resumed_alike(folder, root)
        shutil.rmtree(root)
    rng = np.random.default_rng(seed)
    for trial, moment in enumerate(rng.uniform(0, seconds, size=20)):
        root = tmp_path / f"moment-{trial}"
        if in_child(lambda root=root: begin_or_go_on(root, experiment), after=moment) != 0:
            assert in_child(lambda root=root: begin_or_go_on(root, experiment)) == 0
        assert_resumed_alike(folder, root)
        shutil.rmtree(root)


@pytest.mark.slow
@pytest.mark.parametrize("most_bytes", [35_000, 40_000])
def test_a_full_disk_stops_a_run_that_can_go_on_when_there_is_room(whole, tmp_path, most_bytes):
    """The system refuses to make a file longer than this, as it refuses to write to a full disk."""
    notes = tmp_path / "notes"

    class Telling(Reporter):
        def note(self, text):
            notes.write_text(text)

    def begin_on_a_full_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
        with pytest.raises(ResultsError, match=r"cannot be written \(File too large\)"):
            begin(tmp_path, reporter=Telling())

    assert in_child(begin_on_a_full_disk) == 0
    assert not is_complete(tmp_path / "one")
    assert notes.read_text().startswith("Stopped by an error. What is finished is kept; to go on")
    load_results(tmp_path / "one")
    go_on(tmp_path)
    assert_resumed_alike(whole[0], tmp_path)


# -- inside a commit ---------------------------------------------------------------------------------------------------


def test_of_a_generation_in_hand_only_what_was_in_flight_is_done_again(
    whole, tmp_path, monkeypatch
):
    monkeypatch.setattr(in_flight, "SECONDS_BETWEEN_FILES", 0.0)

    class Dying(Reporter):
        n = 0

        def evaluated(self, individual):
            Dying.n += 1
            if Dying.n == 8:  # in generation 2: three founders, then six children and parents
                os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: begin(tmp_path, reporter=Dying())) == -signal.SIGKILL
    done = load_results(tmp_path / "one").individuals
    assert len(done) == 3
    assert len(list((tmp_path / "one" / ".in-flight").iterdir())) == 5

    class Counting(Reporter):
        def evaluated(self, individual):
            Dying.n += 1

    Dying.n = 0
    go_on(tmp_path, reporter=Counting)
    assert Dying.n == len(load_results(whole[0] / "one").individuals) - 8
    assert_resumed_alike(whole[0], tmp_path)


def test_a_baseline_goes_on_with_its_last_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(in_flight, "SECONDS_BETWEEN_STATES", 0.0)
    experiment = Experiment.parse(FIXED, "fixed")
    begin(tmp_path / "whole", experiment)

    seen = []

    class Telling(Reporter):
        fatal = ("cnn", 3)

        def epoch(self, event):
            seen.append((event.arm, event.record.epoch))
            if self.fatal == seen[-1]:
                os.kill(os.getpid(), signal.SIGKILL)

    killed = in_child(lambda: begin(tmp_path, experiment, reporter=Telling()))
    assert killed == -signal.SIGKILL
    Telling.fatal = None
    go_on(tmp_path, reporter=Telling)
    assert seen == [("cnn", 3), ("cnn", 4)]
    one, other = (load_results(path / "one") for path in (tmp_path / "whole", tmp_path))
    for table in ("baseline", "training", "comparison", "predictions"):
        frames = [
            getattr(results, table).drop(columns=TIMING_COLUMNS, errors="ignore")
            for results in (one, other)
        ]
        pd.testing.assert_frame_equal(*frames, check_exact=True)
    assert_same_files(one.path, other.path)


def test_an_individual_is_read_as_it_was_written(whole, tmp_path):
    from evo.storage.individuals import load_individuals, save_individuals

    path = whole[0] / "one" / "states" / "seed-0.npz"
    population, more = load_individuals(path)
    save_individuals(tmp_path / "again.npz", population.values(), more)
    again, told = load_individuals(tmp_path / "again.npz")
    assert told == more
    for number, one in population.items():
        for part in dataclasses.fields(Individual):
            values = [getattr(of, part.name) for of in (one, again[number])]
            if isinstance(values[0], Genome):
                assert values[0].equals(values[1])
            elif part.name in ("statistics", "operations", "fitness", "metrics", "status"):
                assert values[0] == values[1]
        assert np.array_equal(one.optimizer_state.moments, again[number].optimizer_state.moments)


# -- what is refused ---------------------------------------------------------------------------------------------------


def killed_run(folder, experiment=None, fatal=150, **options):
    assert in_child(lambda: begin(folder, experiment, **options), fatal=fatal) == -signal.SIGKILL
    return folder / "one"


def refusal(folder, **options):
    with pytest.raises((SettingsError, ResultsError)) as caught:
        go_on(folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_changed_code_is_refused_unless_it_is_forced_and_then_it_is_noted(
    stopped, tmp_path, monkeypatch, capsys
):
    path = shutil.copytree(stopped, tmp_path / "one")
    monkeypatch.setattr(provenance, "code_hash", lambda: "other")
    reason = "the code of EvoMatrix has changed since that run began"
    assert refusal(tmp_path) == f"{path}: cannot go on as it began: {reason}"
    with pytest.raises(SystemExit) as caught:
        main(["resume", str(path), "--workers", "0", "--no-figures"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith(f"{reason}; to go on all the same: --force\n")
    assert not [*read_journal(path).of_kind("resumed")]
    go_on(tmp_path, force=True)
    (resumed,) = read_journal(path).of_kind("resumed")
    assert resumed["differences"] == [reason]


def test_another_processor_is_no_change_but_another_arithmetic_is_one(monkeypatch):
    known = environment()
    begun = provenance.begun_with(known)
    other = {**known, "cpu_features": ["avx2"], "blas": [], "numba_target": {"cpu": "haswell"}}
    monkeypatch.setattr(provenance, "environment", lambda: other)
    assert provenance.changes_of_code(begun) == []
    monkeypatch.setattr(provenance, "environment", lambda: {**known, "arithmetic": "aarch64"})
    (reason,) = provenance.changes_of_code(begun)
    assert "versions or arithmetic are not those of the beginning (machine.arithmetic" in reason


@pytest.mark.slow
def test_own_data_and_an_own_fitness_have_to_be_the_same(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(2, size=60)
    mine = Dataset.from_arrays(X, y, name="mine")

    def few_edges(network, validation):
        return -network.loss(validation.inputs, validation.targets)

    begin(tmp_path / "whole", dataset=mine, fitness=few_edges)
    killed_run(tmp_path, dataset=mine, fitness=few_edges)
    assert "must be passed again, in a script, with dataset=" in refusal(tmp_path)
    assert "must be passed again, in a script, with fitness=" in refusal(tmp_path, dataset=mine)
    other = Dataset.from_arrays(X + 1, y, name="mine")
    assert "the data 'mine' have changed" in refusal(tmp_path, dataset=other, fitness=few_edges)
    go_on(tmp_path, dataset=mine, fitness=few_edges)
    assert_resumed_alike(tmp_path / "whole", tmp_path)


@pytest.mark.slow
def test_given_founders_need_not_be_given_again(tmp_path):
    founder = np.zeros((67, 67))
    founder[:60, -3:] = np.random.default_rng(0).normal(size=(60, 3)) / 8
    rng = np.random.default_rng(1)
    mine = Dataset.from_arrays(rng.normal(size=(80, 64)), rng.integers(3, size=80), name="mine")
    experiment = little(founders={})
    begin(tmp_path / "whole", experiment, founders=[founder], dataset=mine)
    killed_run(tmp_path, experiment, founders=[founder], dataset=mine)
    go_on(tmp_path, dataset=mine)
    assert_resumed_alike(tmp_path / "whole", tmp_path)


def test_a_finished_run_is_left_as_it_is(whole):
    before = (whole[0] / "one" / "journal.jsonl").read_bytes()
    assert_equal(go_on(whole[0]), load_results(whole[0] / "one"))
    assert (whole[0] / "one" / "journal.jsonl").read_bytes() == before


def test_a_run_that_would_fail_again_is_refused(tmp_path):
    def no_number(network, validation):
        return float("nan")

    with pytest.raises(EvolutionError):
        begin(tmp_path, fitness=no_number)
    assert "the same settings would end so again" in refusal(tmp_path, fitness=no_number)


def test_a_run_that_somebody_works_on_is_left_to_him(stopped, tmp_path):
    path = shutil.copytree(stopped, tmp_path / "one")
    store = RunStore.open(path)
    with pytest.raises(RunLockedError, match=f"process {os.getpid()}"):
        go_on(tmp_path)
    store.close()


def test_what_is_no_run_is_one_line(tmp_path):
    with pytest.raises(ResultsError, match="must be the folder of a run or of a study"):
        resume(tmp_path)


# -- files that somebody altered ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(whole, tmp_path_factory):
    """A run that was killed when some of its generations were committed."""
    folder = tmp_path_factory.mktemp("stopped")
    assert in_child(lambda: begin(folder), fatal=whole[1] // 2) == -signal.SIGKILL
    return folder / "one"


def remove(path):
    path.unlink()


def scale_numbers(path):
    arrays, description = read_arrays(path)
    write_arrays(
        path, {name: 3 * array for name, array in arrays.items() if array.size}, description
    )


def edit_settings(path):
    path.write_text(
        path.read_text().replace('"steps_per_generation": 6', '"steps_per_generation": 5')
    )


def rewrite_table(path):
    table = pd.read_parquet(path)
    table.to_parquet(path, index=False)


ALTERED = "is not as it was committed"
ALTERATIONS = [
    ("states/seed-0.npz", remove, "is missing"),
    ("states/seed-0.npz", scale_numbers, ALTERED),
    ("config.json", remove, "is missing"),
    ("config.json", edit_settings, ALTERED),
    ("genomes/seed-0-founders.npz", scale_numbers, ALTERED),
    ("operations/part-00000000.parquet", remove, "is missing"),
    ("individuals/part-00000000.parquet", rewrite_table, ALTERED),
]


@pytest.mark.parametrize(("name", "alter", "said"), ALTERATIONS)
def test_a_run_with_an_altered_file_is_not_resumed(stopped, tmp_path, name, alter, said):
    path = shutil.copytree(stopped, tmp_path / "one")
    journal = (path / "journal.jsonl").read_bytes()
    alter(path / name)
    with pytest.raises(ResultsError) as caught:
        resume(path, workers=0)
    assert str(caught.value) == f"{path}: {name} {said}"
    assert (path / "journal.jsonl").read_bytes() == journal
    (path / name).unlink(missing_ok=True)
    with pytest.raises(ResultsError, match=f"{name} is missing; "):
        load_results(path)


def test_an_altered_network_of_a_finished_run_is_not_served(whole, tmp_path):
    path = shutil.copytree(whole[0] / "one", tmp_path / "one")
    scale_numbers(path / "networks" / "seed-0.npz")
    results = load_results(path)
    results.best(seed=1)
    with pytest.raises(ResultsError, match=rf"networks/seed-0.npz {ALTERED}"):
        results.best(seed=0)


def test_a_finished_run_without_a_table_has_the_others(whole, tmp_path):
    path = shutil.copytree(whole[0] / "one", tmp_path / "one")
    (part,) = (path / "operations").iterdir()
    part.unlink()
    with pytest.warns(RepairWarning, match=f"left out operations/{part.name}, which is missing"):
        repaired = load_results(path, repair=True)
    assert repaired.operations.empty
    assert len(repaired.individuals) == len(load_results(whole[0] / "one").individuals)


def test_a_folder_without_its_journal_says_so(whole, tmp_path):
    path = shutil.copytree(whole[0] / "one", tmp_path / "one")
    (path / "journal.jsonl").unlink()
    with pytest.raises(ResultsError, match=r"must have the file journal\.jsonl"):
        load_results(path)


# -- studies and signals -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_study_resumes_what_is_left_of_it(tmp_path):
    values = {
        **{name: SETTINGS[name] for name in ("name", "dataset", "founders")},
        "seeds": 1,
        "evolution": {"population": 2, "generations": 2, "steps_per_generation": 5},
        "arms": {"mlp": {"evolve": False, "baseline": {"arms": ["mlp"]}}, "a": {}, "b": {}},
    }
    study = parse_study(values, "study")
    whole = run_study(study, folder=tmp_path / "whole", workers=0, figures=False)
    killed = tmp_path / "killed"
    n_of_one = 250  # more than the first run has boundaries, and fewer than the first two
    work = partial(run_study, study, folder=killed, workers=0, figures=False)
    assert in_child(work, fatal=n_of_one) == -signal.SIGKILL
    assert [is_complete(killed / f"{arm}-seed-0") for arm in "a"] == [False]
    assert not (killed / "b-seed-0").exists()
    resumed = resume(killed, workers=0, figures=False)
    assert [path.name for path in resumed.paths] == ["a-seed-0", "b-seed-0", "mlp-seed-0"]
    assert_equal_tables(whole, resumed)


def test_a_study_does_not_begin_runs_with_other_code_unless_it_is_forced_and_run_warns(
    tmp_path, monkeypatch, caplog
):
    def begin(seeds):
        arms = {"mlp": {"evolve": False, "baseline": {"arms": ["mlp"], "epochs": 1}}}
        values = {"name": "grows", "seeds": seeds, "dataset": {"name": "xor"}, "arms": arms}
        return run_study(parse_study(values, "grows"), folder=tmp_path, figures=False)

    begin(2)
    shutil.rmtree(tmp_path / "mlp-seed-1")
    monkeypatch.setattr(provenance, "code_hash", lambda: "other")
    reason = (
        "mlp-seed-0 is a run of it already: the code of EvoMatrix has changed since that run began"
    )
    with pytest.raises(ChangedError) as caught:
        resume(tmp_path, figures=False)
    assert str(caught.value) == f"{tmp_path}: cannot go on as it began, for {reason}"
    assert not (tmp_path / "mlp-seed-1").exists()
    assert len(resume(tmp_path, figures=False, force=True).paths) == 2
    begin(2)  # there is nothing to begin
    assert reason not in caplog.text
    assert len(begin(3).paths) == 3
    warned = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert warned == [f"{tmp_path}: {reason}"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "workers"),
    [(signal.SIGTERM, 143, 0), (signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 0)],
)
def test_a_signal_ends_a_run_with_its_code_and_says_how_to_go_on(
    tmp_path, number, code, workers, minds_ctrl_c
):
    settings = {**SETTINGS, "evolution": {**SETTINGS["evolution"], "generations": 10_000}}
    (tmp_path / "long.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "experiments", "run", "long.json"]
    process = subprocess.Popen(
        [*command, "--workers", str(workers)],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    results = tmp_path / "results"
    deadline = time.monotonic() + 120
    while not [*results.glob("*/genomes/seed-0-generation-0002.npz")]:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    (path,) = results.iterdir()
    assert f"to go on: evomatrix resume {path.relative_to(tmp_path)}" in out
    assert len(load_results(path).generations) >= 3
