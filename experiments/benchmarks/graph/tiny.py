"""Part `tiny`: a thousand different topologies, each trained on the parity of three bits."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

import cnn
from evo.genome.genome import Genome
from evo.phenotype.phenotype import Phenotype
from experiments.benchmarks.graph.genomes import TINY_INPUTS, tiny_genomes
from experiments.benchmarks.harness.rows import (
    PUBLISHED,
    TableRow,
    Turns,
    figure_row,
    speed_row,
)
from experiments.benchmarks.harness.timing import seconds_of
from experiments.benchmarks.harness.workload import recipe, train_by

N_GENOMES, STEPS = 1_000, 500
AT_MOST_SECONDS = 3.0
TENSORNEAT_SECONDS = 224.0
"""Seconds of TensorNEAT for as many topologies and steps on a CPU of this class; not run here."""

RECIPE = recipe(8, 0.1)


def parity_samples() -> tuple[cnn.Samples, cnn.Samples]:
    """Return the 8 patterns of −1 and 1 with their parity: as a value 0 or 1, and as a class."""
    inputs = np.array(list(product([-1.0, 1.0], repeat=TINY_INPUTS)), np.float32)
    odd = (inputs > 0).sum(1) % 2
    return cnn.Samples(inputs, odd[:, None].astype(np.float32)), cnn.Samples(inputs, odd)


def train_all(genomes: Sequence[Genome], steps: int) -> list[Phenotype]:
    """Build and train a network of each genome; the loss is the squared error for one output, cross-entropy for two."""
    values, classes = parity_samples()
    networks = []
    for genome in genomes:
        one = len(genome.outputs) == 1
        network = Phenotype(genome, "squared_error" if one else "cross_entropy")
        train_by(RECIPE, network, values if one else classes, steps)
        networks.append(network)
    return networks


def n_solved(networks: Sequence[Phenotype]) -> int:
    """Return the number of networks that classify all patterns correctly."""
    _, samples = parity_samples()
    outputs = (network.output(samples.inputs) for network in networks)
    told = [o[:, 0] > 0.5 if o.shape[1] == 1 else o.argmax(1) for o in outputs]
    return sum(bool((classes == samples.targets).all()) for classes in told)


def tiny_rows(turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Time building phenotypes and training networks, without compilation and without making genomes."""
    count, steps = (20, 50) if quick else (N_GENOMES, STEPS)
    what = f"{count:,} topologies × {steps} steps, 3-bit parity"
    yield "note", {"note": f"tiny, {what}"}
    genomes = tiny_genomes(count)
    by_outputs = sorted(genomes, key=lambda genome: len(genome.outputs))
    train_all([by_outputs[0], by_outputs[-1]], 2)  # compile kernels
    seconds: list[float] = []
    networks: list[Phenotype] = []
    for _ in range(min(turns.rounds, 3)):
        networks.clear()
        seconds.append(seconds_of(lambda: networks.extend(train_all(genomes, steps))))
    at_most = None if quick else AT_MOST_SECONDS
    part = {"part": "tiny"}
    yield "figures", part | figure_row(what, "s", seconds, at_most=at_most)
    yield "figures", part | figure_row("all 8 patterns right", "networks", [n_solved(networks)])
    if not quick:
        row = speed_row("s", "TensorNEAT", seconds, [TENSORNEAT_SECONDS], form=PUBLISHED)
        yield "speed", part | {"what": what} | row
