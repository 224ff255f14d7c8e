"""Genomes and a small real task that the tests of evo share."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from evo import EvolutionSettings, Genome, PolicySettings, Role, SampleTask, adapt_fitness
from evo.evolution.fitness import negative_loss
from evo.genome.activations import activation_code
from evo.genome.feature_maps import map_transform, windows


def map_genome(
    rng, *, n=9, n_inputs=2, n_outputs=2, map_sizes=(8, 6, 4, 3, 1), ticks=1, density=0.5, **changes
):
    """Return an arbitrary float64 genome of maps: sparse kernels, cycles, self-loops, any order of roles.

    Inputs have the largest maps, like the channels of an image; outputs are neurons. `changes` replace parts.
    """
    roles = np.repeat(
        [Role.INPUT, Role.HIDDEN, Role.OUTPUT], [n_inputs, n - n_inputs - n_outputs, n_outputs]
    )
    roles = rng.permutation(roles).astype(np.uint8)
    map_size = rng.choice(map_sizes, n).astype(np.int32)
    map_size[roles == Role.INPUT], map_size[roles == Role.OUTPUT] = max(map_sizes), 1
    targets, sources = np.divmod(np.arange(n * n), n)
    most = windows(map_size[sources], map_size[targets], 3) ** 2
    # All possible taps, then the fraction `density` of the taps in half of the kernels.
    edges, taps = np.repeat(np.arange(n * n), most), np.concatenate([np.arange(m) for m in most])
    kept = (rng.random(n * n) < 0.5)[edges] & (rng.random(len(edges)) < density)
    edges, taps = edges[kept], taps[kept]
    parts = {
        "indptr": np.searchsorted(targets[edges], np.arange(n + 1)).astype(np.int64),
        "indices": sources[edges].astype(np.int32),
        "values": rng.normal(size=len(edges)),
        "bias": rng.normal(size=n),
        "ids": rng.permutation(n) + 5,
        "roles": roles,
        "activations": np.full(n, activation_code("tanh"), np.uint8),
        "map_sizes": map_size,
        "taps": taps.astype(np.uint16),
        "kernel": 3,
        "ticks": ticks,
    }
    return Genome(**(parts | changes))


@pytest.fixture
def random_genome():
    """Return a maker of arbitrary float64 genomes: cycles, self-loops, any order of roles, smooth activations."""

    def make(rng, *, n=9, n_inputs=3, n_outputs=2, ticks=1, threshold=0.3, mode="magnitude"):
        matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.5)
        genome = Genome.from_matrix(
            matrix, n_inputs=n_inputs, n_outputs=n_outputs, ticks=ticks, bias=rng.normal(size=n)
        )
        return replace(
            genome,
            roles=rng.permutation(genome.roles),
            ids=rng.permutation(n),
            activations=rng.integers(0, activation_code("sign"), n).astype(np.uint8),
            threshold=threshold,
            threshold_mode=mode,
        )

    return make


@pytest.fixture(scope="session")
def random_map_genome():
    """Return a maker of genomes with maps: see :func:`map_genome`."""
    return map_genome


@pytest.fixture
def parents():
    """Return a maker of genomes with maps and every kind of threshold, by number."""

    def make(seed, **changes):
        rng = np.random.default_rng(seed)
        n = changes.pop("n", int(rng.integers(6, 10)))
        parts = {
            "n": n,
            "map_sizes": (6, 4, 3, 1),
            "ticks": 1 + seed % 2,
            "threshold": (None, 0.4, rng.uniform(0, 0.8, n))[seed % 3],
            "threshold_mode": ("magnitude", "signed")[seed // 3 % 2],
            "downsampling": ("max", "mean")[seed // 2 % 2],
        }
        return map_genome(rng, **(parts | changes))

    return make


@pytest.fixture(scope="session")
def reference():
    """Return the reference for networks of feature maps, the module ``kernel_reference.py``."""
    path = Path(__file__).with_name("kernel_reference.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def any_map_genome():
    """Return a maker of arbitrary float64 genomes of maps and neurons: kernels of some of their taps, cycles."""

    def make(
        rng, *, n=12, map_sizes=(1, 2, 3, 5, 6), kernel=3, ticks=1, threshold=0.3, density=0.4
    ):
        roles = rng.permutation([Role.INPUT] * 2 + [Role.OUTPUT] * 2 + [Role.HIDDEN] * (n - 4))
        of_node = np.where(roles == Role.OUTPUT, 1, rng.choice(map_sizes, n))
        of_node[roles == Role.INPUT] = max(map_sizes)
        indices, taps, lengths = [], [], []
        for target in range(n):
            before = len(taps)
            for source in np.flatnonzero(rng.random(n) < density).tolist():
                window = map_transform(int(of_node[source]), int(of_node[target]), kernel).window
                kept = np.flatnonzero(rng.random(window**2) < rng.choice([0.3, 1.0]))
                indices += [source] * len(kept)
                taps += kept.tolist()
            lengths.append(len(taps) - before)
        return Genome(
            indptr=np.cumsum([0, *lengths], dtype=np.int64),
            indices=np.array(indices, np.int32),
            values=rng.normal(size=len(taps)),
            bias=rng.normal(size=n),
            ids=rng.permutation(n),
            roles=roles.astype(np.uint8),
            activations=rng.integers(0, activation_code("sign"), n).astype(np.uint8),
            threshold=threshold,
            ticks=ticks,
            map_sizes=of_node.astype(np.int32),
            taps=np.array(taps, np.uint16),
            kernel=kernel,
            downsampling=str(rng.choice(["max", "mean"])),
        )

    return make


@pytest.fixture
def task():
    """Return a maker of tasks on XOR-like data, learnable in a few steps."""

    def make(*, fitness=negative_loss, steps=10, generations=4, seed=0, policy=None, **recipe):
        rng = np.random.default_rng(7)
        inputs = rng.normal(size=(120, 4)).astype(np.float32)
        targets = (inputs[:, 0] * inputs[:, 1] > 0).astype(np.int64)
        return SampleTask(
            train=Samples(inputs[:80], targets[:80]),
            validation=Samples(inputs[80:], targets[80:]),
            loss="cross_entropy",
            recipe=Recipe(**({"batch_size": 16} | recipe)),
            policy=policy or PolicySettings(),
            evolution=EvolutionSettings(steps_per_generation=steps, generations=generations),
            fitness=adapt_fitness(fitness),
            seed=seed,
        )

    return make


@pytest.fixture
def trainable_places():
    """Return a function that finds what a genome can learn: effective entries, then biases, as places in one row."""

    def find(genome):
        effective = genome.effective_mask()
        learns = np.zeros(genome.n_nodes, np.bool_)
        learns[genome.outputs] = True
        learns[genome.indices[effective]] = True
        learns[genome.inputs] = False
        return np.flatnonzero(np.concatenate([effective, learns]))

    return find
