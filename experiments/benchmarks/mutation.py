"""``bench mutation``: edit sessions from 10 to a million nodes, beside neat-python, SciPy and networkx."""

import math
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from scipy import sparse

from evo.editing.editor import GenomeEditor
from evo.genome.genome import Genome
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import OPERATORS, apply_operation
from experiments.benchmarks.harness.result import BenchResult
from experiments.benchmarks.harness.settings import BenchOptions, check_repeats_only
from experiments.benchmarks.harness.timing import Side, Spread, interleave, seconds_of
from experiments.benchmarks.peers.mutation import neat_child, networkx_children, scipy_product

DENSE, SPARSE = (10, 100, 1_000), (10_000, 100_000, 1_000_000)
EDGES_A_NODE = 20
BATCHES = (1, 10, 100)
LETTERS = ("A", "B", "C", "D", "F", "H", "N")
MOST_EDGES = {"neat-python": 30_000, "networkx": 600_000}
"""Largest number of edges for each peer; beyond it one child takes seconds."""

Row = dict[str, Any]


def check_mutation(options: BenchOptions) -> None:
    """Raise SettingsError if an option is out of range or is not one of this benchmark."""
    check_repeats_only("mutation", options)


def bench_mutation(options: BenchOptions, say: Callable[[str], None]) -> BenchResult:
    """Run the benchmark; see `experiments.benchmarks.registry.Benchmark`."""
    quick = options.quick
    rounds = options.repeats or (2 if quick else 5)
    sizes = [(n, True) for n in (DENSE[:2] if quick else DENSE)]
    sizes += [(n, False) for n in (SPARSE[:1] if quick else SPARSE)]
    rows: dict[str, list[Row]] = {"sessions": [], "letters": [], "peers": []}
    for n, dense in sizes:
        say(f"{n:,} nodes")
        genome = parent(n, dense=dense)
        for code in LETTERS:  # compile kernels and fill caches
            session(genome, (code,), seed=0)
        rows["letters"] += letter_rows(genome, rounds)
        rows["sessions"] += [session_row(genome, dense, count, rounds) for count in BATCHES]
        rows["peers"] += peer_rows(genome, rounds)
    if not quick:  # a sparse genome that neat-python can manage
        rows["peers"] += peer_rows(parent(1_000, dense=False), rounds)
    tables = {name: pd.DataFrame(found) for name, found in rows.items()}
    return BenchResult(tables, line(tables), shown(tables))


def parent(n: int, *, dense: bool) -> Genome:
    """Make a genome of n nodes: dense (half of all places) or sparse (20 edges per node)."""
    rng = np.random.default_rng(n)
    n_inputs, n_outputs = max(1, n // 10), max(1, n // 100)
    if dense:
        matrix = rng.standard_normal((n, n), dtype=np.float32)
        matrix[rng.random((n, n)) < 0.5] = 0
        return Genome.from_matrix(matrix, n_inputs=n_inputs, n_outputs=n_outputs)
    degree = EDGES_A_NODE
    rows = np.sort(rng.integers(0, n - degree, (n, degree), np.int32), axis=1)
    rows += np.arange(degree, dtype=np.int32)  # distinct and ascending
    values = rng.standard_normal(n * degree, dtype=np.float32)
    parts = (values, rows.ravel(), np.arange(0, n * degree + 1, degree, dtype=np.int32))
    weights = sparse.csc_array(parts, shape=(n, n))
    return Genome.from_matrix(weights, n_inputs=n_inputs, n_outputs=n_outputs)


def context(seed: int) -> ProposalContext:
    """Return the bounds of operators: N writes a few edges, whatever the size of the genome."""
    return ProposalContext(
        np.random.default_rng(seed), OperatorSettings(max_density=1.0, max_new_fraction=1e-7)
    )


def session(genome: Genome, codes: tuple[str, ...], seed: int) -> Genome:
    """Open an editor, propose and apply operators one after another, and freeze the child."""
    editor, bounds = GenomeEditor(genome, origins=False), context(seed)
    for code in codes:
        parameters = OPERATORS[code].propose(editor, bounds)
        if parameters is not None:
            apply_operation(editor, code, parameters)
    return editor.freeze()


def session_row(genome: Genome, dense: bool, count: int, rounds: int) -> Row:
    """Time whole sessions of `count` operations, with all operators in turn, and measure their memory."""
    codes = tuple(LETTERS[i % len(LETTERS)] for i in range(count))
    seconds = [seconds_of(lambda s=seed: session(genome, codes, s)) for seed in range(rounds)]  # type: ignore[misc]
    tracemalloc.start()
    try:
        session(genome, codes, 0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    matrix = genome.indptr.nbytes + genome.indices.nbytes + genome.values.nbytes
    median = Spread.of(seconds).median
    return {
        "nodes": genome.n_nodes,
        "edges": genome.n_stored,
        "dense": dense,
        "operations": count,
        "seconds": median,
        "microseconds_per_operation": 1e6 * median / count,
        "bytes_allocated": peak,
        "memory_ratio": 1 + peak / matrix,
    }


def letter_rows(genome: Genome, rounds: int) -> Iterator[Row]:
    """Time proposing and applying each operator within an open session."""
    for code in LETTERS:
        proposed, applied = _within_a_session(genome, code, 4 * rounds)
        yield {
            "nodes": genome.n_nodes,
            "edges": genome.n_stored,
            "operator": code,
            "propose_microseconds": 1e6 * Spread.of(proposed).median,
            "apply_microseconds": 1e6 * Spread.of(applied).median if applied else math.nan,
        }


def _within_a_session(genome: Genome, code: str, times: int) -> tuple[list[float], list[float]]:
    editor, bounds, operator = GenomeEditor(genome, origins=False), context(1), OPERATORS[code]
    found: list[Any] = []
    proposed, applied = [], []
    for _ in range(times):
        proposed.append(seconds_of(lambda: found.append(operator.propose(editor, bounds))))
        if found[-1] is not None:
            applied.append(seconds_of(lambda: apply_operation(editor, code, found[-1])))
    return proposed, applied


def peer_rows(genome: Genome, rounds: int) -> Iterator[Row]:
    """Let our side and each peer that can manage the size rewrite the genome, in turns."""
    n, a, b = genome.n_nodes, genome.n_nodes // 2, genome.n_nodes // 2 + 1

    def child(change: Callable[[GenomeEditor], None]) -> Callable[[], object]:
        def make() -> object:
            editor = GenomeEditor(genome, origins=False)
            change(editor)
            return editor.freeze()

        return make

    def add_both(editor: GenomeEditor) -> None:
        editor.add_row(0, 1, 0.5)
        editor.add_column(0, 1, 0.5)

    def add_row(editor: GenomeEditor) -> None:
        editor.add_row(a, b, 1e-3)

    def swap_columns(editor: GenomeEditor) -> None:
        editor.swap_columns(a, b)

    jobs = [("SciPy", "L @ W @ R", child(add_both), scipy_product(genome))]
    if n >= 100 and genome.n_stored <= MOST_EDGES["neat-python"]:
        mutated = partial(session, genome, ("A", "N"), 0)
        jobs.append(("neat-python", "mutated genome", mutated, neat_child(genome)))
    if genome.n_stored <= MOST_EDGES["networkx"]:
        rewrites = networkx_children(genome, a, b)
        jobs.append(("networkx", "swap columns", child(swap_columns), rewrites["swap columns"]))
        jobs.append(("networkx", "add row", child(add_row), rewrites["add row"]))
    for peer, what, ours, theirs in jobs:
        ours()
        theirs()
        sides = (Side("ours", lambda: None, ours), Side(peer, lambda: None, theirs))
        seconds = interleave(sides, 3 * rounds)
        mine, other = (Spread.of(seconds[name]).median for name in ("ours", peer))
        yield {
            "nodes": n,
            "edges": genome.n_stored,
            "peer": peer,
            "what": what,
            "ours_microseconds": 1e6 * mine,
            "peer_microseconds": 1e6 * other,
            "ratio": other / mine,
        }


def line(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the result as one JSON-able object: the worst case beside any peer, and the main figures."""
    peers, sessions = tables["peers"], tables["sessions"]
    worst = peers.sort_values("ratio").iloc[0]
    largest = sessions.iloc[-1]
    result: dict[str, Any] = {
        "name": "mutation",
        "ours": round(1e6 / worst["ours_microseconds"], 1),
        "peer": round(1e6 / worst["peer_microseconds"], 1),
        "ratio": round(worst["ratio"], 3),
        "unit": "rewrites/s",
        "case": f"{worst['nodes']:,} nodes, {worst['what']}, beside {worst['peer']}",
        "seconds_of_largest_session": round(largest["seconds"], 3),
        "largest_session": f"{largest['operations']} operations, {largest['edges']:,} edges",
        "memory_ratio": round(largest["memory_ratio"], 2),
    }
    for peer, of_peer in peers.groupby("peer"):
        result[f"ratio_{peer}"] = round(of_peer["ratio"].min(), 3)
    sparse_rows = sessions[~sessions["dense"] & (sessions["operations"] == max(BATCHES))]
    if len(sparse_rows) > 1:
        growth = np.polyfit(np.log(sparse_rows["edges"]), np.log(sparse_rows["seconds"]), 1)[0]
        result["growth_exponent"] = round(float(growth), 2)
    return result


def shown(tables: dict[str, pd.DataFrame]) -> tuple[Table, ...]:
    """Return the tables to print."""
    first = _table("Edit sessions: µs per operation (memory of parent and session over the matrix)")
    for name in ("nodes", "edges", *(f"{count} operations" for count in BATCHES)):
        first.add_column(name, justify="right")
    for _, of_size in tables["sessions"].groupby("edges"):
        cells = [
            f"{row['microseconds_per_operation']:,.0f} ({row['memory_ratio']:.2f})"
            for _, row in of_size.iterrows()
        ]
        size = of_size.iloc[0]
        first.add_row(f"{size['nodes']:,}", f"{size['edges']:,}", *cells)
    letters = tables["letters"].set_index(["nodes", "operator"])
    second = _table("Within a session: µs to propose + to apply")
    for name in ("nodes", *LETTERS):
        second.add_column(name, justify="right")
    for nodes in tables["letters"]["nodes"].unique():
        rows = [letters.loc[(nodes, code)] for code in LETTERS]
        cells = [f"{r['propose_microseconds']:,.0f} + {r['apply_microseconds']:,.0f}" for r in rows]
        second.add_row(f"{nodes:,}", *cells)
    third = _table("Beside peers, µs")
    for name in ("peer", "what", "nodes", "ours", "peer's", "ratio"):
        third.add_column(name, justify="left" if name in {"peer", "what"} else "right")
    for _, row in tables["peers"].iterrows():
        times = [f"{row[key]:,.0f}" for key in ("ours_microseconds", "peer_microseconds")]
        third.add_row(row["peer"], row["what"], f"{row['nodes']:,}", *times, f"{row['ratio']:,.1f}")
    return first, second, third


def _table(title: str) -> Table:
    return Table(title=title, box=box.SIMPLE, title_justify="left")
