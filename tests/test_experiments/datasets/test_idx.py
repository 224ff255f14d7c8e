"""The IDX format, and folders of the MNIST family."""

import gzip
import struct

import numpy as np
import pytest

from evo.errors import DataError
from experiments.datasets import load_dataset, read_idx
from experiments.datasets.idx import CHUNK

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array):
    """Write an array as IDX, after the format's description and not after the reader."""
    array = np.asarray(array)
    header = struct.pack(">HBB", 0, CODES[array.dtype.str[1:]], array.ndim)
    header += struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
GOOD = idx_bytes(IMAGES)
HEADER_FIELDS = ["magic number", "dimension 0", "dimension 1", "dimension 2"]


def raw(content):
    return content


def gzipped(content):
    return gzip.compress(content, mtime=0)


both_packings = pytest.mark.parametrize("pack", [raw, gzipped])


def refusal(path):
    """Return the one line with which a file is refused, without its name."""
    with pytest.raises(DataError) as caught:
        read_idx(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


@both_packings
@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (2, 1, 1, 3)])
def test_what_was_written_is_read(tmp_path, pack, dtype, shape):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    path = tmp_path / "array"
    path.write_bytes(pack(idx_bytes(array)))
    found = read_idx(path)
    assert found.dtype == np.dtype(dtype)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)


@both_packings
def test_files_larger_than_one_chunk_are_read_whole(tmp_path, pack):
    array = np.zeros(CHUNK + CHUNK // 2, dtype=np.uint8)
    array[[CHUNK - 1, CHUNK, -1]] = 1
    path = tmp_path / "large"
    path.write_bytes(pack(idx_bytes(array)))
    np.testing.assert_array_equal(read_idx(path), array)


def test_gzip_is_recognised_by_contents_not_by_name(tmp_path):
    (tmp_path / "images.gz").write_bytes(GOOD)
    (tmp_path / "images").write_bytes(gzipped(GOOD))
    np.testing.assert_array_equal(read_idx(tmp_path / "images.gz"), IMAGES)
    np.testing.assert_array_equal(read_idx(str(tmp_path / "images")), IMAGES)


@both_packings
@pytest.mark.parametrize("length", range(16))
def test_a_header_cut_anywhere_names_the_field_that_is_cut(tmp_path, pack, length):
    path = tmp_path / "cut"
    path.write_bytes(pack(GOOD[:length]))
    field = HEADER_FIELDS[length // 4]
    assert refusal(path) == f"{field} must have 4 bytes; got {length % 4}"


@both_packings
@pytest.mark.parametrize("length", range(20, len(GOOD)))
def test_values_cut_anywhere_are_counted(tmp_path, pack, length):
    path = tmp_path / "cut"
    path.write_bytes(pack(GOOD[:length]))
    there = length - 16
    if pack is raw and length < 24:  # shorter than the values alone would be
        expected = (
            f"values must have at most {length} bytes in a file of this size; got 24 in the header"
        )
    else:
        expected = f"values must have 24 bytes; got {there}"
    assert refusal(path) == expected


@both_packings
def test_a_trailing_byte_is_refused(tmp_path, pack):
    path = tmp_path / "long"
    path.write_bytes(pack(GOOD + b"\0"))
    assert refusal(path) == "values must have 24 bytes; got more"


@both_packings
@pytest.mark.parametrize(
    ("position", "value", "expected"),
    [
        (0, 1, "magic number must begin with two zero bytes; got 0x01000803"),
        (1, 255, "magic number must begin with two zero bytes; got 0x00ff0803"),
        (
            2,
            0x0A,
            "type code must be one of 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e; got 0x0a",
        ),
        (3, 0, "number of dimensions must be 1 to 64; got 0"),
        (3, 65, "number of dimensions must be 1 to 64; got 65"),
        (7, 0, "dimension 0 must be at least 1; got 0"),
        (15, 0, "dimension 2 must be at least 1; got 0"),
        (7, 1, "values must have 12 bytes; got more"),
    ],
)
def test_a_wrong_header_byte_is_named(tmp_path, pack, position, value, expected):
    content = bytearray(GOOD)
    content[position] = value
    path = tmp_path / "wrong"
    path.write_bytes(pack(bytes(content)))
    assert refusal(path) == expected


@both_packings
def test_an_absurd_size_is_refused_before_anything_is_allocated(tmp_path, pack):
    huge = struct.pack(">HBB64I", 0, 0x0E, 64, *[2**32 - 1] * 64)
    path = tmp_path / "huge"
    path.write_bytes(pack(huge))
    size = 8 * (2**32 - 1) ** 64
    limit = path.stat().st_size * (1 if pack is raw else 1032)
    assert refusal(path) == (
        f"values must have at most {limit} bytes in a file of this size; got {str(size)[:80]}… in the header"
    )


def test_a_gzip_bomb_is_not_inflated_beyond_what_the_header_announces(tmp_path, monkeypatch):
    content = gzipped(GOOD + bytes(50_000_000))
    path = tmp_path / "bomb"
    path.write_bytes(content)
    asked = []
    inflate = gzip.GzipFile.read
    monkeypatch.setattr(
        gzip.GzipFile, "read", lambda self, size: asked.append(size) or inflate(self, size)
    )
    assert refusal(path) == "values must have 24 bytes; got more"
    assert sum(asked) <= 16 + 25


@pytest.mark.parametrize("kept", range(2, len(gzipped(GOOD))))
def test_a_gzip_file_cut_anywhere_is_refused(tmp_path, kept):
    path = tmp_path / "cut.gz"
    path.write_bytes(gzipped(GOOD)[:kept])
    assert refusal(path) == (
        "corrupt gzip data: Compressed file ended before the end-of-stream marker was reached"
    )


@pytest.mark.parametrize("position", [-1, -5])
def test_a_wrong_gzip_checksum_or_length_is_refused(tmp_path, position):
    content = bytearray(gzipped(GOOD))
    content[position] ^= 1
    path = tmp_path / "wrong.gz"
    path.write_bytes(content)
    assert refusal(path).startswith("corrupt gzip data: ")


def test_no_flipped_byte_of_a_gzip_file_passes_unnoticed(tmp_path):
    good = gzipped(GOOD)
    path = tmp_path / "flipped.gz"
    for position in range(len(good)):
        content = bytearray(good)
        content[position] ^= 0xFF
        path.write_bytes(content)
        try:
            found = read_idx(path)
        except DataError:
            continue
        np.testing.assert_array_equal(found, IMAGES)  # a byte that means nothing, such as the time


def test_a_missing_file_and_a_folder_are_no_idx_files(tmp_path):
    assert refusal(tmp_path / "none") == "cannot be read: No such file or directory"
    assert refusal(tmp_path) == "cannot be read: Is a directory"


TRAIN_LABELS = np.tile(np.arange(3, dtype=np.uint8), 20)
TEST_LABELS = np.arange(3, dtype=np.uint8)


@pytest.fixture
def family(tmp_path):
    """Return a function that writes a folder of four files, some of them replaced."""

    def write(pack=raw, mark="-", end="", **changes):
        folder = tmp_path / "tiny-mnist"
        folder.mkdir(exist_ok=True)
        rng = np.random.default_rng(1)
        arrays = {
            "train_images": rng.integers(0, 256, (60, 5, 4), dtype=np.uint8),
            "train_labels": TRAIN_LABELS,
            "t10k_images": rng.integers(0, 256, (3, 5, 4), dtype=np.uint8),
            "t10k_labels": TEST_LABELS,
        } | changes
        for name, array in arrays.items():
            if array is not None:
                kind = "idx3-ubyte" if name.endswith("images") else "idx1-ubyte"
                path = folder / f"{name.replace('_', '-')}{mark}{kind}{end}"
                path.write_bytes(pack(idx_bytes(array)))
        return folder, arrays

    return write


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize(("pack", "end"), [(raw, ""), (gzipped, ".gz")])
def test_a_folder_of_four_files_is_a_data_set_with_a_test_part(family, pack, mark, end):
    folder, arrays = family(pack, mark, end)
    dataset = load_dataset("idx", data_dir=str(folder))
    assert dataset.name == "tiny-mnist"
    assert dataset.classes == (0, 1, 2)
    assert dataset.input_shape == (5, 4)
    assert not dataset.inputs.flags.writeable
    np.testing.assert_array_equal(dataset.inputs, arrays["train_images"])
    np.testing.assert_array_equal(dataset.targets, TRAIN_LABELS)
    np.testing.assert_array_equal(dataset.test[0], arrays["t10k_images"])
    np.testing.assert_array_equal(dataset.test[1], TEST_LABELS)


def test_the_predefined_test_part_is_the_test_part_of_every_split(family):
    folder, arrays = family()
    dataset = load_dataset("idx", data_dir=folder)
    split = dataset.split(seed=0, validation=0.25, test=0.9, normalization="none")
    assert (len(split.train), len(split.validation)) == (45, 15)
    np.testing.assert_array_equal(split.test.inputs, arrays["t10k_images"])
    np.testing.assert_array_equal(split.test.targets, TEST_LABELS)


def test_colour_images_are_read_too(family):
    folder, _ = family(
        train_images=np.zeros((60, 5, 4, 3), np.uint8), t10k_images=np.zeros((3, 5, 4, 3), np.uint8)
    )
    assert load_dataset("idx", data_dir=folder, channels="last").input_shape == (3, 5, 4)
    assert load_dataset("idx", data_dir=folder, channels="first").input_shape == (5, 4, 3)
    with pytest.raises(DataError, match=r"channels must be said for images of shape \(5, 4, 3\)"):
        load_dataset("idx", data_dir=folder)


def test_a_missing_folder_is_named_with_the_files_it_should_hold(tmp_path):
    with pytest.raises(DataError) as caught:
        load_dataset("idx", data_dir=tmp_path / "none")
    assert str(caught.value) == (
        f"{tmp_path / 'none'}: no such folder; it should hold train-images-idx3-ubyte, "
        "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (plain or .gz)"
    )


@pytest.mark.parametrize(
    ("missing", "what", "kind"),
    [
        ("train_images", "train images", "idx3-ubyte"),
        ("train_labels", "train labels", "idx1-ubyte"),
        ("t10k_images", "t10k images", "idx3-ubyte"),
        ("t10k_labels", "t10k labels", "idx1-ubyte"),
    ],
)
def test_a_missing_file_is_named_with_the_names_looked_for(family, missing, what, kind):
    folder, _ = family(**{missing: None})
    with pytest.raises(DataError) as caught:
        load_dataset("idx", data_dir=folder)
    stem = missing.replace("_", "-")
    assert str(caught.value) == (
        f"{folder}: no {what}; looked for {stem}-{kind}, {stem}-{kind}.gz, {stem}.{kind}, "
        f"{stem}.{kind}.gz"
    )


@pytest.mark.parametrize(
    ("changes", "file", "message"),
    [
        (
            {"train_labels": TRAIN_LABELS[:-1]},
            "train-images-idx3-ubyte",
            "images must be as many as the labels in train-labels-idx1-ubyte, 59; got 60",
        ),
        (
            {"train_images": np.zeros((60, 20), np.uint8)},
            "train-images-idx3-ubyte",
            "images must have at least 3 dimensions (number, height, width); got 2",
        ),
        (
            {"train_labels": TRAIN_LABELS.astype(np.float32)},
            "train-labels-idx1-ubyte",
            "labels must be one dimension of integers; got 1 of float32",
        ),
        (
            {"train_labels": TRAIN_LABELS.reshape(30, 2)},
            "train-labels-idx1-ubyte",
            "labels must be one dimension of integers; got 2 of uint8",
        ),
    ],
)
def test_files_that_do_not_fit_are_refused_in_one_line(family, changes, file, message):
    folder, _ = family(**changes)
    with pytest.raises(DataError) as caught:
        load_dataset("idx", data_dir=folder)
    assert str(caught.value) == f"{folder / file if file else folder}: {message}"


def test_images_that_are_not_finite_are_refused_with_their_place(family):
    folder, _ = family(train_images=np.full((60, 5, 4), np.nan, np.float32))
    with pytest.raises(DataError) as caught:
        load_dataset("idx", data_dir=folder)
    assert str(caught.value) == "tiny-mnist: inputs[0, 0, 0] must be a finite float32; got nan"


@pytest.mark.parametrize(
    ("train", "test", "classes"),
    [
        pytest.param(
            TRAIN_LABELS + np.uint8(1), TEST_LABELS + np.uint8(1), (1, 2, 3), id="from 1 on"
        ),
        pytest.param(
            TRAIN_LABELS * np.uint8(2), TEST_LABELS * np.uint8(2), (0, 2, 4), id="with gaps"
        ),
        pytest.param(
            TRAIN_LABELS, TEST_LABELS % np.uint8(2), (0, 1, 2), id="one not in the test part"
        ),
        pytest.param(
            np.where(TRAIN_LABELS == 0, -(2**30), TRAIN_LABELS.astype(np.int32)),
            np.where(TEST_LABELS == 0, -(2**30), TEST_LABELS.astype(np.int32)),
            (-(2**30), 1, 2),
            id="far apart",
        ),
    ],
)
def test_labels_may_be_any_integers_and_absent_from_the_test_part(family, train, test, classes):
    folder, _ = family(train_labels=train, t10k_labels=test)
    dataset = load_dataset("idx", data_dir=folder)
    assert dataset.classes == classes
    split = dataset.split(seed=0)
    for part, own in (("test", test), ("train", train)):
        labels = split.raw(part)[1]
        np.testing.assert_array_equal(labels, own[split.rows[part]])


def test_labels_in_the_test_part_alone_are_refused(family):
    folder, _ = family(t10k_labels=np.full_like(TEST_LABELS, 7))
    n = len(TEST_LABELS)
    with pytest.raises(
        DataError,
        match=rf": test targets must be classes of the training data, \(0, 1, 2\); got 7, and {n} of {n} ",
    ):
        load_dataset("idx", data_dir=folder)


def test_images_stay_bytes_until_they_are_prepared(family):
    folder, arrays = family()
    dataset = load_dataset("idx", data_dir=folder)
    assert dataset.inputs.dtype == dataset.test[0].dtype == np.uint8
    split = dataset.split(seed=0, normalization="none")
    assert split.test.inputs.dtype == np.float32
    np.testing.assert_array_equal(split.test.inputs, arrays["t10k_images"])
