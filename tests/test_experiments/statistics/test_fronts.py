"""Pareto fronts and hypervolumes, against slow programs."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from experiments.statistics.fronts import hypervolume, pareto_front

NAMES = ("accuracy", "macs", "seconds")


def table_of(n, seed, k=3):
    """Return a table of whole numbers, with ties and equal rows."""
    values = np.random.default_rng(seed).integers(0, 6, (n, k))
    return pd.DataFrame(values, columns=list(NAMES[:k]), index=[f"row {i}" for i in range(n)])


def beats(one, two):
    """Return whether a row is at least as good as another one, and better in one objective; accuracy is maximised."""
    signs = np.array([-1, 1, 1])[: len(one)]
    return (signs * one <= signs * two).all() and (signs * one < signs * two).any()


@pytest.mark.parametrize(("k", "seed"), [*itertools.product((2, 3), range(5))])
def test_a_front_has_the_rows_that_no_other_beats(k, seed):
    table = table_of(30, seed, k)
    rows = table.to_numpy()
    expected = [
        name
        for name, row in zip(table.index, rows, strict=True)
        if not any(beats(other, row) for other in rows)
    ]
    found = pareto_front(table, larger=["accuracy"], smaller=NAMES[1:k])
    assert found.index.tolist() == expected
    pd.testing.assert_frame_equal(found, table.loc[expected])


@pytest.mark.parametrize(("k", "seed"), [*itertools.product((2, 3), range(5))])
def test_a_hypervolume_is_the_number_of_cells_that_a_front_dominates(k, seed):
    table = table_of(8, seed, k)
    reference = {"accuracy": 0, "macs": 6, "seconds": 6}
    reference = {name: reference[name] for name in NAMES[:k]}
    cells = sum(  # a cell goes from its corner up by 1 in each objective
        any(row[0] > cell[0] and (row[1:] <= cell[1:]).all() for row in table.to_numpy())
        for cell in itertools.product(range(6), repeat=k)
    )
    assert hypervolume(table, reference, larger=["accuracy"], smaller=NAMES[1:k]) == cells


def test_rows_without_an_objective_are_no_part_of_a_front():
    table = pd.DataFrame({"accuracy": [0.9, math.nan, math.inf, 0.5], "macs": [4.0, 1, 1, 2]})
    table["macs"] = table["macs"].astype("Int64")
    found = pareto_front(table, larger=["accuracy"], smaller=["macs"])
    assert found.index.tolist() == [0, 3]
    reference = {"accuracy": 0.0, "macs": 4}
    options = {"larger": ["accuracy"], "smaller": ["macs"]}
    assert hypervolume(table, reference, **options) == pytest.approx(1.0)
    assert hypervolume(table[1:3], reference, **options) == 0
    assert pareto_front(table[1:3], **options).empty


def test_objectives_and_references_are_checked():
    table = table_of(3, 0)
    for larger, smaller in (([], ["macs"]), (["macs"], ["macs"]), (["loss"], ["macs"])):
        with pytest.raises(ValueError, match="larger and smaller must name two columns of the ta"):
            pareto_front(table, larger=larger, smaller=smaller)
    for reference in ({"macs": 6}, {"macs": 6, "accuracy": math.inf}, {"macs": 6, "loss": 1}):
        with pytest.raises(ValueError, match="reference must have a finite number for each of acc"):
            hypervolume(table, reference, larger=["accuracy"], smaller=["macs"])
