"""The tables in ``results/reference`` are what a run of their presets gives: one seed of each, to the last digit.

``python tests/test_experiments/studies/test_reference_results.py FOLDER NAME`` writes the tables of a finished run or
study into ``results/reference/NAME``, beside the arms and seeds that are there, and draws their learning curves. A
third argument is the arm that the others are compared with. Of a study with a grid a fourth argument is the ending of
the cells.
"""

import io
import json
import re
import shutil
import sys
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest

from cnn.compile.vector_kernels import ARITHMETIC, SHARED_ARITHMETIC
from evo.environment import environment
from evo.storage.tables import TIMING_COLUMNS
from experiments import Experiment, load_results, run
from experiments.analysis.comparison import OF_REWARDS, compare, pairs_of, summarize
from experiments.analysis.curves import anytime, costs_of
from experiments.figures.curves import draw_curves
from experiments.figures.style import sizes
from experiments.settings.experiment import read_settings, with_values
from experiments.settings.study import is_study, parse_study
from experiments.studies.study import run_study

REFERENCE = Path(__file__).parents[3] / "results" / "reference"
SLICES = {
    "digits": None,
    "set-digits": None,
    "kernels-digits": ("cnn", "set", "straight-through", "static-2x"),
    "cart-pole": ("evolved", "random_search"),
    "double-pole": ("evolved", "random_search", "no_selection"),
}
"""The published sets, and the arms of a study that are run again."""


def stable(comparison):
    """Return the table ``comparison`` without what may differ, the names of folders and times, and what is empty."""
    table = comparison.drop(columns=["run", *(TIMING_COLUMNS & set(comparison.columns))])
    table = table.dropna(axis="columns", how="all")
    return table.sort_values(["seed", "arm"], ignore_index=True)


@pytest.mark.slow
@pytest.mark.skipif(
    ARITHMETIC != SHARED_ARITHMETIC, reason=f"the tables are those of {SHARED_ARITHMETIC}"
)
@pytest.mark.parametrize("name", SLICES)
def test_a_seed_gives_the_published_rows_to_the_last_digit(name, tmp_path):
    published = pd.read_csv(REFERENCE / name / "comparison.csv")
    seed = int(published["seed"].min())
    settings = with_values(read_settings(name), {"seed": seed, "seeds": 1})
    if is_study(settings):
        study = parse_study(settings, name)
        arms = SLICES[name]
        found = run_study(study, arms=arms, folder=tmp_path / "study", workers=0, figures=False)
        published = published[published["arm"].isin(arms)]
        assert set(arms) == set(published["arm"])
    else:
        experiment = Experiment.parse(settings, name)
        found = run(experiment, results=tmp_path, workers=0, figures=False)
    rows = published[published["seed"] == seed].sort_values("arm", ignore_index=True)
    pd.testing.assert_frame_equal(stable(found.comparison), rows, check_dtype=False, rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.skipif(
    ARITHMETIC != SHARED_ARITHMETIC, reason=f"the tables are those of {SHARED_ARITHMETIC}"
)
@pytest.mark.parametrize("arm", ["lenet5", "straight-through"])
def test_a_seed_of_the_declared_comparison_gives_the_published_rows(arm, published, tmp_path):
    changes = {
        "seed": 8,
        "seeds": 1,
        "dataset.options": {"data_dir": str(published("fashion-mnist"))},
    }
    study = parse_study(with_values(read_settings("fashion"), changes), "fashion")
    found = run_study(study, arms=[arm], folder=tmp_path / "study", workers=0, figures=False)
    rows = pd.read_csv(REFERENCE / "fashion-declared" / "comparison.csv").query(
        "seed == 8 and arm == @arm"
    )
    pd.testing.assert_frame_equal(
        stable(found.comparison),
        rows.reset_index(drop=True),
        check_dtype=False,
        rtol=0,
        atol=0,
    )


@pytest.mark.parametrize("name", SLICES)
def test_every_arm_and_seed_of_a_preset_is_published(name):
    settings = read_settings(name)
    published = pd.read_csv(REFERENCE / name / "comparison.csv")
    first = settings.get("seed", 0)
    assert set(published["seed"]) == set(range(first, first + settings["seeds"]))
    assert len(published) == published["seed"].nunique() * published["arm"].nunique()
    if is_study(settings):
        assert set(published["arm"]) == set(parse_study(settings, name).arms)


KEY = ["seed", "arm"]
COSTS = ["cpu_seconds", "total_cpu_seconds"]
"""What the machine took; published apart, because it differs from run to run."""

GROWING = [path.parent.name for path in sorted(REFERENCE.glob("*/cpu_seconds.csv"))]
"""The published sets to which seeds and arms may be added."""


def follow(target, *arms):
    """Return the tables of arms and of differences that follow from the published rows and what the preset declares."""
    rows = pd.read_csv(target / "comparison.csv").assign(run=target.name)
    rows = rows.merge(pd.read_csv(target / "cpu_seconds.csv"), on=["seed", "arm"], how="left")
    (preset,) = target.glob("*.toml")
    evaluation = read_settings(str(preset)).get("evaluation", {})
    declared = evaluation.get("primary")
    summary = summarize(rows)
    pairs = pairs_of(arms, summary, declared if is_there(declared, summary) else None)
    of_reward = OF_REWARDS if {*OF_REWARDS} <= {*rows} else ()
    options = {
        "margin": evaluation.get("equivalence_margin"),
        "equal": evaluation.get("equal", of_reward),
    }
    return summary, compare(rows, pairs, declared=declared, **options)


def is_there(declared, summary):
    return declared is not None and set(declared.split(" - ")) <= set(summary.index)


@pytest.mark.parametrize("name", GROWING)
def test_the_tables_of_a_published_set_follow_from_its_rows(name):
    target = REFERENCE / name
    published = pd.read_csv(target / "differences.csv")
    (against,) = published.loc[~published["declared"], "other"].unique()
    arms, differences = follow(target, against)
    found = arms.rename_axis("arm").reset_index(), differences
    for table, file in zip(found, ("arms.csv", "differences.csv"), strict=True):
        expected = pd.read_csv(target / file)
        again = pd.read_csv(io.StringIO(table.to_csv(index=False)))
        pd.testing.assert_frame_equal(again, expected, rtol=1e-9)


def arms_of(name):
    """Return the published means of arms, the best first, and the column of the measure that decides."""
    arms = pd.read_csv(REFERENCE / name / "arms.csv", index_col="arm")
    metric = arms.columns[1]
    rows = pd.read_csv(REFERENCE / name / "comparison.csv")
    return arms.sort_values(metric, ascending=not rows["larger_is_better"].all()), metric


PAGE = Path(__file__).parents[3] / "docs" / "studies" / "what-evolution-adds.md"


def lines_of(name):
    """Yield the lines of a table in Markdown: each arm, its interval or difference, and its costs."""
    arms, metric = arms_of(name)
    if {*OF_REWARDS} <= {*arms}:
        for arm, row in arms.iterrows():
            yield (
                f"| `{arm}` | {row[metric]:.1f} | {row['low']:.1f} to {row['high']:.1f} | "
                f"{row['total_played_episodes']:,.0f} | {row['total_played_steps']:,.0f} |"
            )
        return
    differences = pd.read_csv(REFERENCE / name / "differences.csv")
    (against,) = differences.loc[~differences["declared"], "other"].unique()
    compared = differences[differences["other"] == against].set_index("arm")
    for arm, found in arms.iterrows():
        difference = ""
        if arm != against:
            row = compared.loc[arm]
            difference = (
                f"{points(row['difference'])} ({points(row['low'])} to {points(row['high'])})"
            )
        yield (
            f"| {re.sub('-labels_per_class-.*', '', arm)} | {100 * found[metric]:.2f} % | {difference} | "
            f"{found['total_steps']:,.0f} | {found['total_training_macs'] / 1e9:,.0f} |"
        )


def points(share):
    return f"{100 * share:+.2f}".replace("-", "−")


@pytest.mark.parametrize("name", [one for one in GROWING if arms_of(one)[1] == "test_accuracy"])
def test_the_page_has_the_published_numbers(name):
    page = PAGE.read_text("utf-8")
    assert [line for line in lines_of(name) if line not in page] == []


def steps_of(curves):
    """Return where the best network so far of each arm and seed became better, and where it ended."""
    same = [curves[name] for name in KEY]
    of_arm = curves.groupby(same)["best"]
    is_last = ~curves.duplicated(KEY, keep="last")
    kept = curves[(curves["best"] != of_arm.shift()) & curves["best"].notna() | is_last]
    return kept[[*KEY, costs_of(curves)[0], "best", "metric"]]


def draw(name, path):
    """Draw the published curves of a set, which may have come from several folders."""
    table = pd.read_csv(REFERENCE / name / "curves.csv").assign(run=name)
    of_arms = table["arm"].str.replace("-labels_per_class-.*", "", regex=True)
    by = next(column for column in table if column in {"steps", "episodes"})
    title = (
        f"Best network so far, by validation: median and range of {table['seed'].nunique()} seeds"
    )
    arms = {arm: arm for arm in of_arms.unique()}
    with sizes.on_paper():
        figure = draw_curves(table.assign(arm=of_arms), arms, title, by)
        figure.savefig(path, metadata={"Date": None})


def publish(folder, name, against, cells=""):
    """Write the tables of a finished run or study, its settings, what they were made with, and its curves.

    Arms and seeds that are published already stay, if they were made with the same preset. Of a study with a grid, only
    the cells are written whose names have this ending.
    """
    results, target = load_results(folder), REFERENCE / name
    found, curves = (
        table[table["arm"].str.endswith(cells)] for table in (results.comparison, anytime(results))
    )
    (preset,) = results.runs["experiment"].unique()
    source = files("experiments") / "presets" / f"{preset}.toml"
    tables = {
        "comparison.csv": stable(found),
        "cpu_seconds.csv": found[["seed", "arm", *COSTS]],
        "curves.csv": steps_of(curves),
    }
    target.mkdir(parents=True, exist_ok=True)
    is_same = (copy := target / source.name).exists() and copy.read_bytes() == source.read_bytes()
    for file, rows in tables.items():
        old = pd.read_csv(target / file) if is_same and (target / file).exists() else rows.iloc[:0]
        again = old.set_index(KEY).index.isin(rows.set_index(KEY).index)
        both = pd.concat([old[~again], rows]) if len(old) else rows
        both.sort_values(KEY, kind="stable").to_csv(target / file, index=False)
    shutil.copy(source, target)
    arms, differences = follow(target, against)
    arms.to_csv(target / "arms.csv", index_label="arm")
    differences.to_csv(target / "differences.csv", index=False)
    found = environment()
    described = {key: found[key] for key in found if key not in {"command", "directory", "started"}}
    made_with = {"command": f"evomatrix run {preset} --workers 0", **described}
    (target / "environment.json").write_text(json.dumps(made_with, indent=2) + "\n", "utf-8")
    draw(name, PAGE.with_name(f"{name}.svg"))
    sys.stdout.writelines(f"{line}\n" for line in lines_of(name))


@pytest.mark.slow
def test_a_study_of_a_reward_is_published_by_its_measure(tmp_path, monkeypatch, capsys):
    changes = {
        "seeds": 2,
        "evolution.population": 6,
        "evolution.generations": 2,
        "task.episodes": 2,
        "task.test_episodes": 2,
    }
    study = parse_study(with_values(read_settings("double-pole"), changes), "double-pole")
    results = run_study(study, folder=tmp_path / "study", figures=False, quiet=True)
    monkeypatch.setattr(sys.modules[__name__], "REFERENCE", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "PAGE", tmp_path / "page.md")
    publish(results.paths[0].parent, "poles", "random_search")
    lines = capsys.readouterr().out.splitlines()
    summary = results.summary().sort_values("test_return", ascending=False)
    assert [line.split("`")[1] for line in lines] == [*summary.index]
    best = summary.iloc[0]
    told = f"| {best['test_return']:.1f} | {best['low']:.1f} to {best['high']:.1f} | "
    assert f"{told}{best['total_played_episodes']:,.0f} | " in lines[0]
    assert pd.read_csv(tmp_path / "poles" / "arms.csv")["test_return"].notna().all()
    differences = pd.read_csv(tmp_path / "poles" / "differences.csv")
    expected = results.compare("random_search")
    for column in ("arm", "must_be_equal", "declared", "difference", "p_holm"):
        assert differences[column].tolist() == expected[column].tolist()
    test_the_tables_of_a_published_set_follow_from_its_rows("poles")
    curves = pd.read_csv(tmp_path / "poles" / "curves.csv").groupby(KEY)
    assert {*curves.groups} == {*pd.MultiIndex.from_frame(results.comparison[KEY])}
    winners = results.comparison.set_index(KEY)["validation_return"]
    assert (curves["best"].last() - winners >= 0).all()
    assert (tmp_path / "poles.svg").stat().st_size


if __name__ == "__main__":
    publish(*sys.argv[1:])
