"""Part `evolution`: evolution alone, without training, beside neat-python."""

from collections.abc import Iterator

from experiments.benchmarks.graph.evolution import evolution_rows
from experiments.benchmarks.harness.rows import TableRow, Turns, figure_row

TARGET = 3.0
"""Factor by which ours must make more evaluations per second."""

COST = {
    "_runs": "runs",
    "_solved_share": "of runs",
    "_evaluations_a_run": "evaluations",
    "_seconds_a_run": "s",
}
"""Units of the columns on the cost of solving the problem, by the ends of their names."""


def neat_rows(turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Yield the speed of whole runs on XOR and the cost of solving it, for each side."""
    yield "note", {"note": "evolution, XOR"}
    key = {"part": "evolution"}
    for row in evolution_rows(turns.rounds, quick):
        cost = {name: row.pop(name) for name in list(row) if name.endswith(tuple(COST))}
        yield "speed", key | {"form": "", "target": TARGET} | row
        for name, value in cost.items():
            side, _, what = name.partition("_")
            words = f"{row['what']}: {what.replace('_', ' ')}, {side}"
            yield "figures", key | figure_row(words, COST[f"_{what}"], [value])
