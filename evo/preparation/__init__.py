"""From raw rows to the arrays that a network reads: one path for training, validation, test and prediction.

A :class:`Schema` says what rows look like and reads them from any container. A :class:`Preparation` is fitted on a
training part: it fills gaps, turns categories and dates into numbers, and scales. It is stored with the network.
:class:`ScaledSamples` have values to regress on, scaled for the networks and in their units. :class:`Sequences` have
steps that are rows, as many as there are.
"""

from evo.preparation.csv_rows import CsvFormat, read_table
from evo.preparation.labels import Labels, Task, encode_labels, match_labels, to_targets
from evo.preparation.normalization import Normalization, NormalizationMethod, normalization_for
from evo.preparation.origin import Origin
from evo.preparation.preparation import Preparation, Prepared
from evo.preparation.schema import Channels, RawRows, Schema
from evo.preparation.sequence_schema import SequenceSchema
from evo.preparation.sequences import Sequences
from evo.preparation.targets import ScaledSamples, TargetScaling

__all__ = [
    "Channels",
    "CsvFormat",
    "Labels",
    "Normalization",
    "NormalizationMethod",
    "Origin",
    "Preparation",
    "Prepared",
    "RawRows",
    "ScaledSamples",
    "Schema",
    "SequenceSchema",
    "Sequences",
    "TargetScaling",
    "Task",
    "encode_labels",
    "match_labels",
    "normalization_for",
    "read_table",
    "to_targets",
]
