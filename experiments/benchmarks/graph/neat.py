"""Part `evolution`: evolution alone, without training, beside neat-python."""

from collections.abc import Iterator

from experiments.benchmarks.graph.evolution import evolution_rows
from experiments.benchmarks.harness.rows import TableRow, Turns, figure_row

TARGET = 3.0
"""How many times more evaluations a second ours is to make."""

COST = {
    "_runs": "runs",
    "_solved_share": "of runs",
    "_evaluations_a_run": "evaluations",
    "_seconds_a_run": "s",
}
"""What solving the problem takes: ends of columns, and their units."""


def neat_rows(turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Measure whole runs on XOR, and tell what solving it takes each side."""
    yield "note", {"note": "evolution, XOR"}
    key = {"part": "evolution"}
    for row in evolution_rows(turns.rounds, quick):
        cost = {name: row.pop(name) for name in list(row) if name.endswith(tuple(COST))}
        yield "speed", key | {"form": "", "target": TARGET} | row
        for name, value in cost.items():
            side, _, what = name.partition("_")
            words = f"{row['what']}: {what.replace('_', ' ')}, {side}"
            yield "figures", key | figure_row(words, COST[f"_{what}"], [value])
