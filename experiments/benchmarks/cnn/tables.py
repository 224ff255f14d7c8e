"""Printed tables of the CNN benchmark, and its summary in one line."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich import box
from rich.console import RenderableType
from rich.table import Table

from experiments.benchmarks.harness.tables import largest_differences

PEERS = ("eager", "compiled")
"""Peers of the headline ratio: PyTorch with the layers of our network in the same order."""


def worst(speed: pd.DataFrame, peers: tuple[str, ...] = PEERS) -> "pd.Series[Any]":
    """Return the row with the smallest ratio beside some peers.

    Parameters
    ----------
    speed
        Rows of the table `speed`.
    peers
        Names of the peers.
    """
    rivals = speed[speed["side"].isin(peers) & speed["ratio"].notna()]
    return rivals.sort_values("ratio").iloc[0]


def line(speed: pd.DataFrame) -> dict[str, Any]:
    """Return the result as one JSON-able object; ``ratio`` is the smallest one at the fewest threads."""
    counts = sorted(int(n) for n in speed["threads"].unique())
    fewest = speed[speed["threads"] == counts[0]]
    row = worst(fewest)
    result: dict[str, Any] = {
        "name": "cnn",
        "ours": round(row["samples_per_second"] * row["ratio"], 1),
        "peer": round(row["samples_per_second"], 1),
        "ratio": round(row["ratio"], 3),
        "unit": "samples/s",
        "threads": counts[0],
        "case": _case(row),
        "ratio_reordered": round(worst(fewest, ("reordered",))["ratio"], 3),
    }
    for name in fewest["network"].unique():
        for phase in fewest["phase"].unique():
            part = fewest[(fewest["network"] == name) & (fewest["phase"] == phase)]
            result[f"ratio_{name}_{phase}"] = round(worst(part)["ratio"], 3)
    for count in counts[1:]:
        row = worst(speed[speed["threads"] == count])
        result |= {
            f"ratio_{count}_threads": round(row["ratio"], 3),
            f"case_{count}_threads": _case(row),
        }
    return result


def _case(row: "pd.Series[Any]") -> str:
    return f"{row['network']}, batch {row['batch']}, {row['phase']}, beside PyTorch {row['side']}"


def shown(tables: Mapping[str, pd.DataFrame]) -> tuple[RenderableType, ...]:
    """Return the texts and tables to print, in order."""
    speed = tables["speed"]
    parts: list[RenderableType] = []
    for _, part in speed.groupby("threads"):
        parts.append(f"Samples/s, medians; threads: {part['threads'].iloc[0]}")
        parts.append(_speed_table(part))
    parts += [_forms(speed), largest_differences(tables["agreement"])]
    if "reason" in speed:
        reasons = speed["reason"].dropna().unique()
        parts += [f"compiled: not available ({reason})" for reason in reasons]
    if "layers" in tables:
        for _, part in tables["layers"].groupby("network"):
            limits = ", ".join(f"{x:.0f}" for x in part["matrix_product_gflops"].unique())
            parts.append(
                f"{part['network'].iloc[0]} on 1 thread: GFLOP/s and share of NumPy's float32 matrix product, "
                f"{limits} GFLOP/s on 1 thread; by batch size"
            )
            parts.append(_layer_table(part))
    parts.append("Peak memory of a process that trains, MiB")
    parts += [_memory_table(tables["memory"]), *_steps(tables["memory"])]
    parts += [_start(tables["start"]), _reproducibility(tables["reproducibility"])]
    return tuple(parts)


def _table(texts: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for heading in texts:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _speed_table(speed: pd.DataFrame) -> Table:
    table = _table(
        ("network", "phase"),
        ("batch", "ours", "eager", "compiled", "ratio", "quartiles", "reordered", "ratio"),
    )
    key = ["network", "phase", "batch"]
    ordered = speed.sort_values(key, ascending=[True, False, True], kind="stable")
    for (name, phase, batch), cell in ordered.groupby(key, sort=False):
        sides = cell.set_index("side")
        rate = {
            side: f"{value:,.0f}" if pd.notna(value) else "–"
            for side, value in sides["samples_per_second"].items()
        }
        row = worst(cell)
        table.add_row(
            str(name),
            str(phase),
            str(batch),
            rate["ours"],
            rate["eager"],
            rate["compiled"],
            f"{row['ratio']:.2f}",
            f"{row['ratio_low']:.2f}–{row['ratio_high']:.2f}",
            rate["reordered"],
            f"{worst(cell, ('reordered',))['ratio']:.2f}",
        )
    return table


def _forms(speed: pd.DataFrame) -> str:
    """Return a text on the forms of PyTorch that were the fastest and were measured."""
    counts: Counter[str] = Counter()
    for row in speed.to_dict("records"):
        if row["side"] in PEERS and pd.notna(row["ratio"]):
            counts[f"{row['side']} {row['phase']}: {row['form']}"] += 1
    words = [f"{what} ({n})" for what, n in counts.items()]
    return (
        "ratio: ours over the faster of eager and compiled PyTorch, which have the same layers in the same order. "
        "reordered: eager PyTorch with max pooling moved before the activation by hand.\n"
        f"PyTorch's fastest forms, and the number of cells in which each was: {'; '.join(words)}"
    )


def _layer_table(layers: pd.DataFrame) -> Table:
    batches = layers["batch"].unique()
    headings = [f"{way} {batch}" for batch in batches for way in ("forward", "backward")]
    table = _table(("layer",), tuple(headings))
    for _, part in layers.groupby("position"):
        cells: list[str] = []
        for row in part.to_dict("records"):
            for way in ("forward", "backward"):
                rate, us = row[f"{way}_gflops"], row[f"{way}_us"]
                if pd.notna(rate):
                    cells.append(f"{rate:.1f} ({rate / row['matrix_product_gflops']:.0%})")
                else:
                    cells.append(f"{us:.0f} µs" if pd.notna(us) else "–")
        table.add_row(str(part["layer"].iloc[0]), *cells)
    return table


def _memory_table(memory: pd.DataFrame) -> Table:
    table = _table(
        ("network", "side"),
        ("batch", "after import", "peak", "difference"),
    )
    for row in memory.to_dict("records"):
        before, peak = row["imported_mib"], row["peak_mib"]
        known = pd.notna(peak)
        table.add_row(
            str(row["network"]),
            "ours" if row["side"] == "ours" else "PyTorch",
            str(row["batch"]),
            *([f"{before:.1f}", f"{peak:.1f}", f"{peak - before:.1f}"] if known else ["–"] * 3),
        )
    return table


def _steps(memory: pd.DataFrame) -> list[str]:
    return [
        f"{row['network']}, a training step in steady state: {row['transient_bytes']:,.0f} bytes at most beside the "
        f"buffers, {row['kept_bytes']:,.1f} bytes kept"
        for row in memory[memory["side"] == "ours"].to_dict("records")
    ]


def _start(start: pd.DataFrame) -> str:
    words = [
        f"kernels {part['kernels'].iloc[0]}: "
        + ", ".join(f"{row['part']} {row['seconds']:.3g} s" for row in part.to_dict("records"))
        for _, part in start.groupby("kernels", sort=False)
    ]
    return "First training step in a new process\n" + "\n".join(words)


def _reproducibility(table: pd.DataFrame) -> str:
    row = table.iloc[0]
    return (
        f"Trained twice, {len(table)} cells: the parameters have identical bits in all "
        f"(such as SHA-256 {row['first']}… = {row['second']}…)"
    )
