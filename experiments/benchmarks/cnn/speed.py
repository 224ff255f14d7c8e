"""The measurements of the CNN benchmark in one process with one thread count.

``python -m experiments.benchmarks.cnn.speed JSON`` reports one row per line: first the agreement of sides, then speeds.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

import cnn
from evo.errors import SettingsError
from experiments.benchmarks.cnn.agreement import check_agreement, digests
from experiments.benchmarks.cnn.cell import PHASES, Cell, Phase, our_side, peer_side
from experiments.benchmarks.cnn.layer_rates import layer_rates
from experiments.benchmarks.harness import workload
from experiments.benchmarks.harness.machine import matrix_product_rate
from experiments.benchmarks.harness.process import emit_all
from experiments.benchmarks.harness.settings import SpeedSettings
from experiments.benchmarks.harness.timing import Side, Spread, interleave, repeats_for, seconds_of
from experiments.benchmarks.peers import torch_layers
from experiments.benchmarks.peers.torch_layers import OPTIMIZER_FORMS, Form, Peer
from experiments.datasets import load_dataset

TableRow = tuple[str, dict[str, Any]]
"""Name of a table and a row of it; the table "note" reports progress and is not stored."""


def samples_from(data_dir: str | None) -> cnn.Samples:
    """Return the first images of a folder of the MNIST family, in [0, 1]; without a folder, synthetic images."""
    if data_dir is None:
        return workload.synthetic_samples()
    dataset = load_dataset("idx", data_dir=data_dir)
    first = slice(0, workload.N_SAMPLES)
    inputs = np.asarray(dataset.inputs)[first] / np.float32(255)
    return cnn.Samples(inputs, dataset.targets[first].astype(np.int64))


def measure(settings: SpeedSettings) -> Iterator[TableRow]:
    """Yield rows as they are measured.

    Raises
    ------
    BenchmarkError
        If sides do not compute the same.
    """
    torch_layers.set_threads(settings.threads)
    samples = samples_from(settings.data_dir)
    if max(settings.batches) > len(samples):
        raise SettingsError(
            f"batch: must be at most {len(samples)}, the samples there are; "
            f"got {max(settings.batches)}"
        )
    for name in settings.networks:
        yield from NetworkBench(name, settings, samples).rows()


class NetworkBench:
    """The measurements of one network over all batch sizes."""

    def __init__(self, name: str, settings: SpeedSettings, samples: cnn.Samples) -> None:
        self.name, self.settings, self.samples = name, settings, samples
        self.optimizer = Form()
        self.compiled: dict[Phase, Form] = {}
        self.not_compiled = "" if settings.compiled else "left out of a quick run"

    def rows(self) -> Iterator[TableRow]:
        """Yield the rows of the network."""
        settings = self.settings
        for batch in settings.batches:
            with closing(Cell.build(self.name, batch, settings.threads, self.samples)) as cell:
                if batch == settings.batches[0]:
                    self.optimizer = fastest_optimizer(cell, settings)
                yield "reproducibility", cell.key | digests(cell)
                for phase in PHASES:
                    yield from self._phase_rows(cell, phase)
                if settings.threads == 1:
                    yield from self._layer_rows(cell)

    def _phase_rows(self, cell: Cell, phase: Phase) -> Iterator[TableRow]:
        plural = "s" if cell.threads > 1 else ""
        what = f"{cell.name}, batch {cell.batch}, {cell.threads} thread{plural}, {phase}"
        yield "note", {"note": what}
        candidates = {
            form: cell.peer(form)
            for form in (replace(self.optimizer, channels_last=last) for last in (False, True))
        }
        for peer in candidates.values():
            yield _agreement(cell, phase, "eager", peer)
        form = fastest(candidates, cell, phase, self.settings)
        peers = {
            "eager": candidates[form],
            "reordered": cell.peer(replace(form, reordered=True)),
        }
        yield _agreement(cell, phase, "reordered", peers["reordered"])
        if not self.not_compiled:
            yield "note", {"note": f"{what}: torch.compile"}
            try:
                peers["compiled"] = self._compile(cell, phase, form)
            except (ImportError, OSError, RuntimeError) as error:  # as its compilers raise
                self.not_compiled = " ".join(str(error).split())[:120] or type(error).__name__
            else:
                yield _agreement(cell, phase, "compiled", peers["compiled"])
        yield "note", {"note": what}
        for row in self._timed(cell, phase, peers):
            yield "speed", row

    def _compile(self, cell: Cell, phase: Phase, eager: Form) -> Peer:
        """Return the compiled peer in the memory format that was fastest at the first batch size.

        Inference takes the memory format of the eager form: compiling takes seconds, and the two formats never
        differed.
        """
        formats = [False, True] if phase == "training" else [eager.channels_last]
        if phase in self.compiled:
            formats = [self.compiled[phase].channels_last]
        torch_layers.forget_compiled()
        forms = [replace(eager, channels_last=last, compiled=True) for last in formats]
        candidates = {form: cell.peer(form) for form in forms}
        for peer in candidates.values():
            peer_side("compiled", peer, cell, phase, 2).prepare()
        if len(forms) > 1:
            forms = [fastest(candidates, cell, phase, self.settings)]
        self.compiled[phase] = forms[0]
        return candidates[forms[0]]

    def _timed(
        self, cell: Cell, phase: Phase, peers: Mapping[str, Peer]
    ) -> Iterator[dict[str, Any]]:
        """Time all sides in turn."""
        settings = self.settings
        count = repeats_for(_seconds_each(peers["eager"], cell, phase), settings.turn_seconds)
        sides = [our_side(cell, phase, count)]
        sides += [peer_side(name, peer, cell, phase, count) for name, peer in peers.items()]
        seconds = interleave(sides, settings.rounds)
        n = count * cell.batch
        for side in ("ours", "eager", "reordered", "compiled"):
            row = cell.key | {"phase": phase, "side": side}
            if side not in seconds:
                yield row | {"reason": self.not_compiled}
                continue
            form = "" if side == "ours" else form_in(phase, peers[side].form)
            yield row | {"form": form} | rates(seconds[side], seconds["ours"], n)

    def _layer_rows(self, cell: Cell) -> Iterator[TableRow]:
        first = cell.order(1)[0]
        limit = matrix_product_rate().median
        inputs, targets = self.samples.inputs[first], self.samples.targets[first]
        key = {"network": cell.name, "batch": cell.batch, "matrix_product_gflops": limit}
        for row in layer_rates(cell.network, inputs, targets, self.settings.passes):
            yield "layers", key | row


def rates(seconds: Sequence[float], ours: Sequence[float], n_samples: int) -> dict[str, Any]:
    """Summarise the turns of a side, and the factor by which ours was faster.

    Parameters
    ----------
    seconds, ours
        Seconds of each turn of the side and of ours, paired by round.
    n_samples
        Samples of a turn.

    Returns
    -------
    dict
        Median and quartiles of samples/s; the ratio of our median to that of the side, and the quartiles of the ratios
        within rounds.

    Examples
    --------
    >>> row = rates([2.0, 4.0, 2.0], [1.0, 1.0, 1.0], 100)
    >>> row["samples_per_second"], row["ratio"], row["ratio_low"], row["ratio_high"]
    (50.0, 2.0, 2.0, 3.0)
    """
    speed = Spread.of([n_samples / s for s in seconds])
    paired = Spread.of([theirs / own for theirs, own in zip(seconds, ours, strict=True)])
    return {
        "samples_per_second": speed.median,
        "low": speed.low,
        "high": speed.high,
        "ratio": Spread.of([n_samples / s for s in ours]).median / speed.median,
        "ratio_low": paired.low,
        "ratio_high": paired.high,
        "rounds": len(seconds),
        "samples_per_turn": n_samples,
    }


def fastest(
    candidates: Mapping[Form, Peer], cell: Cell, phase: Phase, settings: SpeedSettings
) -> Form:
    """Return the fastest form, measured in turns of a quarter of the usual length."""
    names = {form_in(phase, form): form for form in candidates}
    each = min(_seconds_each(peer, cell, phase) for peer in candidates.values())
    count = repeats_for(each, settings.turn_seconds / 4)
    sides = [
        peer_side(form_in(phase, form), peer, cell, phase, count)
        for form, peer in candidates.items()
    ]
    seconds = interleave(sides, settings.trials)
    return names[min(names, key=lambda name: Spread.of(seconds[name]).median)]


def fastest_optimizer(cell: Cell, settings: SpeedSettings) -> Form:
    """Return the form with PyTorch's fastest SGD for a network; only updates are timed."""
    sides = []
    for name in OPTIMIZER_FORMS:
        peer = cell.peer(Form(optimizer=name))
        peer.loss_and_gradient(cell.order(1)[0])

        def run(peer: Peer = peer) -> None:
            for _ in range(100):
                peer.optimizer.step()

        sides.append(Side(name, peer.optimizer.step, run))
    seconds = interleave(sides, settings.trials)
    return Form(optimizer=min(OPTIMIZER_FORMS, key=lambda name: Spread.of(seconds[name]).median))


def form_in(phase: Phase, form: Form) -> str:
    """Return the name of a form in a phase: memory format, and in training the optimizer."""
    return f"{form.memory}, {form.optimizer}" if phase == "training" else form.memory


def _seconds_each(peer: Peer, cell: Cell, phase: Phase) -> float:
    """Return the approximate seconds of one step or batch of a peer."""
    side = peer_side("", peer, cell, phase, 4)
    side.prepare()
    return seconds_of(side.run) / 4


def _agreement(cell: Cell, phase: Phase, side: str, peer: Peer) -> TableRow:
    differences = check_agreement(cell, peer, phase)
    row = cell.key | {"phase": phase, "side": side, "form": form_in(phase, peer.form)}
    return "agreement", row | differences


def main(arguments: Sequence[str]) -> None:
    """Report every row."""
    emit_all(measure(SpeedSettings(**json.loads(arguments[0]))))


if __name__ == "__main__":
    main(sys.argv[1:])
