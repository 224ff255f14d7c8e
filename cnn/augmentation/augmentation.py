"""The settings of augmentation, and augmented images as a function of seed, epoch and sample."""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from cnn.arrays import FloatArray, IntArray, Shape, aligned_empty
from cnn.augmentation.augmentation_kernels import augment
from cnn.settings import Settings

PURPOSE = 1
"""Ends the spawn key of the seed of an epoch; see :func:`epoch_keys`."""


class Augmentation(Settings, frozen=True, extra="forbid"):
    """Random changes of training images, drawn anew in every epoch. Validation and test images stay as they are."""

    shift: int = pydantic.Field(
        default=0,
        ge=0,
        description="Largest shift up, down, left and right; each shift is equally probable. The pixels at the border "
        "are repeated where the shifted image ends. Others call it a random crop with padding.",
    )
    flip: bool = pydantic.Field(
        default=False,
        description="Whether left and right are exchanged, with probability 1/2.",
    )
    erase: int = pydantic.Field(
        default=0,
        ge=0,
        description="Side of a square, at a random place, whose pixels are set to 0 after normalization. The part of "
        "the square beyond the border is cut off. 0: nothing is erased.",
    )

    @property
    def is_on(self) -> bool:
        """Whether images are changed."""
        return bool(self.shift or self.flip or self.erase)


def check_images(augmentation: Augmentation, shape: Shape, section: str) -> None:
    """Raise ValueError if samples of a shape cannot be augmented.

    Parameters
    ----------
    augmentation
        Settings that change images, or none.
    shape
        Shape of one sample.
    section
        Name of the settings, for the message.
    """
    if not augmentation.is_on:
        return
    if len(shape) not in {2, 3}:
        raise ValueError(
            f"{section} must not be given unless samples are images of shape (rows, columns) or (maps, rows, columns); "
            f"got samples of shape {shape}"
        )
    side = min(shape[-2:])
    if augmentation.shift >= side:
        raise ValueError(
            f"{section}.shift must be below {side}, the images' shorter side; got {augmentation.shift}"
        )
    if augmentation.erase > side:
        raise ValueError(
            f"{section}.erase must be at most {side}, the images' shorter side; got {augmentation.erase}"
        )


def augmented(
    images: FloatArray,
    augmentation: Augmentation,
    chosen: IntArray,
    epochs: IntArray,
    order_seed: np.random.SeedSequence,
) -> FloatArray:
    """Return some images as training sees them.

    Image i in epoch e depends on the seed, on i and on e alone. A square is erased after the shift and the flip.

    Parameters
    ----------
    images
        All training images, shape (n, rows, columns) or (n, maps, rows, columns); not changed.
    augmentation
        How they are changed.
    chosen
        Indices of the images to return, shape (k,).
    epochs
        Epoch of each of them, from 0, shape (k,); not decreasing.
    order_seed
        Seed of the sample order.

    Returns
    -------
    FloatArray
        A new array of shape (k, rows, columns) or (k, maps, rows, columns).
    """
    out = aligned_empty((len(chosen), *images.shape[1:]), images.dtype)
    rows_and_columns = images.shape[-2:]
    augment(
        _read_only(images.reshape(len(images), -1, *rows_and_columns)),
        _read_only(chosen.astype(np.int64, copy=False)),
        _read_only(epoch_keys(epochs, order_seed, PURPOSE)),
        augmentation.shift,
        augmentation.flip,
        augmentation.erase,
        out.reshape(len(out), -1, *rows_and_columns),
    )
    return out


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a contiguous view that cannot be written, so that one kernel is compiled for all arrays of a dtype."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def epoch_keys(
    epochs: IntArray, order_seed: np.random.SeedSequence, purpose: int
) -> npt.NDArray[np.uint64]:
    """Return 64 random bits for each of some epochs.

    Parameters
    ----------
    epochs
        Numbers of epochs, from 0; not decreasing.
    order_seed
        Seed of the sample order. The order of an epoch has the spawn key without the purpose.
    purpose
        Ends the spawn key, so that each purpose has other bits.
    """
    first, entropy = int(epochs[0]), order_seed.entropy
    hashable = entropy if entropy is None or isinstance(entropy, int) else tuple(entropy)
    keys = [
        _epoch_key(hashable, (*order_seed.spawn_key, epoch, purpose))
        for epoch in range(first, int(epochs[-1]) + 1)
    ]
    return np.array(keys, np.uint64)[epochs - first]


@functools.lru_cache(maxsize=1 << 12)
def _epoch_key(entropy: int | tuple[int, ...] | None, spawn_key: tuple[int, ...]) -> int:
    """Return the bits of one epoch; cached, because a whole population uses the same ones."""
    return int(np.random.SeedSequence(entropy, spawn_key=spawn_key).generate_state(1, np.uint64)[0])
