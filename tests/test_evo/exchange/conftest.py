from dataclasses import replace

import numpy as np
import pytest

from evo.exchange import blocks
from evo.genome.activations import activation_code


@pytest.fixture
def any_network(random_genome, any_map_genome):
    """Return a maker of genomes that other programs must know, with their generator and the steps of a sample.

    Over the seeds there are neurons and maps, every kind of threshold, one to three ticks, constant inputs, sequences.
    """

    def make(seed):
        rng = np.random.default_rng(seed)
        ticks = 1 + seed // 2 % 3
        if seed % 2:
            threshold = (None, 0.3, rng.uniform(0, 0.6, 12))[seed // 6 % 3]
            mode = ("magnitude", "signed")[seed // 18 % 2]
            genome = random_genome(rng, n=12, ticks=ticks, threshold=threshold, mode=mode)
            codes = rng.integers(0, activation_code("sign") + 1, 12).astype(np.uint8)
            genome = replace(genome, activations=codes)
        else:
            genome = any_map_genome(rng, ticks=ticks, kernel=(3, 5)[seed // 6 % 2])
        return genome, rng, ticks if seed // 12 % 2 else 1

    return make


@pytest.fixture(params=["dense", "sparse"])
def form(request, monkeypatch):
    """Say whether the products into neurons are arrays with zeros or summed edge by edge, in a test."""
    if request.param == "sparse":
        monkeypatch.setattr(blocks, "SPARSE_FROM_SIZE", 0)
        monkeypatch.setattr(blocks, "SPARSE_UP_TO", 1.0)
    return request.param
