"""One reader for training and prediction: what it takes, what it refuses, and what columns it finds."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo.errors import DataError
from evo.preparation import CsvFormat, Origin, Schema, read_table

X = Origin("X")
GOOD = np.array([[1.0, 2.0], [3.0, 4.0]])

REFUSED_ANYWHERE = {
    "infinity": [[1, 2], [-np.inf, 3]],
    "too large": np.array([[1e39, 2]]),
    "long integer": np.array([[2**60, 2]]),
    "unsigned": np.array([[2**64 - 1, 2]], np.uint64),
    "Python integer": [[2**80, 2]],
    "complex": np.array([[1j, 2]]),
    "bytes": np.array([[b"1", b"2"]]),
    "ragged": [[1, 2], [3]],
    "one sample": [1, 2],
    "one long sample": np.arange(5.0),
    "0-d": np.array(1.0),
    "None": None,
    "generator": iter([[1, 2]]),
    "empty": [],
}


class Tensor:
    """Something that NumPy cannot read, as a tensor on another device."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert device type tensor to numpy")


@pytest.mark.parametrize(
    "rows", [*REFUSED_ANYWHERE.values(), Tensor()], ids=[*REFUSED_ANYWHERE, "tensor"]
)
def test_training_and_prediction_refuse_the_same_with_the_same_words(rows):
    schema, _ = Schema.infer(GOOD, origin=X)
    messages = []
    for read in (lambda: Schema.infer(rows, origin=X), lambda: schema.read(rows, X)):
        with pytest.raises(DataError) as caught:
            read()
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert "\n" not in messages[0]
    assert messages[0].startswith("X")


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1, 2.5, None], "number"),
        (["1", " 2.5", "1e-3", "NA"], "number"),
        ([True, False, None], "boolean"),
        (["true", "False", ""], "boolean"),
        ([True, 2], "number"),
        (["red", "blue", None], "category"),
        (["true", "maybe"], "category"),
        (["2020-01-31", "2020-01-31T12:00", "2020-01-31 12:00:00.123+02:00", None], "date"),
        ([datetime.date(2020, 1, 31), pd.Timestamp("2020-01-31"), pd.NaT], "date"),
        (pd.Series(["a", "b"], dtype="string"), "category"),
        (pd.Series([1, 2], dtype="category"), "category"),
        (pd.Series([1, None], dtype="Int8"), "number"),
        (pd.Series([True, None], dtype="boolean"), "boolean"),
        (pd.date_range("2020", periods=2, tz="Asia/Tokyo"), "date"),
    ],
)
def test_the_kind_of_a_column_follows_from_its_type_or_its_spelling(cells, kind):
    schema, _ = Schema.infer(pd.DataFrame({"a": cells}), origin=X)
    assert schema.kinds == (() if kind == "number" else (kind,))
    assert schema.gaps == (
        (0,) if pd.isna(pd.Series(cells).replace(["", "NA"], None)).any() else ()
    )


@pytest.mark.parametrize(
    ("kind", "cells", "message"),
    [
        ("boolean", [2], "must be true, false, 1 or 0; got 2"),
        ("boolean", ["yes"], "must be true, false, 1 or 0; got 'yes'"),
        ("date", ["31.01.2020"], "must be a date such as 2026-01-31, or one of pandas.to_datetime; got '31.01.2020'"),
        ("date", ["2020-13-31"], "must be a date such as 2026-01-31, or one of pandas.to_datetime; got '2020-13-31'"),
        ("date", [20200131], "must be a date such as 2026-01-31, or one of pandas.to_datetime; got 20200131"),
        ("category", [["list"]], "must be text, a number or a date; got list"),
        ("number", [pd.Timestamp("2020-01-31")], "must be a finite float32; got 2020-01-31 00:00:00"),
    ],
)  # fmt: skip
def test_a_cell_of_another_kind_is_named(kind, cells, message):
    schema = Schema((1,), ("a",), (kind,))
    with pytest.raises(DataError) as caught:
        schema.read(pd.DataFrame({"a": pd.Series(cells, dtype=object)}), X)
    assert str(caught.value) == f"X: column 'a', data row 1 {message}"


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((3, 8, 8), "first"), ((1, 5, 5), "first"), ((4, 5, 6), "first")],
)
def test_channels_that_can_only_be_first_need_not_be_said(shape, channels):
    assert Schema.infer(np.zeros((2, *shape)), origin=X)[0].channels == channels


@pytest.mark.parametrize(
    "shape", [(8, 8, 3), (8, 8, 1), (3, 5, 2), (2, 2, 2), (8, 8, 8), (5, 4, 3)]
)
def test_a_shape_that_allows_both_readings_is_refused_with_both(shape):
    with pytest.raises(DataError) as caught:
        Schema.infer(np.zeros((2, *shape)), origin=X)
    first, rows, columns = shape
    assert str(caught.value) == (
        f'X: channels must be said for images of shape {shape}: channels="first" reads {first} maps of '
        f'{rows}×{columns}, channels="last" {columns} maps of {first}×{rows}; got None'
    )
    for channels, expected in (("first", shape), ("last", (columns, first, rows))):
        schema, _ = Schema.infer(np.zeros((2, *shape)), channels=channels, origin=X)
        assert schema.sample_shape == expected


@pytest.mark.parametrize(
    ("rows", "channels", "rule"),
    [
        (np.zeros((2, 3)), "last", "channels must be given for four-dimensional images only"),
        (np.zeros((2, 3, 4)), "first", "channels must be given for four-dimensional images only"),
        (np.zeros((2, 3, 8, 8)), "middle", "channels must be first or last; got 'middle'"),
    ],
)
def test_channels_that_make_no_sense_are_refused(rows, channels, rule):
    with pytest.raises(DataError, match=f"^X: {rule}"):
        Schema.infer(rows, channels=channels, origin=X)


@given(st.lists(st.floats(-3e38, 3e38), min_size=1, max_size=20))
def test_numbers_spelled_in_text_are_the_same_numbers(numbers):
    schema, rows = Schema.infer(np.array(numbers)[:, np.newaxis], origin=X)
    spelled = [[repr(number)] for number in numbers]
    np.testing.assert_array_equal(schema.read(spelled, X).numbers, rows)


def test_a_table_may_have_another_separator_and_encoding(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("größe; ort\n1;Köln\n".encode("latin-1"))
    table = read_table(path, CsvFormat(separator=";", encoding="latin-1"))
    assert table.to_dict("list") == {"größe": ["1"], "ort": ["Köln"]}
    with pytest.raises(DataError, match=r"must be text in UTF-8; got byte 0xf6; did you mean enc"):
        read_table(path, CsvFormat(separator=";"))
