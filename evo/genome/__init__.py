"""The genome: adjacency matrix, threshold, node table and feature maps, and the check that they fit together.

:mod:`evo.editing` changes genomes and :mod:`evo.phenotype` runs them.
"""

from evo.genome.activations import ACTIVATIONS, activation_code
from evo.genome.codec import genome_from_arrays, genome_to_arrays, load_genomes
from evo.genome.feature_maps import DOWNSAMPLINGS, Downsampling, map_transform, windows
from evo.genome.genome import FloatArray, Genome, Role, ThresholdMode
from evo.genome.possible_taps import PossibleTaps

__all__ = [
    "ACTIVATIONS",
    "DOWNSAMPLINGS",
    "Downsampling",
    "FloatArray",
    "Genome",
    "PossibleTaps",
    "Role",
    "ThresholdMode",
    "activation_code",
    "genome_from_arrays",
    "genome_to_arrays",
    "load_genomes",
    "map_transform",
    "windows",
]
