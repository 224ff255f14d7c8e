"""The arms that do not evolve: fixed networks, built from settings.

An arm is a function that builds a network, and a registry entry.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from cnn import HiddenLayer, Network, RasterizationLayer, SoftmaxLayer, lenet1, lenet5, small_cnn
from cnn.augmentation import check_images
from cnn.layers.layer import Layer
from cnn.training.descent import Trainable, missing_options
from cnn.training.recipe import Recipe
from cnn.training.recipe_genes import RecipeGenes, with_genes
from evo.errors import SettingsError
from evo.evolution.job import Task
from evo.evolution.tasks import SampleTask
from evo.genome.genome import Genome
from evo.initial.fresh import with_fresh_weights
from evo.phenotype.phenotype import Dormant, Phenotype
from evo.preparation import SequenceSchema
from evo.rewards import EpisodeSource
from evo.seeding import Purpose, generator
from experiments.arms.reservoir import Readout, draw_reservoir
from experiments.arms.settings import ARMS, SEARCHED, BaselineSettings
from experiments.arms.shuffling import shuffled_wiring
from experiments.datasets import Dataset


class Sized(Trainable, Protocol):
    """A trainable network that knows its cost."""

    @property
    def parameter_count(self) -> int:
        """Trainable numbers."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample."""


class NoNetworkError(ValueError):
    """An arm that does not exist for one winner, with the reason."""


@dataclass(frozen=True, eq=False)
class Evolved:
    """What a search gives to the arms beside it.

    Attributes
    ----------
    founder, winner : Genome
        The founder of the winner, before any training, and the winner.
    training_macs : int or None
        Multiply-accumulates of the forward passes of training of the whole search; None if they are not known.
    """

    founder: Genome
    winner: Genome
    training_macs: int | None = None


@dataclass(frozen=True, eq=False)
class ModelSpec:
    """The specification from which an arm is built.

    Attributes
    ----------
    dataset : Dataset or EpisodeSource
    input_shape : tuple of int
        Shape of a prepared sample.
    loss : str
    settings : BaselineSettings
    evolved : Evolved or None
        The search beside which the arm is trained; None where nothing evolves.
    rng : numpy.random.Generator
        For starting weights.
    dormant : {"frozen", "straight_through"}
        How dormant entries of evolved networks are trained.
    layers : tuple of int
        Number of nodes in each layer of the founders; empty without layers.
    """

    dataset: Dataset | EpisodeSource
    input_shape: tuple[int, ...]
    loss: str
    settings: BaselineSettings
    evolved: Evolved | None
    rng: np.random.Generator
    dormant: Dormant = "frozen"
    layers: tuple[int, ...] = ()


def _cnn(spec: ModelSpec) -> Sized:
    """Build convolution - pooling - rasterisation - hidden - softmax."""
    settings = spec.settings
    (hidden,) = _widths(settings)
    build = partial(small_cnn, maps=settings.maps, kernel=settings.kernel, hidden=hidden)
    return _convolutional(build, spec)


def _convolutional(build: Callable[..., Network], spec: ModelSpec) -> Sized:
    """Build a convolutional network; the builder chooses what the settings leave open."""
    settings = spec.settings
    return build(
        spec.input_shape,
        spec.dataset.n_outputs,
        rng=spec.rng,
        activation=settings.activation,
        loss=spec.loss,
        **({} if settings.pooling is None else {"pooling": settings.pooling}),
    )


def _mlp(spec: ModelSpec) -> Sized:
    """Build one or several hidden layers, and an output layer."""
    n_outputs = spec.dataset.n_outputs
    on_values = spec.dataset.task == "regression"
    last: Layer = HiddenLayer(n_outputs, "identity") if on_values else SoftmaxLayer(n_outputs)
    first: list[Layer] = [RasterizationLayer()] if len(spec.input_shape) > 1 else []
    activation = spec.settings.activation
    hidden = [HiddenLayer(width, activation) for width in _widths(spec.settings)]
    layers = [*first, *hidden, last]
    return Network(layers, spec.input_shape, spec.loss, rng=spec.rng)


def _widths(settings: BaselineSettings) -> tuple[int, ...]:
    """Return the number of nodes in each hidden layer."""
    return (settings.hidden,) if isinstance(settings.hidden, int) else settings.hidden


def _static(spec: ModelSpec) -> Sized:
    """Compile the founder of the winner, before any training; it is trained like the evolved networks."""
    return Phenotype(_evolved("static", spec).founder, spec.loss, dormant=spec.dormant)


def _retrained(spec: ModelSpec) -> Sized:
    """Draw new weights for the winner's active edges: it is trained from scratch."""
    winner = _evolved("retrained", spec).winner
    return Phenotype(with_fresh_weights(winner, rng=spec.rng), spec.loss)


def _shuffled(spec: ModelSpec) -> Sized:
    """Shuffle the winner's wiring within degrees and layers, and draw new weights: it is trained from scratch."""
    wired, n_changed = shuffled_wiring(_evolved("shuffled", spec).winner, spec.layers, rng=spec.rng)
    if n_changed == 0:
        raise NoNetworkError("no other wiring was found that has the winner's degrees and layers")
    return Phenotype(with_fresh_weights(wired, rng=spec.rng), spec.loss)


def _evolved(arm: str, spec: ModelSpec) -> Evolved:
    """Return the search behind an arm; raise SettingsError if nothing evolved."""
    if spec.evolved is None:
        raise SettingsError(f"baseline.arms: {arm} is made of the winner, and nothing evolved")
    return spec.evolved


def _lenet1(spec: ModelSpec) -> Sized:
    """Build LeCun's LeNet-1."""
    return _convolutional(lenet1, spec)


def _lenet5(spec: ModelSpec) -> Sized:
    """Build LeCun's LeNet-5."""
    return _convolutional(lenet5, spec)


def _reservoir(spec: ModelSpec) -> Sized:
    """Build a recurrent network with fixed random weights, of which the readout alone trains."""
    (hidden,) = _widths(spec.settings)
    ticks, n_inputs = spec.input_shape
    genome = draw_reservoir(
        *(n_inputs, hidden, spec.dataset.n_outputs),
        ticks=ticks,
        spectral_radius=spec.settings.spectral_radius,
        rng=spec.rng,
    )
    return Readout(Phenotype(genome, spec.loss))


ARMS.fill(
    {
        "cnn": _cnn,
        "lenet1": _lenet1,
        "lenet5": _lenet5,
        "mlp": _mlp,
        "static": _static,
        "retrained": _retrained,
        "shuffled": _shuffled,
        "reservoir": _reservoir,
        "cnn_search": _cnn,
        "cnn_pbt": _cnn,
    }
)

OF_IMAGES = frozenset({"cnn", *SEARCHED, "lenet1", "lenet5"})
"""The arms that need images."""

OF_ONE_READING = OF_IMAGES | {"mlp"}
"""The arms whose outputs are read once for each sample."""


def check_arms(
    settings: BaselineSettings,
    recipe: Recipe,
    genes: RecipeGenes,
    dataset: Dataset,
    shape: tuple[int, ...],
) -> None:
    """Raise SettingsError if an arm, the recipe or its genes do not suit the data.

    Prepared samples of the data have this shape.
    """
    _check_recipe(recipe, dataset, shape, "training")
    largest = with_genes(recipe, genes.largest)
    _check_recipe(largest, dataset, shape, "evolution.recipe_genes: training")
    for arm in settings.arms:
        if arm == "cnn_pbt":
            largest = with_genes(recipe, settings.pbt.genes(genes).largest)
            _check_recipe(largest, dataset, shape, "baseline.pbt.recipe_genes: training")
        elif arm in SEARCHED:
            for candidate, _ in settings.search.recipes(recipe):
                _check_recipe(candidate, dataset, shape, "baseline.search.training")
        if arm in OF_ONE_READING and dataset.has_unequal_sequences:
            raise SettingsError(
                f"baseline.arms: {arm} needs sequences of one length with one target each, and those of "
                f"{dataset.name!r} have others"
            )
        if arm == "reservoir" and not isinstance(dataset.schema, SequenceSchema):
            raise SettingsError(
                f"baseline.arms: reservoir needs sequences, and {dataset.name!r} has samples of shape {shape}"
            )
        if arm not in OF_IMAGES:
            if arm in ARMS.own:
                _check_own_arm(arm, settings, recipe, dataset, shape)
            continue
        if len(shape) not in {2, 3}:
            raise SettingsError(
                f"baseline.arms: {arm} needs images, and a sample of {dataset.name!r} has shape "
                f"{shape}; use mlp"
            )
        if arm in {"cnn", *SEARCHED} and min(shape[-2:]) < settings.kernel:
            raise SettingsError(
                f"baseline.kernel must be at most {min(shape[-2:])}, the images' shorter side; "
                f"got {settings.kernel}"
            )
        try:
            ARMS[arm](
                ModelSpec(
                    dataset, shape, loss_of(dataset), settings, None, np.random.default_rng(0)
                )
            )
        except ValueError as error:
            raise SettingsError(
                f"baseline.arms: {arm} does not suit {dataset.name!r}: {error}"
            ) from error


def _check_recipe(recipe: Recipe, dataset: Dataset, shape: tuple[int, ...], section: str) -> None:
    """Raise SettingsError if a recipe, which is given in a section of the settings, does not suit the data."""
    if recipe.label_smoothing and dataset.task == "regression":
        raise SettingsError(
            f"{section}.label_smoothing must be 0 for {dataset.name!r}, which has no classes; got "
            f"{recipe.label_smoothing}"
        )
    if recipe.augmentation.is_on and isinstance(dataset.schema, SequenceSchema):
        raise SettingsError(
            f"{section}.augmentation must be off for {dataset.name!r}, which has sequences and no images"
        )
    try:
        check_images(recipe.augmentation, shape, f"{section}.augmentation")
    except ValueError as error:
        raise SettingsError(f"{error} in {dataset.name!r}") from None


TRAINABLE = ("parameters", "loss_and_gradients", "loss", "output", "parameter_count", "macs")
"""What training needs of a network."""


def _check_own_arm(
    arm: str, settings: BaselineSettings, recipe: Recipe, dataset: Dataset, shape: tuple[int, ...]
) -> None:
    """Raise SettingsError if an own arm builds no network for the data, or none that the recipe can train."""
    spec = ModelSpec(dataset, shape, loss_of(dataset), settings, None, np.random.default_rng(0))
    try:
        network = ARMS[arm](spec)
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"baseline.arms: {arm} does not suit {dataset.name!r}: {error}"
        ) from error
    missing = [name for name in TRAINABLE if not hasattr(network, name)]
    if missing:
        raise SettingsError(
            f"baseline.arms: {arm} must build a network that can be trained; got {type(network).__name__} without "
            f"{', '.join(missing)}"
        )
    for name in missing_options(network, recipe):
        raise SettingsError(
            f"training.{name} must be 0 for the arm {arm}, for loss_and_gradients of its network has no "
            f"parameter {name}; got {getattr(recipe, name)}"
        )
    shape = network.output(np.zeros((1, *shape), np.float32)).shape
    if shape != (1, dataset.n_outputs):
        raise SettingsError(
            f"baseline.arms: {arm} must give {dataset.n_outputs} outputs for {dataset.name!r}; got shape {shape} for "
            "one sample"
        )


def loss_of(dataset: Dataset) -> str:
    """Return the name of the loss for the targets of a data set."""
    return "cross_entropy" if dataset.task == "classification" else "squared_error"


def build_arm(
    arm: str,
    dataset: Dataset | EpisodeSource,
    settings: BaselineSettings,
    evolved: Evolved | None,
    task: Task,
    restart: int = 0,
) -> Sized:
    """Build an arm's network, with starting weights from the run's seed and the number of the restart.

    Raises
    ------
    NoNetworkError
        If there is no such network for this winner.
    """
    shape = task.train.inputs.shape[1:] if isinstance(task, SampleTask) else dataset.input_shape
    spec = ModelSpec(
        dataset,
        shape,
        task.loss,
        settings,
        evolved,
        generator(task.seed, Purpose.BASELINE, 0, restart),
        task.evolution.dormant,
        task.layers,
    )
    network: Sized = ARMS[arm](spec)
    return network
