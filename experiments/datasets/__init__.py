"""Data sets: reading, checking, splitting and normalising, as in ``load_dataset("digits").split(seed=0)``.

A new data set is one function that returns a :class:`Dataset` and one entry in :data:`DATASETS`. Training is not here.
"""

from evo.preparation import (
    Normalization,
    NormalizationMethod,
    TargetScaling,
    Task,
    normalization_for,
)
from experiments.datasets.bundled import diabetes, digits
from experiments.datasets.dataset import Dataset, DataSplit
from experiments.datasets.generated import spirals, xor
from experiments.datasets.idx import read_idx
from experiments.datasets.idx_folder import idx_folder
from experiments.datasets.image_folder import read_images
from experiments.datasets.parts.partition import RareClasses
from experiments.datasets.registry import DATASETS, load_dataset

__all__ = [
    "DATASETS",
    "DataSplit",
    "Dataset",
    "Normalization",
    "NormalizationMethod",
    "RareClasses",
    "TargetScaling",
    "Task",
    "diabetes",
    "digits",
    "idx_folder",
    "load_dataset",
    "normalization_for",
    "read_idx",
    "read_images",
    "spirals",
    "xor",
]
