"""Tables as users have them: data frames with columns of any type, and the same tables in files."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo.errors import DataError
from experiments.datasets import Dataset

Y = ["u", "v", "u", "v"]


def of_column(column, **options):
    """Return a data set with one feature."""
    return Dataset.from_frame(pd.DataFrame({"a": column, "y": Y}), "y", **options)


def as_read(dataset):
    """Return the numbers and texts of a data set, as a preparation gets them."""
    table = dataset.schema.read(dataset.inputs, None)
    columns = [*table.numbers.T, *table.texts.T]
    return [[None if pd.isna(one) else one for one in column] for column in columns]


DAY = 86400.0
DAYS = [datetime.date(1970, 1, 2), None, datetime.date(1970, 1, 1), datetime.date(1970, 1, 1)]
DICTIONARY = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
COLUMNS = {
    "nullable integers": (pd.array([1, None, 3, 4], "Int64"), "number", [1, None, 3, 4]),
    "nullable floats": (pd.array([1.5, None, 3, 4], "Float64"), "number", [1.5, None, 3, 4]),
    "nullable booleans": (pd.array([True, None, False, True], "boolean"), "boolean", [1, None, 0, 1]),
    "booleans with gaps": (pd.Series([True, None, False, True], dtype=object), "boolean", [1, None, 0, 1]),
    "unsigned": (np.array([1, 2, 3, 4], np.uint8), "number", [1, 2, 3, 4]),
    "decimals": ([decimal.Decimal("1.5"), None, decimal.Decimal(2), decimal.Decimal(3)], "number", [1.5, None, 2, 3]),
    "text of numbers": (["1", "2.5", "", "1e1"], "number", [1, 2.5, None, 10]),
    "text of booleans": (["True", "false", None, "TRUE"], "boolean", [1, 0, None, 1]),
    "text of dates": (["1970-01-02", None, "1970-01-01T12:00", "1970-01-01"], "date", [DAY, None, DAY / 2, 0]),
    "text": (["b", None, " a", "b "], "category", ["b", None, "a", "b"]),
    "nullable text": (pd.array(["b", None, "a", "b"], "string"), "category", ["b", None, "a", "b"]),
    "categories": (pd.Categorical(["b", None, "a", "b"]), "category", ["b", None, "a", "b"]),
    "categories of numbers": (pd.Categorical([3, None, 1, 3]), "category", ["3", None, "1", "3"]),
    "bins": (pd.cut([1, 2, 3, 4], [0, 2, 4]), "category", ["(0, 2]", "(0, 2]", "(2, 4]", "(2, 4]"]),
    "times": (pd.to_datetime(["1970-01-02", None, "1970-01-01", "1970-01-03"]), "date", [DAY, None, 0, 2 * DAY]),
    "times with a zone": (pd.to_datetime(["1970-01-02", None, "1970-01-01", "1970-01-03"]).tz_localize("Etc/GMT-2"),
                          "date", [DAY - 7200, None, -7200, 2 * DAY - 7200]),
    "days": (DAYS, "date", [DAY, None, 0, 0]),
    "sparse": (pd.arrays.SparseArray([0.0, 0, 1, 2]), "number", [0, 0, 1, 2]),
    "Arrow's integers": (pd.array([1, None, 3, 4], pd.ArrowDtype(pa.int64())), "number", [1, None, 3, 4]),
    "Arrow's floats": (pd.array([1.5, None, 3, 4], pd.ArrowDtype(pa.float64())), "number", [1.5, None, 3, 4]),
    "Arrow's booleans": (pd.array([True, None, False, True], pd.ArrowDtype(pa.bool_())), "boolean", [1, None, 0, 1]),
    "Arrow's text": (pd.array(["b", None, "a", "b"], pd.ArrowDtype(pa.string())), "category", ["b", None, "a", "b"]),
    "Arrow's times": (pd.array(pd.to_datetime(DAYS), pd.ArrowDtype(pa.timestamp("us"))), "date", [DAY, None, 0, 0]),
    "Arrow's days": (pd.Series(DAYS, dtype=pd.ArrowDtype(pa.date32())), "date", [DAY, None, 0, 0]),
    "Arrow's dictionaries": (pd.Series(["b", None, "a", "b"], dtype=DICTIONARY), "category", ["b", None, "a", "b"]),
    "Arrow's decimals": (pd.Series([decimal.Decimal("1.5"), None, decimal.Decimal(2), decimal.Decimal(3)],
                                   dtype=pd.ArrowDtype(pa.decimal128(5, 2))), "number", [1.5, None, 2, 3]),
}  # fmt: skip


@pytest.mark.parametrize(("column", "kind", "values"), COLUMNS.values(), ids=COLUMNS)
def test_a_column_of_any_type_is_one_of_four_kinds(column, kind, values):
    dataset = of_column(column)
    assert (dataset.schema.kinds or ("number",)) == (kind,)
    assert as_read(dataset) == [values]
    assert dataset.schema.gaps == ((0,) if None in values else ())


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.to_timedelta([1, 2, 3, 4], "D"), "column 'a' must hold numbers, text or dates; got timedelta64"),
        ([[1], [2], [3], [4]], "column 'a', data row 1 must be text, a number or a date; got list"),
        ([b"a", b"b", b"a", b"b"], "column 'a', data row 1 must be text, a number or a date; got bytes"),
        ([1j, 2, 3, 4], "column 'a' must hold numbers, text or dates; got complex128"),
        ([1, "two", 3, 4], "column 'a', data row 2 must be a number, as in data row 1 (1), unless the column is named"),
        ([1.5, np.inf, 3, 4], "column 'a', data row 2 must be a finite float32; got inf"),
        ([1, 2**60, 3, 4], "column 'a', data row 2 must be an integer below 2**53, or a float; got"),
        (pd.array([1, None, 2**60, 4], "Int64"), "column 'a', data row 3 must be an integer below 2**53"),
        ([2**70, 1, 2, 3], "column 'a', data row 1 must be an integer below 2**53, or a float; got"),
        (["1.2.2020", "3.4.2020", "5.6.2021", None], "column 'a' must hold dates such as 2026-01-31"),
        (["5 %", "7 %", "9 %", None], "column 'a' must hold numbers such as 1234.5"),
        ([None, np.nan, pd.NA, "NA"], "column 'a' must have a value; got none in 4 rows; leave the column out"),
        (["2020-01-01", "later", None, None], "column 'a', data row 2 must be a date, as in data row 1 ('2020-01-01')"),
    ],
)  # fmt: skip
def test_a_column_that_cannot_be_used_is_named(column, message):
    with pytest.raises(DataError) as caught:
        of_column(column)
    assert str(caught.value).startswith(f"frame: {message}")


def test_free_text_is_refused_but_not_if_it_is_named():
    frame = pd.DataFrame(
        {"note": [f"text {i}" for i in range(60)], "n": range(60), "y": [*"ab"] * 30}
    )
    with pytest.raises(
        DataError, match=r"^frame: column 'note' must hold categories, which repeat; got 60 diff"
    ):
        Dataset.from_frame(frame, "y")
    assert Dataset.from_frame(frame, "y", drop=["note"]).feature_names == ("n",)
    assert Dataset.from_frame(frame, "y", categories=["note"]).schema.kinds == (
        "category",
        "number",
    )
    assert Dataset.from_frame(frame.astype({"note": "category"}), "y").schema.kinds[0] == "category"
    frame["note"] = [f"text {i % 30}" for i in range(60)]
    assert Dataset.from_frame(frame, "y").schema.kinds[0] == "category"


# -- targets -----------------------------------------------------------------------------------------------------------


def test_the_target_is_a_name_or_names_or_values():
    frame = pd.DataFrame({"a": [1.0, 2], "b": [0.5, 0.25], "c": [3.0, 4]}, index=[7, 7])
    one = Dataset.from_frame(frame, "c")
    assert one.targets.tolist() == [[3], [4]]
    assert one.feature_names == ("a", "b")
    assert Dataset.from_frame(frame, ["c", "a"]).targets.tolist() == [[3, 1], [4, 2]]
    for values in (pd.Series(["x", "y"]), np.array(["x", "y"]), pd.Categorical(["x", "y"])):
        apart = Dataset.from_frame(frame, values)
        assert (apart.feature_names, apart.classes) == (("a", "b", "c"), ("x", "y"))
    assert Dataset.from_frame(frame.rename(columns={"c": 3}), 3).targets.tolist() == [[3], [4]]


def test_a_series_that_is_also_a_feature_would_tell_the_answer_and_is_refused():
    frame = pd.DataFrame({"a": [1, 2], "y": ["u", "v"]})
    with pytest.raises(
        DataError, match=r"^frame: target must be no feature too; got a series and a column 'y'"
    ):
        Dataset.from_frame(frame, frame["y"])
    assert Dataset.from_frame(frame, frame["y"], drop=["y"]).feature_names == ("a",)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a", "a", "y"], "names of columns must differ; got 'a' twice"),
        (["a", "y", "y"], "names of columns must differ; got 'y' twice"),
        ([1, "1", "y"], "names of columns must differ; got '1' twice"),
        (pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("y", 1)]),
         "columns must have one name each; got names of 2 levels"),
    ],
)  # fmt: skip
def test_names_of_columns_are_different(columns, message):
    frame = pd.DataFrame([[1, 2, "u"], [3, 4, "v"]])
    frame.columns = columns
    with pytest.raises(DataError) as caught:
        Dataset.from_frame(frame, "y")
    assert str(caught.value) == f"frame: {message}"


def test_what_is_no_frame_is_refused():
    with pytest.raises(TypeError, match=r"^frame must be a data frame; got list$"):
        Dataset.from_frame([[1, 2]], "y")


# -- the same table in files -------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["red", "blue", "x, y", 'say "NA"', "NA", "None", "", " ", "ä\nö", "007", "true", "15"]
)
CELLS = {
    "floats": st.floats(-1e6, 1e6).map(lambda number: float(f"{number:.5g}")),
    "integers": st.integers(-(2**40), 2**40),
    "booleans": st.booleans(),
    "texts": WORDS,
    "times": st.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(2050, 1, 1)).map(pd.Timestamp),
}  # fmt: skip
TYPES = {"floats": "float64", "integers": "Int64", "booleans": "boolean", "times": "datetime64[us]"}


@st.composite
def tables(draw):
    """Draw a table with gaps in all columns but the target."""
    n = draw(st.integers(2, 8))
    columns = {}
    for name in draw(st.lists(st.sampled_from([*CELLS]), min_size=1, max_size=4, unique=True)):
        cells = draw(st.lists(st.none() | CELLS[name], min_size=n, max_size=n))
        columns[name] = pd.Series(cells, dtype=TYPES.get(name, "object"))
    target = draw(st.sampled_from([["a", "b"], [3, 7], ["NA", "None"], [0.5, 1.25]]))
    return pd.DataFrame(columns).assign(y=[target[i % 2] for i in range(n)])


def outcome(read):
    """Return what a table is read as, or why not."""
    try:
        dataset = read()
    except DataError as error:
        return str(error).partition(": ")[2]
    return dataset.data_hash, dataset.schema.kinds, dataset.schema.gaps, dataset.classes


@given(tables(), st.sampled_from([(",", "."), (";", ",")]))
def test_the_same_table_in_a_frame_and_in_files_is_the_same_data_set(
    tmp_path_factory, frame, marks
):
    separator, decimal = marks
    folder = tmp_path_factory.mktemp("table")
    frame.to_csv(folder / "t.csv", index=False, sep=separator, decimal=decimal)
    frame.to_parquet(folder / "t.parquet")
    expected = outcome(lambda: Dataset.from_frame(frame, "y"))
    found = outcome(lambda: Dataset.from_parquet(folder / "t.parquet", "y"))
    assert found == expected
    found = outcome(
        lambda: Dataset.from_csv(folder / "t.csv", "y", separator=separator, decimal=decimal)
    )
    assert found == expected


def test_parquet_keeps_its_types_and_its_index_is_no_feature(tmp_path):
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 3, 4], "Int64"),
            "c": pd.Categorical(["1", "2", "1", "2"]),
            "y": Y,
        },
        index=pd.Index([5, 6, 7, 8], name="row"),
    )
    frame.to_parquet(tmp_path / "t.parquet")
    dataset = Dataset.from_parquet(tmp_path / "t.parquet", "y")
    assert dataset.name == "t"
    assert dataset.schema.kinds == ("number", "category")
    assert as_read(dataset) == [[1, None, 3, 4], ["1", "2", "1", "2"]]


def test_long_integers_with_gaps_in_parquet_do_not_become_floats(tmp_path):
    pq.write_table(pa.table({"n": [2**60 + 1, None], "y": ["u", "v"]}), tmp_path / "t.parquet")
    with pytest.raises(
        DataError,
        match=r"data row 1 must be an integer below 2..53, or a float; got 1152921504606846977",
    ):
        Dataset.from_parquet(tmp_path / "t.parquet", "y")


def test_a_parquet_file_that_is_none_is_one_line(tmp_path):
    path = tmp_path / "t.parquet"
    with pytest.raises(DataError) as caught:
        Dataset.from_parquet(path, "y")
    assert str(caught.value).startswith(f"{path}: cannot be read as a Parquet file: ")
    path.write_text("a,y\n1,2\n")
    with pytest.raises(DataError) as caught:
        Dataset.from_parquet(path, "y")
    assert str(caught.value).startswith(f"{path}: cannot be read as a Parquet file: ")
    assert "\n" not in str(caught.value)


def test_a_table_of_arrow_is_a_frame():
    table = pa.table({"n": [1, None, 3, 4], "t": ["a", None, "b", "a"], "y": Y})
    dataset = Dataset.from_frame(table, "y", test=table.slice(2))
    assert as_read(dataset) == [[1, None, 3, 4], ["a", None, "b", "a"]]
    assert dataset.raw("test", np.array([0, 1]))[1].tolist() == ["u", "v"]
    long = pa.table({"n": [2**60 + 1, None], "y": ["u", "v"]})
    for read in (
        Dataset.from_frame,
        lambda table, y: Dataset.from_arrays(table.select(["n"]), ["u", "v"]),
    ):
        with pytest.raises(DataError, match="got 1152921504606846977"):
            read(long, "y")


def test_own_parts_have_groups_of_their_own():
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "who": ["p", "q", "p", "r"], "y": Y})
    test = pd.DataFrame({"a": [5, 6], "who": ["s", "q"], "y": ["u", "v"]})
    kept = Dataset.from_frame(frame, "y", groups="who", test=test[:1])
    assert kept.groups.tolist() == [0, 1, 0, 2]
    Dataset.from_frame(frame, "y", groups="who", test=test.drop(columns="who"))
    rule = "frame: groups must be in one part each; got 'q' of column 'who' in the training part and the test part"
    with pytest.raises(DataError, match=rule):
        Dataset.from_frame(frame, "y", groups="who", test=test)
    with pytest.raises(
        DataError, match="'s' of column 'who' in the validation part and the test part"
    ):
        Dataset.from_frame(frame, "y", groups="who", validation=test[:1], test=test[:1])


def test_a_column_of_weights_is_no_feature_and_counts_in_the_loss(tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "w": [1.5, 0, 2, 0.25], "y": Y})
    frame.to_csv(tmp_path / "t.csv", sep=";", decimal=",", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    of_csv = {"separator": ";", "decimal": ",", "sample_weights": "w"}
    for dataset in (
        Dataset.from_frame(frame, "y", sample_weights="w", test=frame.drop(columns="w")),
        Dataset.from_csv(tmp_path / "t.csv", "y", **of_csv),
        Dataset.from_parquet(tmp_path / "t.parquet", "y", sample_weights="w"),
    ):
        assert dataset.feature_names == ("a",)
        assert dataset.sample_weights.tolist() == [1.5, 0, 2, 0.25]


@pytest.mark.parametrize("weight", ["heavy", -1, None, np.inf])
def test_a_weight_that_cannot_be_used_is_named_by_its_row(weight):
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "w": [1, 2, weight, 1], "y": Y})
    rule = "frame: column 'w', data row 3 must be a weight, finite and at least 0; got "
    with pytest.raises(DataError, match=rule):
        Dataset.from_frame(frame, "y", sample_weights="w")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": None}, TypeError, "target must be the name of a column, several names, or values; got None"),
        ({"target": []}, TypeError, "target must be the name of a column, several names, or values; got []"),
        ({"drop": "a"}, TypeError, "drop must be several names; got 'a'"),
        ({"features": "a"}, TypeError, "features must be several names; got 'a'"),
        ({"categories": "a"}, TypeError, "categories must be several names; got 'a'"),
        ({"groups": "y"}, DataError, "frame: groups must be no target; got 'y'"),
        ({"groups": np.arange(4)}, TypeError, "groups must be the name of a column; got array([0, 1, 2, 3])"),
        ({"sample_weights": "w"}, DataError, "frame: sample_weights must be one of the columns 'a', 'y'; got 'w'"),
        ({"target": np.array([1, 2])}, DataError, "frame: targets must be one per sample (4); got 2"),
        ({"test": pd.DataFrame({"a": [1]})}, DataError, "frame: test: target must be one of the columns 'a'; got 'y'"),
        ({"test": pd.DataFrame({"y": ["u"]})}, DataError, "frame: test inputs must have one column 'a'; got 'y'"),
        ({"test": pd.DataFrame({"a": ["x"], "y": ["u"]})}, DataError,
         "frame: test column 'a', data row 1 must be a finite float32; got 'x'"),
        ({"test": pd.DataFrame({"a": [1], "y": [None]})}, DataError,
         "frame: test: column 'y', data row 1 must be a label or a number; got a missing value"),
        ({"target": pd.Series(Y), "test": pd.DataFrame({"a": [1]})}, TypeError,
         "target must be the name of a column if there are own parts"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_one_line(options, error, message):
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "y": Y})
    with pytest.raises(error) as caught:
        Dataset.from_frame(frame, **{"target": "y"} | options)
    assert str(caught.value) == message


def test_a_parquet_file_that_hardly_stores_its_cells_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": np.zeros(20_000, np.int8), "y": ["a", "b"] * 10_000}), path)
    assert len(Dataset.from_parquet(path, "y")) == 20_000
    monkeypatch.setattr("experiments.datasets.table.FREE_CELLS", 100)
    monkeypatch.setattr("experiments.datasets.table.CELLS_PER_BYTE", 1)
    size = path.stat().st_size
    with pytest.raises(DataError) as caught:
        Dataset.from_parquet(path, "y")
    assert str(caught.value) == (
        f"{path}: rows times columns must be at most {size + 100} in {size} bytes; got 40000"
    )
