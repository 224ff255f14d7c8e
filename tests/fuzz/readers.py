"""All readers of files and records from outside: what each reads, how inputs are damaged, and what it may raise.

A reader is one entry of :data:`READERS`. Its valid inputs are made by the project's own writers; `corpus/<reader>/`
keeps inputs that once went wrong.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fuzz.mutations import (
    as_json,
    damaged_archive,
    damaged_bytes,
    damaged_idx,
    damaged_text,
    damaged_value,
)

import cnn
from cnn.training.curve import LearningCurve
from cnn.training.fitting import FitState
from cnn.training.trainer import OptimizerState
from evo import (
    OPERATORS,
    BaselinePredictor,
    DataError,
    FounderSettings,
    GenomeEditor,
    Phenotype,
    Predictor,
    Preparation,
    ResultsError,
    SettingsError,
    create_founders,
    load_genomes,
    load_graph,
    load_network,
    read_table,
    replay,
    save_graph,
)
from evo.evolution.individual import failed_individual
from evo.evolution.job import Job
from evo.evolution.statistics import describe
from evo.files import read_arrays, write_arrays
from evo.genome.codec import genome_to_arrays
from evo.operators.operation import Operation, OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation
from evo.preparation import Origin, Schema, Sequences, SequenceSchema
from evo.recombination import Mate
from evo.storage import RunStore
from evo.storage.individuals import load_individuals, save_individuals
from evo.storage.journal import JOURNAL, read_journal
from evo.storage.training_state import (
    PopulationState,
    TrainingState,
    load_population,
    load_training,
    save_population,
    save_training,
)
from experiments import Dataset, load_experiment, load_study
from experiments.datasets.idx import read_idx
from experiments.settings.experiment import preset_text

Damage = Callable[[Any, list[Any], np.random.Generator], Any]


@dataclass(frozen=True)
class Reader:
    """A reader and how it is tried.

    Attributes
    ----------
    file
        Name of the file that it reads; empty where it reads a value of JSON.
    read
        Called with the path, or the value.
    errors
        The errors that it declares.
    valid
        Called with an empty folder; returns valid inputs, as bytes or values of JSON. What the reader needs beside its
        file stays in the folder.
    damage
        Returns a damaged copy of an input.
    bytes_per_byte
        Memory that may be taken for each byte of an input, beside `FREE_MEMORY`.
    n_all
        Number of damaged inputs of `make test-all`.
    """

    file: str
    read: Callable[[Any], object]
    errors: type[Exception] | tuple[type[Exception], ...]
    valid: Callable[[Path], list[Any]]
    damage: Damage
    bytes_per_byte: int = 100
    n_all: int = 100_000


# -- networks ----------------------------------------------------------------------------------------------------------


@cache
def genomes():
    """Return a network of neurons with cycles, one with a threshold for each node, and one of maps."""
    neurons = FounderSettings(hidden=5, density=0.5)
    maps = FounderSettings(graph="maps", layers=((2, 4), (1, 3)), kernel=3, densities=[0.5] * 3)
    first = create_founders(neurons, 3, 2, n_founders=1, seed=0)[0]
    thresholds = np.linspace(0, 0.3, first.n_nodes)
    return (
        first,
        replace(first, threshold=thresholds, ticks=3, threshold_mode="signed"),
        create_founders(maps, 1, 2, n_founders=1, seed=1, map_size=6)[0],
    )


def _bytes_of(path):
    content = path.read_bytes()
    path.unlink()
    return content


def _networks(folder):
    frame = pd.DataFrame({"age": [1.0, 2, None, 4], "town": ["a", "b", "a", "b"]})
    origin = Origin("table")
    schema, rows = Schema.infer(frame, origin=origin)
    preparation = Preparation.fit(schema, rows, "standard", origin)
    fitting = create_founders(FounderSettings(hidden=3), 4, 2, n_founders=1, seed=0)[0]
    predictors = [Predictor(genome, loss="cross_entropy") for genome in genomes()]
    predictors.append(
        Predictor(fitting, loss="cross_entropy", preparation=preparation, classes=("no", "yes"))
    )
    predictors.append(_of_sequences())
    return [_bytes_of(one.save(folder / "network.npz")) for one in predictors]


def _of_sequences():
    """Return a network that reads sequences and predicts at every step."""
    sequences = Sequences.read([[[0.5, 1.0]] * 3, [[2.0, 4.0]]], Origin("X"))
    sequences = replace(sequences, with_target=np.ones(4, np.bool_))
    schema = SequenceSchema.of(
        sequences, Origin("X"), names=("age", "load"), extra_ticks=1, longest=3
    )
    preparation = Preparation.fit(schema, sequences, "standard", Origin("X"))
    settings = FounderSettings(graph="recurrent", hidden=3, ticks=4, sequence=True)
    (genome,) = create_founders(settings, 2, 1, n_founders=1, seed=0)
    return Predictor(genome, loss="squared_error", preparation=preparation)


def _genome_files(folder):
    found = []
    for numbers in ([0], [1], [2], [0, 2]):
        arrays, descriptions = {}, {}
        for number in numbers:
            parts, descriptions[str(number)] = genome_to_arrays(genomes()[number], f"{number}/")
            arrays |= parts
        for packed in (False, True):
            write_arrays(folder / "genomes.npz", arrays, descriptions, packed=packed)
            found.append(_bytes_of(folder / "genomes.npz"))
    return found


def _small_cnn():
    return cnn.small_cnn((8, 8), 2, rng=np.random.default_rng(0))


def _baselines(folder):
    """Return a network's file; the file beside it stays."""
    preparation = Preparation.scaling((8, 8), offset=8.0, scale=4.0)
    BaselinePredictor(_small_cnn(), preparation=preparation, classes=("a", "b")).save(
        folder / "baseline.npz"
    )
    return [_bytes_of(folder / "baseline.npz")]


def _inputs_of_baselines(folder):
    (network,) = _baselines(folder)
    (folder / "baseline.npz").write_bytes(network)
    return [_bytes_of(folder / "baseline-inputs.npz")]


def _models(folder):
    rng = np.random.default_rng(0)
    networks = [_small_cnn(), cnn.mlp(3, [2], 2, rng=rng), cnn.lenet1(rng=rng)]
    for number, network in enumerate(networks):
        cnn.save_model(network, folder / f"{number}.npz")
    return [_bytes_of(folder / f"{number}.npz") for number in range(len(networks))]


def _weights(folder):
    cnn.save_weights(_small_cnn(), folder / "weights.npz")
    return [_bytes_of(folder / "weights.npz")]


# -- graphs ------------------------------------------------------------------------------------------------------------


def _graphs(suffix):
    def valid(folder):
        path = folder / f"graph{suffix}"
        found = []
        for genome in genomes():
            save_graph(genome, path)
            found.append(_bytes_of(path))
        return found

    return valid


def _damaged_json(data, others, rng):
    """Return JSON that is damaged as a value, or as text."""
    if rng.random() < 0.3:
        return damaged_text(data, others, rng)
    return as_json(damaged_value(json.loads(data), others, rng))


# -- records -----------------------------------------------------------------------------------------------------------


@cache
def parents():
    """Return the genomes on which records are replayed, as layered networks the first and the last."""
    layered = FounderSettings(graph="layered", hidden=(4, 3), density=0.5)
    return (
        create_founders(layered, 3, 2, n_founders=1, seed=0)[0],
        *genomes()[1:],
    )


def _layers(genome):
    """Return the number of nodes of each layer of the first or the last parent."""
    return {12: [3, 4, 3, 2], 10: [1, 4, 3, 2]}[genome.n_nodes]


def _packed(numbers):
    data = base64.b64encode(zlib.compress(numbers.tobytes())).decode()
    return {"type": numbers.dtype.str, "count": len(numbers), "data": data}


def _forms_of_growth(genome):
    """Return operations in the forms that policies record but operators do not propose."""
    layers = _layers(genome)
    groups = [{"layers": layers, "keep": [2] * (len(layers) - 1)}, {"keep": 5}, 0.125, None]
    groups += [{"layers": layers, "thresholds": [0.1] * (len(layers) - 1)}, [0.1] * genome.n_nodes]
    groups += [{"roles": ["hidden", "output"], "thresholds": [0.1, 0.2]}]
    groups += [{"map_sizes": [1], "thresholds": [0.1]}]
    n_rows = genome.n_nodes * genome.rows_per_node
    places = _packed(np.array([9 * n_rows, 1], "<u2"))
    values = _packed(np.array([0.5, -0.5], "<f4"))
    more = {"rows_per_node": genome.rows_per_node} if genome.has_maps else {}
    return [
        *(["A", {"threshold": threshold, "drop": False}] for threshold in groups),
        ["N", {"layers": layers, "counts": [1] * (len(layers) - 1), "scale": 1.0, "seed": 7}],
        ["N", {"places": places, "values": values} | more],
        ["N", {"sources": [genome.n_nodes], "targets": [9], "values": [0.5]}],
    ]


def _records(folder):
    """Return records of every operator on every parent, one operation long, and long ones."""
    found = []
    for number, parent in enumerate(parents()):
        rng, editor, record = (
            np.random.default_rng(number),
            GenomeEditor(parent, mates=_mates(parent)),
            [],
        )
        relatives = tuple(Mate(*one) for one in editor.mates.items())
        settings = OperatorSettings(max_density=1.0)
        context = ProposalContext(rng, settings, mates=relatives, dormant_learn=True)
        for code in [*OPERATORS, *rng.choice(list(OPERATORS), 12)]:
            parameters = OPERATORS[code].propose(editor, context)
            if parameters is not None:
                apply_operation(editor, str(code), parameters)
                record.append([str(code), parameters])
        found += [{"parent": number, "record": record}, {"parent": number, "record": record[:1]}]
        if number != 1:
            found += [{"parent": number, "record": [one]} for one in _forms_of_growth(parent)]
    return found


def _mates(parent):
    return {3: parent.with_values(-2 * parent.values, parent.bias)}


def _replay(sample):
    parent = parents()[sample["parent"]]
    return replay(sample["record"], parent, _mates(parent))


def _damaged_record(sample, others, rng):
    return sample | {"record": damaged_value(sample["record"], others, rng)}


# -- runs --------------------------------------------------------------------------------------------------------------


def _individuals():
    """Return a trained individual, and one that failed."""
    genome = genomes()[0]
    state = OptimizerState(np.ones((2, genome.n_stored + genome.n_nodes), np.float32), 5)
    curve = LearningCurve(
        *(np.arange(2) + 1, np.ones(2), np.ones(2), np.ones(2), ("1 HiddenLayer",)),
        layer_gradient_norms=np.ones((2, 1)),
        gradients=np.empty((2, 0)),
    )
    job = Job(
        *(7, 1, 0, "child", (3,), 0, genome, state, "policy", (("B", 1.0),), 0.5, 10, 0.25, None)
    )
    failed = failed_individual(job, "ValueError: no")
    operation = Operation("B", {"columns": [3, 4]}, 9, 9, 8, 8)
    trained = replace(
        failed,
        job=replace(job, individual=8),
        status="ok",
        optimizer_state=state,
        curve=curve,
        operations=(operation,),
        statistics=describe(genome, Phenotype(genome)),
        fitness=-0.5,
    )
    return failed, trained


def _states(folder):
    save_individuals(folder / "state.npz", _individuals(), {"slots": [7, 8]})
    parts = read_arrays(folder / "state.npz")
    packed = _bytes_of(folder / "state.npz")
    write_arrays(folder / "state.npz", *parts)
    return [packed, _bytes_of(folder / "state.npz")]


def _trainings(folder):
    trained = _individuals()[1]
    fit = FitState(2, trained.optimizer_state, 1, 0.5, np.ones(3))
    save_training(folder / "training.npz", TrainingState(np.ones(3), fit, trained.curve, (), 1.5))
    return [_bytes_of(folder / "training.npz")]


def _populations(folder):
    state = _individuals()[1].optimizer_state
    population = PopulationState([np.ones(3), np.ones(3)], [state, state], {"rung": 1})
    save_population(folder / "population.npz", population)
    return [_bytes_of(folder / "population.npz")]


def _journals(folder):
    store = RunStore.create(folder / "run", config="{}", environment={})
    for number in range(2):
        store.stage(f"genomes/{number}.npz").write_bytes(b"some")
        store.commit({})
    store.complete()
    store.close()
    return [(folder / "run" / JOURNAL).read_bytes()]


def _damaged_journal(data, others, rng):
    """Return a journal whose bytes are damaged; or one with a damaged value and right checksums."""
    if rng.random() < 0.3:
        return damaged_text(data, others, rng)
    checksum, lines = 0, []
    entries = damaged_value([json.loads(line) for line in data.splitlines()], others, rng)
    for entry in entries if isinstance(entries, list) else [entries]:
        body = as_json(
            {k: v for k, v in entry.items() if k != "sum"} if isinstance(entry, dict) else entry
        )
        body = body[:-1] or b"{"
        checksum = zlib.crc32(body, checksum)
        lines.append(body + f',"sum":"{checksum:08x}"}}\n'.encode())
    return b"".join(lines)


# -- data --------------------------------------------------------------------------------------------------------------


def _tables(folder):
    return [
        b'age,town,y\n1,a,0\n2.5,b,1\n,a,0\n4e3,"b, c",1\n',
        b'\xef\xbb\xbfx,y\r\n1.5,2\r\n\r\n2.5,"NA"\r\n',
        'datum,größe,y\n2020-01-01,"NA",a\n2021-01-01,3,b\n'.encode("utf-16"),
        b",a,y\n0, 1 ,true\n1, 2 ,false\n",
    ]


def _data_set_of_csv(path):
    return read_table(path), Dataset.from_csv(path, target="y")


def _idx_files(folder):
    def header(code, *shape):
        return bytes([0, 0, code, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)

    plain = [
        header(0x08, 3, 4, 4) + bytes(range(48)),
        header(0x08, 5) + bytes(5),
        header(0x0D, 2, 2) + np.arange(4, dtype=">f4").tobytes(),
        header(0x0E, 3) + np.arange(3, dtype=">f8").tobytes(),
    ]
    return [*plain, gzip.compress(plain[0])]


def _archives_of_data(folder):
    X = np.arange(60, dtype=np.uint8).reshape(5, 3, 4)
    words = np.array(["a", "b", "a", "b", "a"])
    found = []
    for number, (save, more) in enumerate(
        [(np.savez, {"y": words}), (np.savez_compressed, {"y": np.arange(5) % 2})]
    ):
        save(folder / f"{number}.npz", X=X, **more)
        found.append(_bytes_of(folder / f"{number}.npz"))
    return found


def _parquet_files(folder):
    path = folder / "table.parquet"
    frame = pd.DataFrame(
        {
            "x": [1.0, 2.0, None, 4.0],
            "n": [1, 2, 3, 4],
            "town": ["a", "b", "a", None],
            "y": list("abab"),
        }
    )
    found = []
    for options in ({}, {"compression": None}, {"compression": "gzip"}):
        frame.to_parquet(path, **options)
        found.append(_bytes_of(path))
    return found


# -- settings ----------------------------------------------------------------------------------------------------------


def _presets(folder):
    return [
        preset_text(name).encode() for name in ("digits", "spirals", "lenet-fashion", "example")
    ]


def _studies(folder):
    return [preset_text(name).encode() for name in ("kernels-digits", "growth-digits")]


def _configurations(folder):
    names = ("digits", "lenet-fashion")
    return [load_experiment(name).model_dump_json().encode() for name in names]


READERS = {
    "network": Reader("network.npz", load_network, ResultsError, _networks, damaged_archive),
    "genomes": Reader("genomes.npz", load_genomes, ResultsError, _genome_files, damaged_archive),
    "baseline": Reader("baseline.npz", load_network, ResultsError, _baselines, damaged_archive),
    "baseline-inputs": Reader(
        "baseline-inputs.npz",
        lambda path: load_network(path.with_name("baseline.npz")),
        ResultsError,
        _inputs_of_baselines,
        damaged_archive,
        n_all=20_000,  # each reads a whole network too, five times as long as others
    ),
    "model": Reader("model.npz", cnn.load_model, ValueError, _models, damaged_archive),
    "weights": Reader(
        "weights.npz",
        lambda path: cnn.load_weights(_small_cnn(), path),
        ValueError,
        _weights,
        damaged_archive,
    ),
    "graphml": Reader("graph.graphml", load_graph, ResultsError, _graphs(".graphml"), damaged_text),
    "json": Reader("graph.json", load_graph, ResultsError, _graphs(".json"), _damaged_json),
    "record": Reader("", _replay, ValueError, _records, _damaged_record),
    "state": Reader("state.npz", load_individuals, ResultsError, _states, damaged_archive),
    "training": Reader("training.npz", load_training, ResultsError, _trainings, damaged_archive),
    "population": Reader(
        "population.npz", load_population, ResultsError, _populations, damaged_archive
    ),
    "journal": Reader(
        f"run/{JOURNAL}",
        lambda path: read_journal(path.parent),
        ResultsError,
        _journals,
        _damaged_journal,
    ),
    "csv": Reader("table.csv", _data_set_of_csv, DataError, _tables, damaged_text),
    "idx": Reader("images-idx3-ubyte", read_idx, DataError, _idx_files, damaged_idx, 2000),
    "npz": Reader(
        "data.npz", Dataset.from_npz, DataError, _archives_of_data, damaged_archive, 2000
    ),
    "parquet": Reader(
        "table.parquet",
        lambda path: Dataset.from_parquet(path, target="y"),
        DataError,
        _parquet_files,
        damaged_bytes,
    ),
    "toml": Reader("own.toml", load_experiment, SettingsError, _presets, damaged_text),
    "study": Reader("own.toml", load_study, SettingsError, _studies, damaged_text),
    "config": Reader("config.json", load_experiment, SettingsError, _configurations, _damaged_json),
}
"""The readers by name."""
