"""Part `preparation`: time of compiling a plan beside one training step; part `bits`: bits of two trainings."""

from collections.abc import Callable, Iterator
from functools import partial

from evo.phenotype.phenotype import Phenotype
from experiments.benchmarks.graph.deep import chain_case, graph_case
from experiments.benchmarks.graph.genomes import random_genome, tiny_genomes
from experiments.benchmarks.graph.large import one_epoch_digest
from experiments.benchmarks.graph.layers import TARGETS, layers_case
from experiments.benchmarks.graph.tiny import train_all
from experiments.benchmarks.harness.rows import OURS, TableRow, Turns, speed_row
from experiments.benchmarks.harness.sides import Case, bits_row, digest, noise_samples
from experiments.benchmarks.harness.timing import Side, interleave
from experiments.benchmarks.harness.workload import recipe

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
EDGES_A_NODE = 20
BATCH = 64
STEPS_A_TURN = 5


def preparation_case(n: int) -> Case:
    """Return a random graph of n nodes and 20 n edges; a tenth of the nodes are inputs, a hundredth outputs."""
    n_inputs, n_outputs = n // 10, n // 100
    genome = random_genome(n, EDGES_A_NODE * n, n_inputs=n_inputs, n_outputs=n_outputs)
    samples = noise_samples(4 * BATCH, n_inputs, n_outputs)
    return Case("preparation", f"{n:,} nodes", genome, samples, recipe(BATCH, 0.001))


def preparation_rows(turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Time ``Phenotype(genome)`` and a step at batch 64, in turns."""
    for n in SIZES[:1] if quick else SIZES:
        case = preparation_case(n)
        yield "note", {"note": f"preparation, {case.what}"}
        case.train(1)
        prepare = Side("plan", lambda: None, partial(Phenotype, case.genome))
        step = Side("step", case.restore, partial(case.train, STEPS_A_TURN))
        seconds = interleave((prepare, step), 2 * turns.rounds + 1)
        steps = [s / STEPS_A_TURN for s in seconds["step"]]
        row = speed_row("s", "a step at batch 64", seconds["plan"], steps, form=OURS, target=1.0)
        yield "speed", case.key | row


def bits_rows(turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Train each case twice from new phenotypes, and compare the bits of the parameters.

    Raises
    ------
    BenchmarkError
        If the bits differ.
    """
    del turns
    makers: list[Callable[[], Case]] = [partial(layers_case, density) for density in TARGETS]
    makers += [chain_case, graph_case, partial(preparation_case, 1_000 if quick else 10_000)]
    for make in makers:
        case = make()
        yield "bits", bits_row(case.part, case.what, digest(case), digest(make()))
    genomes = tiny_genomes(10 if quick else 100)
    first, second = (
        b"".join(network.parameters.tobytes() for network in train_all(genomes, 50))
        for _ in range(2)
    )
    same = "identical" if first == second else "different"
    yield "bits", bits_row("tiny", f"{len(genomes)} topologies", "identical", same)
    hidden = 300 if quick else 3_000
    epochs = [one_epoch_digest(hidden) for _ in range(2)]
    yield "bits", bits_row("large", f"3 × {hidden:,} hidden, with SET step", *epochs)
