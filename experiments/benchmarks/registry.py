"""The registry of benchmarks, and a function that runs one: check the peers, measure, store the tables."""

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from evo.environment import environment
from evo.errors import ResultsError, SettingsError
from evo.files import free_name
from evo.storage.table_folder import write_tables
from experiments.benchmarks.cnn.bench import bench_cnn, plan
from experiments.benchmarks.control.bench import bench_control, check_control
from experiments.benchmarks.dispatch.bench import bench_dispatch, check_dispatch
from experiments.benchmarks.graph.bench import bench_graph, check_graph
from experiments.benchmarks.harness.errors import BenchmarkError
from experiments.benchmarks.harness.machine import busy
from experiments.benchmarks.harness.result import BenchResult
from experiments.benchmarks.harness.settings import BenchOptions
from experiments.benchmarks.loop import bench_loop, check_loop
from experiments.benchmarks.maps.bench import bench_maps
from experiments.benchmarks.maps.bench import plan as plan_maps
from experiments.benchmarks.mutation import bench_mutation, check_mutation
from experiments.benchmarks.rewiring import bench_rewiring, check_rewiring
from experiments.benchmarks.sequences import bench_sequences, check_sequences


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes
    ----------
    about
        The comparison in a line.
    peers
        Packages of the peers; nothing else needs them.
    check
        ``check(options)`` raises SettingsError if an option is out of range.
    run
        ``run(options, say)`` measures; ``say(text)`` reports progress.
    """

    about: str
    peers: tuple[str, ...]
    check: Callable[[BenchOptions], object]
    run: Callable[[BenchOptions, Callable[[str], None]], BenchResult]


BENCHMARKS: Mapping[str, Benchmark] = {
    "cnn": Benchmark(
        "convolutional networks beside PyTorch: training and inference", ("torch",), plan, bench_cnn
    ),
    "control": Benchmark(
        "evolution without gradients beside neat-python: XOR, two poles on a cart, ablations",
        ("neat-python",),
        check_control,
        bench_control,
    ),
    "dispatch": Benchmark(
        "evaluation by other processes beside bare Ray actors and multiprocessing; simulated clusters",
        (),
        check_dispatch,
        bench_dispatch,
    ),
    "graph": Benchmark(
        "evolved graphs beside PyTorch, SciPy and neat-python: training, evolution, memory",
        ("torch", "neat-python"),
        check_graph,
        bench_graph,
    ),
    "loop": Benchmark(
        "a whole run beside its training steps alone, in this process and on two workers",
        (),
        check_loop,
        bench_loop,
    ),
    "maps": Benchmark(
        "networks of feature maps beside the layers of cnn and masked PyTorch: training",
        ("torch",),
        plan_maps,
        bench_maps,
    ),
    "mutation": Benchmark(
        "edit sessions beside neat-python, SciPy and networkx",
        ("neat-python",),
        check_mutation,
        bench_mutation,
    ),
    "rewiring": Benchmark(
        "policies of sparse training, and changed images, beside the training they serve",
        (),
        check_rewiring,
        bench_rewiring,
    ),
    "sequences": Benchmark(
        "evolved recurrent networks beside a GRU of PyTorch: problems of memory",
        ("torch",),
        check_sequences,
        bench_sequences,
    ),
}
"""Every benchmark, by name."""

MODULE_OF = {"neat-python": "neat"}
"""Modules of packages whose module has another name."""


OF_ONE_MACHINE = ("directory", "started")
"""What environment.json says of the folder and the time of a benchmark; published tables leave it out."""


def run_benchmark(
    name: str,
    options: BenchOptions,
    results: Path,
    say: Callable[[str], None],
    publish: Path | None = None,
) -> tuple[BenchResult, Path]:
    """Run a benchmark and store its tables.

    Parameters
    ----------
    name
        A key of `BENCHMARKS`.
    options
        What to measure.
    results
        The tables go to a new folder in ``results/benchmarks``.
    say
        Reports progress.
    publish
        A new folder for the tables too, as they stand in ``results/reference``: without folders of this machine.

    Returns
    -------
    BenchResult
        The tables and the summary.
    Path
        The folder.

    Raises
    ------
    SettingsError
        If there is no such benchmark, or an option is out of range.
    BenchmarkError
        If a peer is not installed, or a measurement fails.
    ResultsError
        If the tables cannot be written.
    """
    if name not in BENCHMARKS:
        raise SettingsError(f"unknown benchmark {name!r}; known: {', '.join(BENCHMARKS)}")
    benchmark = BENCHMARKS[name]
    for peer in benchmark.peers:
        if importlib.util.find_spec(MODULE_OF.get(peer, peer)) is None:
            raise BenchmarkError(
                f'{name} compares with {peer}, which is not installed: pip install -e ".[bench]"'
            )
    benchmark.check(options)
    if publish is not None and publish.exists():  # before minutes are spent
        raise ResultsError(
            f"{publish}: must not exist yet, for published tables are not overwritten"
        )
    folder = results / "benchmarks"
    try:
        folder.mkdir(parents=True, exist_ok=True)  # before minutes are spent
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be made ({error.strerror})") from error
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    result = benchmark.run(options, say)
    warning = (busy(load),) if busy(load) else ()
    result = replace(result, shown=(*result.shown, *warning))
    path = folder / free_name(folder, name)
    described = environment()
    described["packages"] |= {peer: metadata.version(peer) for peer in benchmark.peers}
    given = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in asdict(options).items()
    }
    described |= {"options": given, "load_before": load, "result": dict(result.line)}
    write_tables(path, result.tables, described)
    if publish is not None:
        write_tables(publish, result.tables, _shareable(name, options, described))
    return result, path


def _shareable(name: str, options: BenchOptions, described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a benchmark was made with, for others: the command as they would type it, no folders."""
    given = described["options"] | {"data_dir": options.data_dir and options.data_dir.name}
    words = ["evomatrix", "bench", name]
    for key, value in given.items():
        if value:
            words.append(f"--{'batch' if key == 'batches' else key.replace('_', '-')}")
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            words += [] if value is True else [text]
    kept = {key: value for key, value in described.items() if key not in OF_ONE_MACHINE}
    return kept | {"command": " ".join(words), "options": given}
