"""The parts of the graph bench, by name."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

from experiments.benchmarks.graph_rows import TableRow, Turns

PARTS: Mapping[str, tuple[str, str]] = {
    "layers": ("graph_layers", "layers_rows"),
    "deep": ("graph_deep", "deep_rows"),
    "tiny": ("graph_tiny", "tiny_rows"),
    "evolution": ("graph_neat", "neat_rows"),
    "large": ("graph_large", "large_rows"),
    "huge": ("graph_large", "huge_rows"),
    "preparation": ("graph_preparation", "preparation_rows"),
    "bits": ("graph_preparation", "bits_rows"),
}
"""Module and function of each part, imported when it runs: a process holds what its part needs and no more.

A function takes `Turns` and ``quick=``, and yields rows.
"""


def rows(name: str, turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Yield the rows of a part as they are measured."""
    module, function = PARTS[name]
    measure: Callable[..., Iterator[TableRow]] = getattr(
        import_module(f"experiments.benchmarks.{module}"), function
    )
    return measure(turns, quick=quick)
