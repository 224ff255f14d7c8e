"""Whether two sides compute the same: only then may their speeds be compared."""

import hashlib

import numpy as np

from experiments.benchmarks.cnn.cell import Cell, Phase
from experiments.benchmarks.harness.agreement import STEPS, relative
from experiments.benchmarks.harness.errors import BenchmarkError
from experiments.benchmarks.peers.torch_layers import Peer

TOLERANCES = {
    "loss_difference": 1e-5,
    "gradient_difference": 5e-3,
    "parameter_difference": 1e-2,
    "probability_difference": 1e-5,
}
"""Largest differences that float32 excuses, by column of the table.

Gradients agree to some 1e-6 as a rule. But where two pixels of a pooling block are equal to the last bits, rounding
decides which of them gets the gradient: a jump, which PyTorch's two memory formats show between one another as well. So
these are compared in the Euclidean norm, and get room for a few such jumps; an error in a formula is far larger.
"""


def check_agreement(cell: Cell, peer: Peer, phase: Phase) -> dict[str, float]:
    """Compare our side of a cell with a peer, both from the starting weights, and put these back.

    Parameters
    ----------
    cell, peer
        The two sides.
    phase
        In training, loss and gradient of the first batch and the parameters after some steps are compared; in
        inference, the probabilities of the first batch.

    Returns
    -------
    dict
        By name in `TOLERANCES`: loss and probabilities as largest absolute differences; the norm of the gradients'
        difference relative to the gradient's, that of the parameters' to their change since the start.

    Raises
    ------
    BenchmarkError
        If a difference is above its tolerance.
    """
    cell.restore()
    peer.restore()
    first = cell.order(1)[0]
    inputs, targets = cell.samples.inputs[first], cell.samples.targets[first]
    if phase == "inference":
        apart = np.abs(cell.trainable.output(inputs) - peer.probabilities(first)).max()
        differences = {"probability_difference": float(apart)}
    else:
        our_loss, gradient_view = cell.trainable.loss_and_gradients(inputs, targets)
        our_gradient = gradient_view.copy()  # training overwrites it
        loss, gradient = peer.loss_and_gradient(first)
        cell.train(STEPS)
        peer.train(peer.order(cell.order(STEPS)))
        ours, theirs = cell.trainable.parameters, peer.parameters()
        differences = {
            "loss_difference": abs(our_loss - loss),
            "gradient_difference": relative(our_gradient, gradient, gradient),
            "parameter_difference": relative(ours, theirs, theirs - cell.start),
        }
    cell.restore()
    peer.restore()
    for name, value in differences.items():
        if not value <= TOLERANCES[name]:
            raise BenchmarkError(
                f"{cell.name} at batch {cell.batch}: {name.replace('_', ' ')} to PyTorch "
                f"({peer.form.memory}) must be at most {TOLERANCES[name]:g}, not {value:.2g}"
            )
    return differences


def digests(cell: Cell) -> dict[str, str | bool]:
    """Train our side twice from the same start, and compare the bits of the parameters.

    Returns
    -------
    dict
        ``first`` and ``second``: beginnings of the SHA-256 of the parameters; ``identical``.
    """
    found = []
    for _ in range(2):
        cell.restore()
        cell.train(STEPS)
        found.append(hashlib.sha256(cell.trainable.parameters.tobytes()).hexdigest()[:16])
    cell.restore()
    return {"first": found[0], "second": found[1], "identical": found[0] == found[1]}
