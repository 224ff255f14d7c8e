"""What a transform, a line map or a record from outside may not be, and what is said about it."""

import re

import numpy as np
import pytest

from graphops import LineMap, Transform

RECORD = Transform.add_column(3, 0, 1, 0.5).then(Transform.swap_rows(3, 0, 2)).to_record()


def record_with(**parts):
    return RECORD | parts


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: Transform.identity(3).apply(np.zeros((4, 4))),
            ValueError,
            "W must have 3 columns; got shape (4, 4)",
        ),
        (
            lambda: Transform.identity(3).apply(np.zeros((5, 3))),
            ValueError,
            "W must be square, or have one row of biases more; got shape (5, 3)",
        ),
        (
            lambda: Transform.identity(1).apply([[np.nan]]),
            ValueError,
            "W must be finite; got nan at (0, 0)",
        ),
        (
            lambda: Transform.identity(1).apply(np.array([["a"]])),
            TypeError,
            "W must hold float32, float64 or integers; got <U1",
        ),
        (
            lambda: Transform.add_row(2, 0, 1, 1e39).apply(np.eye(2, dtype=np.float32)),
            ValueError,
            "factor must be finite in float32; got 1e+39",
        ),
        (
            lambda: Transform.add_column(2, 0, 1, 1e200).apply(np.eye(2) * 1e200),
            ValueError,
            "factor must keep entries finite in float64; got 1e+200",
        ),
        (
            lambda: Transform.swap_columns(3, 0, 3),
            IndexError,
            "b must be from 0 to 2; got 3",
        ),
        (
            lambda: Transform.add_row(3, 1, 1, 0.5),
            ValueError,
            "source and target must differ; got 1 for both",
        ),
        (
            lambda: Transform.add_row(3, 0, 1, np.inf),
            ValueError,
            "factor must be finite; got inf",
        ),
        (
            lambda: Transform.reorder([0, 2]),
            IndexError,
            "order must be from 0 to 1; got 2",
        ),
        (
            lambda: Transform.identity(3).then(Transform.identity(4)),
            ValueError,
            "both transforms must be of 3 nodes; got 4",
        ),
        (
            lambda: LineMap.identity(3).then(LineMap.identity(4)),
            ValueError,
            "both must be of 3 lines; got 4",
        ),
        (
            lambda: LineMap.identity(3).renamed(np.arange(2)),
            ValueError,
            "both must be of 3 lines; got 2",
        ),
        (
            lambda: Transform(np.arange(3), LineMap.identity(3), LineMap.identity(2)),
            ValueError,
            "order, left and right must have one size; got (3, 3, 2)",
        ),
        (
            lambda: LineMap(np.arange(3), [0], [1, 2], [0.5]),
            ValueError,
            "sources, targets and factors must have one length; got 1, 2 and 1",
        ),
        (
            lambda: LineMap(np.arange(3), [2], [2], [0.5]),
            ValueError,
            "source and target must differ; got 2 for both",
        ),
        (
            lambda: LineMap(np.arange(3), [0], [2], [np.nan]),
            ValueError,
            "factors must be finite; got nan",
        ),
        (
            lambda: LineMap(np.arange(3), [0], [2], ["1"]),
            TypeError,
            "factors must be one-dimensional real numbers; got 1 dimensions of <U1",
        ),
        (
            lambda: Transform.from_record([]),
            TypeError,
            "record must be a dictionary; got []",
        ),
        (
            lambda: Transform.from_record({"nodes": 3, "left": {}}),
            ValueError,
            "record must have the keys nodes, order, left, right; got left, nodes",
        ),
        (
            lambda: Transform.from_record(record_with(nodes="3")),
            TypeError,
            "nodes must be an integer; got '3'",
        ),
        (
            lambda: Transform.from_record(record_with(nodes=10**12)),
            ValueError,
            f"nodes must be at most {2**24}; got {10**12}",
        ),
        (
            lambda: Transform.from_record(record_with(order=[0, 2])),
            ValueError,
            "order must name all 3 nodes; got 2",
        ),
        (
            lambda: Transform.from_record(record_with(left={"order": None})),
            ValueError,
            "left must have the keys order, additions; got order",
        ),
        (
            lambda: Transform.from_record(
                record_with(right={"order": None, "additions": {"0": 1}})
            ),
            TypeError,
            "right.additions must be a list; got {'0': 1}",
        ),
        (
            lambda: Transform.from_record(
                record_with(right={"order": None, "additions": [[0, 1]]})
            ),
            TypeError,
            "right.additions must hold [source, target, factor]; got [0, 1]",
        ),
        (
            lambda: Transform.from_record(
                record_with(right={"order": None, "additions": [[0, 3, 0.5]]})
            ),
            IndexError,
            "right target must be from 0 to 2; got 3",
        ),
        (
            lambda: Transform.from_record(
                record_with(left={"order": None, "additions": [[0, 1, float("inf")]]})
            ),
            ValueError,
            "left factor must be finite; got inf",
        ),
        (
            lambda: Transform.from_record(record_with(left={"order": [1, 2, 1], "additions": []})),
            ValueError,
            "left.order must name a node once; got 1 repeatedly",
        ),
        (
            lambda: Transform.from_record(record_with(order=[0, True, 2])),
            TypeError,
            "order must be None or a list of integers; got [0, True, 2]",
        ),
        (
            lambda: Transform.from_record(record_with(order=[0, 1, 10**30])),
            TypeError,
            "order must hold integers; got object",
        ),
        (
            lambda: Transform.from_record(record_with(order=[0, 1, 3])),
            IndexError,
            "order must be from 0 to 2; got 3",
        ),
    ],
)
def test_bad_arguments_are_named_with_rule_and_value(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
