"""Data sets of arrays in an ``.npz`` file."""

import io
import zipfile

import numpy as np
import pytest

from evo.errors import DataError
from experiments.datasets import Dataset

X = np.arange(60, dtype=np.uint8).reshape(5, 3, 4)
Y = np.array([0, 1, 2, 0, 1])


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "shapes.npz"
    words = np.array(["a", "b", "a", "b", "a"])
    np.savez_compressed(path, X=X, y=Y, x_test=X[:2], y_test=Y[:2], words=words, people=[1, 1, 2, 2, 3],
                        objects=np.array(["a", None, 1, 2, 3], dtype=object))  # fmt: skip
    return path


def test_arrays_are_found_by_name(path):
    dataset = Dataset.from_npz(path)
    assert dataset.name == "shapes"
    np.testing.assert_array_equal(dataset.inputs, X)
    assert dataset.inputs.dtype == np.uint8
    assert dataset.targets.tolist() == Y.tolist()
    assert Dataset.from_npz(path, y="words").classes == ("a", "b")


def test_own_parts_and_groups_are_arrays_too(path):
    dataset = Dataset.from_npz(path, X_test="x_test", y_test="y_test", groups="people")
    np.testing.assert_array_equal(dataset.test[0], X[:2])
    assert dataset.test[1].tolist() == [0, 1]
    assert dataset.groups.tolist() == [0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"X": "x"}, "arrays must include 'x'; got 'X', 'y', 'x_test', 'y_test', 'words', 'people', 'objects'"),
        ({"y": "objects"}, "must be a whole .npz file: objects must be an array of numbers that fills its"),
    ],
)  # fmt: skip
def test_an_array_that_cannot_be_used_is_named(path, options, message):
    with pytest.raises(DataError) as caught:
        Dataset.from_npz(path, **options)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_half_an_own_part_is_refused(path):
    with pytest.raises(
        ValueError, match=r"^X_test and y_test must be given together; got \('x_test', None\)$"
    ):
        Dataset.from_npz(path, X_test="x_test")


def test_a_file_that_is_none_is_one_line(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(DataError, match=r"a.npz: cannot be read: No such file or directory$"):
        Dataset.from_npz(path)
    path.write_bytes(b"no archive")
    with pytest.raises(
        DataError, match=r"a.npz: must be a whole .npz file: File is not a zip file$"
    ):
        Dataset.from_npz(path)


def test_an_array_larger_than_its_file_takes_no_memory(tmp_path):
    path, header = tmp_path / "a.npz", io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", header.getvalue())
    with pytest.raises(DataError, match="X must be an array of numbers that fills its 0 bytes"):
        Dataset.from_npz(path)
