"""Records: many numbers in little space, the same back bit for bit, and nothing believed that comes from outside."""

import base64
import json
import zlib

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from evo import Genome, GenomeEditor, Role, replay
from evo.operators.records import (
    LISTED,
    read_edges,
    read_floats,
    read_threshold,
    write_edges,
    write_floats,
)
from evo.operators.registry import apply_operation


def packed(numbers, **changes):
    numbers = np.asarray(numbers)
    data = base64.b64encode(zlib.compress(numbers.tobytes())).decode()
    kind = f"<{numbers.dtype.kind}{numbers.dtype.itemsize}"
    return {"type": kind, "count": len(numbers), "data": data} | changes


@given(
    st.integers(2, 40_000_000),
    st.sampled_from([0, 1, LISTED, LISTED + 1, 1000]),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 99),
)
def test_places_and_values_come_back_bit_for_bit_in_order(n_nodes, count, dtype, seed):
    rng = np.random.default_rng(seed)
    keys = np.unique(rng.integers(n_nodes**2, size=count))
    order = rng.permutation(len(keys))
    values = rng.normal(size=len(keys)).astype(dtype)
    places = keys[order] % n_nodes, keys[order] // n_nodes
    record = json.loads(json.dumps(write_edges(n_nodes, *places, values[order])))
    sources, targets, read = read_edges(record, n_nodes, np.dtype(dtype))
    np.testing.assert_array_equal(sources, keys % n_nodes)
    np.testing.assert_array_equal(targets, keys // n_nodes)
    np.testing.assert_array_equal(np.array(read, dtype), values)
    assert ("places" in record) == (len(keys) > LISTED)


def test_steps_take_as_few_bytes_as_the_largest_needs():
    for step, kind in ((1, "<u1"), (200, "<u1"), (300, "<u2"), (70_000, "<u4"), (2**33, "<u8")):
        keys = step * np.arange(1000)
        record = write_edges(2**23, keys % 2**23, keys // 2**23, np.zeros(1000, np.float32))
        assert record["places"]["type"] == kind
        assert len(json.dumps(record)) < 400


@given(st.integers(0, 2 * LISTED), st.sampled_from([np.float32, np.float64]))
def test_numbers_come_back_bit_for_bit(count, dtype):
    values = np.random.default_rng(count).normal(size=count).astype(dtype)
    written = json.loads(json.dumps(write_floats(values)))
    read = read_floats("values", written, count, np.dtype(dtype))
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, values)
    assert isinstance(written, list) == (count <= LISTED)


BOMB = base64.b64encode(zlib.compress(bytes(10**7))).decode()


@pytest.mark.parametrize(
    ("places", "rule"),
    [
        ([1, 2], "type, count and data"),
        ({"type": "<u1", "count": 1}, "type, count and data"),
        (packed([1], extra=1), "type, count and data"),
        (packed([1.0]), "type must be one of <u1, <u2, <u4, <u8; got '<f8'"),
        (packed(np.array([1], np.uint8), type="O"), "got 'O'"),
        (packed(np.array([1], np.uint8), type=["<u1"]), "type must be one of"),
        (packed(np.array([1], np.uint8), count=-1), "count must be from 0 to 36; got -1"),
        (packed(np.array([1], np.uint8), count=37), "count must be from 0 to 36; got 37"),
        (packed(np.array([1], np.uint8), count=10**30), "count must be from 0 to 36"),
        (packed(np.array([1], np.uint8), count=True), "count must be from 0 to 36"),
        (packed(np.array([1], np.uint8), count=1.0), "count must be from 0 to 36"),
        (packed(np.array([1, 2], np.uint8), count=1), "hold 1 numbers of <u1, and no more"),
        (packed(np.array([1, 2], np.uint8), count=3), "hold 3 numbers"),
        (packed(np.array([1, 2], np.uint8), type="<u2"), "hold 2 numbers of <u2"),
        (packed(np.array([1], np.uint8), data=BOMB), "hold 1 numbers of <u1, and no more"),
        (packed(np.array([1], np.uint8), data="!"), "base64 of zlib"),
        (packed(np.array([1], np.uint8), data="AAAA"), "base64 of zlib"),
        (packed(np.array([1], np.uint8), data="\u00e9"), "base64 of zlib"),
        (packed(np.array([1], np.uint8), data=3), "data must be text; got int"),
        (packed(np.array([1, 0], np.uint8)), "places must ascend below 36"),
        (packed(np.array([30, 6], np.uint8)), "places must ascend below 36"),
        (packed(np.array([1, 2**64 - 1], np.uint64)), "places must ascend below 36"),
    ],
)
def test_places_that_are_not_what_they_say_are_refused(places, rule):
    with pytest.raises(ValueError, match=rule):
        read_edges({"places": places, "values": [0.5]}, 6, np.dtype(np.float32))


@pytest.mark.parametrize("values", [[], [1.0, 2.0], [[1.0]], packed(np.ones(2, np.float32))])
def test_values_are_as_many_as_places(values):
    places = packed(np.array([1], np.uint8))
    with pytest.raises(ValueError, match="values"):
        read_edges({"places": places, "values": values}, 6, np.dtype(np.float32))


ROLES = np.repeat([Role.INPUT, Role.HIDDEN, Role.OUTPUT], [2, 3, 1]).astype(np.uint8)


@pytest.mark.parametrize(
    ("given", "thresholds"),
    [
        ([0.0, 0.0, 0.5, 0.25, 0.5, 2.0], [0, 0, 0.5, 0.25, 0.5, 2]),
        (packed(np.arange(6, dtype=np.float32)), [0, 1, 2, 3, 4, 5]),
        ({"layers": [2, 3, 1], "thresholds": [0.5, 0.25]}, [0, 0, 0.5, 0.5, 0.5, 0.25]),
        ({"layers": [2, 1, 2, 1], "thresholds": [0.5, 4, 0.25]}, [0, 0, 0.5, 4, 4, 0.25]),
        ({"roles": ["output", "hidden"], "thresholds": [0.5, 0.25]}, [0, 0, 0.25, 0.25, 0.25, 0.5]),
        ({"roles": ["output"], "thresholds": [0.5]}, [0, 0, 0, 0, 0, 0.5]),
    ],
)
def test_a_threshold_may_be_recorded_by_position_by_layer_or_by_role(given, thresholds):
    read = read_threshold(given, ROLES, np.dtype(np.float32))
    assert read.dtype == np.float32
    assert read.tolist() == thresholds
    matrix = np.triu(np.full((6, 6), 0.3, np.float32), 1)
    editor = GenomeEditor(Genome.from_matrix(matrix, n_inputs=2, n_outputs=1))
    apply_operation(editor, "A", {"threshold": json.loads(json.dumps(given)), "drop": False})
    assert editor.threshold.tolist() == thresholds


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ([0.5], "threshold must be 6 numbers; got shape"),
        (packed(np.ones(7, np.float32)), "count must be from 0 to 6; got 7"),
        ({"layers": [2, 4], "thresholds": [0.5, 0.5]}, "thresholds must be 1 numbers"),
        ({"layers": [2, 3], "thresholds": [0.5]}, "add up to 6 nodes"),
        ({"roles": ["output"], "thresholds": [0.5, 0.5]}, "thresholds must be 1 numbers"),
        ({"roles": ["neuron"], "thresholds": [0.5]}, "roles must be of input, hidden, output"),
    ],
)
def test_a_threshold_that_does_not_fit_is_refused(given, rule):
    with pytest.raises(ValueError, match=rule):
        read_threshold(given, ROLES, np.dtype(np.float32))


def test_edges_recorded_in_lists_are_read_as_before():
    editor = GenomeEditor(Genome.from_matrix(np.zeros((4, 4)), n_inputs=2, n_outputs=1))
    record = {"sources": [0, 2], "targets": [2, 3], "values": [0.5, -1.0]}
    apply_operation(editor, "N", record)
    assert editor.weights.toarray()[[0, 2], [2, 3]].tolist() == [0.5, -1.0]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (5, "record must be a sequence of operations; got 5"),
        ([5], "record[0]: must be a code and parameters; got 5"),
        ([["B", "a"]], "record[0]: parameters must be values by name; got 'a'"),
        ([["B", {"a": 1}]], "record[0] (operator B): b must be given; got ('a',)"),
        (
            [["H", {"node": 2, "destination": 2**70}]],
            f"record[0] (operator H): destination must be an integer from 0 to 5; got {2**70}",
        ),
        (
            [["B", {"a": 2, "b": 3, "c": 4}]],
            "record[0] (operator B): parameters must be among a, b; got 'c'",
        ),
        (
            [["B", {"a": 2, "b": 3}], ["C", {"source": 0, "target": 5, "factor": np.nan}]],
            "record[1] (operator C): factor must be a number finite in float32; got nan",
        ),
        (
            [["A", {"threshold": {"keep": [5]}, "drop": False}]],
            f"record[0] (operator A): threshold: keep must be an integer from 0 to {2**63 - 1}; got [5]",
        ),
        (
            [["N", {"sources": [1, 1], "targets": [5, 5], "values": [1, 2]}]],
            "record[0] (operator N): sources and targets must name a place once; got (1, 5) repeatedly",
        ),
        (
            [["I", {"position": 2, "source": 0, "target": 5, "weights": [1, 1], "activation": 99}]],
            "record must give a valid network: activations must be codes below 9, or of own "
            "activations that are registered; got 99",
        ),
    ],
)
def test_a_broken_record_is_refused_with_operation_name_rule_and_value(record, message):
    matrix = np.triu(np.full((6, 6), 0.3, np.float32), 1)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        replay(record, Genome.from_matrix(matrix, n_inputs=2, n_outputs=1))
    assert str(caught.value) == message
