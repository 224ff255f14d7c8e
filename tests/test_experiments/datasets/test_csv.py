"""Data sets read from CSV files."""

import csv
import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo.errors import DataError
from evo.preparation import CsvFormat
from evo.preparation.csv_rows import read_texts
from experiments.datasets import Dataset


@pytest.fixture
def table(tmp_path):
    """Return a function that writes a table and names it."""

    def write(content):
        path = tmp_path / "iris.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_every_column_but_the_target_is_a_feature(table):
    path = table("length,kind,width\n1,rose,2.5\n3,iris,4e1\n5,rose,-6\n")
    dataset = Dataset.from_csv(path, "kind")
    assert dataset.name == "iris"
    assert dataset.inputs.tolist() == [[1, 2.5], [3, 40], [5, -6]]
    assert dataset.classes == ("iris", "rose")
    assert dataset.targets.tolist() == [1, 0, 1]


def test_whole_numbers_are_labels_and_others_are_values(table):
    labels = Dataset.from_csv(table("a,y\n1,7\n2,3\n"), "y")
    assert (labels.classes, labels.targets.tolist()) == ((3, 7), [1, 0])
    values = Dataset.from_csv(table("a,y\n1,7\n2,3.5\n"), "y")
    assert (values.classes, values.targets.tolist()) == (None, [[7], [3.5]])


def test_the_task_overrides_what_the_column_suggests(table):
    path = table("a,y\n1,7\n2,3\n")
    assert Dataset.from_csv(path, "y", task="regression").targets.tolist() == [[7], [3]]
    path = table("a,y\n1,7.0\n2,3.0\n")
    assert Dataset.from_csv(path, "y", task="classification").classes == (3, 7)


def test_marks_spaces_quotes_and_blank_lines_do_no_harm(table):
    path = table(b'\xef\xbb\xbfa, b ,y\r\n1, 2 , "x, y" \r\n\r\n3,4,z\r\n')
    dataset = Dataset.from_csv(path, "y")
    assert dataset.inputs.tolist() == [[1, 2], [3, 4]]
    assert dataset.classes == ("x, y", "z")


def test_a_hash_depends_on_the_order_of_the_rows(table):
    one = Dataset.from_csv(table("a,y\n1,u\n2,v\n"), "y").data_hash
    other = Dataset.from_csv(table("a,y\n2,v\n1,u\n"), "y").data_hash
    assert one != other


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file must begin with a header line; got an empty file"),
        ("\n\n", "the file must begin with a header line; got an empty file"),
        ("a,y\n", "the file must have data rows; got a header only"),
        ("a,b\n1,2\n", "target must be one of the columns 'a', 'b'; got 'y'"),
        ("y\n1\n", "columns must include a feature; got only the target 'y'"),
        ("a,a,y\n1,2,3\n", "names of columns must differ; got 'a' twice"),
        ("a,,y\n1,2,3\n", "column 2 must have a name; got an empty cell"),
        (
            "a,b,y\n1,2,u\n3,four,v\n",
            "column 'b', data row 2 must be a number, as in data row 1 ('2'), unless the column is named in "
            "categories; got 'four'",
        ),
        (
            "a,y\n1,u\n-inf,v\n",
            "column 'a', data row 2 must be a finite float32; got '-inf'",
        ),
        (
            "a,y\n1e39,u\n1,v\n",
            "column 'a', data row 1 must be a finite float32; got '1e39'",
        ),
        (
            "a,y\n1,u\n2\n",
            "data row 2 must have 2 cells, as the header; got 1",
        ),
        (
            "a,y\n1,u\n2,\n",
            "column 'y', data row 2 must be a label or a number; got a missing value",
        ),
        (
            "a,y\n1,0.5\n2,NA\n",
            "column 'y', data row 2 must be a label or a number; got a missing value",
        ),
        (
            "a,y\n1,18446744073709551617\n2,18446744073709551619\n",
            "column 'y' must fit into 64 bits; got larger integers",
        ),
        (
            "a,y\n1,0.5\n2,inf\n",
            "column 'y', data row 2 must be finite; got inf",
        ),
        (
            "a,y\n1,2,3\n",
            "data row 1 must have 2 cells, as the header; got 3",
        ),
        (
            b"a,\xff\n1,2\n",
            "the file must be text in UTF-8; got byte 0xff; did you mean encoding='cp1252'?",
        ),
        (
            "a,y\n18446744073709551617,u\n1,v\n",
            "column 'a', data row 1 must be an integer below 2**53, or a float; got 18446744073709551617",
        ),
        (
            "a,y\n1e999,u\n1,v\n",
            "column 'a', data row 1 must be a finite float32; got '1e999'",
        ),
        (
            "a,y\n1_000,u\n1,v\n",
            "column 'a', data row 1 must be a number, as in data row 2 ('1'), unless the column is named in "
            "categories; got '1_000'",
        ),
        (
            "a,y\n1_000,u\n2_000,v\n",
            "column 'a' must hold numbers such as 1234.5, with no mark but the decimal one, or be named in "
            "categories; got '1_000'",
        ),
        (
            'a,y\n"1,5",u\n"2,5",v\n',
            "column 'a' must hold numbers such as 1234.5 (in a CSV file decimal may be said to be ','), or be named "
            "in categories; got '1,5'",
        ),
        (
            "a,y\n31.01.2026,u\n28.02.2026,v\n",
            "column 'a' must hold dates such as 2026-01-31 (in a CSV file their form may be said in dates), or be "
            "named in categories; got '31.01.2026'",
        ),
        (
            "a,y\n2026-01-31,u\nsoon,v\n",
            "column 'a', data row 2 must be a date, as in data row 1 ('2026-01-31'), unless the column is named in "
            "categories; got 'soon'",
        ),
        (
            "a;b;y\n1,5;2;u\n2,5;3;v\n",
            "the header must name columns between ','; got one, 'a;b;y'; did you mean separator=';'?",
        ),
        (
            "a, in EUR;b;y\n1;2;u\n2;3;v\n",
            "data row 1 must have 2 cells, as the header; got 1; did you mean separator=';'?",
        ),
        (
            'a,y\n1,"u\n2,v\n',
            "a quotation mark must be closed; got one that is open at the end",
        ),
        (
            f"a,y\n{'x' * 140_000},u\n1,v\n",
            "line 2 must be cells; got: field larger than field limit (131072); is a quotation mark open?",
        ),
        (
            gzip.compress(b"a,y\n1,u\n2,v\n", mtime=0),
            "the file must be text; got a gzip file, which must be unpacked first",
        ),
        (
            "a,y\n1,u\n2,v\n".encode("utf-16-le"),
            "the file must be text in UTF-8; got the character '\\x00'; did you mean encoding='utf-16'?",
        ),
        (
            "a,y\n" + "".join(f"remark {i},{i % 2}\n" for i in range(30)),
            "column 'a' must hold categories, which repeat; got 30 different texts in 30 rows, such as 'remark 0'; "
            "leave the column out with drop, or name it in categories",
        ),
    ],
)
def test_an_unusable_table_is_refused_in_one_line(table, content, message):
    path = table(content)
    with pytest.raises(DataError) as caught:
        Dataset.from_csv(path, "y")
    assert str(caught.value) == f"{path}: {message}"


def test_numbers_among_text_are_labels_but_text_is_no_value_to_regress_on(table):
    path = table("a,y\n1,2\n2,u\n")
    assert Dataset.from_csv(path, "y").classes == ("2", "u")
    with pytest.raises(DataError) as caught:
        Dataset.from_csv(path, "y", task="regression")
    assert (
        str(caught.value)
        == f"{path}: column 'y', data row 2 must be a number to regress on; got 'u'"
    )


def test_a_single_class_is_nothing_to_learn(table):
    with pytest.raises(
        DataError, match=r"iris.csv: classes must be two or more different labels; got \('u',\)"
    ):
        Dataset.from_csv(table("a,y\n1,u\n2,u\n"), "y")


def test_fractions_are_no_class_labels(table):
    path = table("a,y\n1,2\n2,0.5\n")
    with pytest.raises(DataError) as caught:
        Dataset.from_csv(path, "y", task="classification")
    assert str(caught.value) == (
        f"{path}: column 'y', data row 2 must be a class label, a whole number or text; got 0.5"
    )


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "none.csv"
    with pytest.raises(DataError) as caught:
        Dataset.from_csv(path, "y")
    assert str(caught.value) == f"{path}: cannot be read: No such file or directory"


def test_an_address_is_taken_for_a_file_and_not_fetched():
    with pytest.raises(DataError, match="cannot be read: No such file or directory"):
        Dataset.from_csv("http://localhost/table.csv", "y")


def read(path, **options):
    """Return columns as lists of text, None where a value is missing, and the labels of the samples."""
    dataset = Dataset.from_csv(path, "y", **options)
    columns = pd.DataFrame(dataset.inputs).astype(object)
    found = columns.where(columns.notna(), None).to_dict("list")
    labels = [dataset.classes[index] for index in dataset.targets]
    return [*found.values()], labels


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ('a,y\n1,"NA"\n2,"EU"\n', ["NA", "EU"]),
        ("a,y\n1,None\n2,Mild\n", ["None", "Mild"]),
        ("a,y\n1,nan\n2,NaN\n3,null\n", ["nan", "NaN", "null"]),
        ('a,y\n1,1\n2,"NA"\n3,2\n', ["1", "NA", "2"]),
        ("a,y\n1,007\n2,7\n3,42\n", ["007", "7", "42"]),
        ("a,y\n1,007\n2,None\n3,7\n", ["007", "None", "7"]),
        ("a,y\n1,+1\n2,1\n", ["+1", "1"]),
        ("a,y\n1,-1\n2,1\n", [-1, 1]),
        ('a,y\n1,"one\nline"\n2,"and, another"\n', ["one\nline", "and, another"]),
        ('a,y\n1,"say ""NA"""\n2,b\n', ['say "NA"', "b"]),
        ("a,y\n1,True\n2,False\n", ["True", "False"]),
    ],
)
def test_labels_are_what_is_written(table, content, labels):
    assert read(table(content))[1] == labels


def test_a_label_is_missing_if_it_is_empty_or_was_said_to_be(table):
    path = table("a,y\n1,NA\n2,u\n3,v\n")
    with pytest.raises(DataError, match="column 'y', data row 1 must be a label"):
        Dataset.from_csv(path, "y", missing=["NA"])


@pytest.mark.parametrize(
    ("column", "options", "cells"),
    [
        ('"NA",NA,EU,', {}, ["NA", None, "EU", None]),
        ("NA,NA,EU,", {"missing": [""]}, ["NA", "NA", "EU", None]),
        ("?,EU,?,EU", {"missing": ["?"]}, [None, "EU", None, "EU"]),
        ('"1","NA","3",""', {}, [1, None, 3, None]),
        ("?,2,3,?", {"missing": ["?"]}, [None, 2, 3, None]),
        ('"a ",  b,a , "b"', {}, ["a", "b", "a", "b"]),
        ("True,false,TRUE,", {}, [1, 0, 1, None]),
        ("yes,no,,yes", {}, ["yes", "no", None, "yes"]),
        ("0123,0124,1,2", {"categories": ["a"]}, ["0123", "0124", "1", "2"]),
    ],
)
def test_cells_are_missing_where_nothing_is_said_or_what_means_nothing(
    table, column, options, cells
):
    rows = "".join(f"{cell},{i % 2}\n" for i, cell in enumerate(column.split(",")))
    assert read(table(f"a,y\n{rows}"), **options)[0] == [cells]


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"]
)
def test_files_of_any_form_hold_the_same_table(tmp_path, separator, decimal, encoding):
    frame = pd.DataFrame(
        {"Größe": [1.5, -2e-7, np.nan, 3.0], "Ort": ["Köln, am Rhein", "Rom", None, "Rom"]}
    )
    whole = Dataset.from_frame(frame.assign(y=["ä", "ö", "ä", "ö"]), "y")
    path = tmp_path / "t.csv"
    frame.assign(y=["ä", "ö", "ä", "ö"]).to_csv(
        path, sep=separator, decimal=decimal, encoding=encoding, index=False
    )
    read = Dataset.from_csv(path, "y", separator=separator, decimal=decimal, encoding=encoding)
    assert read.data_hash == whole.data_hash
    assert read.feature_names == ("Größe", "Ort")


def test_a_point_is_no_decimal_mark_where_the_comma_is(table):
    path = table("a;y\n1,5;u\n1.234;v\n")
    with pytest.raises(DataError, match=r"data row 2 must be a number, .* got '1\.234'$"):
        Dataset.from_csv(path, "y", separator=";", decimal=",")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a;y\n1,5;u\n12,25;v\nx;v\n", r"data row 3 must be a number, as in data row 1 \('1,5'\), .* got 'x'$"),
        ("a;y\nx;u\n12,25;v\n", r"data row 1 must be a number, as in data row 2 \('12,25'\), .* got 'x'$"),
        ("a;y\n1,5;u\n2,5e99;v\n", r"data row 2 must be a finite float32; got '2,5e99'$"),
    ],
)  # fmt: skip
def test_a_number_with_a_comma_is_quoted_as_it_stands_in_the_file(table, content, message):
    with pytest.raises(DataError, match=message):
        Dataset.from_csv(table(content), "y", separator=";", decimal=",")


def test_text_among_values_to_regress_on_is_named_with_its_row(table):
    path = table("a;y\n1;2,5\n2;3\n3;n. a.\n")
    with pytest.raises(
        DataError, match=r"column 'y', data row 3 must be a number to regress on; got 'n\. a\.'$"
    ):
        Dataset.from_csv(path, "y", separator=";", decimal=",", task="regression")


def test_dates_may_be_of_any_year(table):
    dataset = Dataset.from_csv(table("when,y\n2421-01-01,a\n1600-01-01,b\n"), "y")
    seconds = dataset.schema.read(dataset.inputs, None).numbers[:, 0]
    days = np.array(["2421-01-01", "1600-01-01"], "M8[D]").astype(int)
    assert seconds.tolist() == (86_400 * days).tolist()


def test_dates_of_another_form_are_dates_if_their_form_is_said(table):
    path = table("a,b,y\n31.01.2026,2026-01-31,1\n,,2\n28.02.2026,2026-02-28,2\n")
    dataset = Dataset.from_csv(path, "y", dates={"a": "%d.%m.%Y"})
    assert dataset.schema.kinds == ("date", "date")
    a, b = dataset.schema.read(dataset.inputs, None).numbers.T
    np.testing.assert_array_equal(a, b)
    path = table("a,y\n31.01.2026,1\n31.02.2026,2\n")
    with pytest.raises(
        DataError, match=r"'a', data row 2 must be a date of the form '%d.%m.%Y'; got '31"
    ):
        Dataset.from_csv(path, "y", dates={"a": "%d.%m.%Y"})
    with pytest.raises(
        DataError, match=r"dates must be of the columns 'a', 'y'; got 'A'; did you mean 'a'\?$"
    ):
        Dataset.from_csv(path, "y", dates={"A": "%d.%m.%Y"})


def test_an_index_and_separators_at_the_end_of_lines_are_no_columns(table):
    plain = Dataset.from_csv(table("a,y\n1,u\n2,v\n"), "y").data_hash
    for content in (",a,y\n0,1,u\n1,2,v\n", '"","a","y"\n"x",1,"u"\n"y",2,"v"\n', "a,y,,\n1,u,,\n2,v,,\n",
                    "a,y\n1,u,\n2,v,\n"):  # fmt: skip
        assert Dataset.from_csv(table(content), "y").data_hash == plain


ONCE = "features must be named once, and be no target, groups, sample_weights or dropped columns"


def test_own_parts_are_files_of_the_same_form(tmp_path):
    for name, rows in {"train": "1,5;u\n2,5;v\n", "test": "3,5;v\n"}.items():
        (tmp_path / f"{name}.csv").write_text(f"a;y\n{rows}")
    dataset = Dataset.from_csv(
        tmp_path / "train.csv", "y", separator=";", decimal=",", test=tmp_path / "test.csv"
    )
    X, y = dataset.raw("test", np.array([0]))
    assert (X.tolist(), y.tolist()) == ([[3.5]], ["v"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": ";;"}, "separator must be one character, no quotation mark or line end; got ';;'"),
        ({"separator": ""}, "separator must be one character, no quotation mark or line end; got ''"),
        ({"decimal": "'"}, "decimal must be '.' or ',', and not the separator; got \"'\""),
        ({"decimal": ","}, "decimal must be '.' or ',', and not the separator; got ','"),
        ({"encoding": "latin-99"}, "encoding must be an encoding of text such as utf-8; got 'latin-99'"),
        ({"encoding": "base64"}, "encoding must be an encoding of text such as utf-8; got 'base64'"),
        ({"task": "ranking"}, "task must be one of classification, regression; got 'ranking'"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_refused_in_one_line(table, options, message):
    with pytest.raises(ValueError, match="must be") as caught:
        Dataset.from_csv(table("a,y\n1,u\n2,v\n"), "y", **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "Y"}, "target must be one of the columns 'a', 'b', 'y'; got 'Y'; did you mean 'y'?"),
        ({"drop": ["c"]}, "drop must be one of the columns 'a', 'b', 'y'; got 'c'"),
        ({"features": ["a", "a"]}, f"{ONCE}; got 'a'"),
        ({"features": ["y"]}, f"{ONCE}; got 'y'"),
        ({"features": ["b"], "drop": ["b"]}, f"{ONCE}; got 'b'"),
        ({"drop": ["a", "b"]}, "columns must include a feature; got only the target 'y'"),
        ({"categories": ["c"]}, "categories must be columns; got 'c'"),
        ({"groups": "c"}, "groups must be one of the columns 'a', 'b', 'y'; got 'c'"),
    ],
)  # fmt: skip
def test_a_column_that_is_not_there_is_named(table, options, message):
    path = table("a,b,y\n1,2,u\n2,3,v\n")
    with pytest.raises(DataError) as caught:
        Dataset.from_csv(path, **{"target": "y"} | options)
    assert str(caught.value) == f"{path}: {message}"


def test_columns_are_chosen_or_dropped(table):
    path = table("a,b,c,y\n1,2,one,u\n2,4,two,v\n")
    assert read(path, features=["b", "a"])[0] == [[2, 4], [1, 2]]
    assert read(path, drop=["c", "a"])[0] == [[2, 4]]
    several = Dataset.from_csv(path, ["b", "a"], features=["c"], task="regression")
    assert several.targets.tolist() == [[2, 1], [4, 2]]


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=8
) | st.sampled_from(
    ["NA", '"NA"', 'x,"NA",y', ';"NA";', '"', '""', ",", "None\n", "\r\n", "1,5", "1.5"]
)


@given(
    st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6),
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_any_text_that_python_writes_is_read(tmp_path_factory, rows, separator, quoting):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator, quoting=quoting).writerows([("a", "b"), *rows])
    found = read_texts(path, CsvFormat(separator))
    assert [*zip(found["a"], found["b"], strict=True)] == [(a.strip(), b.strip()) for a, b in rows]


PIECES = st.sampled_from(
    [b",", b'"', b"\n", b"\r", b";", b"a", b"y", b"1", b"NA", b" ", b".", b"e9", b"\xff", b"\0"]
)


@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_no_bytes_end_in_anything_but_a_data_set_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(b"a,y\n" + content)
    found = ""
    try:
        assert len(Dataset.from_csv(path, "y")) >= 2
    except DataError as error:
        found = str(error)
    assert "\n" not in found
