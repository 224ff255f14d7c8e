"""How often a test repeats what it does with random inputs: a few times for a commit, many times in `make test-all`."""

import os

IS_FULL = os.environ.get("HYPOTHESIS_PROFILE") == "full"


def trials(commit, full):
    """Return the number of repetitions."""
    return full if IS_FULL else commit
