"""Trained networks as predictors: raw data in, labels or values out; saved to and loaded from files."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn import Network, load_model, save_model
from cnn.checks import check_finite
from cnn.compile.compilation import single_threaded_blas
from cnn.training.losses import LOSSES
from evo.errors import ResultsError
from evo.files import read_arrays, write_arrays
from evo.genome.codec import genome_from_arrays, genome_to_arrays
from evo.genome.genome import FloatArray, Genome
from evo.phenotype.phenotype import Phenotype

FORMAT = "evomatrix-network-1"
"""The format of an evolved network's file."""

LAYERS_FORMAT = "evomatrix-layers-1"
"""The format of a file that `cnn.save_model` wrote."""

INPUTS_FORMAT = "evomatrix-inputs-1"
"""The format of the file beside a baseline, with its normalization and labels."""

SAMPLES_AT_ONCE = 256
"""Samples that a baseline evaluates together, which limits memory."""


class RawPredictor(ABC):
    """A trained network with its normalization and its labels, used like a fitted scikit-learn estimator.

    Parameters
    ----------
    n_outputs : int
        Number of outputs of the network.
    feature_shape : tuple of int
        Shape of `offset` and `scale` if they have one number for each feature.
    offset, scale : array_like
        Inputs are normalised as (x − offset) / scale.
    classes : sequence of str or int, optional
        Label of each output; None in regression.
    """

    def __init__(
        self,
        n_outputs: int,
        feature_shape: tuple[int, ...],
        *,
        offset: ArrayLike,
        scale: ArrayLike,
        classes: Sequence[str | int] | None,
    ) -> None:
        self.offset = np.asarray(offset, dtype=np.float64)
        self.scale = np.asarray(scale, dtype=np.float64)
        self.classes: tuple[str | int, ...] | None = None
        if classes is not None:  # NumPy's scalars are no JSON
            self.classes = tuple(
                one.item() if isinstance(one, np.generic) else one for one in classes
            )
        if self.classes is not None and len(self.classes) != n_outputs:
            raise ValueError(
                f"classes must be one per output ({n_outputs}); got {len(self.classes)}"
            )
        for name, value in (("offset", self.offset), ("scale", self.scale)):
            if value.shape not in {(), feature_shape}:
                raise ValueError(
                    f"{name} must be one number or have shape {feature_shape}; got {value.shape}"
                )
            if not np.isfinite(value).all():
                raise ValueError(f"{name} must be finite; got {value}")
        if np.any(self.scale == 0):
            raise ValueError(f"scale must not be 0; got {self.scale}")

    @property
    def _normalization(self) -> dict[str, NDArray[Any]]:
        return {"offset": self.offset, "scale": self.scale}

    @abstractmethod
    def save(self, path: str | Path) -> None:
        """Write the predictor to files; :func:`load_network` reads it."""

    @abstractmethod
    def _output(self, X: ArrayLike) -> FloatArray:
        """Compute probabilities or values from raw inputs, shape (n_samples, n_outputs)."""

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict from raw inputs, in the units of the data set.

        Parameters
        ----------
        X : array_like, shape (n_samples, ...)

        Returns
        -------
        ndarray
            Labels, shape (n_samples,); or values, shape (n_samples, n_outputs) - in regression on one value,
            (n_samples,).

        Raises
        ------
        ValueError
            If the samples have another number of features than the network, or a feature is not finite.
        """
        output = self._output(_finite(X))
        if self.classes is not None:
            labels: NDArray[Any] = np.array(self.classes)[output.argmax(axis=1)]
            return labels
        return output[:, 0] if output.shape[1] == 1 else output

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Return class probabilities, shape (n_samples, n_classes).

        Raises
        ------
        ValueError
            In regression; otherwise as :meth:`predict`.
        """
        if self.classes is None:
            raise ValueError("predict_proba needs classes; this network does regression")
        return self._output(_finite(X))

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the accuracy, or in regression the coefficient of determination R²."""
        predicted, truth = self.predict(X), np.asarray(y)
        if self.classes is not None:
            return float(np.mean(predicted == truth))
        residual = float(np.sum((truth - predicted.reshape(truth.shape)) ** 2))
        return 1.0 - residual / float(np.sum((truth - truth.mean(axis=0)) ** 2))


def _finite(X: ArrayLike) -> NDArray[Any]:
    """Return raw inputs as an array; raise ValueError for NaN and infinity, which no label would show."""
    inputs = np.asarray(X)
    if inputs.dtype.kind == "f":
        check_finite("X", inputs)
    return inputs


class Predictor(RawPredictor):
    """An evolved network with its normalization and its labels, used like a fitted scikit-learn estimator.

    Parameters
    ----------
    genome : Genome
        Trained.
    loss : str
        The loss of its training, which decides how scores become predictions.
    offset, scale, classes
        As for :class:`RawPredictor`.
    """

    def __init__(
        self,
        genome: Genome,
        *,
        loss: str,
        offset: ArrayLike = 0.0,
        scale: ArrayLike = 1.0,
        classes: Sequence[str | int] | None = None,
    ) -> None:
        n_features = genome.n_features
        if (
            np.size(offset) == n_features * genome.ticks
            or np.size(scale) == n_features * genome.ticks
        ):
            n_features *= genome.ticks  # the features of a sequence
        shape = (n_features,)
        super().__init__(len(genome.outputs), shape, offset=offset, scale=scale, classes=classes)
        self.genome = genome
        self.loss = loss
        self.network = Phenotype(genome, loss)

    def save(self, path: str | Path) -> None:
        """Write the network to one ``.npz`` file; :func:`load_network` reads it.

        Raises
        ------
        ResultsError
            If the file cannot be written.
        """
        arrays, description = genome_to_arrays(self.genome)
        write_arrays(
            path,
            arrays | self._normalization,
            description | {"format": FORMAT, "loss": self.loss, "classes": self.classes},
        )

    def _output(self, X: ArrayLike) -> FloatArray:
        inputs = np.asarray(X, dtype=np.float64)
        inputs = inputs.reshape(len(inputs), -1)
        n_features, ticks = self.genome.n_features, self.genome.ticks
        if inputs.shape[1] not in {n_features, n_features * ticks}:
            sequence = f", or {n_features * ticks} of a sequence" if ticks > 1 else ""
            raise ValueError(
                f"X must have {n_features} features a sample{sequence}; got {inputs.shape[1]}"
            )
        normalized = (inputs - self.offset) / self.scale
        return self.network.output(normalized.astype(self.genome.values.dtype))


class BaselinePredictor(RawPredictor):
    """A layered network with its normalization and its labels, used like a fitted scikit-learn estimator.

    Parameters
    ----------
    network : Network
        Trained.
    offset, scale, classes
        As for :class:`RawPredictor`.
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
        """Write the network to one ``.npz`` file, and normalization and labels to ``<name>-inputs.npz`` beside it.

        :func:`load_network` reads both files; `cnn.load_model` reads the network alone.

        Raises
        ------
        ResultsError
            If a file cannot be written.
        """
        write_arrays(
            inputs_path(path),
            self._normalization,
            {"format": INPUTS_FORMAT, "classes": self.classes},
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
    """Return the path of the normalization and labels of a saved baseline.

    Examples
    --------
    >>> inputs_path("networks/seed-0-lenet5.npz").name
    'seed-0-lenet5-inputs.npz'
    """
    path = Path(path)
    return path.with_name(f"{path.stem}-inputs{path.suffix}")


def load_network(path: str | Path) -> Predictor | BaselinePredictor:
    """Load a network that :meth:`Predictor.save` or :meth:`BaselinePredictor.save` wrote.

    Raises
    ------
    ResultsError
        If a file is missing or is not such a file: one line with the file and the rule. Nothing in a file is executed.
    """
    arrays, description = read_arrays(path)
    kind = description.get("format")
    if kind == FORMAT:
        return _evolved(path, arrays, description)
    if kind == LAYERS_FORMAT:
        return _baseline(path)
    raise ResultsError(f"{path}: format must be {FORMAT} or {LAYERS_FORMAT}; got {kind!r}")


def _evolved(
    path: str | Path, arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any]
) -> Predictor:
    if description.get("loss") not in tuple(LOSSES):
        raise ResultsError(
            f"{path}: loss must be one of {', '.join(LOSSES)}; got {description.get('loss')!r}"
        )
    try:
        genome = genome_from_arrays(arrays, description)
        return Predictor(genome, loss=description["loss"], **_raw_inputs(arrays, description))
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{path}: not a network file ({error})") from error


def _baseline(path: str | Path) -> BaselinePredictor:
    try:
        network = load_model(path)
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # the message names the file
        raise ResultsError(str(error)) from error
    beside = inputs_path(path)
    arrays, description = read_arrays(beside)
    if description.get("format") != INPUTS_FORMAT:
        raise ResultsError(
            f"{beside}: format must be {INPUTS_FORMAT}; got {description.get('format')!r}"
        )
    try:
        return BaselinePredictor(network, **_raw_inputs(arrays, description))
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{beside}: not a baseline's inputs ({error})") from error


def _raw_inputs(
    arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the normalization and labels that a file holds."""
    return {name: arrays[name] for name in ("offset", "scale")} | {
        "classes": description["classes"]
    }
