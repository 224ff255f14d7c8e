"""Trained networks as predictors: raw rows in, labels or values out; saved to and loaded from files."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn import Network, load_model, save_model
from cnn.checks import brief
from cnn.compile.compilation import single_threaded_blas
from cnn.files import one_line
from cnn.readings import chosen_readings
from cnn.training.losses import LOSSES
from cnn.training.trainer import EVALUATION_BATCH
from evo.display import line_of, table_of
from evo.errors import DataError, ResultsError
from evo.evolution.metrics import accuracy, r2
from evo.exchange.onnx_preparation import prepared_to_onnx
from evo.files import read_arrays, write_arrays
from evo.genome.codec import genome_from_arrays, genome_to_arrays
from evo.genome.genome import FloatArray, Genome
from evo.phenotype.actor import Actor
from evo.phenotype.phenotype import Phenotype
from evo.preparation import (
    Normalization,
    Origin,
    Preparation,
    Prepared,
    Schema,
    SequenceSchema,
    match_labels,
)
from evo.preparation.labels import to_values
from evo.rewards import Interface
from evo.rewards.onnx_acting import acting_to_onnx

FORMAT = "evomatrix-network-1"
"""The format of an evolved network's file."""

LAYERS_FORMAT = "evomatrix-layers-1"
"""The format of a file that `cnn.save_model` wrote."""

INPUTS_FORMAT = "evomatrix-inputs-1"
"""The format of the file beside a baseline, with its preparation and labels."""


class RawPredictor(ABC):
    """A trained network with its preparation and its labels, used like a fitted scikit-learn estimator.

    Rows may be an array, a list, a data frame, a sparse matrix or the path of a CSV file. A frame is matched by the
    names of its columns, if the training data had names; further columns are left out. Rows that cannot be used raise
    one line that names row and column.

    Parameters
    ----------
    network : Phenotype or Network
        Trained.
    n_features, n_outputs : int
        Numbers of inputs and outputs of the network.
    preparation : Preparation
        Prepares raw rows for the network.
    classes : sequence of str or int, optional
        Label of each output; None in regression.
    targets : Normalization, optional
        How the values to regress on were scaled for the network; predictions are scaled back.
    target_names : sequence of str, optional
        Names of these values.

    Attributes
    ----------
    unseen_categories : dict of str to int
        After a prediction: for each column, how many values were categories that the training part did not have.
    acts : bool
        Whether a reward has judged the network; then it acts, and predicts nothing.
    """

    acts = False

    def __init__(
        self,
        network: Phenotype | Network,
        n_features: int,
        n_outputs: int,
        *,
        preparation: Preparation,
        classes: Sequence[str | int] | None,
        targets: Normalization | None,
        target_names: Sequence[str] | None,
    ) -> None:
        self.network = network
        self._n_features, self._n_outputs = n_features, n_outputs
        self.preparation = preparation
        self.unseen_categories: dict[str, int] = {}
        self.classes: tuple[str | int, ...] | None = None
        if classes is not None:  # NumPy's scalars are no JSON
            self.classes = tuple(
                one.item() if isinstance(one, np.generic) else one for one in classes
            )
        if self.classes is not None and len(self.classes) != n_outputs:
            raise ValueError(
                f"classes must be one per output ({n_outputs}); got {len(self.classes)}"
            )
        if targets is not None:
            _check_targets(targets, n_outputs, self.classes)
        self.targets = targets
        self.target_names = None if target_names is None else tuple(target_names)
        if self.target_names is not None:
            _check_target_names(self.target_names, n_outputs, self.classes)

    def _facts(self) -> dict[str, object]:
        return {
            "task": "regression" if self.classes is None else "classification",
            "features": self.n_features_in_,
            "outputs" if self.classes is None else "classes": self._n_outputs,
            "parameters": self.network.parameter_count,
            "macs": self.network.macs,
        }

    def __repr__(self) -> str:
        """Return one line."""
        return line_of(self, self._facts())

    def _repr_html_(self) -> str:
        """Return a small table for notebooks."""
        return table_of(self, self._facts())

    @abstractmethod
    def save(self, path: str | Path) -> Path:
        """Write the predictor to files; :func:`load_network` reads it. Return the path, with the suffix ``.npz``."""

    def to_onnx(self) -> Any:
        """Return the predictor as an ONNX model, with its preparation and its labels.

        Returns
        -------
        onnx.ModelProto
            Its inputs are raw rows: ``X``, float64, has the columns of numbers, booleans (0 and 1) and dates (seconds
            since 1970), NaN where a value is missing; of images, the samples in their shape. ``categories``, if there
            are such columns, has their texts, "" where a value is missing. Its outputs are ``label`` and
            ``probabilities``; in regression ``values``, in the units of the data set. The arithmetic of the network is
            float32. Rows that :meth:`predict` refuses are not refused. Sequences are ``X`` of shape (samples, steps,
            features), float64, padded to the longest length with anything finite, and ``lengths``, int64: how many
            steps each has. If steps have targets, outputs have an axis of steps, of which those after the last one mean
            nothing.

        Raises
        ------
        ImportError
            If ONNX is not installed.
        ValueError
            If a node has an own activation, the layers of a baseline cannot be converted (see :func:`evo.from_cnn`), or
            a baseline of layers reads sequences.
        """
        if isinstance(self.network, Network):
            network: Genome | Network = self.network
            loss = self.network.loss_function.name
        else:
            network, loss = self.network.to_genome(), self.network.loss_name
        return prepared_to_onnx(
            network,
            loss,
            preparation=self.preparation,
            classes=self.classes,
            targets=self.targets,
        )

    @property
    @abstractmethod
    def _dtype(self) -> np.dtype[Any]:
        """The dtype of the network's arithmetic."""

    @abstractmethod
    def _shaped(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Return prepared samples in the shape that the network reads."""

    # -- predictions ---------------------------------------------------------------------------------------------------

    def predict(self, X: object) -> NDArray[Any]:
        """Predict from raw rows, in the units of the data set.

        Parameters
        ----------
        X : array_like, DataFrame, path of a CSV file, ..., shape (n_samples, ...)
            Of sequences, a list of arrays of shape (steps, features), as in :meth:`experiments.Dataset.from_sequences`.

        Returns
        -------
        ndarray
            Labels, shape (n_samples,); or values, shape (n_samples, n_outputs) - in regression on one value,
            (n_samples,). If steps have targets, an array of objects: such an array for the steps of each sequence.

        Raises
        ------
        DataError
            If a row cannot be used: another number of features, a missing column, a number that is not finite, a value
            that is missing although no sample of the training data lacked it. It is a ``ValueError``.
        ValueError
            If a reward judged the network: :meth:`Predictor.act` acts on observations.
        """
        output, prepared = self._output(X)
        if self.classes is not None:
            labels: NDArray[Any] = self.classes_[output.argmax(axis=1)]
            return self._of_sequences(labels, prepared)
        return self._of_sequences(output[:, 0] if output.shape[1] == 1 else output, prepared)

    def predict_proba(self, X: object) -> FloatArray:
        """Return class probabilities, shape (n_samples, n_classes); if steps have targets, those of each sequence.

        Raises
        ------
        ValueError
            In regression; otherwise as :meth:`predict`.
        """
        if self.classes is None and not self.acts:
            raise ValueError("predict_proba needs classes; this network does regression")
        return self._of_sequences(*self._output(X))

    def score(self, X: object, y: object, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy, or in regression the coefficient of determination R².

        Parameters
        ----------
        X
            As for :meth:`predict`.
        y : array_like, Series or DataFrame, shape (n_samples,), (n_samples, 1) or (n_samples, n_outputs)
            Labels or values. A label that is none of the classes counts as wrong, if there are others that are. If
            steps have targets, those of all steps one after another, or a list of arrays, one for each sequence.
        sample_weight : array_like, shape (n_samples,), optional

        Raises
        ------
        DataError
            If there is not one label or value for each row, one is missing, no label is one of the classes, or labels
            are text where the classes are numbers, or numbers where they are text; otherwise as :meth:`predict`.
        """
        (output, _), origin = self._output(X), Origin("y")
        if self._is_per_step and isinstance(y, list | tuple) and np.ndim(y[0]) > 0:
            y = np.concatenate([np.asarray(one) for one in y])
        if not len(output):
            raise DataError("X must have at least one row for a score; got 0")
        on_classes = self.classes is not None
        truth: NDArray[Any]
        if self.classes is not None:
            truth = match_labels(y, self.classes, origin)
            if len(truth) and (truth < 0).all():
                label = np.asarray(y).ravel().tolist()[0]
                raise DataError(
                    f"y must have labels among the classes {brief(self.classes)}; got {label!r} and no such label"
                )
        else:
            truth = to_values(y, origin)
        if len(truth) != len(output):
            raise DataError(f"y must be one per row of X ({len(output)}); got {len(truth)}")
        if on_classes:
            return accuracy(truth, output, sample_weight)
        if truth.shape != output.shape:
            raise DataError(f"y must have {output.shape[1]} values a row; got {truth.shape[1]}")
        return r2(truth, output, sample_weight)

    @property
    def _is_per_step(self) -> bool:
        """Whether the network predicts at every step of a sequence."""
        schema = self.preparation.schema
        return isinstance(schema, SequenceSchema) and schema.per_step

    def _of_sequences(self, of_steps: NDArray[Any], prepared: Prepared) -> NDArray[Any]:
        """Return what is predicted at steps as one array for each sequence; other predictions as they are."""
        if not self._is_per_step or prepared.readings is None:
            return of_steps
        parts = np.split(of_steps, np.cumsum(np.bincount(prepared.readings[0]))[:-1])
        arrays = np.empty(len(parts), dtype=object)
        arrays[:] = parts
        return arrays

    def _output(self, X: object) -> tuple[FloatArray, Prepared]:
        """Compute probabilities or values from raw rows, shape (n_targets, n_outputs); return the rows too."""
        if self.acts:
            raise ValueError(
                "predict, predict_proba and score need a network that samples have trained; a reward judged this "
                "network: act(observation) gives the action for one observation of an episode"
            )
        prepared = self.preparation.transform(X, dtype=self._dtype)
        self.unseen_categories = prepared.unseen
        if prepared.unseen:
            counts = ", ".join(f"{n} of {column!r}" for column, n in prepared.unseen.items())
            warnings.warn(
                f"X has categories that the training part did not have; they count as none: {counts}",
                stacklevel=3,
            )
        inputs = self._shaped(prepared.inputs)
        blocks = range(0, len(inputs), EVALUATION_BATCH)
        with single_threaded_blas(), np.errstate(all="ignore"):
            outputs = [
                self._output_of(inputs[start : start + EVALUATION_BATCH], start, prepared.readings)
                for start in blocks
            ]
        output = np.concatenate([np.empty((0, self._n_outputs), self._dtype), *outputs])
        return output if self.targets is None else self.targets.restore(output), prepared

    def _output_of(
        self, inputs: NDArray[Any], start: int, readings: NDArray[np.int64] | None
    ) -> FloatArray:
        """Compute the outputs of some prepared samples, of which `start` is the first."""
        if readings is None:
            return self.network.output(inputs)
        if isinstance(self.network, Network):
            schema = self.preparation.schema
            raise DataError(
                f"X must have sequences of {schema.sample_shape[0]} steps for a network of layers; got shorter ones"
            )
        of_block, _ = chosen_readings(readings, np.arange(start, start + len(inputs)))
        return self.network.output(inputs, of_block)

    # -- what scikit-learn's tools ask ---------------------------------------------------------------------------------

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes, as an array; only of a classifier."""
        if self.classes is None:
            raise AttributeError("classes_ is there in classification only")
        return np.array(self.classes)

    @property
    def output_names(self) -> tuple[str, ...] | None:
        """Names of the outputs: the labels of classes as text, or the names of values, if they have names."""
        return self.target_names if self.classes is None else tuple(map(str, self.classes))

    @property
    def n_features_in_(self) -> int:
        """Number of raw features of a sample."""
        shape = self.preparation.schema.shape
        return prod(shape) if shape else self._n_features

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Names of the raw features; only if the training data had names."""
        names = self.preparation.schema.names
        if names is None:
            raise AttributeError("feature_names_in_ is there only if the training data had names")
        return np.array(names, dtype=object)

    def fit(self, X: object, y: object = None) -> Self:
        """Leave the network as it is, with a warning: it is trained already."""
        warnings.warn(
            "this network is trained already; fit leaves it as it is, so a cross-validation scores one network, "
            "which may know the held-out samples",
            stacklevel=2,
        )
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return no parameters: a trained network has none."""
        return {}

    def set_params(self, **parameters: object) -> Self:
        """Accept no parameters."""
        if parameters:
            raise ValueError(f"a trained network has no parameters; got {', '.join(parameters)}")
        return self

    def __sklearn_clone__(self) -> Self:
        """Return the predictor itself, as scikit-learn's frozen estimators do."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Return True."""
        return True

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags of a classifier or regressor."""
        from sklearn.utils import (  # noqa: PLC0415 - slow to import
            ClassifierTags,
            InputTags,
            RegressorTags,
            Tags,
            TargetTags,
        )

        schema, on_classes = self.preparation.schema, self.classes is not None
        return Tags(
            estimator_type="classifier" if on_classes else "regressor",
            target_tags=TargetTags(required=True, multi_output=not on_classes),
            classifier_tags=ClassifierTags() if on_classes else None,
            regressor_tags=None if on_classes else RegressorTags(),
            input_tags=InputTags(
                sparse=True,
                three_d_array=len(schema.shape) > 1,
                categorical=bool(schema.category_columns),
                string=bool(schema.category_columns),
                allow_nan=bool(schema.gaps),
            ),
        )


class Predictor(RawPredictor):
    """An evolved network with its preparation and its labels, used like a fitted scikit-learn estimator.

    Parameters
    ----------
    genome : Genome
        Trained.
    loss : str
        The loss of its training, which decides how scores become predictions.
    preparation : Preparation, optional
        By default rows are read as they are.
    classes : sequence of str or int, optional
        Label of each output; None in regression.
    targets : Normalization, optional
        How the values to regress on were scaled for the network; predictions are scaled back.
    target_names : sequence of str, optional
        Names of these values.
    interface : Interface, optional
        How :meth:`act` turns observations into inputs, and outputs into actions; by default both are numbers as they
        are.
    acts : bool, default False
        Whether a reward has judged the network; one with an `interface` acts.
    """

    network: Phenotype

    def __init__(
        self,
        genome: Genome,
        *,
        loss: str,
        preparation: Preparation | None = None,
        classes: Sequence[str | int] | None = None,
        targets: Normalization | None = None,
        target_names: Sequence[str] | None = None,
        interface: Interface | None = None,
        acts: bool = False,
    ) -> None:
        preparation = preparation or Preparation.scaling(())
        n_inputs = prod(preparation.sample_shape)
        if preparation.schema.shape and n_inputs not in _sizes(genome):
            raise ValueError(
                f"preparation must be of {' or '.join(map(str, _sizes(genome)))} inputs; got {n_inputs}"
            )
        super().__init__(
            Phenotype(genome, loss),
            genome.n_features,
            len(genome.outputs),
            preparation=preparation,
            classes=classes,
            targets=targets,
            target_names=target_names,
        )
        self.genome = genome
        self.loss = loss
        _check_interface(interface, genome)
        self.interface = interface
        self.acts = acts or interface is not None
        self._actor: Actor | None = None

    def _facts(self) -> dict[str, object]:
        return super()._facts() | ({"task": "reward"} if self.acts else {})

    def act(self, observation: ArrayLike, *, rng: np.random.Generator | None = None) -> Any:
        """Act on an observation of an episode, which began with the first call or with :meth:`reset`.

        Parameters
        ----------
        observation : array_like
            As the environment gives it.
        rng : numpy.random.Generator, optional
            Draws choices by the softmax of their outputs; by default the alternative of the largest output is chosen.

        Returns
        -------
        int or ndarray
            The action, as the environment takes it; without an `interface` the outputs, shape (n_outputs,).

        Raises
        ------
        ValueError
            If the observation is no array of numbers or has another number of them, or a choice is none of the
            alternatives.
        """
        if self._actor is None:
            self._actor = Actor(self.network)
        if self.interface is None:
            return self._actor.act(observation)
        inputs = self.interface.observations.encode(observation)
        return self.interface.actions.decode(self._actor.act(inputs), rng)

    def reset(self) -> None:
        """Forget all observations: the next one is the first of an episode."""
        if self._actor is not None:
            self._actor.reset()

    def to_onnx(self) -> Any:
        """Return the predictor as an ONNX model, with its preparation and its labels, or with its interface.

        Returns
        -------
        onnx.ModelProto
            Of a network that samples have trained, as :meth:`RawPredictor.to_onnx`. A network that acts has the input
            ``observation``, shape (samples, numbers): an observation as the environment gives it, flat, float64, or
            int64 if it is of choices. Its outputs are ``values``, those of the output nodes, and ``action``, what
            :meth:`act` returns without `rng`. A network with memory also has the input ``state``, float32 of shape
            (samples, n), and the output ``next_state``: the state for the next observation of the episode, which
            begins with zeros.

        Raises
        ------
        ImportError
            If ONNX is not installed.
        ValueError
            If a node has an own activation.
        """
        if self.acts:
            return acting_to_onnx(self.network.to_genome(), self.interface)
        return super().to_onnx()

    def save(self, path: str | Path) -> Path:
        """Write the network to one ``.npz`` file; :func:`load_network` reads it.

        Parameters
        ----------
        path : str or Path
            The suffix ``.npz`` is added where it is missing.

        Returns
        -------
        Path
            The path of the file.

        Raises
        ------
        ResultsError
            If the file cannot be written.
        """
        path = with_suffix(path)
        arrays, description = genome_to_arrays(self.genome)
        own_arrays, own = _describe(self)
        if self.interface is not None:
            own["interface"] = self.interface.to_values()
        elif self.acts:
            own["acts"] = True
        write_arrays(
            path, arrays | own_arrays, description | own | {"format": FORMAT, "loss": self.loss}
        )
        return path

    @property
    def _dtype(self) -> np.dtype[Any]:
        return self.genome.values.dtype

    def _shaped(self, inputs: NDArray[Any]) -> NDArray[Any]:
        flat = inputs.reshape(len(inputs), prod(inputs.shape[1:]))
        if flat.shape[1] not in _sizes(self.genome):
            n_features, *of_sequence = _sizes(self.genome)
            sequence = f", or {of_sequence[0]} of a sequence" if of_sequence else ""
            raise DataError(
                f"X must have {n_features} features a sample{sequence}; got {flat.shape[1]}"
            )
        return flat


class BaselinePredictor(RawPredictor):
    """A layered network with its preparation and its labels, used like a fitted scikit-learn estimator.

    Parameters
    ----------
    network : Network
        Trained.
    preparation : Preparation, optional
        By default rows are read as they are.
    classes : sequence of str or int, optional
        Label of each output; None in regression.
    targets : Normalization, optional
        How the values to regress on were scaled for the network; predictions are scaled back.
    target_names : sequence of str, optional
        Names of these values.
    """

    network: Network

    def __init__(
        self,
        network: Network,
        *,
        preparation: Preparation | None = None,
        classes: Sequence[str | int] | None = None,
        targets: Normalization | None = None,
        target_names: Sequence[str] | None = None,
    ) -> None:
        shape = tuple(network.input_shape)
        preparation = preparation or Preparation.scaling(shape)
        if prod(preparation.sample_shape) != prod(shape):
            raise ValueError(
                f"preparation must be of samples of shape {shape}; got {preparation.sample_shape}"
            )
        super().__init__(
            network,
            prod(shape),
            network.output_shape[0],
            preparation=preparation,
            classes=classes,
            targets=targets,
            target_names=target_names,
        )

    def save(self, path: str | Path) -> Path:
        """Write the network to one ``.npz`` file, and preparation and labels to ``<name>-inputs.npz`` beside it.

        :func:`load_network` reads both files; `cnn.load_model` reads the network alone.

        Parameters
        ----------
        path : str or Path
            The suffix ``.npz`` is added where it is missing.

        Returns
        -------
        Path
            The path of the first file.

        Raises
        ------
        ResultsError
            If a file cannot be written.
        """
        path = with_suffix(path)
        arrays, description = _describe(self)
        write_arrays(inputs_path(path), arrays, description | {"format": INPUTS_FORMAT})
        try:
            save_model(self.network, path)
        except OSError as error:
            raise ResultsError(f"{path}: cannot be written ({error.strerror})") from error
        return path

    @property
    def _dtype(self) -> np.dtype[Any]:
        return self.network.dtype

    def _shaped(self, inputs: NDArray[Any]) -> NDArray[Any]:
        return inputs.reshape(len(inputs), *self.network.input_shape)


def _check_interface(interface: Interface | None, genome: Genome) -> None:
    """Raise ValueError unless an interface suits a network, for it may come from a file."""
    if interface is None:
        return
    sizes = interface.observations.n_inputs, interface.actions.n_outputs
    wanted = genome.n_features, len(genome.outputs)
    if sizes != wanted:
        raise ValueError(
            f"interface must be of {wanted[0]} inputs and {wanted[1]} outputs; got {sizes[0]} and {sizes[1]}"
        )


def _sizes(genome: Genome) -> tuple[int, ...]:
    """Return how many features a sample of a network has: of one tick, or of a sequence."""
    n = genome.n_features
    return (n,) if genome.ticks == 1 else (n, n * genome.ticks)


def with_suffix(path: str | Path) -> Path:
    """Return a path that ends in ``.npz``.

    Examples
    --------
    >>> with_suffix("winner.v2").name, with_suffix("winner.npz").name
    ('winner.v2.npz', 'winner.npz')
    """
    path = Path(path)
    return path if path.suffix == ".npz" else path.with_name(f"{path.name}.npz")


def inputs_path(path: str | Path) -> Path:
    """Return the path of the preparation and labels of a saved baseline.

    Examples
    --------
    >>> inputs_path("networks/seed-0-lenet5.npz").name
    'seed-0-lenet5-inputs.npz'
    """
    path = Path(path)
    return path.with_name(f"{path.stem}-inputs{path.suffix}")


def load_network(path: str | Path) -> Predictor | BaselinePredictor:
    """Load a network that :meth:`Predictor.save` or :meth:`BaselinePredictor.save` wrote.

    Parameters
    ----------
    path : str or Path
        The suffix ``.npz`` may be left out.

    Raises
    ------
    ResultsError
        If a file is missing or is not such a file: one line with the file and the rule. Nothing in a file is executed.
    """
    path = (
        Path(path) if Path(path).is_file() or not with_suffix(path).is_file() else with_suffix(path)
    )
    arrays, description = read_arrays(path)
    kind = description.get("format")
    if kind == FORMAT:
        return _evolved(path, arrays, description)
    if kind == LAYERS_FORMAT:
        return _baseline(path)
    raise ResultsError(f"{path}: format must be {FORMAT} or {LAYERS_FORMAT}; got {brief(kind)}")


def _evolved(
    path: Path, arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any]
) -> Predictor:
    if description.get("loss") not in tuple(LOSSES):
        raise ResultsError(
            f"{path}: loss must be one of {', '.join(LOSSES)}; got {brief(description.get('loss'))}"
        )
    try:
        genome = genome_from_arrays(arrays, description)
        shape = (
            arrays["offset"].shape or arrays["scale"].shape
        )  # () in files of older versions is any shape
        described = _described(arrays, description, shape)
        if "interface" in description:
            described["interface"] = Interface.from_values(description["interface"])
        described["acts"] = description.get("acts") is True
        return Predictor(genome, loss=description["loss"], **described)
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{path}: not a network file ({one_line(error)})") from error


def _baseline(path: Path) -> BaselinePredictor:
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
            f"{beside}: format must be {INPUTS_FORMAT}; got {brief(description.get('format'))}"
        )
    try:
        shape = tuple(network.input_shape)
        return BaselinePredictor(network, **_described(arrays, description, shape))
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{beside}: not a baseline's inputs ({one_line(error)})") from error


def _describe(predictor: RawPredictor) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays and the description of a predictor's preparation and labels."""
    arrays, description = predictor.preparation.to_arrays()
    described: dict[str, Any] = {"preparation": description, "classes": predictor.classes}
    targets = predictor.targets
    if targets is not None:
        arrays |= {"target_offset": targets.offset, "target_scale": targets.scale}
        described["targets"] = targets.method
    if predictor.target_names is not None:
        described["target_names"] = predictor.target_names
    return arrays, described


def _described(
    arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any], shape: tuple[int, ...]
) -> dict[str, Any]:
    """Return the preparation and labels that a file holds; those of older versions have a scaling of float32 alone."""
    if "preparation" in description:
        preparation = Preparation.from_arrays(arrays, description["preparation"])
    else:
        normalization = Normalization("none", arrays["offset"], arrays["scale"])
        preparation = Preparation(Schema(shape, precision=("float32",)), normalization)
    described = {"preparation": preparation, "classes": description["classes"]}
    if "targets" in description:
        scaling = arrays["target_offset"], arrays["target_scale"]
        described["targets"] = Normalization(description["targets"], *scaling)
    if "target_names" in description:
        described["target_names"] = description["target_names"]
    return described


def _check_targets(targets: Normalization, n_outputs: int, classes: object) -> None:
    """Raise ValueError unless a scaling is one of the values of each output, for it may come from a file."""
    if classes is not None:
        raise ValueError("targets must be None where there are classes; got a scaling")
    for name in ("offset", "scale"):
        value = getattr(targets, name)
        if value.dtype != np.float64 or value.shape != (n_outputs,) or not np.isfinite(value).all():
            raise ValueError(
                f"{name} of targets must be {n_outputs} finite float64; got {value.dtype} of shape {value.shape}"
            )
    if (targets.scale == 0).any():
        raise ValueError(f"scale of targets must not be 0; got {targets.scale}")


def _check_target_names(names: tuple[Any, ...], n_outputs: int, classes: object) -> None:
    """Raise ValueError unless names are a text for each value to regress on, for they may come from a file."""
    if classes is not None:
        raise ValueError(f"target_names must be None where there are classes; got {brief(names)}")
    if len(names) != n_outputs or not all(isinstance(name, str) for name in names):
        raise ValueError(f"target_names must be {n_outputs} texts; got {brief(names)}")
