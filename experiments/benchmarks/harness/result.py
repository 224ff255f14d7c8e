"""What a benchmark hands back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.console import RenderableType


@dataclass(frozen=True, eq=False)
class BenchResult:
    """What a benchmark found.

    Attributes
    ----------
    tables
        By name; they are stored.
    line
        The result in short, JSON-able: ``name``, ``ours``, ``peer``, ``ratio`` (ours over peer in speed, the worst
        case), ``unit``, and what else matters.
    shown
        What people see, in this order.
    """

    tables: Mapping[str, pd.DataFrame]
    line: Mapping[str, Any]
    shown: tuple[RenderableType, ...]
