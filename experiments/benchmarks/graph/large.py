"""Part `large`: time and memory of an epoch with its SET step, in SET's networks of millions of edges."""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cnn
from evo.editing.editor import GenomeEditor
from evo.genome.genome import Genome
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.phenotype.phenotype import Phenotype
from evo.policies.rewiring import set_step
from experiments.benchmarks.graph.genomes import layer_blocks, set_genome
from experiments.benchmarks.harness.machine import (
    peak_mebibytes,
    resident_mebibytes,
    status_of_process,
)
from experiments.benchmarks.harness.rows import (
    PUBLISHED,
    Row,
    TableRow,
    Turns,
    figure_row,
    speed_row,
)
from experiments.benchmarks.harness.sides import (
    Case,
    Peer,
    agreement_row,
    noise_samples,
)
from experiments.benchmarks.harness.timing import interleave
from experiments.benchmarks.harness.workload import recipe, train_by
from experiments.benchmarks.peers.scipy_graph import ScipyLayers

N_SAMPLES, N_FEATURES, N_CLASSES = 135, 3312, 5
"""Shape of the training part of the lung data set, on which SET's authors measure."""

EPSILON, SHARE, BATCH = 20, 0.3, 2
STEPS = -(-N_SAMPLES // BATCH)
RECIPE = recipe(BATCH, 1e-4)
LARGE, HUGE, QUICK = 30_000, 600_000, 1_000
"""Numbers of nodes of each of the three hidden layers."""

PUBLISHED_SECONDS = {LARGE: 9.6, HUGE: 112 * 60.0}
"""Seconds of an epoch of SET's code: the first measured on a machine of this class, the second as reported."""

AT_MOST_SECONDS = {LARGE: 2.0, HUGE: 60.0}
AT_MOST_BYTES = 24.0
AT_MOST_PLAN = 0.10
AT_MOST_GIBIBYTES = 6.0
MEBIBYTE = 2**20
PARTS = ("train", "SET step", "freeze and carry", "plan")


@dataclass(eq=False)
class SetRun:
    """A network in training, an epoch at a time.

    Attributes
    ----------
    network
        The network as it is now.
    state
        The optimizer state.
    rng
        Generator of the places where edges grow.
    sizes
        Number of nodes of each layer, inputs first.
    """

    network: Phenotype
    state: cnn.OptimizerState | None
    rng: np.random.Generator
    sizes: tuple[int, ...]

    @classmethod
    def start(cls, genome: Genome, sizes: tuple[int, ...]) -> "SetRun":
        """Compile a network that has not been trained."""
        return cls(Phenotype(genome), None, np.random.default_rng(6), sizes)

    def epoch(self, samples: cnn.Samples) -> dict[str, float]:
        """Train for an epoch, prune and regrow edges, and compile the new network; return the seconds of each part."""
        clock = [time.perf_counter()]
        self.train(samples)
        clock.append(time.perf_counter())
        editor, moments = self.opened()
        set_step(editor, ProposalContext(self.rng, OperatorSettings(), layers=self.sizes), SHARE)
        clock.append(time.perf_counter())
        genome, carried = editor.freeze(), editor.carry(moments)
        del editor, moments
        clock.append(time.perf_counter())
        assert self.state is not None
        self.network = Phenotype(genome)
        self.state = cnn.OptimizerState(self.network.pick(carried), self.state.step)
        clock.append(time.perf_counter())
        return dict(zip(PARTS, np.diff(clock).tolist(), strict=True))

    def train(self, samples: cnn.Samples) -> None:
        """Train for an epoch."""
        report = train_by(RECIPE, self.network, samples, STEPS, self.state)
        self.state = report.state

    def opened(self) -> tuple[GenomeEditor, Any]:
        """Return an editor of the trained genome and the momentum of its entries; the network is deleted."""
        assert self.state is not None
        genome, moments = self.network.to_genome(), self.network.spread(self.state.moments)
        del self.network
        return GenomeEditor(genome), moments


def lung_samples() -> cnn.Samples:
    """Draw data of the shape of the lung data set."""
    return noise_samples(N_SAMPLES, N_FEATURES, N_CLASSES)


def layer_sizes(hidden: int) -> tuple[int, ...]:
    """Return the number of nodes of each layer of SET's network for the lung data."""
    return (N_FEATURES, hidden, hidden, hidden, N_CLASSES)


def one_epoch_digest(hidden: int) -> str:
    """Return 16 digits of the SHA-256 of genome and momentum after an epoch and its SET step."""
    sizes = layer_sizes(hidden)
    run = SetRun.start(set_genome(sizes, EPSILON), sizes)
    run.epoch(lung_samples())
    assert run.state is not None
    trained = run.network.to_genome().fingerprint().encode() + run.state.moments.tobytes()
    return hashlib.sha256(trained).hexdigest()[:16]


def large_rows(turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Yield the rows of the network with 30,000 nodes a layer; of a quick run, with 1,000."""
    yield from set_rows(turns, QUICK if quick else LARGE)


def huge_rows(turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Yield the rows of one epoch of the network with 600,000 nodes a layer; a quick run leaves it out."""
    if not quick:
        yield from set_rows(turns, HUGE)
        return
    what = f"3 × {HUGE:,} hidden nodes"
    yield "left_out", {"part": "large", "what": what, "reason": "left out of a quick run"}


def set_rows(turns: Turns, hidden: int) -> Iterator[TableRow]:
    """Yield the rows of one size: first memory, while the process has held nothing else; then time.

    Parameters
    ----------
    turns
        Number of epochs.
    hidden
        Number of nodes of each hidden layer; from `HUGE` on, only one epoch is measured.
    """
    one_epoch_digest(QUICK)  # compile kernels
    sizes = layer_sizes(hidden)
    what = f"{N_FEATURES}–{hidden}–{hidden}–{hidden}–{N_CLASSES}"
    key: Row = {"part": "large"}
    yield "note", {"note": f"large, {what}"}
    samples = lung_samples()
    before = resident_mebibytes(status_of_process())
    genome = set_genome(sizes, EPSILON)
    n_edges = genome.n_stored
    yield "figures", key | figure_row(f"{what}: edges", "edges", [n_edges])
    _forget_peak()
    run = SetRun.start(genome, sizes)
    del genome
    if hidden < HUGE:
        limit = (
            AT_MOST_BYTES if hidden == LARGE else None
        )  # in small networks the allocator hides it
        run.train(samples)
        peak = peak_mebibytes(status_of_process())
        yield from _bytes_row(f"{what}: peak memory, training", before, peak, n_edges, limit)
        run.epoch(samples)
    epochs = [run.epoch(samples) for _ in range(1 if hidden >= HUGE else turns.rounds)]
    whole = peak_mebibytes(status_of_process())
    yield from _bytes_row(f"{what}: peak memory, SET step included", before, whole, n_edges)
    if whole is not None:
        row = figure_row(
            f"{what}: peak memory of the process", "GiB", [whole / 1024], at_most=AT_MOST_GIBIBYTES
        )
        yield "figures", key | row
    yield from _time_rows(what, hidden, epochs)
    del run
    if hidden < HUGE:
        yield from _beside_scipy(what, hidden, turns)


def _bytes_row(
    what: str, before: float | None, peak: float | None, n_edges: int, at_most: float | None = None
) -> Iterator[TableRow]:
    """Yield the bytes per edge, on Linux: all memory added since before the genome was made."""
    if before is not None and peak is not None:
        bytes_each = (peak - before) * MEBIBYTE / n_edges
        row = figure_row(what, "bytes/edge", [bytes_each], at_most=at_most)
        yield "figures", {"part": "large"} | row


def _time_rows(what: str, hidden: int, epochs: list[dict[str, float]]) -> Iterator[TableRow]:
    """Yield the time of an epoch, of its parts, and the published time."""
    key: Row = {"part": "large"}
    totals = [sum(parts.values()) for parts in epochs]
    limit = AT_MOST_SECONDS.get(hidden)
    name = f"{what}: epoch of {STEPS} steps, with SET step"
    yield "figures", key | figure_row(name, "s", totals, at_most=limit)
    for part in PARTS:
        seconds = [parts[part] for parts in epochs]
        yield "figures", key | figure_row(f"{what}: of which {part}", "s", seconds)
    shares = [parts["plan"] / total for parts, total in zip(epochs, totals, strict=True)]
    row = figure_row(f"{what}: share of the plan", "of an epoch", shares, at_most=AT_MOST_PLAN)
    yield "figures", key | row
    if hidden in PUBLISHED_SECONDS:
        published = speed_row("s", "SET", totals, [PUBLISHED_SECONDS[hidden]], form=PUBLISHED)
        yield "speed", key | {"what": name} | published


def _beside_scipy(what: str, hidden: int, turns: Turns) -> Iterator[TableRow]:
    """Time the training steps of an epoch beside SET's method: SciPy's products and a Numba loop over the edges."""
    name = f"{what}: {STEPS} steps alone"
    samples = lung_samples()
    sizes = layer_sizes(hidden)
    case = Case("large", name, set_genome(sizes, EPSILON), samples, RECIPE)
    peer: Peer = ScipyLayers(
        layer_blocks(case.genome, sizes),
        "Numba",
        (samples.inputs, samples.targets),
        learning_rate=RECIPE.learning_rate,
        momentum=RECIPE.momentum,
    )
    yield agreement_row(case, "SciPy, Numba", peer)
    sides = (case.side(STEPS), case.peer_side("peer", peer, STEPS))
    seconds = interleave(sides, turns.rounds)
    row = speed_row("s", "SciPy", seconds["ours"], seconds["peer"], form="Numba")
    yield "speed", case.key | row


def _forget_peak() -> None:
    """Reset the peak of resident memory, on Linux, so that making the genome does not count."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        descriptor = os.open(path, os.O_WRONLY)  # a counter of the system, no file
        os.write(descriptor, b"5")
        os.close(descriptor)
