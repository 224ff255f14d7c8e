"""Part `evolution`: evolution alone, without training, beside neat-python."""

from collections.abc import Iterator

from experiments.benchmarks.graph_evolution import evolution_rows
from experiments.benchmarks.graph_rows import TableRow, Turns, figure_row

TARGET = 3.0
"""How many times more evaluations a second ours is to make."""


def neat_rows(turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Measure whole runs on XOR, and tell what solving it takes each side."""
    yield "note", {"note": "evolution, XOR"}
    key = {"part": "evolution"}
    for row in evolution_rows(turns.rounds, quick):
        yield "speed", key | {"form": "", "target": TARGET} | row
        for side, name in (("ours", "ours"), ("peer", row["peer"])):
            for what, unit in (
                ("evaluations_a_run", "evaluations"),
                ("seconds_a_run", "s"),
                ("solved_share", "of runs"),
            ):
                words = f"{row['what']}: {what.replace('_', ' ')}, {name}"
                yield "figures", key | figure_row(words, unit, [row[f"{side}_{what}"]])
