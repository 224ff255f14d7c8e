"""Data sets read from CSV files."""

import pytest

from evo.errors import DataError
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
            "column 'y', data row 2 must be a finite float32; got inf",
        ),
        (
            "a,y\n1,2,3\n",
            "the file must be a comma-separated table; got: Expected 2 fields in line 2, saw 3",
        ),
        (
            b"a,\xff\n1,2\n",
            "the file must be text in UTF-8; got byte 0xff",
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
    assert str(caught.value) == f"{path}: column 'y' must hold numbers; got <U1"


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
