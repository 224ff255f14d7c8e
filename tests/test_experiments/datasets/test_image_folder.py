"""Data sets of image files, a folder for each class."""

import numpy as np
import pytest
from PIL import Image

from cnn import mlp
from evo import BaselinePredictor
from evo.errors import DataError
from evo.preparation import Preparation
from experiments.datasets import Dataset, load_dataset, read_images

RNG = np.random.default_rng(0)


def pixels(height=4, width=6, colours=()):
    return RNG.integers(0, 256, (height, width, *colours), dtype=np.uint8)


def save(array, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """Return a folder of grey images and their pixels, by class."""
    images = {"dog": [pixels(), pixels()], "cat": [pixels(), pixels(), pixels()]}
    for name, arrays in images.items():
        for i, array in enumerate(arrays):
            save(array, tmp_path / "pets" / name / f"{i}.{('png', 'bmp', 'PNG')[i]}")
    return tmp_path / "pets", images


def test_a_folder_is_a_class(folder):
    path, images = folder
    dataset = Dataset.from_image_folder(path)
    assert dataset.name == "pets"
    assert dataset.classes == ("cat", "dog")
    assert dataset.targets.tolist() == [0, 0, 0, 1, 1]
    assert dataset.inputs.dtype == np.uint8
    np.testing.assert_array_equal(dataset.inputs, images["cat"] + images["dog"])
    assert load_dataset("images", path=str(path)).data_hash == dataset.data_hash


def test_new_files_are_read_alike(folder):
    path, images = folder
    files = [path / "dog" / "1.bmp", str(path / "cat" / "0.png")]
    np.testing.assert_array_equal(read_images(files), [images["dog"][1], images["cat"][0]])
    assert read_images(files, size=(2, 3), colour="rgb").shape == (2, 3, 2, 3)
    with pytest.raises(ValueError, match=r"^paths must be at least one; got none$"):
        read_images([])
    np.testing.assert_array_equal(read_images(files[0]), read_images(files[:1]))
    np.testing.assert_array_equal(
        read_images(files[1], size=3), read_images(files[1:], size=(3, 3))
    )
    assert Dataset.from_image_folder(path, size=3).input_shape == (3, 3)
    for size in (0, True, 2.5, "12", (3,), (3, 4, 3), (3, 0), [3, 4.0]):
        with pytest.raises(
            ValueError,
            match=r"^size must be height and width in pixels, at least 1, or one number ",
        ):
            read_images(files, size=size)


@pytest.mark.parametrize("name", ["new.png", "new.JPG", "new.bmp"])
def test_the_path_of_an_image_is_no_row_to_predict_from(name):
    network = BaselinePredictor(
        mlp(24, (3,), 2, rng=RNG),
        preparation=Preparation.scaling((4, 6)),
        classes=("cat", "dog"),
    )
    with pytest.raises(
        DataError,
        match=rf"^{name}: the file must be text; got an image: pass read_images\('{name}'\)$",
    ):
        network.predict(name)
    with pytest.raises(DataError, match=r"got shape \(1,\); images are read by read_images$"):
        network.predict([name])


def test_colours_come_first(tmp_path):
    colour = pixels(colours=(3,))
    save(colour, tmp_path / "a" / "1.png")
    save(pixels(), tmp_path / "b" / "1.png")
    dataset = Dataset.from_image_folder(tmp_path)
    assert dataset.inputs.shape == (2, 3, 4, 6)
    np.testing.assert_array_equal(dataset.inputs[0], np.moveaxis(colour, -1, 0))
    assert (dataset.inputs[1] == dataset.inputs[1, 0]).all()
    grey = Dataset.from_image_folder(tmp_path, colour="grey").inputs
    luma = colour @ [0.299, 0.587, 0.114]  # ITU-R 601-2
    np.testing.assert_allclose(grey[0], luma, atol=1)


def test_all_kinds_of_files_are_read(tmp_path):
    grey, colour = pixels(), pixels(colours=(3,))
    opaque = np.dstack([colour, np.full_like(grey, 255)])
    save(grey, tmp_path / "a" / "1.png")
    save((grey > 127), tmp_path / "a" / "2.png")
    save(opaque, tmp_path / "b" / "3.png")
    Image.fromarray(colour).quantize(256).save(tmp_path / "b" / "4.png")
    Image.fromarray(colour).save(tmp_path / "b" / "5.jpg", quality=100, subsampling=0)
    found = np.moveaxis(Dataset.from_image_folder(tmp_path).inputs, 1, -1)
    np.testing.assert_array_equal(found[0, ..., 0], grey)
    np.testing.assert_array_equal(found[1, ..., 0], 255 * (grey > 127))
    np.testing.assert_array_equal(found[2], colour)
    np.testing.assert_array_equal(found[3], colour)
    np.testing.assert_allclose(found[4], colour.astype(float), atol=6)


def test_an_image_stands_upright_as_its_camera_says(tmp_path):
    upright, exif = pixels(4, 4), Image.Exif()
    exif[274] = 6  # turned clockwise by 90° to be shown
    save(np.rot90(upright), tmp_path / "a" / "1.png", exif=exif)
    save(pixels(4, 4), tmp_path / "b" / "1.png")
    np.testing.assert_array_equal(Dataset.from_image_folder(tmp_path).inputs[0], upright)


def test_images_of_different_sizes_need_a_size(tmp_path):
    save(np.full((4, 6), 7, np.uint8), tmp_path / "a" / "1.png")
    save(np.full((5, 9), 9, np.uint8), tmp_path / "b" / "1.png")
    with pytest.raises(DataError) as caught:
        Dataset.from_image_folder(tmp_path)
    message = "must have the size of 1.png, 4×6, unless size is given; got 5×9"
    assert str(caught.value) == f"{tmp_path / 'b/1.png'}: {message}"
    dataset = Dataset.from_image_folder(tmp_path, size=(3, 8))
    assert dataset.inputs.shape == (2, 3, 8)
    assert np.unique(dataset.inputs[0]).tolist() == [7]


def test_folders_of_parts_are_own_parts(tmp_path):
    first, second = pixels(), pixels()
    for part, arrays in {"train": (first, second), "test": (second,), "val": (first,)}.items():
        for label, array in zip("ab", arrays, strict=False):
            save(array, tmp_path / part / label / "1.png")
    dataset = Dataset.from_image_folder(tmp_path)
    np.testing.assert_array_equal(dataset.inputs, [first, second])
    np.testing.assert_array_equal(dataset.test[0], [second])
    np.testing.assert_array_equal(dataset.validation[0], [first])
    assert dataset.test[1].tolist() == dataset.validation[1].tolist() == [0]


def test_hidden_files_are_left_out(folder):
    path, _ = folder
    for name in (".DS_Store", "cat/.hidden.png", "cat/Thumbs.db"):
        (path / name).write_bytes(b"no image")
    assert len(Dataset.from_image_folder(path)) == 5


ENDING = "must be an image file ending in .png, .jpg, .jpeg, .bmp"


def transparent():
    return np.dstack([pixels(colours=(3,)), pixels()])


@pytest.mark.parametrize(
    ("spoil", "file", "message"),
    [
        (lambda p: p.write_bytes(b"no image"), "cat/9.png", "cannot be read as an image: cannot identify image file"),
        (lambda p: p.write_bytes((p.parent / "0.png").read_bytes()[:60]), "cat/9.png", "cannot be read as an image: "),
        (lambda p: p.write_bytes(b"text"), "cat/notes.txt", f"{ENDING}; got another file"),
        (lambda p: p.mkdir(), "cat/more.png", f"{ENDING}; got a folder"),
        (lambda p: p.write_bytes(b""), "1.png", "must be a folder with the images of a class; got a file"),
        (lambda p: p.mkdir(), "empty", "must hold at least one image; got none"),
        (lambda p: save(transparent(), p), "cat/9.png", "must have no transparent pixels; got an image that has"),
        (lambda p: save(np.zeros((4, 6), np.uint16), p), "cat/9.png", "must have 8 bits for each grey value"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named(folder, spoil, file, message):
    path = folder[0] / file
    spoil(path)
    with pytest.raises(DataError) as caught:
        Dataset.from_image_folder(folder[0])
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_none_or_empty_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none: cannot be read: No such file or directory$"):
        Dataset.from_image_folder(tmp_path / "none")
    with pytest.raises(DataError, match=r"must hold a folder of images for each class; got none$"):
        Dataset.from_image_folder(tmp_path)


def test_a_picture_too_large_for_memory_is_not_opened(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(
        DataError, match=r"cannot be read as an image: Image size .24 pixels. exceeds"
    ):
        Dataset.from_image_folder(folder[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"size": (0, 4)},
            "size must be height and width in pixels, at least 1, or one number for both; got (0, 4)",
        ),
        ({"colour": "gray"}, "colour must be 'grey' or 'rgb'; got 'gray'"),
    ],
)
def test_a_wrong_argument_is_refused(folder, options, message):
    with pytest.raises(ValueError, match="must be") as caught:
        Dataset.from_image_folder(folder[0], **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_changed_bytes_of_a_file_end_in_an_image_or_one_line(tmp_path, suffix):
    path = tmp_path / f"image.{suffix}"
    save(pixels(colours=(3,)), path)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    messages = []
    for _ in range(100):
        changed = bytearray(content)
        changed[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(changed)
        try:
            assert read_images([path]).shape[:2] == (1, 3)
        except DataError as error:
            messages.append(str(error))
    assert messages
    assert not any("\n" in message for message in messages)
