"""The command line: it parses options, calls other rooms and prints.

It computes nothing.
"""

from experiments.cli.app import main

__all__ = ["main"]
