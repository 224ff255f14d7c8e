"""Training gives the same bits on every x86-64 processor with AVX2 and FMA: digests that every machine checks.

``python tests/test_same_bits.py`` prints them.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from llvmlite import binding

import cnn
from cnn import Recipe, Samples, train
from cnn.compile.vector_kernels import ARITHMETIC, SHARED_ARITHMETIC
from evo import Genome, Phenotype
from experiments import Experiment, run
from experiments.benchmarks.maps.networks import genome_of
from experiments.settings.experiment import read_settings, with_values

SHARED = pytest.mark.skipif(
    ARITHMETIC != SHARED_ARITHMETIC, reason=f"the digests are those of {SHARED_ARITHMETIC}"
)
PROCESSORS = {
    "haswell": set(),
    "skylake-avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "znver4": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vbmi2", "avx512vnni"},
}
"""Processors that Numba can be told to compile for, and the features that this one must have to run the code."""

DIGESTS = {
    "lenet5": "319a8b4412b9259f",
    "pooled_by_means": "49bfaef959253d15",
    "sparse_graph": "79f7a939fdcc5c85",
    "dense_graph": "46dd8e8426c5dba3",
    "recurrent": "82d44d8512bf018e",
    "waves": "5fe4bc96ac680b8a",
    "maps": "6b5218e42d7ac1d0",
    "straight_through": "2b8ae881b225e0f3",
    "digits_preset": "962ab63c681910f3",
}
"""Digests of the parameters after training, or of a run's tables."""


def samples(n_features, n=256, n_classes=10):
    rng = np.random.default_rng(1)
    inputs = rng.integers(-256, 256, (n, n_features)) / 128
    return Samples(inputs.astype(np.float32), rng.integers(0, n_classes, n))


def layered(*sizes, density, activation="tanh", ticks=1, delayed=False):
    """Return a genome with random edges from layer to layer; with `delayed` also back."""
    rng, n = np.random.default_rng(0), sum(sizes)
    ends = np.cumsum(sizes)
    matrix = np.zeros((n, n), np.float32)
    for start, middle, end in zip(ends - sizes, ends, ends[1:], strict=False):
        there = rng.random((middle - start, end - middle)) < density
        matrix[start:middle, middle:end] = there * rng.standard_normal(there.shape) / 8
        if delayed and start > 0:
            matrix[middle:end, start:middle] = there.T * rng.standard_normal(there.T.shape) / 8
    names = rng.choice([activation, "relu", "sigmoid"], n).tolist()
    return Genome.from_matrix(
        matrix, n_inputs=sizes[0], n_outputs=sizes[-1], activation=names, ticks=ticks
    )


def after_training(network, data, *, batch_size=32, steps=12, optimizer="momentum"):
    recipe = Recipe(learning_rate=0.02, batch_size=batch_size, optimizer=optimizer)
    train(network, data, recipe, first_step=0, steps=steps, total_steps=2 * steps, order_seed=0)
    assert np.isfinite(network.parameters).all()
    return digest(network.parameters.tobytes())


def digest(content):
    return hashlib.sha256(content).hexdigest()[:16]


def lenet5():
    network = cnn.lenet5(rng=np.random.default_rng(0))
    images = samples(28 * 28)
    return after_training(network, Samples(images.inputs.reshape(-1, 1, 28, 28), images.targets))


def pooled_by_means():
    rng = np.random.default_rng(0)
    layers = [
        cnn.ConvolutionLayer(5, 3, "sigmoid", padding=1),
        cnn.PoolingLayer("gaussian"),
        cnn.ConvolutionLayer(7, 3, "relu"),
        cnn.PoolingLayer("trainable"),
        cnn.RasterizationLayer(),
        cnn.SoftmaxLayer(10),
    ]
    images = samples(15 * 15)
    data = Samples(images.inputs.reshape(-1, 1, 15, 15), images.targets)
    return after_training(cnn.Network(layers, (1, 15, 15), rng=rng), data, optimizer="nesterov")


def sparse_graph():
    network = Phenotype(layered(300, 200, 10, density=0.05))
    return after_training(network, samples(300), batch_size=50, optimizer="adam")


def dense_graph():
    return after_training(Phenotype(layered(100, 70, 10, density=1.0)), samples(100))


def recurrent():
    genome = layered(40, 60, 30, 10, density=0.2, ticks=3, delayed=True, activation="gelu")
    return after_training(Phenotype(genome), samples(40), batch_size=64)


def waves():
    """Sines and bells, two samples a batch."""
    network = Phenotype(layered(40, 60, 10, density=0.3, activation="sine"))
    return after_training(network, samples(40), batch_size=2)


def maps():
    return after_training(Phenotype(genome_of("twice")), samples(28 * 28), steps=6)


def straight_through():
    network = Phenotype(genome_of("straight_through"), dormant="straight_through")
    return after_training(network, samples(28 * 28), batch_size=20, steps=4)


def digits_preset():
    changes = {"seeds": 1, "evolution.generations": 3, "evolution.population": 6}
    experiment = Experiment.parse(with_values(read_settings("digits"), changes), "digits")
    with tempfile.TemporaryDirectory() as folder:
        results = run(experiment, results=folder, workers=0, figures=False)
        numbers = [
            results.individuals[["fitness", "validation_loss", "n_active"]].to_numpy(np.float64),
            results.predictions.select_dtypes("number").to_numpy(np.float64),
        ]
        return digest(b"".join(np.nan_to_num(one).tobytes() for one in numbers))


TRAININGS = {
    one.__name__: one
    for one in (
        lenet5,
        pooled_by_means,
        sparse_graph,
        dense_graph,
        recurrent,
        waves,
        maps,
        straight_through,
        digits_preset,
    )
}


@SHARED
@pytest.mark.parametrize("name", TRAININGS)
def test_training_gives_the_pinned_bits(name):
    assert TRAININGS[name]() == DIGESTS[name]


@pytest.mark.slow
@SHARED
@pytest.mark.parametrize("processor", PROCESSORS)
def test_code_for_another_processor_gives_the_pinned_bits(processor, tmp_path):
    features = binding.get_host_cpu_features()
    if not all(features.get(name) for name in PROCESSORS[processor]):
        pytest.skip(f"this processor cannot run code for {processor}")
    wanted = {"haswell": "Haswell", "skylake-avx512": "SkylakeX", "znver4": "Cooperlake"}
    avx512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
    environment = {
        "NUMBA_CPU_NAME": processor,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "OPENBLAS_CORETYPE": wanted[processor],
        "NPY_DISABLE_CPU_FEATURES": avx512 if processor == "haswell" else "",
    }
    if processor == "znver4":  # it has instructions that others with AVX-512 lack, such as SSE4a
        environment["NUMBA_CPU_FEATURES"] = features.flatten()
    printed = subprocess.run(
        [sys.executable, __file__],
        env=os.environ | environment,
        cwd=Path(__file__).parents[1],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert json.loads(printed) == DIGESTS


if __name__ == "__main__":
    digests = {name: train_it() for name, train_it in TRAININGS.items()}
    sys.stdout.write(json.dumps(digests, indent=4) + "\n")
