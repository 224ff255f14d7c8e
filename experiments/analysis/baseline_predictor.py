"""A trained baseline for use: raw data in, labels or values out; saved to and loaded from two files side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from cnn import Network, load_model, save_model
from cnn.arrays import FloatArray
from cnn.compile.compilation import single_threaded_blas
from evo.errors import ResultsError
from evo.files import read_arrays, write_arrays
from evo.storage.predictor import RawPredictor

FORMAT = "evomatrix-inputs-1"

SAMPLES_AT_ONCE = 256
"""Samples that go through the network together, which bounds memory."""


class BaselinePredictor(RawPredictor):
    """A layered network with its normalisation and its labels, used like a fitted scikit-learn estimator.

    Parameters
    ----------
    network : Network
        Trained.
    offset, scale : array_like
        Inputs are normalised as (x − offset) / scale.
    classes : sequence of str or int, optional
        Label of each output; None in regression.
    """

    def __init__(
        self,
        network: Network,
        *,
        offset: ArrayLike = 0.0,
        scale: ArrayLike = 1.0,
        classes: Sequence[str | int] | None = None,
    ) -> None:
        super().__init__(
            network.output_shape[0],
            tuple(network.input_shape),
            offset=offset,
            scale=scale,
            classes=classes,
        )
        self.network = network

    def save(self, path: str | Path) -> None:
        """Write the network to one ``.npz`` file, and what its inputs need to ``<name>-inputs.npz`` beside it.

        :func:`load_baseline` reads both, `cnn.load_model` the network alone.

        Raises
        ------
        ResultsError
            If a file cannot be written.
        """
        write_arrays(
            inputs_path(path),
            {"offset": self.offset, "scale": self.scale},
            {"format": FORMAT, "classes": self.classes},
        )
        try:
            save_model(self.network, path)
        except OSError as error:
            raise ResultsError(f"{path}: cannot be written ({error.strerror})") from error

    def _output(self, X: ArrayLike) -> FloatArray:
        inputs, shape = np.asarray(X), tuple(self.network.input_shape)
        if inputs.ndim < 1 or inputs[:1].size != min(len(inputs), 1) * np.prod(shape):
            raise ValueError(f"X must have samples of shape {shape}; got an array {inputs.shape}")
        output = np.empty((len(inputs), *self.network.output_shape), self.network.dtype)
        with single_threaded_blas():
            for start in range(0, len(inputs), SAMPLES_AT_ONCE):
                rows = slice(start, start + SAMPLES_AT_ONCE)
                raw = inputs[rows].astype(np.float64).reshape(-1, *shape)
                normalized = ((raw - self.offset) / self.scale).astype(self.network.dtype)
                output[rows] = self.network.output(normalized)
        return output


def inputs_path(path: str | Path) -> Path:
    """Return where the normalisation and the labels of a saved baseline are.

    Examples
    --------
    >>> inputs_path("networks/seed-0-lenet5.npz").name
    'seed-0-lenet5-inputs.npz'
    """
    path = Path(path)
    return path.with_name(f"{path.stem}-inputs{path.suffix}")


def load_baseline(path: str | Path) -> BaselinePredictor:
    """Load a network that :meth:`BaselinePredictor.save` wrote.

    Raises
    ------
    ResultsError
        If one of the two files is missing or not such a file: one line naming file and rule. Nothing in a file is
        executed.
    """
    beside = inputs_path(path)
    try:
        network = load_model(path)
    except FileNotFoundError:
        raise ResultsError(f"{path}: no such file") from None
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # it names the file
        raise ResultsError(str(error)) from error
    arrays, description = read_arrays(beside)
    if description.get("format") != FORMAT:
        raise ResultsError(f"{beside}: format must be {FORMAT}; got {description.get('format')!r}")
    try:
        return BaselinePredictor(
            network,
            offset=arrays["offset"],
            scale=arrays["scale"],
            classes=description["classes"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{beside}: not a baseline's inputs ({error})") from error
