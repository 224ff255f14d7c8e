"""Genomes and a small real task that the tests of evo share."""

from dataclasses import replace

import numpy as np
import pytest

from cnn.recipe import Recipe
from cnn.samples import Samples
from evo import Genome, PolicySettings, Task
from evo.activations import ACTIVATIONS
from evo.fitness import negative_loss


@pytest.fixture
def random_genome():
    """Return a maker of arbitrary float64 genomes: cycles, self-loops, any order of roles, activations with a slope."""

    def make(rng, *, n=9, n_inputs=3, n_outputs=2, ticks=1, limit=0.3, mode="magnitude"):
        matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.5)
        genome = Genome.from_matrix(
            matrix, n_inputs=n_inputs, n_outputs=n_outputs, ticks=ticks, bias=rng.normal(size=n)
        )
        return replace(
            genome,
            roles=rng.permutation(genome.roles),
            ids=rng.permutation(n),
            activations=rng.integers(0, ACTIVATIONS.index("sign"), n).astype(np.uint8),
            limit=limit,
            threshold_mode=mode,
        )

    return make


@pytest.fixture
def task():
    """Return a maker of tasks on XOR-like data, learnable in a few steps."""

    def make(*, fitness=negative_loss, steps=10, generations=4, seed=0, policy=None, **recipe):
        rng = np.random.default_rng(7)
        inputs = rng.normal(size=(120, 4)).astype(np.float32)
        targets = (inputs[:, 0] * inputs[:, 1] > 0).astype(np.int64)
        return Task(
            train=Samples(inputs[:80], targets[:80]),
            validation=Samples(inputs[80:], targets[80:]),
            loss="cross_entropy",
            recipe=Recipe(**({"batch_size": 16} | recipe)),
            policy=policy or PolicySettings(),
            fitness=fitness,
            seed=seed,
            steps=steps,
            total_steps=(generations + 1) * steps,
            record_every=5,
        )

    return make
