"""Training gives the same bits on every x86-64 processor with AVX2 and FMA: digests that every machine checks.

``python tests/test_same_bits.py`` prints them.
"""

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
from cnn import Samples
from cnn.compile.vector_kernels import ARITHMETIC, SHARED_ARITHMETIC
from evo import Phenotype
from experiments import Experiment, run
from experiments.benchmarks.maps.networks import genome_of
from experiments.cli import selftest
from experiments.cli.selftest import (
    digest,
    digest_after_training,
    layered_genome,
    lenet5,
    random_samples,
    sparse_graph,
)
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
    **selftest.DIGESTS,
    "pooled_by_means": "49bfaef959253d15",
    "dense_graph": "46dd8e8426c5dba3",
    "recurrent": "82d44d8512bf018e",
    "waves": "5fe4bc96ac680b8a",
    "maps": "6b5218e42d7ac1d0",
    "straight_through": "2b8ae881b225e0f3",
    "digits_preset": "962ab63c681910f3",
}
"""Digests of the parameters after training, or of a run's tables."""


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
    images = random_samples(15 * 15)
    data = Samples(images.inputs.reshape(-1, 1, 15, 15), images.targets)
    return digest_after_training(
        cnn.Network(layers, (1, 15, 15), rng=rng), data, optimizer="nesterov"
    )


def dense_graph():
    return digest_after_training(
        Phenotype(layered_genome(100, 70, 10, density=1.0)), random_samples(100)
    )


def recurrent():
    genome = layered_genome(40, 60, 30, 10, density=0.2, ticks=3, delayed=True, activation="gelu")
    return digest_after_training(Phenotype(genome), random_samples(40), batch_size=64)


def waves():
    """Sines and bells, two samples a batch."""
    network = Phenotype(layered_genome(40, 60, 10, density=0.3, activation="sine"))
    return digest_after_training(network, random_samples(40), batch_size=2)


def maps():
    return digest_after_training(Phenotype(genome_of("twice")), random_samples(28 * 28), steps=6)


def straight_through():
    network = Phenotype(genome_of("straight_through"), dormant="straight_through")
    return digest_after_training(network, random_samples(28 * 28), batch_size=20, steps=4)


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
