"""What may go wrong in a benchmark; the command line shows the line and exits with 2."""

from evo.errors import EvoMatrixError


class BenchmarkError(EvoMatrixError):
    """A peer is not installed, a measurement failed, or the sides compared do not compute the same."""
