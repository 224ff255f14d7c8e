"""Parts that the benchmarks share: processes, timing in turns, machine, settings, tables.

A *side* is one of the programs compared: ours, or a *peer*, which is a program by others. Sides take turns. No peer is
imported here.
"""

__all__ = [
    "agreement",
    "errors",
    "machine",
    "process",
    "result",
    "rows",
    "settings",
    "sides",
    "tables",
    "timing",
    "workload",
]
