"""Folders of images: a folder for each class, perhaps within folders for the parts."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cnn.files import one_line
from evo.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Colour = Literal["grey", "rgb"]

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}
PARTS = {"train": "", "test": "test", "validation": "validation", "val": "validation"}
NOT_SHOWN = {"Thumbs.db", "desktop.ini", "__MACOSX"}
GREY, COLOURED = ("1", "L"), ("P", "RGB", "CMYK", "YCbCr")
UNREADABLE = OSError, SyntaxError, ValueError, EOFError, IndexError, MemoryError


@dataclass(frozen=True)
class LabelledFile:
    """An image file and the name of its class."""

    path: Path
    label: str


def read_image_folder(
    path: str | Path, size: int | tuple[int, int] | None, colour: Colour | None
) -> dict[str, tuple[NDArray[np.uint8], list[str]]]:
    """Read the images of each part, with the names of their folders as labels.

    Parameters
    ----------
    path : str or Path
        A folder with a folder for each class; or with folders ``train``, and ``test`` or ``validation`` or both, which
        hold such folders. Hidden files are left out.
    size : tuple of int, optional
        Height and width to which all images are resized, each by itself. By default all must be of one size.
    colour : {"grey", "rgb"}, optional
        By default ``"grey"`` if all files are grey, else ``"rgb"``.

    Returns
    -------
    dict of str to (images, labels)
        By part; the main part has the name "". Images are uint8 of shape (n, height, width), or (n, 3, height, width).
        They are in the order of the names of classes, then of files.

    Raises
    ------
    DataError
        If a folder holds anything else, or a file cannot be used; the message names it.
    """
    folder = Path(path)
    names = {one.name for one in _shown(folder)}
    if "train" in names and names <= PARTS.keys():
        folders = {name: folder / name for name in sorted(names)}
    else:
        folders = {"train": folder}
    if {"val", "validation"} <= folders.keys():
        raise DataError(f"{folder}: must have one validation part; got folders val and validation")
    files = {PARTS[name]: _labelled_files(one) for name, one in folders.items()}
    every = [file for part in files.values() for file in part]
    images = read_images([file.path for file in every], size=size, colour=colour)
    parts, start = {}, 0
    for part, of_part in files.items():
        stop = start + len(of_part)
        parts[part] = images[start:stop], [file.label for file in of_part]
        start = stop
    return parts


def _labelled_files(folder: Path) -> list[LabelledFile]:
    """Return the files of one part."""
    found = []
    for of_class in _shown(folder):
        if not of_class.is_dir():
            raise DataError(f"{of_class}: must be a folder with the images of a class; got a file")
        files = _shown(of_class)
        if not files:
            raise DataError(f"{of_class}: must hold at least one image; got none")
        for file in files:
            if file.suffix.lower() not in SUFFIXES or not file.is_file():
                raise DataError(
                    f"{file}: must be an image file ending in {', '.join(SUFFIXES)}; "
                    f"got {'a folder' if file.is_dir() else 'another file'}"
                )
            found.append(LabelledFile(file, of_class.name))
    if not found:
        raise DataError(f"{folder}: must hold a folder of images for each class; got none")
    return found


def _shown(folder: Path) -> list[Path]:
    """Return what a folder holds, in order, without hidden files."""
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    return [one for one in inside if not one.name.startswith(".") and one.name not in NOT_SHOWN]


def read_images(
    paths: str | Path | Iterable[str | Path],
    *,
    size: int | tuple[int, int] | None = None,
    colour: Colour | None = None,
) -> NDArray[np.uint8]:
    """Read image files into one array, such as new images to predict from.

    Parameters
    ----------
    paths : str, Path, or iterable of them
        PNG, JPEG or BMP files; at least one.
    size, colour
        As for :meth:`Dataset.from_image_folder`.

    Returns
    -------
    ndarray of uint8, shape (n, height, width) or (n, 3, height, width)

    Raises
    ------
    DataError
        If a file cannot be used; the message names it.
    ValueError
        If there is no path, or `size` or `colour` is out of range.
    """
    files = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    if not files:
        raise ValueError("paths must be at least one; got none")
    size = None if size is None else _sides(size)
    if colour not in (None, "grey", "rgb"):
        raise ValueError(f"colour must be 'grey' or 'rgb'; got {colour!r}")
    if colour is None:
        colour = "grey" if all(_is_grey(path) for path in files) else "rgb"
    mode = "L" if colour == "grey" else "RGB"
    first = _read_image(files[0], size, mode)
    images = np.empty((len(files), *first.shape), dtype=np.uint8)
    images[0] = first
    for i, path in enumerate(files[1:], start=1):
        image = _read_image(path, size, mode)
        if image.shape != first.shape:
            found, wanted = ("×".join(map(str, one.shape[:2])) for one in (image, first))
            raise DataError(
                f"{path}: must have the size of {files[0].name}, {wanted}, unless size is given; got {found}"
            )
        images[i] = image
    images = images if colour == "grey" else np.ascontiguousarray(np.moveaxis(images, -1, 1))
    images.flags.writeable = False
    return images


def _sides(size: int | Sequence[int]) -> tuple[int, int]:
    """Return height and width; one number is both."""
    sides = (size, size) if isinstance(size, int) else size
    whole = isinstance(sides, list | tuple) and all(type(side) is int for side in sides)
    if not whole or len(sides) != 2 or min(sides) < 1:
        raise ValueError(
            f"size must be height and width in pixels, at least 1, or one number for both; got {size!r}"
        )
    return sides[0], sides[1]


def _is_grey(path: Path) -> bool:
    with _opened(path) as image:
        return image.mode in {*GREY, "LA"} or image.mode.startswith("I")


def _read_image(path: Path, size: tuple[int, int] | None, mode: str) -> NDArray[np.uint8]:
    """Read one file as pixels, shape (height, width) or (height, width, 3)."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - slow to import

    with _opened(path) as opened:
        try:
            image = ImageOps.exif_transpose(opened)
            if "transparency" in image.info and image.mode in {*GREY, *COLOURED}:
                image = image.convert("RGBA")
            if image.mode in {"LA", "RGBA"}:
                if image.getchannel("A").getextrema()[0] != 255:
                    raise DataError(
                        f"{path}: must have no transparent pixels; got an image that has"
                    )
                image = image.convert(image.mode.removesuffix("A"))
        except DataError:
            raise
        except UNREADABLE as error:
            raise _unreadable(path, error) from error
        if image.mode not in {*GREY, *COLOURED}:
            raise DataError(
                f"{path}: must have 8 bits for each grey value or colour; got mode {image.mode}"
            )
        image = image.convert(mode)
        if size is not None and image.size != (size[1], size[0]):
            image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        return np.asarray(image)


def _opened(path: Path) -> "Image":
    """Open an image file of the format that its name says, if it is not suspiciously large."""
    from PIL import Image  # noqa: PLC0415 - slow to import

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(path, formats=sorted({*SUFFIXES.values()}))
    except (*UNREADABLE, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Any) -> DataError:
    reason = getattr(error, "strerror", None) or one_line(error).removesuffix(f" {str(path)!r}")
    return DataError(f"{path}: cannot be read as an image: {reason}")
