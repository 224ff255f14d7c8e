"""What several of these tests share: a tiny experiment, one run of it, and published data where they are at hand."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import pytest

from experiments import Experiment, run
from experiments.cli.app import main

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("EVOMATRIX_DATA", REPOSITORY / "../shared/data"))

SETTINGS = MappingProxyType(
    {
        "name": "tiny",
        "seed": 3,
        "seeds": 2,
        "founders": {"hidden": 12},
        "evolution": {"population": 4, "generations": 3, "steps_per_generation": 10},
        "policy": {"rewiring_probability": 0.3, "max_operations": 3},
        "baseline": {"arms": ["cnn", "mlp", "static"]},
    }
)


@pytest.fixture(scope="session")
def tiny():
    """Return a function that makes an experiment of seconds, with changes to its settings."""

    def experiment(**changes):
        return Experiment.parse({**SETTINGS, **changes}, "tiny")

    return experiment


@pytest.fixture
def evomatrix(capsys, monkeypatch):
    """Return a function that runs the command line here: exit code, output, errors."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return caught.value.code or 0, printed.out, printed.err

    return call


@pytest.fixture
def quick_bench(tmp_path):
    """Return a function that runs a bench as users do; it returns what was printed, its tables and environment."""

    def bench(name):
        command = [sys.executable, "-m", "experiments", "bench", name, "--quick", "--results", "r"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        (folder,) = (tmp_path / "r" / "benchmarks").iterdir()
        tables = {path.stem: pd.read_parquet(path) for path in folder.glob("*.parquet")}
        assert sorted(path.stem for path in folder.glob("*.csv")) == sorted(tables)
        described = json.loads((folder / "environment.json").read_text("utf-8"))
        assert described["result"] == json.loads(done.stdout.splitlines()[-1])
        return done.stdout, tables, described

    return bench


@pytest.fixture(scope="session")
def finished(tiny, tmp_path_factory):
    """Return the results of the tiny experiment on digits, run in this process."""
    folder = tmp_path_factory.mktemp("serial")
    return run(tiny(), workers=0, results=folder, run_name="tiny")


@pytest.fixture(scope="session")
def published():
    """Return a function that finds a published data set's folder, or skips the test.

    Folders ``mnist/`` and ``fashion-mnist/`` are looked for where the environment variable EVOMATRIX_DATA says, else
    in ../shared/data beside the repository.
    """

    def folder(name):
        if not (DATA / name).is_dir():
            pytest.skip(f"no folder {DATA / name}: set EVOMATRIX_DATA to where {name}/ is")
        return DATA / name

    return folder


@pytest.fixture(scope="module")
def ray_of_tests():
    """Start Ray in this process, for studies that use it."""
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield "existing"
    ray.shutdown()
