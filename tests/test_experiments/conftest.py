"""What several of these tests share: a tiny experiment, and one run of it."""

from types import MappingProxyType

import pytest

from experiments import Experiment, run

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
