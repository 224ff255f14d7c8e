"""Population-based training of fixed networks: who copies whom, what it costs, and that it repeats itself."""

import json
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from same_tables import assert_equal
from tests_of_kills import in_child

from cnn.training.recipe import Recipe
from cnn.training.recipe_genes import RecipeGenes
from cnn.training.trainer import OptimizerState
from evo.errors import ResultsError, SettingsError
from evo.storage import in_flight
from evo.storage.training_state import PopulationState, load_population, save_population
from experiments import Experiment, load_results, resume, run
from experiments.analysis import anytime
from experiments.arms.population import Member, Population
from experiments.arms.settings import PbtSettings

RANGES = {"learning_rate": [0.01, 1.0], "shift": [0, 2]}
SETTINGS = {
    "name": "pbt",
    "seeds": 1,
    "founders": {"hidden": 12},
    "evolution": {"population": 4, "generations": 3, "steps_per_generation": 6},
    "baseline": {
        "arms": ["cnn_pbt"],
        "maps": 1,
        "hidden": 2,
        "pbt": {"truncation": 0.34, "recipe_genes": {"ranges": RANGES}},
    },
}

BRIEF = SETTINGS["evolution"] | {"generations": 0}


def little(**changes):
    return Experiment.parse({**SETTINGS, **changes}, "little")


def finished(folder, experiment=None, **options):
    options = {"workers": 0, "figures": False, "run_name": "one"} | options
    return run(experiment or little(), results=folder, **options)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("pbt"))


def rungs(results):
    """Return the candidates, a list of rows for each rung."""
    rows = results.candidates.to_dict("records")
    size = len(rows) // 4
    assert size > 2
    return [rows[k * size : (k + 1) * size] for k in range(4)]


def test_the_population_costs_what_the_search_pays_for_and_the_best_of_the_last_rung_is_tested(one):
    table = one.comparison.set_index("arm")
    row, size = table.loc["cnn_pbt"], len(rungs(one)[0])
    each = 24 * 32 * row["macs"]
    assert size == table.loc["evolved", "total_training_macs"] // each
    assert (row["steps"], row["samples"], row["training_macs"]) == (24, 24 * 32, each)
    assert (row["total_steps"], row["total_samples"]) == (24 * size, 24 * 32 * size)
    assert (row["total_training_macs"], row["total_networks"]) == (each * size, 4 * size)
    total = one.candidates["cpu_seconds"].sum()
    assert row["cpu_seconds"] < row["total_cpu_seconds"] == pytest.approx(total)
    best = min(rungs(one)[-1], key=lambda row: row["validation_loss"])
    baseline = one.baseline.set_index("arm").loc["cnn_pbt"]
    for name in ("candidate", "validation_loss", "train_loss"):
        assert baseline[name] == best[name]
    assert row["validation_loss"] == pytest.approx(best["validation_loss"])
    curve = anytime(one, "loss").query("arm == 'cnn_pbt'")
    assert curve["steps"].iloc[-1] == row["total_steps"]


def test_at_a_rung_the_worst_copy_one_of_the_best_and_explore_and_all_others_go_on(one):
    def genes(row):
        return row["learning_rate"], json.loads(row["training"])["augmentation.shift"]

    copies = 0
    for before, after in zip(rungs(one), rungs(one)[1:], strict=False):
        order = sorted(range(len(before)), key=lambda k: before[k]["validation_loss"])
        n_truncated = int(0.34 * len(order))
        best = [before[k] for k in order[:n_truncated]]
        for k in order[:-n_truncated]:
            assert genes(after[k]) == genes(before[k])
            assert after[k]["restart"] == before[k]["restart"]
        for k in order[-n_truncated:]:
            assert after[k]["restart"] in {one["restart"] for one in best}
            assert genes(after[k]) not in {genes(one) for one in best}
            copies += 1
    assert copies >= 3
    first = rungs(one)[0]
    assert len({row["learning_rate"] for row in first}) == len(first)
    assert [row["restart"] for row in first] == list(range(len(first)))


def test_the_gene_multiplies_the_schedule_of_the_whole_run(one):
    table = one.training.query("arm == 'cnn_pbt'").merge(
        one.candidates[["candidate", "learning_rate"]],
        left_on="individual",
        right_on="candidate",
        suffixes=("", "_of_gene"),
    )
    schedule = 0.5 * (1 + np.cos(np.pi * (table["step"] - 1) / 24))
    np.testing.assert_allclose(table["learning_rate"], table["learning_rate_of_gene"] * schedule)
    assert set(table["step"]) >= {6, 12, 18, 24}
    assert table["validation_loss"].notna().sum() == len(one.candidates)


def after_exploiting(losses, truncation):
    """Return which network each network copied at a rung at which they had these losses; None: it diverged."""
    networks = [SimpleNamespace(parameters=np.full(3, float(k))) for k in range(len(losses))]
    task = SimpleNamespace(seed=0, evolution=SimpleNamespace(steps_per_generation=4))
    genes = RecipeGenes(ranges={"learning_rate": (1e-9, 1.0)}, resample_probability=0)
    settings = PbtSettings(truncation=truncation)
    some = Population("pbt", networks, Recipe(), settings, genes, task, 8)
    some.members = [
        Member(k, {"learning_rate": 1e-3 * (k + 1)}, None, loss) for k, loss in enumerate(losses)
    ]
    some.rung = 1
    some._exploit_and_explore()
    sources = [int(network.parameters[0]) for network in networks]
    for k, (source, member) in enumerate(zip(sources, some.members, strict=True)):
        factors = [1.0] if source == k else [0.8, 1.2]
        assert member.restart == source
        factor = member.genes["learning_rate"] / (1e-3 * (source + 1))
        assert any(factor == pytest.approx(one) for one in factors)
        assert member.loss == losses[source]
    return sources


def test_as_many_of_the_worst_as_are_truncated_copy_as_many_of_the_best():
    losses = [3.0, 1.0, 5.0, 4.0, 2.0, 6.0, 8.0, 7.0, 9.0, 10.0]
    sources = after_exploiting(losses, 0.2)
    assert sources[:8] == [*range(8)]
    assert set(sources[8:]) <= {1, 4}
    assert after_exploiting([2.0, 1.0], 0.2) == [1, 1]
    assert after_exploiting([2.0, 1.0, 1.0], 0.5) == [1, 1, 2]  # of equals the first is better
    twenty = after_exploiting([float(k) for k in range(20)], 0.5)
    assert twenty[:10] == [*range(10)]
    assert len(set(twenty[10:])) > 3
    assert max(twenty) < 10


def test_a_network_that_diverged_always_copies_one_of_the_best():
    assert after_exploiting([None, 1.0, None, 2.0, None, 3.0], 0.2) == [1, 1, 1, 3, 1, 5]
    assert after_exploiting([None, 1.0, None], 0.3) == [1, 1, 1]


def test_a_population_of_which_all_diverge_is_a_diverged_arm(tmp_path):
    ranges = {"learning_rate": [1e20, 1e21]}
    baseline = SETTINGS["baseline"] | {"pbt": {"recipe_genes": {"ranges": ranges}}}
    results = finished(tmp_path, little(baseline=baseline, evolution=BRIEF))
    (row,) = results.baseline.to_dict("records")
    assert row["status"] == "diverged"
    assert "loss" in row["reason"]
    assert set(results.candidates["status"]) == {"diverged"}
    assert set(results.comparison["arm"]) == {"evolved"}


@pytest.mark.slow
def test_a_population_goes_on_from_its_last_rung_and_is_the_same_on_workers(
    one, tmp_path, monkeypatch
):
    monkeypatch.setattr(in_flight, "SECONDS_BETWEEN_STATES", 0.0)
    advance, rungs_made, parent = Population.advance, [], os.getpid()

    def dying(self):
        rungs_made.append(self.rung)
        if self.rung == 2 and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        yield from advance(self)

    monkeypatch.setattr(Population, "advance", dying)
    assert in_child(lambda: finished(tmp_path)) == -signal.SIGKILL
    assert load_results(tmp_path / "one").candidates.empty
    resumed = resume(tmp_path / "one", workers=0, figures=False)
    assert rungs_made == [2, 3]
    assert_equal(one, resumed)
    assert_equal(one, finished(tmp_path / "workers", workers=2))


def test_the_state_of_a_population_is_read_as_it_was_written(tmp_path):
    state = PopulationState(
        [np.arange(3, dtype=np.float32), np.ones(3, np.float32)],
        [
            OptimizerState(np.zeros((1, 3), np.float32), 4),
            OptimizerState(np.ones((1, 3), np.float32), 5, np.full(3, 2, np.float32)),
        ],
        {"rung": 1, "rows": [{"loss": 0.1}]},
    )
    save_population(tmp_path / "state.npz", state)
    again = load_population(tmp_path / "state.npz")
    assert again.more == state.more
    for before, after in zip(state.optimizers, again.optimizers, strict=True):
        np.testing.assert_array_equal(before.rows, after.rows)
        assert before.step == after.step
    np.testing.assert_array_equal(again.parameters, state.parameters)
    (tmp_path / "state.npz").write_bytes(b"damaged")
    with pytest.raises(ResultsError, match=r"state\.npz"):
        load_population(tmp_path / "state.npz")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"baseline": {"arms": ["cnn_pbt"]}}, "pbt.recipe_genes.ranges must have a gene where"),
        ({"evolve": False}, "must not name cnn_pbt where evolve = false"),
        ({"baseline": {"pbt": {"truncation": 0.6}}}, "pbt.truncation"),
        (
            {
                "baseline": {
                    "arms": ["cnn_pbt"],
                    "learning_rate": 2,
                    "pbt": {"recipe_genes": {"ranges": {"learning_rate": [0.1, 1]}, "initial": "recipe"}},
                }
            },
            "baseline.pbt.recipe_genes.ranges.learning_rate must contain .* got .* and 2",
        ),
    ],
)  # fmt: skip
def test_unusable_settings_are_refused(changes, rule):
    if "evolve" in changes:
        changes = changes | {"baseline": SETTINGS["baseline"] | {"epochs": 1}}
        settings = {key: SETTINGS[key] for key in ("name", "seeds")} | changes
    else:
        settings = SETTINGS | changes
    with pytest.raises(SettingsError, match=rule):
        Experiment.parse(settings, "little")


def test_the_genes_of_evolution_are_those_of_the_population_unless_it_has_its_own():
    of_evolution = RecipeGenes(ranges={"l2": (1e-4, 1e-2)})
    assert PbtSettings().genes(of_evolution) is of_evolution
    own = RecipeGenes(ranges={"momentum": (0.5, 0.9)})
    assert PbtSettings(recipe_genes=own).genes(of_evolution) == own


def test_a_search_that_pays_for_one_network_has_no_population(tmp_path):
    large = SETTINGS["baseline"] | {"maps": 40, "hidden": 60}
    results = finished(tmp_path, little(baseline=large, evolution=BRIEF))
    (row,) = results.baseline.to_dict("records")
    assert row["status"] == "failed"
    assert "a population needs two" in row["reason"]
