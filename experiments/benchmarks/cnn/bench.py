"""``bench cnn``: speed, memory, start-up time and reproducibility of our convolutional networks beside PyTorch's."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from evo.environment import usable_cores
from evo.errors import SettingsError
from experiments.benchmarks.cnn.tables import line, shown
from experiments.benchmarks.harness import workload
from experiments.benchmarks.harness.errors import BenchmarkError
from experiments.benchmarks.harness.machine import peak_mebibytes, thread_environment
from experiments.benchmarks.harness.process import Message, Tables, collect, reports
from experiments.benchmarks.harness.result import BenchResult
from experiments.benchmarks.harness.settings import BenchOptions, SpeedSettings
from experiments.benchmarks.peers.layers import peer_layers

BENCHMARKS = Path(__file__).resolve().parents[1]
Row = dict[str, Any]


def bench_cnn(options: BenchOptions, say: Callable[[str], None]) -> BenchResult:
    """Run the benchmark; see `experiments.benchmarks.registry.Benchmark`.

    Raises
    ------
    SettingsError
        If an option is out of range.
    BenchmarkError
        If sides do not compute the same, two trainings differ, or a process fails.
    """
    plans = plan(options)
    rows = Tables(list)
    for settings in plans:
        arguments, threads = [json.dumps(asdict(settings))], thread_environment(settings.threads)
        collect(rows, "experiments.benchmarks.cnn.speed", arguments, threads, say)
    networks, batch = plans[0].networks, max(plans[0].batches)
    say("memory")
    rows["memory"] = list(memory_rows(networks, batch, steps=8 if options.quick else 40))
    say("start")
    rows["start"] = list(start_rows(networks))
    tables = {name: pd.DataFrame(found) for name, found in rows.items()}
    repeats = tables["reproducibility"]
    if not repeats["identical"].all():
        wrong = repeats[~repeats["identical"]].iloc[0]
        raise BenchmarkError(
            f"{wrong['network']}, batch {wrong['batch']}, {wrong['threads']} threads: bits of two trainings must be "
            f"the same; got {wrong['first']} and {wrong['second']}"
        )
    return BenchResult(tables, line(tables["speed"]), shown(tables))


def plan(options: BenchOptions) -> list[SpeedSettings]:
    """Return the settings of each process: one for each thread count.

    Raises
    ------
    SettingsError
        Naming the option, the rule and the value.
    """
    quick = options.quick
    networks = options.networks or tuple(workload.NETWORKS)
    batches = options.batches or ((32,) if quick else (32, 64, 128))
    cores = usable_cores()
    threads = options.threads or ((1,) if quick or cores == 1 else (1, 2))
    repeats = (2 if quick else 5) if options.repeats is None else options.repeats
    for name in networks:
        if name not in workload.NETWORKS:
            known = ", ".join(workload.NETWORKS)
            raise SettingsError(f"networks: unknown network {name!r}; known: {known}")
    for option, numbers in (("batch", batches), ("threads", threads), ("repeats", (repeats,))):
        if min(numbers) < 1:
            raise SettingsError(f"{option}: must be at least 1; got {min(numbers)}")
    if max(threads) > cores:
        raise SettingsError(
            f"threads: must be at most {cores}, the cores that this process may use; got {max(threads)}"
        )
    if max(batches) > workload.N_SAMPLES:
        raise SettingsError(
            f"batch: must be at most {workload.N_SAMPLES}, the samples there are; got {max(batches)}"
        )
    return [
        SpeedSettings(
            networks=networks,
            batches=batches,
            threads=count,
            rounds=repeats,
            turn_seconds=0.02 if quick else 0.15,
            trials=1 if quick else 3,
            passes=3 if quick else 50,
            compiled=not quick,
            data_dir=None if options.data_dir is None else str(options.data_dir),
        )
        for count in threads
    ]


def memory_rows(networks: tuple[str, ...], batch: int, *, steps: int) -> Iterator[Row]:
    """Train each side alone in a process of its own, and read the memory of the process."""
    samples = workload.synthetic_samples()
    for name in networks:
        ours = [
            "-P",
            str(BENCHMARKS / "harness" / "workload.py"),
            "train",
            name,
            str(batch),
            str(steps),
        ]
        task = {
            "layers": peer_layers(workload.build(name, samples)),
            "image_shape": (1, *workload.IMAGE_SHAPE),
            "classes": workload.N_CLASSES,
            "samples": workload.N_SAMPLES,
            "batch": batch,
            "steps": steps,
        }
        theirs = ["-P", str(BENCHMARKS / "peers" / "torch_layers.py"), json.dumps(task)]
        for side, arguments in (("ours", ours), ("eager", theirs)):
            found = _last(reports(arguments, thread_environment(1)))
            imported, trained = found.pop("imported"), found.pop("trained")
            yield {
                "network": name,
                "batch": batch,
                "side": side,
                "imported_mib": peak_mebibytes(imported),
                "peak_mib": peak_mebibytes(trained),
            } | found


def start_rows(networks: tuple[str, ...]) -> Iterator[Row]:
    """Time the first training step in a new process: with kernels to compile, then with kernels cached on disk."""
    with tempfile.TemporaryDirectory() as empty:
        environment = thread_environment(1) | {"NUMBA_CACHE_DIR": empty}
        for kernels in ("compiled", "cached"):
            began = time.perf_counter()
            arguments = ["-P", str(BENCHMARKS / "harness" / "workload.py"), "start", *networks]
            parts = _last(reports(arguments, environment))
            parts["whole process"] = time.perf_counter() - began
            for part, seconds in parts.items():
                yield {"kernels": kernels, "part": part, "seconds": seconds}


def _last(messages: Iterator[Message]) -> Message:
    """Return the last message of a process, which is its only one."""
    *_, last = messages
    return last
