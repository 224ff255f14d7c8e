"""Check that two sides compute the same; only then can their speeds be compared."""

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
"""Largest differences that float32 explains, by column of the table.

Gradients usually agree to about 1e-6. If two pixels of a pooling block are equal but for the last bits, rounding
decides which of them gets the gradient. Such jumps occur between PyTorch's two memory formats too. So gradients are
compared in the Euclidean norm, with room for a few jumps; an error in a formula is far larger.
"""


def check_agreement(cell: Cell, peer: Peer, phase: Phase) -> dict[str, float]:
    """Compare our side of a cell with a peer, both from the starting weights, and restore both.

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
        By name in `TOLERANCES`: largest absolute differences of loss and probabilities; norm of the difference of
        gradients relative to the gradient, and of parameters relative to their change since the start.

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
                f"({peer.form.memory}) must be at most {TOLERANCES[name]:g}; got {value:.2g}"
            )
    return differences


def digests(cell: Cell) -> dict[str, str | bool]:
    """Train our side twice from the same weights, and compare the bits of the parameters.

    Returns
    -------
    dict
        ``first`` and ``second``: first 16 digits of the SHA-256 of the parameters; ``identical``.
    """
    found = []
    for _ in range(2):
        cell.restore()
        cell.train(STEPS)
        found.append(hashlib.sha256(cell.trainable.parameters.tobytes()).hexdigest()[:16])
    cell.restore()
    return {"first": found[0], "second": found[1], "identical": found[0] == found[1]}
