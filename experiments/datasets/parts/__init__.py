"""What data sets are made of: sequences, windows of a series, checks, hashes, and the drawing of parts.

:mod:`experiments.datasets.parts.sequences` reads sequences with their targets,
:mod:`experiments.datasets.parts.series` cuts a series into windows, and :mod:`experiments.datasets.parts.drawing` draws
training, validation and test parts, in which :mod:`experiments.datasets.parts.partition` does the arithmetic.
"""

from experiments.datasets.parts.drawing import Part, Pool
from experiments.datasets.parts.hashing import hash_part
from experiments.datasets.parts.partition import RareClasses
from experiments.datasets.parts.sequences import read_sequences
from experiments.datasets.parts.series import read_series

__all__ = ["Part", "Pool", "RareClasses", "hash_part", "read_sequences", "read_series"]
