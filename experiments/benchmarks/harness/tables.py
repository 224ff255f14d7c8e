"""Printed tables of a benchmark with targets, and its summary in one line."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
from rich import box
from rich.console import RenderableType
from rich.table import Table

from experiments.benchmarks.harness.rows import OURS, PUBLISHED

Tables = Mapping[str, pd.DataFrame]


def missed(tables: Tables) -> list[str]:
    """Return a line for each target that was missed, with the number reached."""
    speed, figures = tables["speed"], tables["figures"]
    slow = speed[speed["ratio"] < speed["target"]]
    large = figures[figures["value"] > figures["at_most"]]
    return [
        f"{row['part']}, {row['what']}, beside {row['peer']}: "
        f"{row['ratio']:.2f} of {row['target']:g}"
        for row in slow.to_dict("records")
    ] + [
        f"{row['part']}, {row['what']}: {_number(row['value'])} {row['unit']}, at most "
        f"{row['at_most']:g}"
        for row in large.to_dict("records")
    ]


def line(tables: Tables, name: str = "graph") -> dict[str, Any]:
    """Return the result as one JSON-able object: the worst case beside any peer that was run, overall and by part."""
    speed, figures = tables["speed"], tables["figures"]
    run_here = speed[speed["form"] != PUBLISHED]
    peers = run_here[run_here["form"] != OURS]
    worst = peers.sort_values("ratio").iloc[0]
    result: dict[str, Any] = {
        "name": name,
        "ours": float(f"{worst['ours']:.4g}"),
        "peer": float(f"{worst['peer_value']:.4g}"),
        "ratio": round(worst["ratio"], 3),
        "unit": worst["unit"],
        "case": f"{worst['part']}, {worst['what']}, beside {worst['peer']}",
    }
    for part, rows in run_here.groupby("part", sort=False):
        result[f"ratio_{part}"] = round(rows["ratio"].min(), 3)
    result["targets"] = int(speed["target"].notna().sum() + figures["at_most"].notna().sum())
    result["missed"] = missed(tables)
    return result


def shown(tables: Tables) -> tuple[RenderableType, ...]:
    """Return the texts and tables to print, in order."""
    agreement = tables["agreement"]
    same = (
        f"Both sides compute the same, {len(agreement)} pairs: losses after {agreement['steps'].iloc[0]} steps "
        f"differ by {agreement['relative_difference'].max():.1e} at most, relatively"
    )
    return (*measured(tables), same, *repeated(tables), *left_out(tables))


def measured(tables: Tables) -> list[RenderableType]:
    """Return the printed tables of all parts."""
    parts: list[RenderableType] = [
        "ratio: factor by which our median is faster. quartiles: the same factor, from our worse and the peer's better "
        "quartile to our better and the peer's worse one. Each side has one thread; sides take turns."
    ]
    for part, rows in tables["speed"].groupby("part", sort=False):
        parts.append(_speed_table(str(part), rows))
    for part, rows in tables["figures"].groupby("part", sort=False):
        parts.append(_figures_table(str(part), rows))
    return parts


def repeated(tables: Tables) -> list[str]:
    """Return a line on the cases in which two trainings gave the same bits."""
    bits = tables["bits"]
    return [f"Trained twice, {len(bits)} cases: identical bits in {int(bits['identical'].sum())}"]


def left_out(tables: Tables) -> list[str]:
    """Return a line for each case that was not measured, with the reason."""
    if "left_out" not in tables:
        return []
    return [
        f"Not measured: {row['part']}, {row['what']} ({row['reason']})"
        for row in tables["left_out"].to_dict("records")
    ]


def _speed_table(part: str, rows: pd.DataFrame) -> Table:
    table = _table(
        f"{part}: beside peers",
        ("case", "peer", "unit"),
        ("ours", "peer's", "ratio", "quartiles", "target", "reached"),
    )
    for row in rows.to_dict("records"):
        form = f" ({row['form']})" if row["form"] else ""
        table.add_row(
            row["what"],
            row["peer"] + form,
            row["unit"],
            _number(row["ours"]),
            _number(row["peer_value"]),
            f"{row['ratio']:.2f}",
            "–".join(f"{bound:.2f}" for bound in _bounds(row)),
            *_reached(row["target"], row["ratio"] >= row["target"]),
        )
    return table


def _bounds(row: Mapping[Hashable, Any]) -> tuple[float, float]:
    """Return the ratio of our worse quartile to the peer's better one, and the ratio the other way round."""
    if row["unit"].endswith("/s"):
        return row["ours_low"] / row["peer_high"], row["ours_high"] / row["peer_low"]
    return row["peer_low"] / row["ours_high"], row["peer_high"] / row["ours_low"]


def _figures_table(part: str, rows: pd.DataFrame) -> Table:
    table = _table(
        f"{part}: by itself", ("what", "unit"), ("median", "quartiles", "at most", "reached")
    )
    for row in rows.to_dict("records"):
        table.add_row(
            row["what"],
            row["unit"],
            _number(row["value"]),
            f"{_number(row['low'])}–{_number(row['high'])}",
            *_reached(row["at_most"], row["value"] <= row["at_most"]),
        )
    return table


def _reached(target: float, reached: bool) -> tuple[str, str]:
    if pd.isna(target):
        return "", ""
    return f"{target:g}", "yes" if reached else "[bold red]no[/bold red]"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _table(title: str, texts: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    for heading in texts:
        table.add_column(heading)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def largest_differences(agreement: pd.DataFrame) -> str:
    """Return a line with the largest differences between sides."""
    names = [name for name in agreement.columns if str(name).endswith("_difference")]
    largest = ", ".join(
        f"{str(name).removesuffix('_difference')} {agreement[name].max():.1e}" for name in names
    )
    return f"Both sides compute the same; largest differences: {largest}"
