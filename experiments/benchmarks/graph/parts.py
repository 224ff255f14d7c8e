"""The parts of the graph benchmark, by name."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

from experiments.benchmarks.harness.rows import TableRow, Turns

PARTS: Mapping[str, tuple[str, str]] = {
    "layers": ("layers", "layers_rows"),
    "deep": ("deep", "deep_rows"),
    "tiny": ("tiny", "tiny_rows"),
    "evolution": ("neat", "neat_rows"),
    "large": ("large", "large_rows"),
    "huge": ("large", "huge_rows"),
    "preparation": ("preparation", "preparation_rows"),
    "bits": ("preparation", "bits_rows"),
}
"""Module and function of each part. A module is imported when its part runs, so a process holds no more than it needs.

A function takes `Turns` and ``quick=``, and yields rows.
"""


def rows(name: str, turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Yield the rows of a part as they are measured."""
    module, function = PARTS[name]
    measure: Callable[..., Iterator[TableRow]] = getattr(
        import_module(f"experiments.benchmarks.graph.{module}"), function
    )
    return measure(turns, quick=quick)
