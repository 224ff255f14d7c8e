"""Permutations that store what moves, against whole arrays."""

import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import graphops
from graphops import Permutation


@st.composite
def orders(draw, n):
    """Draw an order of n things in which few or many move."""
    if draw(st.booleans()):
        return np.array(draw(st.permutations(range(n))), dtype=int)
    order = np.arange(n)
    a, b = draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))
    order[[a, b]] = b, a
    return order


SIZES = st.integers(1, 40)


@given(data=st.data(), n=SIZES)
def test_it_is_the_array_it_came_from_and_stores_what_moves(data, n):
    order = data.draw(orders(n))
    permutation = Permutation.from_order(order)
    np.testing.assert_array_equal(permutation.to_array(), order)
    np.testing.assert_array_equal(permutation.places, np.flatnonzero(order != np.arange(n)))
    np.testing.assert_array_equal(permutation.take(np.arange(n)[::-1]), order[::-1])
    assert permutation.is_identity == (order == np.arange(n)).all()
    assert permutation.sign == graphops.permutation_sign(order)


@given(data=st.data(), n=SIZES)
def test_one_after_the_other_is_one_index_into_the_other(data, n):
    first, second = data.draw(orders(n)), data.draw(orders(n))
    both = Permutation.from_order(first).then(Permutation.from_order(second))
    assert both == Permutation.from_order(first[second])
    assert hash(both) == hash(Permutation.from_order(first[second]))


@given(data=st.data(), n=SIZES)
def test_the_inverse_undoes_it(data, n):
    permutation = Permutation.from_order(data.draw(orders(n)))
    assert permutation.inverse() == Permutation.from_order(np.argsort(permutation.to_array()))
    assert permutation.then(permutation.inverse()) == Permutation.identity(n)


@given(data=st.data(), n=SIZES)
def test_runs_give_it_back(data, n):
    permutation = Permutation.from_order(data.draw(orders(n)))
    runs = permutation.to_runs()
    numbers = [first + i for first, length in runs for i in range(length)]
    assert numbers == permutation.to_array().tolist()
    assert len(runs) == 1 + np.count_nonzero(np.diff(numbers) != 1)
    assert Permutation.from_runs(n, runs) == permutation


def test_how_places_are_listed_makes_no_difference():
    listed = Permutation(5, [3, 2, 1], [1, 2, 3])
    assert listed == Permutation.swap(5, 1, 3)
    np.testing.assert_array_equal(listed.places, [1, 3])


def test_a_swap_among_very_many_is_as_cheap_as_among_few():
    n = 10**15  # no array of that length could be made
    swap = Permutation.swap(n, 3, n - 1)
    assert swap.to_runs() == [[0, 3], [n - 1, 1], [4, n - 5], [3, 1]]
    assert swap.then(Permutation.swap(n, 7, 8)).then(swap.inverse()).places.tolist() == [7, 8]
    assert Permutation.from_runs(n, swap.to_runs()) == swap


def test_no_things_have_one_order():
    assert Permutation.from_order([]) == Permutation.identity(0) == Permutation.from_runs(0, [])
    assert Permutation.identity(0).to_runs() == []
    assert Permutation.identity(0).sign == 1


def test_it_is_a_value():
    order = np.array([1, 0, 2])
    permutation = Permutation.from_order(order)
    order[:] = 0
    np.testing.assert_array_equal(permutation.to_array(), [1, 0, 2])
    for array in (permutation.places, permutation.inverse().taken):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    assert permutation != Permutation.swap(4, 0, 1)
    assert permutation != "<Permutation of 3: 0 from 1, 1 from 0>"
    assert repr(permutation) == "<Permutation of 3: 0 from 1, 1 from 0>"
    assert repr(Permutation.identity(3)) == "<Permutation of 3: identity>"
    assert repr(Permutation.from_order(range(9, -1, -1))) == "<Permutation of 10: 10 move>"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Permutation(-1, [], []), ValueError, "n must be at least 0; received -1"),
        (
            lambda: Permutation(3, [0, 3], [3, 0]),
            IndexError,
            "places must be from 0 to 2; received 3",
        ),
        (
            lambda: Permutation(3, [0, 1], [1, 1]),
            ValueError,
            "taken must name a node once; received 1 repeatedly",
        ),
        (
            lambda: Permutation(3, [0, 1], [1, 2]),
            ValueError,
            "taken must name the same positions as places, in any order",
        ),
        (
            lambda: Permutation(3, [0, 1], [1, 0, 2]),
            ValueError,
            "places and taken must have one length; received 2 and 3",
        ),
        (
            lambda: Permutation.swap(3, 1, 1),
            ValueError,
            "a and b must differ; received 1 for both",
        ),
        (
            lambda: Permutation.from_order([0, 0, 1]),
            ValueError,
            "order must name a node once; received 0 repeatedly",
        ),
        (
            lambda: Permutation.identity(3).then(Permutation.identity(4)),
            ValueError,
            "both must permute 3 things; received 4",
        ),
        (
            lambda: Permutation.from_runs(3, {"0": 3}),
            TypeError,
            "runs must be a list of pairs; received {'0': 3}",
        ),
        (
            lambda: Permutation.from_runs(3, [[0, 1]] * 4),
            ValueError,
            "runs must be at most 3 pairs; received 4",
        ),
        (
            lambda: Permutation.from_runs(3, [[0, 1], [1.0, 2]]),
            TypeError,
            "runs must hold pairs [first, length] of integers; received [1.0, 2]",
        ),
        (
            lambda: Permutation.from_runs(3, [[0, True], [1, 2]]),
            TypeError,
            "runs must hold pairs [first, length] of integers; received [0, True]",
        ),
        (
            lambda: Permutation.from_runs(3, [[0, 10**30]]),
            ValueError,
            f"runs must lie within 0 to 2; received [0, {10**30}]",
        ),
        (
            lambda: Permutation.from_runs(3, [[-1, 3]]),
            ValueError,
            "runs must lie within 0 to 2; received [-1, 3]",
        ),
        (
            lambda: Permutation.from_runs(3, [[1, 3]]),
            ValueError,
            "runs must lie within 0 to 2; received [1, 3]",
        ),
        (
            lambda: Permutation.from_runs(3, [[0, 3], [0, 0]]),
            ValueError,
            "runs must lie within 0 to 2; received [0, 0]",
        ),
        (
            lambda: Permutation.from_runs(3, [[1, 2]]),
            ValueError,
            "runs must have 3 numbers in all; received 2",
        ),
        (
            lambda: Permutation.from_runs(4, [[2, 2], [2, 2]]),
            ValueError,
            "runs must name every number from 0 to 3 once; received no 0",
        ),
    ],
)
def test_bad_arguments_are_named_with_rule_and_value(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
