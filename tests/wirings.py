"""Small graphs by their edges, for tests that compare wirings."""

import numpy as np

from evo import Genome


def graph(weights, **options):
    """Return a genome with inputs 0 and 1, hidden nodes 2 and 3, and output 4; by ``(source, target): weight``."""
    matrix = np.zeros((5, 5), np.float32)
    for place, weight in weights.items():
        matrix[place] = weight
    return Genome.from_matrix(matrix, n_inputs=2, n_outputs=1, **options)


def weights_of(genome):
    """Return the weights by the ids of source and target."""
    ids = genome.ids.tolist()
    pairs = zip(genome.indices.tolist(), genome.targets.tolist(), strict=True)
    return {
        (ids[source], ids[target]): weight
        for (source, target), weight in zip(pairs, genome.values.tolist(), strict=True)
    }
