"""Every selection in a whole run: as many networks as expected, each survivor trained for equally many steps."""

import pytest
from effort import first_now
from schemes import scheme

from evo.selection import SELECTIONS
from experiments import Experiment, run
from experiments.settings.controls import modify_only


@pytest.mark.parametrize("name", first_now(SELECTIONS))
def test_a_run_evaluates_as_many_networks_as_expected(name, tmp_path):
    experiment = Experiment.parse(
        {
            "name": "selections",
            "seeds": 1,
            "dataset": {"name": "xor"},
            "founders": {"hidden": 4},
            "evolution": {
                "population": 4,
                "generations": 5,
                "steps_per_generation": 4,
                "train_only_fraction": 0.2,
                "selection": scheme(name),
            },
            "baseline": {"arms": []},
        },
        "selections",
    )
    results = run(experiment, results=tmp_path, workers=0, figures=False)
    individuals = results.individuals
    modified = individuals[individuals["generation"] < 5]
    expected = experiment.evolution.expected_individuals()
    # without twins there are a few fewer
    assert expected - 4 <= len(individuals) <= expected
    assert (modified.groupby("generation")["origin"].nunique() <= 2).all()
    steps = results.population.merge(individuals, on=["seed", "individual"], suffixes=("", "_own"))
    if name == "novelty":  # the archive is not trained while topologies change
        steps = steps[(steps["slot"] < 3) & (steps["generation"] < 5)]
    assert (steps["ancestry_steps"] == 4 * (steps["generation"] + 1)).all()
    changes = modify_only(experiment)["modify_only"]
    control = experiment.evolution.model_copy(
        update={"generations": changes["evolution.generations"], "train_only_fraction": 0.0}
    )
    difference = control.expected_individuals() - experiment.evolution.expected_individuals()
    assert abs(difference) <= 4
