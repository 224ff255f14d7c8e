"""A trained network for use: raw data in, labels or values out; saved to and loaded from one file."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn.checks import check_finite
from cnn.training.losses import LOSSES
from evo.errors import ResultsError
from evo.files import read_arrays, write_arrays
from evo.genome.codec import genome_from_arrays, genome_to_arrays
from evo.genome.genome import FloatArray, Genome
from evo.phenotype.phenotype import Phenotype

FORMAT = "evomatrix-network-1"


class RawPredictor(ABC):
    """A trained network with its normalisation and its labels, used like a fitted scikit-learn estimator.

    Parameters
    ----------
    n_outputs : int
        Of the network.
    feature_shape : tuple of int
        What shape a normalisation with a number for each feature has.
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
                raise ValueError(f"{name} must be finite")
        if np.any(self.scale == 0):
            raise ValueError("scale must not be 0")

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
            If the number of features is not that of the network, or one is not finite.
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
    """Return raw inputs as an array; ValueError where one is NaN or infinite: no label would show it."""
    inputs = np.asarray(X)
    if inputs.dtype.kind == "f":
        check_finite("X", inputs)
    return inputs


class Predictor(RawPredictor):
    """An evolved network with its normalisation and its labels, used like a fitted scikit-learn estimator.

    Parameters
    ----------
    genome : Genome
        Trained.
    loss : str
        The loss it was trained with; it says how scores become predictions.
    offset, scale : array_like
        Inputs are normalised as (x − offset) / scale.
    classes : sequence of str or int, optional
        Label of each output; None in regression.
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
            n_features *= genome.ticks  # of a sequence
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
            arrays | {"offset": self.offset, "scale": self.scale},
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


def load_network(path: str | Path) -> Predictor:
    """Load a network that :meth:`Predictor.save` wrote.

    Raises
    ------
    ResultsError
        If the file is missing or not such a file: one line naming file and rule. Nothing in a file is executed.
    """
    arrays, description = read_arrays(path)
    if description.get("format") != FORMAT:
        raise ResultsError(f"{path}: format must be {FORMAT}; got {description.get('format')!r}")
    if description.get("loss") not in tuple(LOSSES):
        raise ResultsError(
            f"{path}: loss must be one of {', '.join(LOSSES)}; got {description.get('loss')!r}"
        )
    try:
        return Predictor(
            genome_from_arrays(arrays, description),
            loss=description["loss"],
            offset=arrays["offset"],
            scale=arrays["scale"],
            classes=description["classes"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{path}: not a network file ({error})") from error
