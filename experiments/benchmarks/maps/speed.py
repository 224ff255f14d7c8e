"""The measurements of the benchmark of maps for one network, in a process of its own.

``python -m experiments.benchmarks.maps.speed JSON`` reports one row per line: first the agreement of sides, then
speeds.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import cnn
from experiments.benchmarks.harness.errors import BenchmarkError
from experiments.benchmarks.harness.machine import matrix_product_rate
from experiments.benchmarks.harness.process import emit_all
from experiments.benchmarks.harness.rows import OURS, TableRow, Turns, figure_row, speed_row
from experiments.benchmarks.harness.settings import MapsSettings
from experiments.benchmarks.harness.sides import Case, bits_row, digest, fastest, rates
from experiments.benchmarks.harness.timing import Side
from experiments.benchmarks.harness.workload import synthetic_samples
from experiments.benchmarks.maps.networks import CNN, NETWORKS, dense_network, useful_flops
from experiments.benchmarks.maps.sides import (
    CnnSide,
    Rival,
    agreement_row,
    maps_case,
    named,
    torch_side,
)
from experiments.benchmarks.peers import torch_layers
from experiments.benchmarks.peers.torch_layers import Form

EAGER = (
    Form(),
    Form(channels_last=True),
    Form(optimizer="foreach"),
    Form(channels_last=True, optimizer="foreach"),
)
COMPILED = (Form(compiled=True), Form(channels_last=True, compiled=True))
POOLED_FIRST = "max pooling before tanh"
"""A peer of its own: the same numbers with layers reordered by hand."""

Forms = dict[str, Rival]


def measure(settings: MapsSettings) -> Iterator[TableRow]:
    """Yield rows as they are measured.

    Raises
    ------
    BenchmarkError
        If sides do not compute the same, or two trainings of ours differ.
    """
    torch_layers.set_threads(1)
    yield from NetworkTurns(settings, synthetic_samples()).rows()


class NetworkTurns:
    """The measurements of one network over all batch sizes."""

    def __init__(self, settings: MapsSettings, samples: cnn.Samples) -> None:
        self.name, self.batches = settings.network, settings.batches
        self.turns = Turns.of(settings.rounds, quick=settings.quick)
        self.spec, self.samples = NETWORKS[self.name], samples
        self.eager: Sequence[Form] = EAGER[:2] if settings.quick else EAGER
        self.compiled: Sequence[Form] = COMPILED
        self.not_compiled = "left out of a quick run" if settings.quick else ""

    def rows(self) -> Iterator[TableRow]:
        """Yield the rows of the network."""
        for batch in self.batches:
            case = maps_case(self.name, batch, self.samples)
            if batch == self.batches[0]:
                yield from self._size_rows(case)
            yield "note", {"note": f"{self.name}, {case.what}"}
            again = maps_case(self.name, batch, self.samples)
            yield "bits", bits_row(self.name, case.what, digest(case), digest(again))
            yield from self._speed_rows(case)
        if self.not_compiled:
            row = {"what": "PyTorch compiled", "reason": self.not_compiled}
            yield "left_out", {"part": self.name} | row

    def _size_rows(self, case: Case) -> Iterator[TableRow]:
        """Yield the size of the network and the rate of NumPy's matrix product."""
        network, key = case.network, {"part": self.name}
        macs = network.without_dormant().macs
        yield "figures", key | figure_row("taps that learn", "taps", [network.n_edges])
        yield "figures", key | figure_row("multiply-accumulates a sample", "MACs", [macs])
        limit = matrix_product_rate()
        values = [limit.low, limit.median, limit.high]
        yield "figures", key | figure_row("NumPy's float32 matrix product", "GFLOP/s", values)

    def _speed_rows(self, case: Case) -> Iterator[TableRow]:
        """Check that peers agree, choose the fastest form of PyTorch, and time all sides in turns."""
        eager: Forms = {named(form): torch_side(case, form) for form in self.eager}
        for name, rival in eager.items():
            yield agreement_row(case, f"{self.spec.peer}, {name}", rival)
        best = fastest(case, eager, self.turns)
        compiled: Forms = {}
        if not self.not_compiled:
            yield "note", {"note": f"{self.name}, {case.what}: torch.compile"}
            for name, rival in self._compile(case).items():
                try:  # torch.compile sometimes gives other gradients: such a network is no peer
                    yield agreement_row(case, f"{self.spec.peer}, {name}", rival)
                    compiled[name] = rival
                except BenchmarkError as error:
                    yield (
                        "left_out",
                        {"part": self.name, "what": f"PyTorch {name}"} | {"reason": str(error)},
                    )
        yield "note", {"note": f"{self.name}, {case.what}"}
        chosen = {best: eager[best]} | compiled
        form = fastest(case, chosen, self.turns)
        first = next(form for form in self.eager if named(form) == best)
        rivals: dict[str, tuple[str, Rival]] = {
            self.spec.peer: (form, chosen[form]),
            f"{self.spec.peer}, {POOLED_FIRST}": (
                best,
                torch_side(case, replace(first, reordered=True)),
            ),
        }
        if CNN in self.spec.targets:
            rivals[CNN] = OURS, CnnSide(case, dense_network(self.spec.factor))
        for name, (_, rival) in list(rivals.items())[1:]:
            yield agreement_row(case, name, rival)
        yield from self._timed(case, rivals)

    def _compile(self, case: Case) -> Forms:
        """Return PyTorch's compiled side in the fastest memory format at the first batch size; nothing if it fails."""
        torch_layers.forget_compiled()
        found: Forms = {named(form): torch_side(case, form) for form in self.compiled}
        try:
            for rival in found.values():
                rival.train(case.order(2))
                rival.restore()
        except (ImportError, OSError, RuntimeError) as error:  # as its compilers raise
            self.not_compiled = " ".join(str(error).split())[:120] or type(error).__name__
            return {}
        best = fastest(case, found, self.turns)
        self.compiled = [form for form in self.compiled if named(form) == best]
        return {best: found[best]}

    def _timed(self, case: Case, rivals: Mapping[str, tuple[str, Rival]]) -> Iterator[TableRow]:
        """Time all sides in turns: samples/s, and GFLOP/s of the necessary work."""
        makers: dict[str, Callable[[int], Side]] = {"ours": case.side}
        for name, (_, rival) in rivals.items():
            makers[name] = partial(case.peer_side, name, rival)
        batch = case.recipe.batch_size
        found = {
            name: [batch * steps for steps in turns]
            for name, turns in rates(makers, self.turns.seconds, self.turns.rounds).items()
        }
        for name, (form, _) in rivals.items():
            target = self.spec.targets.get(name)
            row = speed_row("samples/s", name, found["ours"], found[name], form=form, target=target)
            yield "speed", case.key | row
        flops = useful_flops(case.network)
        for name, speeds in found.items():
            values = [1e-9 * flops * speed for speed in speeds]
            row = figure_row(f"{case.what}, {name}: useful work", "GFLOP/s", values)
            yield "figures", {"part": self.name} | row


def main(arguments: Sequence[str]) -> None:
    """Report every row."""
    emit_all(measure(MapsSettings(**json.loads(arguments[0]))))


if __name__ == "__main__":
    main(sys.argv[1:])
