"""The study of selections: its problems, and that its page and tables are what the script gives.

``python tests/test_experiments/studies/test_schemes.py FOLDER …`` writes the tables of finished studies, which lie in
``FOLDER/maze`` and ``FOLDER/cart-pole``, into ``results/reference/schemes``, and prints the lines of the page. Several
folders have several seeds.
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import evo
from cnn.compile.vector_kernels import ARITHMETIC, SHARED_ARITHMETIC
from evo.environment import environment
from evo.storage.tables import TIMING_COLUMNS
from experiments import load_results, study
from experiments.analysis.comparison import compare, pairs_of, summarize

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "results" / "reference" / "schemes"
PAGE = ROOT / "docs" / "studies" / "schemes.md"
AGAINST = "mu_plus_lambda"
PROBLEMS = ("maze", "cart-pole")


@pytest.fixture(scope="module")
def schemes():
    """Return the script, whose reward stays registered for these tests only."""
    own = evo.REWARDS.own
    from experiments import schemes

    evo.REWARDS.register("maze", schemes.Maze, replace=True)
    yield schemes
    evo.REWARDS.install(own)


class Walker:
    """Acts as a function of what it sees."""

    def __init__(self, speeds):
        self.act = lambda seen: np.array(speeds(seen), np.float32)


def test_the_maze_has_a_way_and_deceives_who_goes_to_the_goal(schemes):
    maze = schemes.Maze()

    def way(seen):  # up; to the right below the wall, to the left above it
        below = -seen[5] * maze.size
        return (9.0 if below > 2.0 else -9.0), -9.0

    reached, measures = maze.evaluate(Walker(way), rng=None)
    assert measures["reached"] == 1
    assert -1 < reached < 0
    greedy, ended = maze.evaluate(Walker(lambda seen: (9 * seen[4], 9 * seen[5])), rng=None)
    assert ended["reached"] == 0
    still, _ = maze.evaluate(Walker(lambda seen: (0.0, 0.0)), rng=None)
    assert still < greedy < reached
    right, _ = maze.evaluate(Walker(lambda seen: (9.0, 0.0)), rng=None)
    assert right < still  # the way leads away from the goal


def stable(comparison):
    """Return the rows of a study without what differs from run to run, and what is empty."""
    table = comparison.drop(columns=["run", *(TIMING_COLUMNS & set(comparison.columns))])
    return table.dropna(axis="columns", how="all").sort_values(["seed", "arm"], ignore_index=True)


def follow(rows):
    """Return the means of the arms, and each arm's difference to that of the others."""
    rows = rows.assign(run="schemes")
    summary, equal = summarize(rows), ["total_played_episodes"]
    return summary, compare(rows, pairs_of([AGAINST], summary, None), equal=equal)


def lines_of(name):
    """Yield the lines of the table of a problem on the page."""
    rows = pd.read_csv(REFERENCE / f"{name}.csv")
    summary, differences = follow(rows)
    compared = differences.set_index("arm")
    column = "test_reached" if name == "maze" else "test_success"
    for arm, found in summary.sort_values("test_return", ascending=False).iterrows():
        shown = ""
        if arm != AGAINST:
            row = compared.loc[arm]
            shown = f"{row['difference']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f}), {row['p_holm']:.2g}"
        share = rows.loc[rows["arm"] == arm, column].mean()
        episodes = f"{found['total_played_episodes']:,.0f}"
        yield f"| {arm} | {found['test_return']:.2f} | {share:.0%} | {shown} | {episodes} |"


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_arm_and_seed_is_published_and_the_page_has_the_numbers(name, schemes):
    rows = pd.read_csv(REFERENCE / f"{name}.csv")
    problem = schemes.PROBLEMS[name]
    assert set(rows["arm"]) == set(schemes.schemes(problem.descriptors, problem.n))
    assert set(rows["seed"]) == set(schemes.SEEDS)
    assert len(rows) == len(schemes.SEEDS) * rows["arm"].nunique()
    _, differences = follow(rows)
    again = pd.read_csv(io.StringIO(differences.to_csv(index=False)))
    published = pd.read_csv(REFERENCE / f"{name}-differences.csv")
    pd.testing.assert_frame_equal(again, published, rtol=1e-9)
    page = PAGE.read_text("utf-8")
    assert [line for line in lines_of(name) if line not in page] == []


@pytest.mark.slow
@pytest.mark.skipif(
    ARITHMETIC != SHARED_ARITHMETIC, reason=f"the tables are those of {SHARED_ARITHMETIC}"
)
@pytest.mark.parametrize("arm", ["novelty", "map_elites", "speciation"])
def test_a_seed_gives_the_published_rows_to_the_last_digit(arm, schemes, tmp_path):
    problem, folder = schemes.PROBLEMS["maze"], tmp_path / "study"
    arms = {arm: schemes.schemes(problem.descriptors, problem.n)[arm]}
    found = study(problem.make(), arms=arms, seeds=[100], folder=folder, workers=0, figures=False)
    rows = pd.read_csv(REFERENCE / "maze.csv").query("seed == 100 and arm == @arm")
    rows = rows.dropna(axis="columns", how="all").reset_index(drop=True)
    pd.testing.assert_frame_equal(stable(found.comparison), rows, check_dtype=False, rtol=0, atol=0)


def publish(*folders):
    """Write the tables of finished studies, and what they were made with."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name in PROBLEMS:
        rows = [load_results(Path(folder) / name).comparison for folder in folders]
        rows = stable(pd.concat(rows))
        rows.to_csv(REFERENCE / f"{name}.csv", index=False)
        _, differences = follow(pd.read_csv(REFERENCE / f"{name}.csv"))
        differences.to_csv(REFERENCE / f"{name}-differences.csv", index=False)
        sys.stdout.writelines(f"{line}\n" for line in lines_of(name))
    found = environment()
    described = {key: found[key] for key in found if key not in {"command", "directory", "started"}}
    made_with = {"command": "python -m experiments.schemes PROBLEM", **described}
    (REFERENCE / "environment.json").write_text(json.dumps(made_with, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    publish(*sys.argv[1:])
