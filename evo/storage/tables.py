"""The tables of a run: their columns, declared once.

``docs/tables.md`` is :func:`data_dictionary` of what stands here; a test compares it with real tables.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column: name, type, unit and meaning."""

    name: str
    type: pa.DataType
    unit: str
    description: str


_INT, _FLOAT, _TEXT = pa.int64(), pa.float64(), pa.string()
_RUN = (
    Column("run", _TEXT, "", "name of the run's folder"),
    Column(
        "seed",
        _INT,
        "",
        "seed of this repetition; split, founders, batches and mutations follow from it",
    ),
)
SIZES = (
    Column("nodes", _INT, "nodes", "nodes of the matrix, inputs and outputs included"),
    Column("hidden_nodes", _INT, "nodes", "nodes with the role hidden"),
    Column("active_nodes", _INT, "nodes", "hidden and output nodes that are computed"),
    Column("maps", _INT, "nodes", "nodes that are feature maps: of a side above 1"),
    Column("stored", _INT, "entries", "stored entries (of kernels: taps), dormant ones included"),
    Column("edges", _INT, "entries", "entries that the threshold lets through"),
    Column("effective_edges", _INT, "entries", "of these, what acts on an output and is computed"),
    Column("kernels", _INT, "edges", "edges with a window of several taps, one at least effective"),
    Column("taps_per_kernel", _FLOAT, "taps", "effective taps of these, mean; empty without any"),
    Column(
        "density",
        _FLOAT,
        "",
        "edges over the entries that there could be: nodes squared, between maps the taps of all kernels",
    ),
    Column("threshold", _FLOAT, "weight", "threshold A; empty where every stored entry is an edge"),
    Column("ticks", _INT, "ticks", "T, times that every node is evaluated per sample"),
    Column("parameters", _INT, "", "trainable numbers: effective_edges and biases"),
    Column("macs", _INT, "per sample", "multiply-accumulates per sample"),
    Column(
        "entries",
        _TEXT,
        "",
        "what W is in the columns down to spectral_radius: weights; or, where there are maps, l1 norms, a "
        "kernel's entry being the sum of its taps' magnitudes (a neuron's to a neuron is still its weight)",
    ),
    Column("determinant_sign", pa.int8(), "", "sign of det W (stored entries): -1, 0 or 1"),
    Column(
        "log_abs_determinant", _FLOAT, "nat", "ln |det W|; empty where singular or not computed"
    ),
    Column("identity_minus_sign", pa.int8(), "", "sign of det(I - W)"),
    Column(
        "log_abs_identity_minus",
        _FLOAT,
        "nat",
        "ln |det(I - W)|; empty where singular or not computed",
    ),
    Column(
        "mean_degree",
        _FLOAT,
        "edges",
        "effective edges per node: the mean of in-degrees and of out-degrees alike; like all of the "
        "graph's columns down to network, where a kernel is one edge, empty beyond 100,000 stored edges",
    ),
    Column("max_in_degree", _INT, "edges", "most effective edges that one node hears"),
    Column("max_out_degree", _INT, "edges", "most effective edges that one node speaks by"),
    Column("delayed_edges", _INT, "edges", "effective edges that act one tick later"),
    Column(
        "components",
        _INT,
        "",
        "strongly connected components of the effective edges; as many as nodes without a cycle",
    ),
    Column("cyclic_nodes", _INT, "nodes", "nodes on a cycle of effective edges"),
    Column("depth", _INT, "edges", "longest path of effective edges that act within one tick"),
    Column(
        "mean_hops",
        _FLOAT,
        "edges",
        "shortest path to an output from its nearest input, mean over the outputs that one leads to; "
        "empty where none does",
    ),
    Column(
        "spectral_radius",
        _FLOAT,
        "",
        "largest magnitude of the eigenvalues of W, its effective edges alone: 0 without a cycle; "
        "empty where a component has more than 128 nodes",
    ),
    Column(
        "network",
        _TEXT,
        "",
        "canonical hash of the network that was trained, before its training: equal for the same network "
        "up to naming, and else different (but see evo.canonical_hash)",
    ),
)

TABLES: Mapping[str, tuple[Column, ...]] = {
    "runs": (
        *_RUN,
        Column("experiment", _TEXT, "", "name of the experiment"),
        Column("arm", _TEXT, "", "the arm that evolved, as `comparison` calls it; null: none"),
        Column("dataset", _TEXT, "", "name of the data set"),
        Column("data_hash", _TEXT, "", "SHA-256 of the data set's contents"),
        Column("task", _TEXT, "", "classification or regression"),
        Column("train_samples", _INT, "samples", "size of the training part"),
        Column("validation_samples", _INT, "samples", "size of the validation part"),
        Column("test_samples", _INT, "samples", "size of the test part"),
        Column("features", _INT, "", "values per sample"),
        Column("outputs", _INT, "", "classes, or values to regress on"),
        Column("individuals", _INT, "", "individuals raised in the search"),
        Column("failures", _INT, "", "of these, without a fitness"),
        Column(
            "best_individual",
            _INT,
            "",
            "the winner: best fitness in the last population; empty where nothing evolved",
        ),
        Column("search_steps", _INT, "steps", "gradient steps of the whole search"),
        Column("search_samples", _INT, "samples", "training samples seen by the whole search"),
        Column(
            "search_macs",
            _INT,
            "MACs",
            "forward multiply-accumulates of the whole search's training",
        ),
        Column("search_seconds", _FLOAT, "s", "wall time of the search"),
    ),
    "generations": (
        *_RUN,
        Column("generation", _INT, "", "0 is the founders'"),
        Column("individuals", _INT, "", "individuals raised in this generation"),
        Column("failures", _INT, "", "of these, without a fitness"),
        Column("children_surviving", _INT, "", "modified children that hold a slot afterwards"),
        Column("best_individual", _INT, "", "fittest of the population after selection"),
        Column("best_fitness", _FLOAT, "", "its fitness"),
        Column("best_validation_loss", _FLOAT, "nat or unit²", "its mean validation loss"),
        Column(
            "best_validation_accuracy",
            _FLOAT,
            "share",
            "its validation accuracy; empty in regression",
        ),
        Column("mean_fitness", _FLOAT, "", "mean over the population after selection"),
        Column("best_edges", _INT, "edges", "edges of the fittest"),
        Column("best_parameters", _INT, "", "parameters of the fittest"),
        Column("best_macs", _INT, "per sample", "multiply-accumulates of the fittest"),
        Column("seconds", _FLOAT, "s", "wall time of the generation"),
    ),
    "individuals": (
        *_RUN,
        Column("generation", _INT, "", "generation it was raised in"),
        Column("individual", _INT, "", "number within run and seed"),
        Column("slot", _INT, "", "place in the population that it competed for"),
        Column(
            "origin", _TEXT, "", "founder; continued (trained on); child (modified, then trained)"
        ),
        Column("parents", pa.list_(_INT), "", "numbers of its parents; none for a founder"),
        Column("founder", _INT, "", "founder at the root of its line"),
        Column("operators", _TEXT, "", "letters of the operators applied, in order"),
        Column("status", _TEXT, "", "ok, diverged or failed"),
        Column("reason", _TEXT, "", "why it is not ok; else empty"),
        Column("survived", pa.bool_(), "", "whether it holds a slot after selection"),
        *SIZES,
        Column("fitness", _FLOAT, "", "larger is better; empty unless ok"),
        Column("train_loss", _FLOAT, "nat or unit²", "mean minibatch loss of its last 50 steps"),
        Column("validation_loss", _FLOAT, "nat or unit²", "mean validation loss"),
        Column("validation_accuracy", _FLOAT, "share", "validation accuracy; empty in regression"),
        Column(
            "reused_from",
            _INT,
            "",
            "individual whose training it took over, being the same network up to naming; empty where trained itself",
        ),
        Column(
            "steps",
            _INT,
            "steps",
            "gradient steps of its own train phase; 0 where it took one over",
        ),
        Column(
            "ended_by",
            _TEXT,
            "",
            "bound that ended it: steps, samples, macs, or seconds, which is not reproducible; empty where none was",
        ),
        Column(
            "ancestry_steps",
            _INT,
            "steps",
            "gradient steps behind its genome: along its ancestry, and its own if ok",
        ),
        Column("genome", _TEXT, "", "hash of its genome after training"),
        Column("modify_seconds", _FLOAT, "s", "wall time of the modify phase"),
        Column("train_seconds", _FLOAT, "s", "wall time of the train phase"),
        Column("evaluate_seconds", _FLOAT, "s", "wall time of evaluation"),
    ),
    "operations": (
        *_RUN,
        Column("generation", _INT, "", "generation of the individual"),
        Column("individual", _INT, "", "whose modify phase it was"),
        Column("position", _INT, "", "order within the modify phase, from 0"),
        Column(
            "operator",
            _TEXT,
            "",
            "letter, as in evo.OPERATORS: A B C D F H N, on nodes I R S U E O M",
        ),
        Column(
            "parameters",
            _TEXT,
            "JSON",
            "what replays the operation exactly; many numbers packed, see evo/operators/records.py",
        ),
        Column("stored_before", _INT, "entries", "stored entries before it"),
        Column("stored_after", _INT, "entries", "stored entries after it"),
        Column("edges_before", _INT, "edges", "entries let through before it"),
        Column("edges_after", _INT, "edges", "entries let through after it"),
    ),
    "credits": (
        *_RUN,
        Column("generation", _INT, "", "generation in which children were modified"),
        Column("operator", _TEXT, "", "letter, as in operations"),
        Column(
            "share",
            _FLOAT,
            "",
            "probability with which it was drawn where letters are drawn; empty where the policy draws none",
        ),
        Column("uses", _INT, "", "children on which it was used and whose parent has a fitness"),
        Column(
            "credit",
            _FLOAT,
            "",
            "sum over these of max(0, fitness - the parent's at equal training), over the "
            "generation's largest such gain",
        ),
    ),
    "training": (
        *_RUN,
        Column("arm", _TEXT, "", "evolved, or the baseline's name"),
        Column("generation", _INT, "", "generation of the individual; empty for baselines"),
        Column("individual", _INT, "", "who was trained; empty for baselines"),
        Column("step", _INT, "steps", "gradient steps along the ancestry"),
        Column("loss", _FLOAT, "nat or unit²", "mean minibatch loss since the point before"),
        Column("learning_rate", _FLOAT, "", "learning rate at the step"),
        Column("gradient_norm", _FLOAT, "", "Euclidean norm of the gradient at the step"),
        Column(
            "validation_loss",
            _FLOAT,
            "nat or unit²",
            "mean validation loss after the step; empty but at the end of a train phase or epoch",
        ),
        Column(
            "validation_accuracy",
            _FLOAT,
            "share",
            "validation accuracy then; empty in regression too",
        ),
    ),
    "baseline": (
        *_RUN,
        Column("arm", _TEXT, "", "cnn, or another network that does not evolve"),
        Column("status", _TEXT, "", "ok or diverged"),
        Column("reason", _TEXT, "", "why it is not ok; else empty"),
        Column("parameters", _INT, "", "trainable numbers"),
        Column("macs", _INT, "per sample", "multiply-accumulates per sample"),
        Column("steps", _INT, "steps", "gradient steps made"),
        Column(
            "kept_steps",
            _INT,
            "steps",
            "gradient steps behind the parameters kept: fewer where patience went back to an epoch",
        ),
        Column(
            "train_loss",
            _FLOAT,
            "nat or unit²",
            "mean minibatch loss of its last 50 steps; where it had epochs, of the epoch kept",
        ),
        Column("validation_loss", _FLOAT, "nat or unit²", "mean validation loss"),
        Column("validation_accuracy", _FLOAT, "share", "validation accuracy; empty in regression"),
        Column(
            "train_seconds",
            _FLOAT,
            "s",
            "wall time of training; where it had epochs, with validation after each",
        ),
    ),
    "comparison": (
        *_RUN,
        Column(
            "arm",
            _TEXT,
            "",
            "evolved, or what the settings call the winner; cnn, or another network that does not evolve",
        ),
        Column("test_loss", _FLOAT, "nat or unit²", "mean loss on the test part, read once"),
        Column("test_accuracy", _FLOAT, "share", "accuracy on the test part; empty in regression"),
        Column("validation_loss", _FLOAT, "nat or unit²", "mean validation loss"),
        Column("validation_accuracy", _FLOAT, "share", "validation accuracy; empty in regression"),
        Column("parameters", _INT, "", "trainable numbers"),
        Column("macs", _INT, "per sample", "multiply-accumulates per sample"),
        Column("steps", _INT, "steps", "gradient steps, of the winner along its ancestry"),
        Column("train_seconds", _FLOAT, "s", "training time, of the winner along its ancestry"),
    ),
}
"""Every table, by name."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "runs": ("run", "seed"),
    "generations": ("run", "seed", "generation"),
    "individuals": ("run", "seed", "individual"),
    "operations": ("run", "seed", "individual", "position"),
    "credits": ("run", "seed", "generation", "operator"),
    "training": ("run", "seed", "arm", "individual", "step"),
    "baseline": ("run", "seed", "arm"),
    "comparison": ("run", "seed", "arm"),
}
"""The columns that name a row; tables are loaded in their order."""

TIMING_COLUMNS = frozenset(
    {"seconds", "search_seconds", "modify_seconds", "train_seconds", "evaluate_seconds"}
)
"""Columns of time: the only ones in which two runs with one seed may differ."""


def schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a table."""
    return pa.schema([pa.field(column.name, column.type) for column in TABLES[table]])


def to_arrow(table: str, rows: Iterable[Row]) -> pa.Table:
    """Make rows a typed table; a missing or unknown column is a ValueError."""
    rows = list(rows)
    names = {column.name for column in TABLES[table]}
    for row in rows:
        if row.keys() != names:
            raise ValueError(
                f"table {table}: columns {sorted(names ^ row.keys())} missing or unknown"
            )
    return pa.Table.from_pylist(rows, schema=schema(table))


def sort_by_key(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in the order of the table's key."""
    return frame.sort_values(list(KEYS[table]), kind="stable", ignore_index=True)


def data_dictionary() -> str:
    """Return a description of all tables as Markdown."""
    lines = [
        "# Data dictionary",
        "",
        'Every run folder holds these tables as Parquet data sets: `pandas.read_parquet(run_dir / "individuals")`.',
        "`load_results(path)` returns them all, of one run or of a folder of runs. An empty cell (`NaN`, `None`)",
        "means that the quantity does not exist there, never that something failed: failures have a status and a",
        "reason. Columns of time differ from run to run; all others follow from the seed.",
        "",
        "*This page is written by `python -m experiments tables`; a test compares it with real tables.*",
    ]
    for table, columns in TABLES.items():
        lines += [
            "",
            f"## {table}",
            "",
            f"Key: {', '.join(f'`{name}`' for name in KEYS[table])}.",
            "",
        ]
        lines += ["| column | type | unit | meaning |", "|---|---|---|---|"]
        lines += [f"| `{c.name}` | {c.type} | {c.unit} | {c.description} |" for c in columns]
    return "\n".join(lines) + "\n"
