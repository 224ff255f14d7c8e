"""Data sets made from what a user holds in memory."""

import dataclasses
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse

from evo.errors import DataError
from experiments.datasets import Dataset

X = np.arange(8.0).reshape(4, 2)
LABELS = [0, 1, 1, 0]


@pytest.mark.parametrize(
    "X",
    [
        [[0, 1], [2, 3], [4, 5], [6, 7]],
        np.arange(8, dtype=np.uint8).reshape(4, 2),
        np.arange(8, dtype=">f8").reshape(4, 2),
        np.asfortranarray(np.arange(8.0).reshape(4, 2)),
        pd.DataFrame({"a": [0, 2, 4, 6], "b": ["1", "3", "5", "7"]}),
        pd.DataFrame({"a": [0.0, 2, 4, 6], "b": pd.array([1, 3, 5, 7], dtype="Int64")}),
        pd.DataFrame([[0, 1], [2, 3], [4, 5], [6, 7]], columns=["a", "b"], index=[5, 5, 6, 7]),
        pd.DataFrame([[0, 1], [2, 3], [4, 5], [6, 7]]).to_records(index=False),
        [{"a": 0, "b": 1}, {"b": 3, "a": 2}, {"a": 4, "b": 5}, {"a": 6, "b": 7}],
        np.array([["0", "1"], ["2", "3"], ["4", "5"], ["6", "7"]]),
        scipy.sparse.csr_array(np.arange(8.0).reshape(4, 2)),
        np.ma.masked_array(np.arange(8).reshape(4, 2)),
        pa.table({"a": [0, 2, 4, 6], "b": [1, 3, 5, 7]}),
        [[decimal.Decimal(0), "1"], [2, 3.0], [np.int8(4), "5"], [6, 7]],
    ],
)
def test_numbers_in_any_container_become_one_contiguous_array(X):
    dataset = Dataset.from_arrays(X, LABELS)
    assert dataset.inputs.flags.c_contiguous
    assert dataset.inputs.dtype.isnative
    assert dataset.inputs.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


@pytest.mark.parametrize("dtype", ["u1", "i4", "f4", "f8", "?"])
def test_raw_numbers_keep_their_type(dtype):
    X = np.array([[0, 1], [1, 0], [0, 0], [1, 1]], dtype=dtype)
    assert Dataset.from_arrays(X, LABELS).inputs.dtype == X.dtype


def test_truth_values_become_zeros_and_ones():
    frame = pd.DataFrame({"a": [True, False, True, True]})
    assert Dataset.from_arrays(frame, LABELS).inputs.ravel().tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("y", "indices", "classes"),
    [
        ([7, 3, 3, 7], [1, 0, 0, 1], (3, 7)),
        ([True, False, False, True], [1, 0, 0, 1], (0, 1)),
        (["yes", "no", "no", "yes"], [1, 0, 0, 1], ("no", "yes")),
        (np.array([[2], [1], [2], [1]]), [1, 0, 1, 0], (1, 2)),
        (np.array(["b", "a", "b", "a"], dtype=object), [1, 0, 1, 0], ("a", "b")),
        (np.array(["b", "a", "b", "a"], dtype=np.dtypes.StringDType()), [1, 0, 1, 0], ("a", "b")),
        (pd.Series(["b", "a", "b", "a"]), [1, 0, 1, 0], ("a", "b")),
        (pd.Series([2, 1, 2, 1], dtype="Int64"), [1, 0, 1, 0], (1, 2)),
        (pd.Series(["b", "a", "b", "a"], dtype="category"), [1, 0, 1, 0], ("a", "b")),
        (pd.DataFrame({"y": [2, 1, 2, 1]}), [1, 0, 1, 0], (1, 2)),
    ],
)
def test_integers_truth_values_and_text_are_class_labels(y, indices, classes):
    dataset = Dataset.from_arrays(X, y)
    assert dataset.task == "classification"
    assert dataset.targets.dtype == np.int64
    assert dataset.targets.tolist() == indices
    assert dataset.classes == classes
    assert {type(label) for label in dataset.classes} <= {int, str}
    assert dataset.n_outputs == len(classes)


@pytest.mark.parametrize(
    "y",
    [
        [0.5, 1, 2, 3],
        np.array([[0.5], [1], [2], [3]]),
        pd.Series([0.5, 1, 2, 3], dtype="Float64"),
        np.array([0.5, 1, 2, 3], dtype=object),
    ],
)
def test_floats_are_values_to_regress_on(y):
    dataset = Dataset.from_arrays(X, y)
    assert dataset.task == "regression"
    assert dataset.classes is None
    assert dataset.targets.dtype == np.float64
    assert dataset.targets.tolist() == [[0.5], [1], [2], [3]]
    assert dataset.n_outputs == 1


def test_several_values_per_sample_are_several_outputs():
    assert Dataset.from_arrays(X, np.eye(4)[:, :3]).n_outputs == 3


def test_the_task_overrides_what_the_type_suggests():
    labels = Dataset.from_arrays(X, [2.0, 1.0, 2.0, 1.0], task="classification")
    assert labels.classes == (1, 2)
    values = Dataset.from_arrays(X, [2, 1, 2, 1], task="regression")
    assert values.targets.tolist() == [[2], [1], [2], [1]]


def test_an_unknown_task_is_a_wrong_argument():
    with pytest.raises(ValueError, match="task must be one of classification, regression; got 'x'"):
        Dataset.from_arrays(X, LABELS, task="x")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            np.array([[0, 1], [2, np.inf], [4, 5], [6, 7]]),
            "arrays: inputs[1, 1] must be a finite float32; got inf",
        ),
        (
            np.where(np.arange(16).reshape(4, 2, 2) == 9, np.nan, 1.0),
            "arrays: inputs[2, 0, 1] must be a finite float32; got nan",
        ),
        (
            np.array([[0, 1], [2, 3], [1e300, 5], [6, 7]]),
            "arrays: inputs[2, 0] must be a finite float32; got 1e+300",
        ),
        (
            [[1, 2], [3]],
            "arrays: inputs must have one shape for all samples; got (2,), and (1,) for "
            "arrays: inputs[1]",
        ),
        (
            [1, 2, 3, 4],
            "arrays: inputs must have shape (samples, features) or more dimensions; got shape (4,); "
            "one sample is [x]",
        ),
        (
            np.zeros((4, 0)),
            "arrays: inputs must have at least one sample and feature; got shape (4, 0)",
        ),
        (
            [],
            "arrays: inputs must have shape (samples, features) or more dimensions; got shape (0,)",
        ),
        (
            3.0,
            "arrays: inputs must have shape (samples, features) or more dimensions; got shape ()",
        ),
        (
            (row for row in X),
            "arrays: inputs must be rows in an array, list or frame; got generator",
        ),
        ({"a": [1, 2, 3, 4]}, "arrays: inputs must be rows in an array, list or frame; got dict"),
        (X + 0j, "arrays: inputs must hold numbers; got complex128"),
        (X.astype("S1"), "arrays: inputs must hold numbers; got |S1"),
        (
            np.array([[2**53, 1], [1, 2], [3, 4], [5, 6]]),
            "arrays: inputs[0, 0] must be an integer below 2**53, or a float; got 9007199254740992",
        ),
        (
            [[2**70, 1], [1, 2], [3, 4], [5, 6]],
            "arrays: inputs[0, 0] must be an integer below 2**53, or a float; got 1180591620717411303424",
        ),
        (
            [[10**400, 1], [1, 2], [3, 4], [5, 6]],
            f"arrays: inputs[0, 0] must be a finite float32; got {str(10**400)[:80]}…",
        ),
        (
            [[[1], 2], [[3], 4], [[5], 6], [[7], 8]],
            "arrays: inputs must have one shape for all samples; got ragged lists",
        ),
        (
            pd.DataFrame({"a": [[1], [2], [3], [4]]}),
            "arrays: column 'a', data row 1 must be text, a number or a date; got list",
        ),
        (
            pd.DataFrame([[0, 1], [2, 3], [4, 5], [6, 7]], columns=["a", "a"]),
            "arrays: names of columns must differ; got 'a' twice",
        ),
        (X[:3], "arrays: targets must be one per sample (3); got 4"),
        (
            pd.DataFrame({"a": [1, 2, 3, 4], "b": ["1", "x", "2", "3"]}),
            "arrays: column 'b', data row 2 must be a number, as in data row 1 ('1'), unless the column "
            "is named in categories; got 'x'",
        ),
        (
            pd.DataFrame({"a": np.array([1, 2, 3, 4], "timedelta64[s]")}),
            "arrays: column 'a' must hold numbers, text or dates; got timedelta64[s]",
        ),
        (
            pd.DataFrame({"a": [1, 2, 3, -1e39]}),
            "arrays: column 'a', data row 4 must be a finite float32; got -1e+39",
        ),
    ],
)
def test_unusable_inputs_are_refused_with_their_place(X, message):
    with pytest.raises(DataError) as caught:
        Dataset.from_arrays(X, LABELS)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        ([1, 2.5, np.inf, 3], None, "targets[2] must be finite; got inf"),
        (
            ["a", None, "b", "a"],
            None,
            "targets[1] must be a label or a number; got a missing value",
        ),
        (
            ["a", np.nan, "b", "a"],
            None,
            "targets[1] must be a label or a number; got a missing value",
        ),
        (
            [1, "a", 2, 3],
            None,
            "targets must be all text, all integers, all booleans or all floats; got 1, and 'a' in arrays: targets[1]",
        ),
        (
            [1.5, 2.5, True, "a"],
            "regression",
            "targets must be all text, all integers, all booleans or all floats; got 1.5, and True "
            "in arrays: targets[2]",
        ),
        ([2**70, 1, 2, 3], None, "targets must fit into 64 bits; got larger integers"),
        (
            [0.0, 1.5, 1.0, 0.0],
            "classification",
            "targets[1] must be a class label, a whole number or text; got 1.5",
        ),
        (["a", "b", "a", "b"], "regression", "targets[0] must be a number to regress on; got 'a'"),
        (
            np.eye(4, dtype=int),
            None,
            "targets must be one class label per sample (for values to regress on, pass floats or "
            "task='regression'); got shape (4, 4)",
        ),
        (3, None, "targets must be one per sample; got shape ()"),
        (
            [5, 5, 5, 5],
            None,
            "classes must be two or more different labels; got (5,)",
        ),
    ],
)
def test_unusable_targets_are_refused_with_their_place(y, task, message):
    with pytest.raises(DataError) as caught:
        Dataset.from_arrays(X, y, task=task)
    assert str(caught.value) == f"arrays: {message}"


def test_a_data_set_is_a_value():
    own = X.astype(np.float32)
    targets = np.array(LABELS)
    dataset = Dataset("own", own, targets, (0, 1))
    own[0, 0] = 99
    assert dataset.inputs[0, 0] == 0
    assert not dataset.inputs.flags.writeable
    assert not dataset.targets.flags.writeable
    assert own.flags.writeable
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.name = "other"


def test_read_only_arrays_are_shared_not_copied():
    inputs = X.astype(np.float32)
    inputs.flags.writeable = False
    assert Dataset("own", inputs, np.array(LABELS), (0, 1)).inputs is inputs


def test_shapes_and_sizes_are_told():
    dataset = Dataset.from_arrays(np.zeros((4, 3, 5, 2)), LABELS, channels="first")
    assert len(dataset) == 4
    assert dataset.input_shape == (3, 5, 2)
    assert dataset.n_features == 30


def test_the_constructor_wants_the_exact_types_of_targets():
    with pytest.raises(TypeError, match="own: targets must be int64; got float64"):
        Dataset("own", X, np.array(LABELS, dtype=float), (0, 1))


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (np.full((1, 2), np.inf), [0], "own: test inputs[0, 0] must be a finite float32; got inf"),
        (np.zeros((1, 2)), [2], "own: test targets[0] must be a class index from 0 to 1; got 2"),
        (np.zeros((1, 2)), [-1], "own: test targets[0] must be a class index from 0 to 1; got -1"),
        (np.zeros((1, 2)), [0, 1], "own: test targets must be one per sample (1); got 2"),
        (np.zeros((1, 3)), [0], "own: test inputs must have 2 features a sample; got 3"),
    ],
)
def test_a_predefined_test_part_obeys_the_same_rules(inputs, targets, message):
    test = inputs.astype(np.float32), np.array(targets, dtype=np.int64)
    with pytest.raises(DataError) as caught:
        Dataset("own", X.astype(np.float32), np.array(LABELS), (0, 1), test)
    assert str(caught.value).startswith(message)


def test_the_hash_tells_contents_order_labels_and_test_part_apart_but_not_names():
    def hashed(X=X, y=LABELS, name="arrays"):
        return Dataset.from_arrays(X, y, name=name).data_hash

    assert len(bytes.fromhex(hashed())) == 32
    assert hashed() == hashed(X.tolist(), np.array(LABELS, dtype=np.int8), "other")
    test = np.zeros((2, 2), dtype=np.float32), np.array([0, 1])
    with_test = Dataset("arrays", X.astype(np.float32), np.array(LABELS), (0, 1), test)
    others = [
        hashed(X[::-1], LABELS[::-1]),
        hashed(X + 1),
        hashed(X.reshape(4, 2, 1)),
        hashed(y=[0, 1, 0, 1]),
        hashed(y=["a", "b", "b", "a"]),
        hashed(y=[0.0, 1.0, 1.0, 0.0]),
        with_test.data_hash,
    ]
    assert len({hashed(), *others}) == 1 + len(others)
