"""Comparison of two runs by their tables and files, bit for bit."""

import numpy as np
import pandas as pd

from cnn.files import read_arrays
from evo.storage.predictor import load_network
from evo.storage.tables import TABLES, TIMING_COLUMNS, TIMING_TABLES


def assert_equal(one, other):
    """Assert that two runs have the same tables, columns of time aside, and the same winners."""
    assert_equal_tables(one, other)
    for seed in one.runs["seed"]:
        networks = [
            load_network(results.path / "networks" / f"seed-{seed}.npz") for results in (one, other)
        ]
        assert networks[0].genome.fingerprint() == networks[1].genome.fingerprint()


def assert_equal_tables(one, other):
    """Assert that the results of two runs or more have the same tables, columns of time aside."""
    for table in sorted(TABLES.keys() - TIMING_TABLES):
        frames = [
            getattr(results, table).drop(columns=TIMING_COLUMNS & set(getattr(results, table)))
            for results in (one, other)
        ]
        assert len(frames[0]) > 0 or table == "candidates", table
        pd.testing.assert_frame_equal(*frames, check_exact=True, obj=table)


def assert_same_file(one, other):
    """Assert that two files of arrays hold the same, seconds aside."""
    (arrays, described), (others, told) = read_arrays(one), read_arrays(other)
    assert arrays.keys() == others.keys()
    assert all(np.array_equal(array, others[key]) for key, array in arrays.items())
    assert without_seconds(described) == without_seconds(told)


def without_seconds(value):
    if isinstance(value, dict):
        return {k: without_seconds(v) for k, v in value.items() if "seconds" not in k}
    return value
