"""Operator V: the mean of the matrices of relatives, with as many entries as the parent has; and the greedy soup.

Averages of networks that were trained from common weights on often have a lower loss than each of them (checkpoint
averages: Izmailov et al. 2018; model soups: Wortsman et al. 2022). So an average is made of relatives.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnn.checks import brief
from evo.editing.editor import GenomeEditor
from evo.genome.genome import FloatArray, Genome
from evo.recombination.alignment import NONE, Ints, align, taps_of
from evo.recombination.mates import Context, fitting_mates, genomes_of

Parameters = dict[str, Any]


def propose_average(editor: GenomeEditor, context: Context) -> Parameters | None:
    """Choose the mean of the parent and all mates."""
    mates = [one.individual for one in fitting_mates(editor, context)]
    return _parameters(mates) if mates else None


def propose_soup(editor: GenomeEditor, context: Context) -> Parameters | None:
    """Choose a greedy soup: each mate stays in the mean if it does not raise the loss on the validation part.

    The soup begins with the parent, and the fittest mates come first. The parameters name the mates that were
    ``tried``: so many times, and once for the parent, the validation part was evaluated.
    """
    if context.validation_loss is None:
        raise ValueError("validation_loss must be given for a soup; got None")
    mates = [one.individual for one in fitting_mates(editor, context)]
    if not mates:
        return None
    loss = context.validation_loss
    soup = _greedy(editor, mates, loss, loss(editor.freeze()))
    return _parameters(soup) | {"tried": mates} if soup else None


def greedy_soup(
    genomes: Sequence[Genome], loss: Callable[[Genome], float]
) -> tuple[Genome, list[int]]:
    """Return the greedy soup of several networks, such as the last survivors of a lineage.

    Parameters
    ----------
    genomes : sequence of Genome
        One or more, with the same inputs and outputs.
    loss : callable
        Returns the loss of a genome on samples that it was not trained on.

    Returns
    -------
    (Genome, list of int)
        The soup, and the indices of the genomes that are in it. The first one has the lowest loss; the soup has its
        topology, as :func:`apply_average` says. Its loss is the lowest that was found.

    Raises
    ------
    ValueError
        If there is no genome, or one cannot be averaged with that of the lowest loss.

    Examples
    --------
    >>> one, other = (Genome.from_matrix([[0, w], [0, 0]], n_inputs=1, n_outputs=1) for w in (2.0, 4.0))
    >>> soup, indices = greedy_soup([one, other], lambda genome: abs(float(genome.values[0]) - 2.9))
    >>> float(soup.values[0]), indices
    (3.0, [0, 1])
    """
    if not genomes:
        raise ValueError("genomes must be one or more; got none")
    losses = [loss(genome) for genome in genomes]
    first, *others = sorted(range(len(genomes)), key=losses.__getitem__)
    mates = {k: genomes[k] for k in others}
    editor = GenomeEditor(genomes[first], origins=False, mates=mates)
    soup = _greedy(editor, others, loss, losses[first])
    if soup:
        apply_average(editor, _parameters(soup))
    return editor.freeze(), [first, *soup]


def _greedy(
    editor: GenomeEditor, mates: Sequence[int], loss: Callable[[Genome], float], lowest: float
) -> list[int]:
    """Return the mates that do not raise the loss of the mean, tried in their order; `lowest` is the parent's loss."""
    soup: list[int] = []
    for mate in mates:
        trial = editor.copy()
        apply_average(trial, _parameters([*soup, mate]))
        found = loss(trial.freeze())
        if found <= lowest:
            soup, lowest = [*soup, mate], found
    return soup


def _parameters(mates: Sequence[int]) -> Parameters:
    return {"mates": list(mates), "weights": [1.0] * (len(mates) + 1)}


def apply_average(editor: GenomeEditor, parameters: Mapping[str, Any]) -> None:
    """Give the columns of the nodes, and so their biases, the weighted mean over the parent and its mates.

    An entry that one of them does not store is 0 there. Of each node the entries of largest magnitude are kept, as many
    as it has in the parent. The column of a node is averaged over those that have the node; nodes that only mates have
    are not taken along. Order, activations and thresholds of the nodes are those of the parent. So the mean of equal
    topologies is exact, and a network averaged with itself is itself, to the bit. Dormant entries are entries.

    Raises
    ------
    ValueError
        If a mate is not given or does not fit, or weights are not one positive number for the parent and for each mate.
    """
    genomes = genomes_of(editor, parameters["mates"])
    shares = _shares(parameters["weights"], len(genomes) + 1)
    genome = editor.freeze()
    rows, targets = editor.join(genome.indices, taps_of(genome)), genome.targets
    places = [_keys(editor, rows, targets)]
    values, biases = [genome.values], [genome.bias]
    has_node = [np.ones(genome.n_nodes, np.bool_)]
    for mate in genomes:
        nodes = align(genome, mate).nodes
        known = np.flatnonzero(nodes != NONE)
        taken = (nodes[mate.indices] != NONE) & (nodes[mate.targets] != NONE)
        of_mate = editor.join(nodes[mate.indices], taps_of(mate))[taken]
        places.append(_keys(editor, of_mate, nodes[mate.targets[taken]]))
        values.append(mate.values[taken])
        bias, has = genome.bias.copy(), np.zeros(genome.n_nodes, np.bool_)
        bias[nodes[known]], has[nodes[known]] = mate.bias[known], True
        biases.append(bias)
        has_node.append(has)
    of_node = np.array(has_node) * shares[:, None]
    of_node /= of_node.sum(axis=0)
    _write_biases(editor, genome, _mean(np.array(biases), of_node))
    _write_entries(editor, genome, places, values, of_node)


def _shares(weights: Sequence[float], count: int) -> FloatArray:
    """Return the weights of a mean divided by their sum."""
    if len(weights) == count and all(0 < weight < np.inf for weight in weights):
        shares: FloatArray = np.divide(weights, max(weights))
        shares /= shares.sum()
        if shares.all():
            return shares
    raise ValueError(
        f"weights must be {count} numbers above 0, one for the parent and each mate; got {brief(weights)}"
    )


def _keys(editor: GenomeEditor, rows: Ints, targets: Ints) -> Ints:
    """Return places as numbers, which ascend as stored entries do."""
    return targets.astype(np.int64) * (editor.n_nodes * editor.rows_per_node) + rows


def _mean(numbers: FloatArray, shares: FloatArray) -> FloatArray:
    """Return the mean of each column of some numbers, in their dtype; equal numbers have their mean to the bit."""
    mean = (numbers * shares).sum(axis=0).astype(numbers.dtype)
    counted = shares > 0
    low, high = (np.where(counted, numbers, end) for end in (np.inf, -np.inf))
    found: FloatArray = np.clip(mean, low.min(axis=0), high.max(axis=0))
    return found


def _write_biases(editor: GenomeEditor, genome: Genome, mean: FloatArray) -> None:
    changed = np.flatnonzero(mean != genome.bias)
    if len(changed):
        editor.set_bias(changed, mean[changed])


def _write_entries(
    editor: GenomeEditor,
    genome: Genome,
    places: Sequence[Ints],
    values: Sequence[FloatArray],
    of_node: FloatArray,
) -> None:
    """Write the mean of entries at some places of the parent and its mates, and remove the weakest."""
    union = np.unique(np.concatenate(places))
    targets, rows = np.divmod(union, editor.n_nodes * editor.rows_per_node)
    numbers = np.zeros((len(places), len(union)), genome.values.dtype)
    for of_one, at, stored in zip(numbers, places, values, strict=True):
        of_one[np.searchsorted(union, at)] = stored
    mean = _mean(numbers, of_node[:, targets])

    in_parent = np.zeros(len(union), np.bool_)
    in_parent[np.searchsorted(union, places[0])] = True
    # Strongest first; of equals those of the parent, and then in the order of places.
    ranking = np.lexsort((~in_parent, -np.abs(mean), targets))
    begins = np.searchsorted(targets, np.arange(editor.n_nodes))
    kept = np.zeros(len(union), np.bool_)
    kept[ranking] = np.arange(len(union)) - begins[targets] < np.diff(genome.indptr)[targets]
    removed = in_parent & ~kept
    if removed.any():
        editor.remove_entries(rows[removed], targets[removed])
    changed = kept & ((mean != numbers[0]) | ~in_parent)
    if changed.any():
        editor.assign(rows[changed], targets[changed], mean[changed])
