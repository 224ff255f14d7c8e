"""``bench maps``: networks of feature maps beside the layers of `cnn` and beside masked PyTorch.

Each network is measured in a process of its own, in which our side and its peers take turns on one thread.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from evo.errors import SettingsError
from experiments.benchmarks.harness import workload
from experiments.benchmarks.harness.machine import peak_mebibytes, thread_environment
from experiments.benchmarks.harness.process import Message, Tables, collect, reports
from experiments.benchmarks.harness.result import BenchResult
from experiments.benchmarks.harness.rows import Row, figure_row
from experiments.benchmarks.harness.settings import BenchOptions, MapsSettings
from experiments.benchmarks.maps.networks import NETWORKS, TAPS, dense_network
from experiments.benchmarks.maps.tables import line, shown
from experiments.benchmarks.peers.layers import peer_layers

BENCHMARKS = Path(__file__).resolve().parents[1]


def plan(options: BenchOptions) -> list[MapsSettings]:
    """Return the settings of each process: one for each network.

    Raises
    ------
    SettingsError
        Naming the option, the rule and the value.
    """
    for other in ("threads", "data_dir"):
        if getattr(options, other) is not None:
            raise SettingsError(f"{other}: must not be given to bench maps")
    names = options.networks or tuple(NETWORKS)
    batches = options.batches or ((32,) if options.quick else (32, 64, 128))
    for name in names:
        if name not in NETWORKS:
            known = ", ".join(NETWORKS)
            raise SettingsError(f"networks: unknown network {name!r}; known: {known}")
    repeats = 1 if options.repeats is None else options.repeats
    for option, numbers in (("batch", batches), ("repeats", (repeats,))):
        if min(numbers) < 1:
            raise SettingsError(f"{option}: must be at least 1; got {min(numbers)}")
    if max(batches) > workload.N_SAMPLES:
        raise SettingsError(
            f"batch: must be at most {workload.N_SAMPLES}, the samples there are; got {max(batches)}"
        )
    return [MapsSettings(name, batches, options.repeats, options.quick) for name in names]


def bench_maps(options: BenchOptions, say: Callable[[str], None]) -> BenchResult:
    """Run the benchmark; see `experiments.benchmarks.registry.Benchmark`.

    Raises
    ------
    SettingsError
        If an option is out of range.
    BenchmarkError
        If sides do not compute the same, two trainings differ, or a process fails.
    """
    plans = plan(options)
    found = Tables(list)
    for settings in plans:
        arguments = [json.dumps(asdict(settings))]
        collect(found, "experiments.benchmarks.maps.speed", arguments, thread_environment(1), say)
    for settings in plans:
        say(f"{settings.network}: memory")
        found["figures"] += memory_rows(settings)
    for settings in plans[:1] if options.quick else plans:
        say(f"{settings.network}: start")
        found["figures"] += start_rows(settings.network)
    tables = {name: pd.DataFrame(rows) for name, rows in found.items()}
    return BenchResult(tables, line(tables), shown(tables))


def memory_rows(settings: MapsSettings) -> Iterator[Row]:
    """Train each side alone in a process of its own, and read the memory of the process, on Linux."""
    name, batch = settings.network, max(settings.batches)
    steps = 8 if settings.quick else 40
    spec = NETWORKS[name]
    dense = dense_network(spec.factor)
    task = {
        "layers": peer_layers(dense),
        "image_shape": (1, *workload.IMAGE_SHAPE),
        "classes": workload.N_CLASSES,
        "samples": workload.N_SAMPLES,
        "batch": batch,
        "steps": steps,
        "share": None if spec.factor == 1 else sum(TAPS) / dense.parameter_count,
        "straight_through": spec.dormant == "straight_through",
    }
    theirs = ["-P", str(BENCHMARKS / "peers" / "torch_layers.py"), json.dumps(task)]
    for side, arguments in (("ours", _alone(name, batch, steps)), (spec.peer, theirs)):
        report = _last(reports(arguments, thread_environment(1)))
        for when, status in (("after imports", "imported"), ("peak", "trained")):
            memory = peak_mebibytes(report[status])
            if memory is not None:
                what = f"{name}, batch {batch}, {side}: {when}"
                yield {"part": "memory"} | figure_row(what, "MiB", [memory])


def start_rows(name: str) -> Iterator[Row]:
    """Time plan and first step in a new process: with kernels to compile, then with kernels cached on disk."""
    with tempfile.TemporaryDirectory() as empty:
        environment = thread_environment(1) | {"NUMBA_CACHE_DIR": empty}
        for kernels in ("compiled", "cached"):
            report = _last(reports(_alone(name, 32, 1), environment))
            what = f"{name}: plan and first step, kernels {kernels}"
            yield {"part": "start"} | figure_row(what, "s", [report["first_step"]])


def _alone(name: str, batch: int, steps: int) -> list[str]:
    return ["-P", "-m", "experiments.benchmarks.maps.alone", name, str(batch), str(steps)]


def _last(messages: Iterator[Message]) -> Message:
    """Return the last message of a process, which is its only one."""
    *_, last = messages
    return last
