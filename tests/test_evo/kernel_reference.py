"""A slow and simple reference for networks of feature maps, pixel by pixel from the rule in `evo.genome.feature_maps`.

From :mod:`evo` it uses :func:`evo.genome.feature_maps.map_transform` and the arrays of the genome, nothing else. Tests
compare the compiled network with it.
"""

import numpy as np
from scipy import special

from evo.genome.activations import LEAK, activation_name
from evo.genome.feature_maps import map_transform
from evo.genome.roles import Role

FUNCTIONS = {
    "identity": lambda net: net,
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "relu": lambda net: np.maximum(net, 0),
    "leaky_relu": lambda net: np.maximum(net, LEAK * net),
    "gelu": lambda net: net * special.ndtr(net),
    "sine": np.sin,
    "gaussian": lambda net: np.exp(-net * net),
    "sign": lambda net: np.where(net >= 0, 1.0, -1.0),
}
"""Each activation as NumPy and SciPy compute it."""

SLOPES = {
    "identity": lambda net, out: np.ones_like(out),
    "sigmoid": lambda net, out: out * (1 - out),
    "tanh": lambda net, out: 1 - out * out,
    "relu": lambda net, out: (out > 0).astype(out.dtype),
    "leaky_relu": lambda net, out: np.where(out > 0, 1, LEAK),
    "gelu": lambda net, out: special.ndtr(net) + net * np.exp(-0.5 * net**2) / np.sqrt(2 * np.pi),
    "sine": lambda net, out: np.cos(net),
    "gaussian": lambda net, out: -2 * net * out,
    "sign": lambda net, out: (np.abs(net) <= 1).astype(out.dtype),  # straight through
}
"""Their derivatives, of the net input and the output."""


def halved(image, downsampling):
    """Return maps of shape (samples, s, s) with half their side; an odd last row and column are dropped."""
    half = image.shape[1] // 2
    corners = [image[:, y : 2 * half : 2, x : 2 * half : 2] for y in (0, 1) for x in (0, 1)]
    return np.max(corners, axis=0) if downsampling == "max" else np.mean(corners, axis=0)


def resampled(image, target, genome):
    """Return a map after the transform of an edge to a map of side `target`, in its margin of zeros."""
    source = image.shape[1]
    transform = map_transform(source, target, genome.kernel)
    for _ in range(transform.downsamplings):
        image = halved(image, genome.downsampling)
    if source < target:
        pixels = np.arange(target) * source // target
        image = image[:, pixels][:, :, pixels]
    return np.pad(
        image, [(0, 0), (transform.margin, transform.margin), (transform.margin, transform.margin)]
    )


def states(genome, inputs, activation=None):
    """Return the map of every node after the last tick, a list of arrays of shape (samples, side, side).

    Parameters
    ----------
    genome : Genome
    inputs : ndarray, shape (samples, features)
        The side² features of the first input row by row, then those of the next.
    activation : callable, optional
        The activation of all nodes, instead of the genome's.
    """
    x = [np.zeros((len(inputs), map_size, map_size)) for map_size in genome.map_sizes]
    begin = 0
    for node in genome.inputs:
        end = begin + int(genome.map_sizes[node]) ** 2
        x[node] = inputs[:, begin:end].reshape(x[node].shape).astype(float)
        begin = end
    active = genome.active_mask()
    taps = np.zeros(genome.n_stored, int) if genome.taps is None else genome.taps.astype(int)
    for _ in range(genome.ticks):
        for node, map_size in enumerate(genome.map_sizes.tolist()):
            if genome.roles[node] == Role.INPUT:
                continue
            total = np.full((len(inputs), map_size, map_size), float(genome.bias[node]))
            entries = np.arange(genome.indptr[node], genome.indptr[node + 1])
            for e in entries[active[entries]]:
                # A later source still has its state of the tick before.
                source = genome.indices[e]
                read = resampled(x[source], map_size, genome)
                i, j = divmod(
                    taps[e],
                    map_transform(int(genome.map_sizes[source]), map_size, genome.kernel).window,
                )
                total += float(genome.values[e]) * read[:, i : i + map_size, j : j + map_size]
            function = activation or FUNCTIONS[activation_name(genome.activations[node])]
            x[node] = function(total)
    return x


def output(genome, inputs, activation=None):
    """Return the scores, shape (samples, outputs), before any softmax."""
    x = states(genome, inputs, activation)
    return np.stack([x[node][:, 0, 0] for node in genome.outputs], axis=1)


def cost(genome):
    """Return parameters (active taps and biases) and multiply-accumulates (side² of the target per active tap)."""
    active = genome.active_mask()
    map_sizes = genome.map_sizes[genome.targets[active]].astype(int)
    return int(active.sum() + (genome.roles != Role.INPUT).sum()), int((map_sizes**2).sum())
