"""How often a test repeats what it does with random inputs: a few times for a commit, many times in `make test-all`."""

import os

import pytest

IS_FULL = os.environ.get("HYPOTHESIS_PROFILE") == "full"


def trials(commit, full):
    """Return the number of repetitions."""
    return full if IS_FULL else commit


def first_now(values):
    """Return the parameters of a test: the first one for a commit, the others for `make test-all`."""
    first, *others = values
    return [first, *later(others)]


def later(values):
    """Return parameters of a test for `make test-all` only."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]
