"""Our side of the benchmark of maps by itself.

``python -m experiments.benchmarks.maps.alone NETWORK BATCH STEPS`` trains; it reports memory, and the seconds until the
end of the first step.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from evo.phenotype.phenotype import Phenotype
from experiments.benchmarks.harness.process import emit
from experiments.benchmarks.harness.workload import synthetic_samples, train
from experiments.benchmarks.maps.networks import NETWORKS, genome_of


def main(arguments: Sequence[str]) -> None:
    """Train a network and report."""
    name, batch, steps = arguments[0], int(arguments[1]), int(arguments[2])
    imported = _status()
    samples = synthetic_samples()
    genome = genome_of(name)
    began = time.perf_counter()
    network = Phenotype(genome, dormant=NETWORKS[name].dormant)
    train(network, samples, batch, 1)
    first_step = time.perf_counter() - began
    train(network, samples, batch, steps)
    emit({"imported": imported, "trained": _status(), "first_step": first_step})


def _status() -> str:
    """Return the text of ``/proc/self/status``; empty on systems without it."""
    path = Path("/proc/self/status")
    return path.read_text("ascii", "replace") if path.exists() else ""


if __name__ == "__main__":
    main(sys.argv[1:])
