"""Founders at the door of a run: those given by argument or file are read and checked, before any work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn import load_model
from cnn.checks import brief
from cnn.files import UNREADABLE, one_line
from evo import load_genomes
from evo.errors import EvoMatrixError, ResultsError, SettingsError
from evo.files import read_arrays
from evo.genome.genome import Genome
from evo.gradient_free.dense_population import check_dense_form
from evo.gradient_free.generation import LARGEST_NETWORK
from evo.initial.founders import create_founders, with_drawn_weights
from evo.initial.given import (
    OF_GRAPHS,
    OF_MATRICES,
    common_layers,
    is_graph,
    is_matrix,
    to_genome,
    with_scaled_outputs,
)
from evo.initial.map_founders import LayerShape
from evo.initial.settings import DENSITY, GRAPHS, FounderSettings
from evo.initial.topologies import TOPOLOGIES
from evo.layer_numbers import indices_of_layers
from evo.preparation import Normalization
from evo.rewards import EpisodeSplit
from evo.seeding import Purpose, generator
from evo.storage.predictor import (
    LAYERS_FORMAT,
    BaselinePredictor,
    Predictor,
    inputs_path,
    load_network,
)
from experiments.settings.experiment import Experiment
from experiments.studies.judgement import Source, Split

GRAPH_FILES = (".graphml", ".json")


@dataclass(frozen=True, eq=False)
class GivenFounders:
    """Founders that are not drawn.

    Attributes
    ----------
    genomes : tuple of Genome
        They take turns over the slots of the population.
    sources : tuple of str
        Where each comes from: the argument or the file.
    scalings : tuple of (Normalization or None)
        For each the scaling of the values that it predicts; None if it is taken as it is. Empty if all are taken so.
    """

    genomes: tuple[Genome, ...]
    sources: tuple[str, ...]
    scalings: tuple[Normalization | None, ...] = ()

    def of_split(self, split: Split) -> tuple[Genome, ...]:
        """Return the genomes with outputs that are scaled as the targets of a split.

        Raises
        ------
        SettingsError
            If the weights of a founder cannot take up another scaling. One line names the founder.
        """
        genomes = list(self.genomes)
        wanted = split.target_scaling
        for k, own in enumerate(self.scalings):
            if own is None or wanted is None:
                continue
            factor, offset = own.scale / wanted.scale, (own.offset - wanted.offset) / wanted.scale
            try:
                genomes[k] = with_scaled_outputs(genomes[k], factor, offset)
            except ValueError as error:
                raise SettingsError(f"{self.sources[k]}: {error}") from error
        return tuple(genomes)


def with_given_founders(experiment: Experiment, founders: Sequence[Any] | None) -> Experiment:
    """Return the experiment with ``founders.graph = "given"`` if founders are given to :func:`experiments.run`.

    Raises
    ------
    SettingsError
        If the settings ask for founders of another kind, or have settings of such founders.
    TypeError
        If `founders` is not a list.
    """
    if founders is None:
        return experiment
    if not isinstance(founders, list | tuple):
        kind = type(founders).__name__
        raise TypeError(f"founders must be a list, also if there is one founder; got {kind}")
    settings = experiment.founders
    if settings.graph == "given" and settings.files:
        raise SettingsError(
            f"founders.files must not be given together with the argument founders; got {list(settings.files)}"
        )
    fields = type(settings).model_fields
    own = {name: getattr(settings, name) for name in fields}
    own = {name: value for name, value in own.items() if value != fields[name].default}
    if own.get("density") == DENSITY:
        del own["density"]
    if own.setdefault("graph", "given") != "given":
        raise SettingsError(
            f'founders.graph must be "given", or left out, if founders are given; got {settings.graph!r}'
        )
    try:
        given = FounderSettings(**own)
    except SettingsError as error:
        raise SettingsError(f"founders.{error}") from None
    return experiment.model_copy(update={"founders": given})


def with_ticks_of(experiment: Experiment, dataset: Source) -> Experiment:
    """Return the experiment with founders that read one step of the sequences of a data set at each tick.

    Data without sequences, and given founders, which have ticks of their own, leave it as it is.

    Raises
    ------
    SettingsError
        If the settings ask for other ticks.
    """
    if not experiment.evolve or experiment.founders.graph == "given":
        return experiment
    return experiment.model_copy(update={"founders": _reading(experiment.founders, dataset)})


def _reading(settings: FounderSettings, dataset: Source) -> FounderSettings:
    """Return settings with the ticks of the sequences of a data set, if it has sequences."""
    ticks = dataset.n_ticks
    if ticks is None:
        return settings
    if settings.graph == "maps":
        raise SettingsError(
            f"founders.graph must not be \"maps\" for {dataset.name!r}, which has sequences; got 'maps'"
        )
    if settings.ticks not in {1, ticks}:
        raise SettingsError(
            f"founders.ticks must be {ticks} for the sequences of {dataset.name!r}, or be left out; got "
            f"{settings.ticks}"
        )
    return settings.model_copy(update={"ticks": ticks, "sequence": ticks > 1})


def check_founders(
    experiment: Experiment, split: Split, founders: Sequence[Any] | None = None
) -> GivenFounders | None:
    """Check that founders can read the data; return those that are given, or None if they are drawn.

    Parameters
    ----------
    experiment : Experiment
        With the result of :func:`with_given_founders`.
    split : DataSplit or EpisodeSplit
        The data set as a run splits it.
    founders : sequence, optional
        The argument of :func:`experiments.run`; by default the files of the settings are read.

    Raises
    ------
    EvoMatrixError
        If founders do not fit the data, exceed their size limit, or a file cannot be read. One line names the founder.
    """
    settings, dataset, shape = experiment.founders, split.dataset, split.input_shape
    if settings.graph != "given":
        settings = _reading(settings, dataset)
        inputs = settings.input_layer(shape)
        if settings.graph == "maps":
            settings.tap_counts(inputs, dataset.n_outputs)
        if settings.graph in GRAPHS.own:
            _check_own_graph(settings, inputs, dataset, "graph")
        if not TOPOLOGIES.own.keys().isdisjoint(settings.layer_topologies(1)):
            _check_own_graph(settings, inputs, dataset, "topology", _inputs_of(split))
        return None
    named = _named(settings, founders)
    population = experiment.evolution.population
    if not 1 <= len(named) <= population:
        raise SettingsError(
            f"founders must be from 1 to {population}, the population; got {len(named)}"
        )
    _check_settings(settings, named)
    settings = _reading(settings, dataset)
    genomes = [_read(name, source, settings, split) for name, source in named.items()]
    check_policy(experiment, genomes)
    scalings = () if settings.weights else tuple(map(_target_scaling, named.values()))
    given = GivenFounders(tuple(genomes), tuple(named), scalings)
    given.of_split(split)
    return given


def _inputs_of(split: Split) -> NDArray[Any] | None:
    """Return the inputs of the training part; None where there are no samples."""
    return None if isinstance(split, EpisodeSplit) else split.train.inputs


def _check_own_graph(
    settings: FounderSettings,
    inputs: LayerShape,
    dataset: Source,
    name: str,
    samples: NDArray[Any] | None = None,
) -> None:
    """Raise SettingsError if an own graph or topology, the setting `name`, draws no network for the data."""
    n_inputs, n_outputs, map_size = inputs.n_nodes, dataset.n_outputs, inputs.map_size
    try:
        create_founders(
            *(settings, n_inputs, n_outputs),
            n_founders=1,
            seed=0,
            map_size=map_size,
            samples=samples,
        )
    except ValueError as error:
        raise SettingsError(f"founders.{name}: {error}") from error


def _named(settings: FounderSettings, founders: Sequence[Any] | None) -> dict[str, Any]:
    """Return the founders, by a name that says where each comes from."""
    if founders is None:
        if not settings.files:
            raise SettingsError(
                'founders.files must name a file or more if founders.graph = "given"; got []'
            )
        return _read_files(settings.files)
    named: dict[str, Any] = {}
    for k, source in enumerate(founders):
        if isinstance(source, str | Path):
            read = _read_files([source])
            named |= {f"founders[{k}], {name}": one for name, one in read.items()}
        else:
            shape = f" of shape {np.shape(source)}" if isinstance(source, np.ndarray) else ""
            named[f"founders[{k}], {type(source).__name__}{shape}"] = source
    return named


def _read_files(paths: Sequence[str | Path]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in paths:
        found |= _read_file(Path(path))
    if len(found) < len(paths):
        raise SettingsError(f"founders.files must be different files; got {[*map(str, paths)]}")
    return found


def _read_file(path: Path) -> Mapping[str, Any]:
    """Read the founders of a file, by name: the path, and in a file of several genomes their numbers too."""
    if path.suffix in GRAPH_FILES:
        from evo.exchange.graph_files import read_graph  # noqa: PLC0415 - networkx

        return {str(path): read_graph(path)}
    if path.suffix == ".npy":
        try:
            return {str(path): np.load(path, mmap_mode="r", allow_pickle=False)}
        except UNREADABLE as error:
            reason = getattr(error, "strerror", None) or one_line(error)
            raise ResultsError(f"{path}: must be a file of one array ({reason})") from error
    if path.suffix != ".npz":
        known = ", ".join((".npz", ".npy", *GRAPH_FILES))
        raise SettingsError(
            f"{path}: the suffix of a founder's file must be one of {known}; got {path.suffix!r}"
        )
    _, description = read_arrays(path)
    if description.get("format") == LAYERS_FORMAT and not inputs_path(path).exists():
        try:
            return {str(path): load_model(path)}
        except ValueError as error:  # the message names the file
            raise ResultsError(str(error)) from error
    if "format" in description:
        return {str(path): load_network(path)}
    return {f"{path}, individual {k}": genome for k, genome in load_genomes(path).items()}


def _check_settings(settings: FounderSettings, named: Mapping[str, Any]) -> None:
    """Raise SettingsError for a setting that no founder takes, because each has its own."""
    taken: set[str] = set()
    for source in named.values():
        if is_matrix(source):
            taken |= {*OF_MATRICES}
        elif is_graph(source):
            taken |= {*OF_GRAPHS}
    if settings.weights is not None:
        taken.add("activation")
    for name in OF_MATRICES:
        value = getattr(settings, name)
        if name not in taken and value != type(settings).model_fields[name].default:
            raise SettingsError(
                f"founders.{name} must not be given, because all given founders have their own; got {value!r}"
            )


def _read(name: str, source: Any, settings: FounderSettings, split: Split) -> Genome:
    """Return a founder as a genome that fits the data."""
    dataset = split.dataset
    try:
        if isinstance(source, Predictor | BaselinePredictor):
            _check_classes(source, dataset)
            source = source.genome if isinstance(source, Predictor) else source.network
        genome = to_genome(
            source,
            settings,
            split.input_shape,
            dataset.n_outputs,
            inputs=split.preparation.input_names,
            outputs=dataset.output_names,
        )
        if dataset.n_ticks not in {None, genome.ticks}:
            raise ValueError(
                f"must have {dataset.n_ticks} ticks, one for each step of the sequences; got {genome.ticks}"
            )
        if settings.weights is not None and genome.threshold is not None:
            raise ValueError("must have no threshold if founders.weights are drawn; got one")
    except (EvoMatrixError, TypeError, ValueError) as error:
        raise SettingsError(f"{name}: {error}") from error
    return genome


def _target_scaling(source: Any) -> Normalization | None:
    """Return the scaling of the values that a founder predicts; None if it is no predictor of values."""
    if not isinstance(source, Predictor | BaselinePredictor) or source.classes is not None:
        return None
    return source.targets or Normalization("none", np.zeros(1), np.ones(1))


def _check_classes(predictor: Predictor | BaselinePredictor, dataset: Source) -> None:
    """Raise ValueError if a trained network has other classes, or the same in another order."""
    classes = None if predictor.classes is None else tuple(predictor.classes)
    wanted = None if dataset.classes is None else tuple(dataset.classes)
    if classes != wanted:
        raise ValueError(
            f"must have the classes of the data, {brief(wanted)}; got {brief(classes)}"
        )


def check_policy(experiment: Experiment, genomes: Sequence[Genome]) -> None:
    """Raise SettingsError if a policy needs layers, or maps or thresholds, that the founders do not have."""
    policy, layers = experiment.policy, common_layers(genomes)
    if policy.name == "layerwise" and not layers:
        raise SettingsError(
            'founders must have the same layers where policy.name = "layerwise"; got others'
        )
    method, have_maps = policy.method, any(genome.has_maps for genome in genomes)
    if method is None:
        return
    if not layers and (have_maps or method.needs_layers or method.fixed_layers):
        which = "with feature maps " if have_maps else ""
        raise SettingsError(
            f'founders {which}must have the same layers where policy.name = "{policy.name}"; got others'
        )
    if have_maps and method.needs_layers:
        raise SettingsError(
            f"founders must have no feature maps where new edges are predicted ({method.regrowth}); got some"
        )
    try:
        indices_of_layers("fixed_layers", method.fixed_layers, max(len(layers) - 1, 0))
    except ValueError as error:
        raise SettingsError(f"policy.{error}") from None
    if method.drops_one_by_one and any(genome.threshold_mode == "signed" for genome in genomes):
        raise SettingsError(
            'threshold_mode of founders must be "magnitude" where entries are dropped one by one '
            f'(policy.removal = {method.removal!r}); got "signed"'
        )


def check_compiled_form(experiment: Experiment, genome: Genome, what: str) -> None:
    """Raise SettingsError if an experiment asks for compiled code that does not suit a genome, one of `what`."""
    if experiment.evolution.engine == "compiled":
        where = 'where evolution.engine = "compiled"'
    elif experiment.policy.name == "compiled" and experiment.evolve:
        where = 'where policy.name = "compiled"'
    else:
        return
    if genome.n_nodes > LARGEST_NETWORK:
        raise SettingsError(
            f"{what} must have at most {LARGEST_NETWORK} nodes, inputs and outputs included, {where}; "
            f"got {genome.n_nodes}"
        )
    try:
        check_dense_form(genome)
    except ValueError as error:
        raise SettingsError(f"{what} {where}: {error}") from error


def founders_of_seed(
    experiment: Experiment, split: Split, given: GivenFounders | None, seed: int
) -> list[Genome]:
    """Return the founders of a run, one for each slot; fewer given founders than slots take turns."""
    settings, population = experiment.founders, experiment.evolution.population
    if given is None:
        inputs = settings.input_layer(split.input_shape)
        return create_founders(
            settings,
            inputs.n_nodes,
            split.dataset.n_outputs,
            map_size=inputs.map_size,
            n_founders=population,
            seed=seed,
            samples=_inputs_of(split),
        )
    own = given.of_split(split)
    genomes = [own[slot % len(own)] for slot in range(population)]
    if settings.weights is None:
        return genomes
    return [
        with_drawn_weights(genome, settings, rng=generator(seed, Purpose.FOUNDERS, 0, slot))
        for slot, genome in enumerate(genomes)
    ]


def layers_of_founders(
    experiment: Experiment, dataset: Source, shape: tuple[int, ...], given: GivenFounders | None
) -> tuple[int, ...]:
    """Return the number of nodes in each layer of the founders, or none."""
    if given is not None:
        return common_layers(given.genomes)
    settings = experiment.founders
    n_inputs = settings.input_layer(shape).n_nodes
    return settings.layer_sizes(n_inputs, dataset.n_outputs)
