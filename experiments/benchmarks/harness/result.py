"""The result of a benchmark."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.console import RenderableType


@dataclass(frozen=True, eq=False)
class BenchResult:
    """The result of a benchmark.

    Attributes
    ----------
    tables
        Tables to store, by name.
    line
        JSON-able summary: ``name``, ``ours``, ``peer``, ``ratio`` (our speed over the peer's in the worst case),
        ``unit`` and more.
    shown
        Texts and tables to print, in order.
    """

    tables: Mapping[str, pd.DataFrame]
    line: Mapping[str, Any]
    shown: tuple[RenderableType, ...]
