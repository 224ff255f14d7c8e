"""The command line.

It parses options, calls the rooms above and prints; it computes nothing.
"""

from experiments.cli.app import main

__all__ = [
    "main",
]
