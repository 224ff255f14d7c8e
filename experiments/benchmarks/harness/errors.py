"""The error of benchmarks; the command line shows its line and exits with code 2."""

from evo.errors import EvoMatrixError


class BenchmarkError(EvoMatrixError):
    """A peer is not installed, a measurement failed, or two sides do not compute the same."""
