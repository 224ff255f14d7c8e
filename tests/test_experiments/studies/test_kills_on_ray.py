"""Runs on Ray whose driver, worker or node manager is killed at any moment: they are resumed to the bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from same_tables import assert_equal

from evo.storage import is_complete
from experiments import Experiment, load_results, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="it finds processes in /proc"),
]

SETTINGS = {
    "name": "little",
    "seeds": 1,
    "dataset": {"name": "digits"},
    "founders": {"hidden": 6},
    "evolution": {"population": 4, "generations": 6, "steps_per_generation": 200},
    "policy": {"name": "adaptive"},
    "baseline": {"arms": ["mlp"]},
}
VICTIMS = {"driver": "-m experiments", "worker": "ray::", "node manager": "/raylet "}
"""Which processes may be killed, and what their command lines contain."""


def command_lines(parent):
    """Return the command lines of a process and of all processes below it, by number."""
    parents, found = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            number = int(folder.name)
            parents[number] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found[number] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):  # it has ended
            continue

    def is_below(number):
        while number not in {parent, 0, 1}:
            number = parents.get(number, 0)
        return number == parent

    return {number: line for number, line in found.items() if is_below(number)}


def start(*arguments, folder):
    command = [sys.executable, "-m", "experiments", *map(str, arguments), "--workers", "2"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition, process, seconds=120):
    """Wait until a condition holds; False if the process ends before."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    raise AssertionError("it takes too long")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What runs that are not killed give, by seed."""
    made = {}

    def of_seed(seed):
        if seed not in made:
            experiment = Experiment.parse({**SETTINGS, "seed": seed}, "little")
            folder = tmp_path_factory.mktemp("whole")
            made[seed] = run(experiment, workers=0, results=folder, run_name="one", figures=False)
        return made[seed]

    return of_seed


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("seed", range(10))
def test_whatever_is_killed_the_run_ends_as_if_nothing_had_been(whole, tmp_path, seed, victim):
    rng = np.random.default_rng([seed, len(victim)])
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({**SETTINGS, "seed": seed}))
    process = start("run", settings, "--results", tmp_path, "--quiet", folder=tmp_path)
    # The folder has the name of the experiment and the time.
    assert wait_for(lambda: [*tmp_path.glob("little-*/genomes/*generation-0000*")], process)
    (begun,) = tmp_path.glob("little-*")
    time.sleep(rng.uniform(0, 1.0))
    chosen = [one for one, line in command_lines(process.pid).items() if VICTIMS[victim] in line]
    if chosen:  # else the run has just ended
        os.kill(int(rng.choice(chosen)), signal.SIGKILL)
    _, told = process.communicate(timeout=300)
    assert "Traceback" not in told
    for _ in range(3):
        if is_complete(begun):
            break
        process = start("resume", begun, "--quiet", folder=tmp_path)
        _, told = process.communicate(timeout=300)
        assert process.returncode == 0, told
    assert_equal(whole(seed), load_results(begun.rename(tmp_path / "one")))
