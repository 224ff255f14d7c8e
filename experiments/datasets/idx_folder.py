"""A folder of the MNIST family: two IDX files of images, two of labels."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.errors import DataError
from experiments.datasets.arrays import first_place, read_only, to_float32
from experiments.datasets.dataset import Dataset
from experiments.datasets.idx import read_idx

IMAGES = "images", "idx3-ubyte"
LABELS = "labels", "idx1-ubyte"


def idx_folder(data_dir: str | Path) -> Dataset:
    """Read MNIST, Fashion-MNIST or a data set of the same form from its four files.

    The files are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same for ``t10k``, plain or with the
    ending ``.gz``; a dot may stand before ``idx`` instead of a hyphen. The data set is named after the folder. The
    files of ``t10k`` are its predefined test part.

    Parameters
    ----------
    data_dir : str or Path
        The folder.

    Returns
    -------
    Dataset
        Inputs (n, height, width) in the units of the file, usually 0 to 255; classes 0 … k−1.

    Raises
    ------
    DataError
        If the folder or a file is missing, a file cannot be used, the numbers of images and labels differ, or labels
        are not the integers 0 … k−1.
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
    inputs, targets = _read_part(folder, "train")
    test_inputs, test_targets = _read_part(folder, "t10k")
    n_classes = int(targets.max()) + 1
    seen = np.bincount(targets, minlength=n_classes)
    if not seen.all():
        raise DataError(
            f"{folder}: labels of the training part must be 0 to {n_classes - 1} without a gap; "
            f"got no label {int(np.argmin(seen))}"
        )
    return Dataset(
        folder.resolve().name,
        inputs,
        targets,
        tuple(range(n_classes)),
        (test_inputs, test_targets),
    )


def _read_part(folder: Path, part: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    images_path, labels_path = _find(folder, part, *IMAGES), _find(folder, part, *LABELS)
    labels = _read_labels(labels_path)
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
    return read_only(to_float32(images, str(images_path), "images")), read_only(labels)


def _read_labels(path: Path) -> NDArray[np.int64]:
    labels: NDArray[Any] = read_idx(path)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{path}: labels must be one dimension of integers; got {labels.ndim} of {labels.dtype}"
        )
    # Every class needs a sample, so labels are below the number of samples. This bounds the work of counting them.
    wrong = first_place((labels < 0) | (labels >= len(labels)))
    if wrong is not None:
        raise DataError(
            f"{path}: label {wrong[0]} must be 0 to k - 1 for k classes, each with a sample; "
            f"got {labels[wrong]}"
        )
    return labels.astype(np.int64)


def _find(folder: Path, part: str, what: str, kind: str) -> Path:
    names = _names(part, what, kind)
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder}: no {part} {what}; looked for {', '.join(names)}")


def _names(part: str, what: str, kind: str) -> list[str]:
    return [f"{part}-{what}{mark}{kind}{end}" for mark in "-." for end in ("", ".gz")]
