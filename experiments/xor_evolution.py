"""Solve XOR by mutation and selection alone, without training, several times; then look at a winner's ancestry."""

from collections import Counter

import numpy as np
import pandas as pd

from cnn import Samples
from evo import NeuroevolutionSettings, Phenotype, neuroevolve, replay


def main() -> None:
    """Copy this and change what you like."""
    square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    xor = Samples(square, np.array([[0.0], [1.0], [1.0], [0.0]]))
    settings = NeuroevolutionSettings(
        population=150,
        hidden=4,
        output_activation="sigmoid",
        target_fitness=-0.0125,  # the sum of squared errors is 0.1
    )
    neuroevolve(xor, settings, seed=0)  # the first one compiles, unless that has been done before
    runs = [neuroevolve(xor, settings, seed=seed) for seed in range(10)]
    print(
        pd.DataFrame(
            {
                "seed": [run.seed for run in runs],
                "solved": [run.solved for run in runs],
                "generations": [len(run.table) for run in runs],
                "evaluations": [run.evaluations for run in runs],
                "edges": [run.table["n_active"].iloc[-1] for run in runs],
                "milliseconds": [1000 * run.table["seconds"].sum() for run in runs],
            }
        )
        .round(1)
        .to_string(index=False)
    )

    run = runs[0]
    print("\nXOR by the winner of seed 0:")
    print(Phenotype(run.winner, "squared_error").output(xor.inputs).round(2).ravel())

    genome, ancestors = run.lineage()
    for ancestor in ancestors:
        genome = replay(ancestor.record, genome)
    print(f"{len(ancestors)} ancestors replay bit for bit: {genome.equals(run.winner)}")
    operators = Counter(code for ancestor in ancestors for code, _ in ancestor.record)
    print("operators along the lineage:", dict(sorted(operators.items())))


if __name__ == "__main__":
    main()
