"""Part `large`: SET's networks of millions of edges, an epoch with its SET step - time, memory, share of the plan."""

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
from experiments.benchmarks.harness.machine import peak_mebibytes, resident_mebibytes
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
"""The training part of the lung data set, on which SET's authors measure."""

EPSILON, SHARE, BATCH = 20, 0.3, 2
STEPS = -(-N_SAMPLES // BATCH)
RECIPE = recipe(BATCH, 1e-4)
LARGE, HUGE, QUICK = 30_000, 600_000, 1_000
"""Nodes of each of the three hidden layers."""

PUBLISHED_SECONDS = {LARGE: 9.6, HUGE: 112 * 60.0}
"""An epoch of SET's own code: measured elsewhere on a machine of this class; reported by its authors, on a laptop."""

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
        As it stands.
    state
        The optimiser's.
    rng
        Draws where edges grow.
    sizes
        Nodes of each layer, inputs first.
    """

    network: Phenotype
    state: cnn.OptimizerState | None
    rng: np.random.Generator
    sizes: tuple[int, ...]

    @classmethod
    def start(cls, genome: Genome, sizes: tuple[int, ...]) -> "SetRun":
        """Compile a network of such layers, to be trained from the beginning."""
        return cls(Phenotype(genome), None, np.random.default_rng(6), sizes)

    def epoch(self, samples: cnn.Samples) -> dict[str, float]:
        """Train for an epoch, drop and regrow edges, and compile what comes of it; seconds of each part."""
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
        """Return an editor of the trained genome, and the momentum of all its entries; gives the network up."""
        assert self.state is not None
        genome, moments = self.network.to_genome(), self.network.spread(self.state.moments)
        del self.network
        return GenomeEditor(genome), moments


def lung_samples() -> cnn.Samples:
    """Draw data of the lung set's shape."""
    return noise_samples(N_SAMPLES, N_FEATURES, N_CLASSES)


def layer_sizes(hidden: int) -> tuple[int, ...]:
    """Return the nodes of each layer of SET's network for that data."""
    return (N_FEATURES, hidden, hidden, hidden, N_CLASSES)


def one_epoch_digest(hidden: int) -> str:
    """Return the beginning of the SHA-256 of the genome after an epoch and its SET step, momentum included."""
    sizes = layer_sizes(hidden)
    run = SetRun.start(set_genome(sizes, EPSILON), sizes)
    run.epoch(lung_samples())
    assert run.state is not None
    trained = run.network.to_genome().fingerprint().encode() + run.state.moments.tobytes()
    return hashlib.sha256(trained).hexdigest()[:16]


def large_rows(turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Measure the network of 30,000 nodes a layer; a quick run takes one of 1,000."""
    yield from set_rows(turns, QUICK if quick else LARGE)


def huge_rows(turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Measure one epoch of the network of 600,000 nodes a layer; a quick run does not."""
    if not quick:
        yield from set_rows(turns, HUGE)
        return
    what = f"3 × {HUGE:,} hidden nodes"
    yield "left_out", {"part": "large", "what": what, "reason": "left out of a quick run"}


def set_rows(turns: Turns, hidden: int) -> Iterator[TableRow]:
    """Measure one size: memory first, while nothing else has been in this process; then time.

    Parameters
    ----------
    turns
        How often.
    hidden
        Nodes of each hidden layer; from `HUGE` on, one epoch is all.
    """
    one_epoch_digest(QUICK)  # compiles what it needs
    sizes = layer_sizes(hidden)
    what = f"{N_FEATURES}–{hidden}–{hidden}–{hidden}–{N_CLASSES}"
    key: Row = {"part": "large"}
    yield "note", {"note": f"large, {what}"}
    samples = lung_samples()
    before = resident_mebibytes(_status())
    genome = set_genome(sizes, EPSILON)
    n_edges = genome.n_stored
    yield "figures", key | figure_row(f"{what}: edges", "edges", [n_edges])
    _forget_peak()
    run = SetRun.start(genome, sizes)
    del genome
    if hidden < HUGE:
        limit = AT_MOST_BYTES if hidden == LARGE else None  # what is small is lost in the allocator
        run.train(samples)
        peak = peak_mebibytes(_status())
        yield from _bytes_row(f"{what}: peak memory, training", before, peak, n_edges, limit)
        run.epoch(samples)
    epochs = [run.epoch(samples) for _ in range(1 if hidden >= HUGE else turns.rounds)]
    whole = peak_mebibytes(_status())
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
    """Yield the memory of an edge, where the system tells: all that came since before the genome was made."""
    if before is not None and peak is not None:
        bytes_each = (peak - before) * MEBIBYTE / n_edges
        row = figure_row(what, "bytes/edge", [bytes_each], at_most=at_most)
        yield "figures", {"part": "large"} | row


def _time_rows(what: str, hidden: int, epochs: list[dict[str, float]]) -> Iterator[TableRow]:
    """Yield the time of an epoch and of its parts, and the published figure beside it."""
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
    """Time an epoch's training steps beside SET's idea of them: SciPy's products, a loop of Numba's at the edges."""
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


def _status() -> str:
    path = Path("/proc/self/status")
    return path.read_text("ascii", "replace") if path.exists() else ""


def _forget_peak() -> None:
    """Let the peak of resident memory begin anew, on Linux: what made the genome does not count."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        descriptor = os.open(path, os.O_WRONLY)  # the kernel's counter, no file
        os.write(descriptor, b"5")
        os.close(descriptor)
