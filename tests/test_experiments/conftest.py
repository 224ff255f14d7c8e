"""What several of these tests share: a tiny experiment, one run of it, and published data where they are at hand."""

import os
from pathlib import Path
from types import MappingProxyType

import pytest

from experiments import Experiment, run

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("EVOMATRIX_DATA", REPOSITORY / "../shared/data"))

SETTINGS = MappingProxyType(
    {
        "name": "tiny",
        "seed": 3,
        "seeds": 2,
        "founders": {"hidden": 12},
        "evolution": {"population": 4, "generations": 3, "steps": 10},
        "policy": {"rewiring": 0.3, "max_operations": 3},
        "baseline": {"arms": ["cnn", "mlp", "static"]},
    }
)


@pytest.fixture(scope="session")
def tiny():
    """Return a function that makes an experiment of seconds, with changes to its settings."""

    def experiment(**changes):
        return Experiment.parse({**SETTINGS, **changes}, "tiny")

    return experiment


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
