"""Printed tables of the benchmark of maps, and its summary in one line."""

from typing import Any

from rich.console import RenderableType

from experiments.benchmarks.harness import tables as shared
from experiments.benchmarks.harness.tables import Tables
from experiments.benchmarks.maps.networks import NETWORKS


def line(tables: Tables) -> dict[str, Any]:
    """Return the result as one JSON-able object: the worst case beside PyTorch, and by network."""
    return shared.line(tables, "maps")


def shown(tables: Tables) -> tuple[RenderableType, ...]:
    """Return the texts and tables to print, in order."""
    networks = [f"{name}: {NETWORKS[name].about}" for name in tables["speed"]["part"].unique()]
    work = (
        "Useful work of a training step: two operations for each multiply-accumulate of a stored tap, in the forward "
        "pass, in the gradient of its source unless that is an input, and in its own gradient."
    )
    return (
        *networks,
        *shared.measured(tables),
        work,
        shared.largest_differences(tables["agreement"]),
        *shared.repeated(tables),
        *shared.left_out(tables),
    )
