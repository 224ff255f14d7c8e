"""A folder of the MNIST family: two IDX files of images, two of labels."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from evo.errors import DataError
from evo.preparation import Channels
from evo.preparation.origin import read_only
from experiments.datasets.dataset import Dataset
from experiments.datasets.idx import read_idx

IMAGES = "images", "idx3-ubyte"
LABELS = "labels", "idx1-ubyte"


def idx_folder(
    data_dir: str | Path, channels: Channels | None = None, *, name: str | None = None
) -> Dataset:
    """Read MNIST, Fashion-MNIST, EMNIST or a data set of the same form from its four files.

    The files are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same for ``t10k``, plain or with the
    ending ``.gz``; a dot may stand before ``idx`` instead of a hyphen. The files of ``t10k`` are its own test part.

    Parameters
    ----------
    data_dir : str or Path
        The folder.
    channels : {"first", "last"}, optional
        Where the channels of images with four dimensions stand.
    name : str, optional
        Name in tables and pictures; by default that of the folder.

    Returns
    -------
    Dataset
        Inputs (n, height, width) in the units and type of the file, usually 0 to 255; the classes are the labels of
        the training part, of which the test part may lack some.

    Raises
    ------
    DataError
        If the folder or a file is missing, a file cannot be used, or the numbers of images and labels differ.
    """
    folder = Path(data_dir)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; it should hold "
            + ", ".join(
                _names(part, *kind)[0] for part in ("train", "t10k") for kind in (IMAGES, LABELS)
            )
            + " (plain or .gz)"
        )
    images, labels = _read_part(folder, "train")
    return Dataset.from_arrays(
        images,
        labels,
        name=folder.resolve().name if name is None else name,
        channels=channels,
        test=_read_part(folder, "t10k"),
    )


def _read_part(folder: Path, part: str) -> tuple[NDArray[Any], NDArray[Any]]:
    images_path, labels_path = _find(folder, part, *IMAGES), _find(folder, part, *LABELS)
    labels: NDArray[Any] = read_idx(labels_path)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{labels_path}: labels must be one dimension of integers; got {labels.ndim} of {labels.dtype}"
        )
    images = read_idx(images_path)
    if images.ndim < 3:
        raise DataError(
            f"{images_path}: images must have at least 3 dimensions (number, height, width); "
            f"got {images.ndim}"
        )
    if len(images) != len(labels):
        raise DataError(
            f"{images_path}: images must be as many as the labels in {labels_path.name}, {len(labels)}; "
            f"got {len(images)}"
        )
    return read_only(images), labels


def _find(folder: Path, part: str, what: str, kind: str) -> Path:
    names = _names(part, what, kind)
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder}: no {part} {what}; looked for {', '.join(names)}")


def _names(part: str, what: str, kind: str) -> list[str]:
    return [f"{part}-{what}{mark}{kind}{end}" for mark in "-." for end in ("", ".gz")]
