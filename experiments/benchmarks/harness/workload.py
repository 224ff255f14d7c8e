"""Networks, data and recipe of the CNN benchmark; as a script, our side by itself.

``python -P workload.py train lenet5 64 30`` trains in a process that imports only NumPy and `cnn`, so that its memory
and its start-up time are those of `cnn`. This module must import nothing else of ours.
"""

import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

IMPORTED_FROM = time.perf_counter()

import numpy as np  # noqa: E402 - the clock comes first

import cnn  # noqa: E402

IMPORT_SECONDS = time.perf_counter() - IMPORTED_FROM

IMAGE_SHAPE = (28, 28)
N_CLASSES = 10
N_SAMPLES = 4096
SEED = 0

NETWORKS: Mapping[str, Callable[..., cnn.Network]] = {
    "lenet5": cnn.lenet5,
    "small_cnn": cnn.small_cnn,
}
"""Functions that make the networks, by name: called with (image shape, outputs, rng=generator)."""


def build(name: str, samples: cnn.Samples) -> cnn.Network:
    """Build a network for the images of some samples, with starting weights from a fixed seed."""
    n_classes = int(samples.targets.max()) + 1
    return NETWORKS[name](samples.inputs.shape[1:], n_classes, rng=np.random.default_rng(SEED))


def synthetic_samples() -> cnn.Samples:
    """Draw images of uniform noise in [0, 1) and classes, from a fixed seed.

    Speed does not depend on the images, as long as no number becomes subnormal.

    Returns
    -------
    Samples
        Inputs (4096, 28, 28), float32; classes 0 … 9.
    """
    rng = np.random.default_rng(SEED)
    images = rng.random((N_SAMPLES, *IMAGE_SHAPE), dtype=np.float32)
    return cnn.Samples(images, rng.permutation(N_SAMPLES) % N_CLASSES)


def recipe(batch: int, learning_rate: float = 0.01) -> cnn.Recipe:
    """Return the recipe of all sides: momentum with a constant learning rate."""
    return cnn.Recipe(
        optimizer="momentum",
        learning_rate=learning_rate,
        momentum=0.9,
        schedule="constant",
        batch_size=batch,
    )


def order_seed() -> np.random.SeedSequence:
    """Return the seed of the sample order."""
    return np.random.SeedSequence(SEED)


def train(network: cnn.Trainable, samples: cnn.Samples, batch: int, steps: int) -> None:
    """Train in place by `recipe(batch)`; see `train_by`."""
    train_by(recipe(batch), network, samples, steps)


def train_by(
    recipe: cnn.Recipe,
    network: cnn.Trainable,
    samples: cnn.Samples,
    steps: int,
    state: cnn.OptimizerState | None = None,
) -> cnn.TrainingReport:
    """Train in place with the trainer that users call, always on the same batches.

    Raises
    ------
    ValueError
        If training diverges; its speed would mean nothing.
    """
    report = cnn.train(
        network,
        samples,
        recipe,
        first_step=0,
        steps=steps,
        total_steps=steps,
        order_seed=order_seed(),
        state=state,
    )
    if report.status != "ok":
        raise ValueError(f"training must not diverge; got {report.reason}")
    return report


class StepMeter:
    """A trainable that forwards to a network and records the memory in use at the start of each step.

    Attributes
    ----------
    marks
        For each step (bytes in use at its start, peak since the start of the step before).
    """

    def __init__(self, network: cnn.Network) -> None:
        self._network = network
        self.marks: list[tuple[int, int]] = []

    @property
    def parameters(self) -> Any:
        """See `cnn.Trainable`."""
        return self._network.parameters

    def loss_and_gradients(self, inputs: Any, targets: Any, weights: Any = None) -> Any:
        """See `cnn.Trainable`."""
        self.marks.append(tracemalloc.get_traced_memory())
        tracemalloc.reset_peak()
        return self._network.loss_and_gradients(inputs, targets, weights)

    def loss(self, inputs: Any, targets: Any, weights: Any = None) -> float:
        """See `cnn.Trainable`."""
        return self._network.loss(inputs, targets, weights)

    def output(self, inputs: Any) -> Any:
        """See `cnn.Trainable`."""
        return self._network.output(inputs)


def bytes_per_step(network: cnn.Network, batch: int, steps: int) -> dict[str, float]:
    """Measure by tracemalloc the memory that a training step allocates once all buffers exist.

    tracemalloc sees Python objects and NumPy arrays, but not memory allocated inside compiled code.

    Parameters
    ----------
    network
        A network; it is trained on synthetic images.
    batch, steps
        Samples per step, and measured steps, at least 3.

    Returns
    -------
    dict
        ``transient_bytes``: peak during a step above its start, median over the steps.
        ``kept_bytes``: growth from step to step, mean over the steps.
    """
    samples = synthetic_samples()
    train(network, samples, batch, 2)
    meter = StepMeter(network)
    tracemalloc.start()
    try:
        train(meter, samples, batch, steps)
    finally:
        tracemalloc.stop()
    # The first step begins before the trainer's own buffers have settled.
    in_use, peaks = np.array(meter.marks[1:], dtype=np.float64).T
    return {
        "transient_bytes": float(np.median(peaks[1:] - in_use[:-1])),
        "kept_bytes": float((in_use[-1] - in_use[0]) / (len(in_use) - 1)),
    }


def _status() -> str:
    """Return the text of ``/proc/self/status``; empty on systems without it."""
    path = Path("/proc/self/status")
    return path.read_text("ascii", "replace") if path.exists() else ""


def _train_alone(name: str, batch: int, steps: int) -> dict[str, Any]:
    imported = _status()
    samples = synthetic_samples()
    network = build(name, samples)
    train(network, samples, batch, steps)
    trained = _status()
    return {"imported": imported, "trained": trained, **bytes_per_step(network, batch, steps)}


def _start_alone(*names: str) -> dict[str, float]:
    seconds = {"import cnn": IMPORT_SECONDS}
    samples = synthetic_samples()
    for name in names:
        started = time.perf_counter()
        train(build(name, samples), samples, 32, 1)
        seconds[name] = time.perf_counter() - started
    return seconds


def main(arguments: Sequence[str]) -> None:
    """Measure our side by itself: ``train NETWORK BATCH STEPS`` or ``start NETWORK ...``."""
    task, *rest = arguments
    if task == "train":
        name, batch, steps = rest
        report: dict[str, Any] = _train_alone(name, int(batch), int(steps))
    else:
        report = _start_alone(*rest)
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
