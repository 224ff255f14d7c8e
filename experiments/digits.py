"""Evolve networks on handwritten digits, compare them with a fixed CNN, use the winner."""

from experiments import load_dataset, load_experiment, run


def main() -> None:
    """Copy this and change what you like."""
    experiment = load_experiment("digits")
    results = run(experiment, workers=0)

    print(results.summary().round(3).T)
    for line in results.verdicts():
        print(line)

    individuals = results.individuals
    print(individuals.groupby("origin")["validation_accuracy"].describe().round(3))

    best = results.best()
    digits = load_dataset("digits")
    print("predicted:", best.predict(digits.inputs[:10]), "true:", digits.targets[:10])
    best.save(results.path / "best.npz")


if __name__ == "__main__":
    main()
