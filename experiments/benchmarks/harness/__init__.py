"""What benchmarks share: processes, timing in turns, machine, settings, tables.

No peer is imported here.
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
