"""A report shows what the tables say, needs nothing from outside, and obeys no name."""

import base64
import dataclasses
import gzip
import hashlib
import json
import re
import shutil
import zlib

import numpy as np
import pytest

from evo import FounderSettings, create_founders
from evo.errors import ResultsError
from experiments import (
    Experiment,
    continue_run,
    load_results,
    replay_lineage,
    resume,
    run,
    study,
    write_report,
)
from experiments.analysis import latex_table, over_data_sets
from experiments.cli.app import main
from experiments.figures.edges import effective_edges
from experiments.figures.layout import lay_out
from experiments.figures.networks import MOST_EDGES
from experiments.figures.steps import Step
from experiments.progress import Reporter
from experiments.report import report, watch, write_summary
from experiments.report.blocks import meanings
from experiments.report.blocks.html import as_json, table
from experiments.report.blocks.plots import MOST_POINTS, log_axis, thinned
from experiments.report.sections import SECTIONS, curves, film, origin, pareto, verdict, winner


@pytest.fixture(scope="module")
def text(finished):
    return report.report(finished)


@pytest.fixture(scope="module")
def whole(text, parsed):
    return parsed(text)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """Return the results of a run in which nothing evolved."""
    settings = Experiment(
        name="fixed", seeds=1, evolve=False, baseline={"arms": ["mlp"], "epochs": 2}
    )
    folder = tmp_path_factory.mktemp("fixed")
    return run(settings, workers=0, results=folder, run_name="fixed", figures=False)


class StopAfter(Reporter):
    """Stop the run after a generation."""

    def __init__(self, last):
        self.last = last

    def generation(self, event, expected):
        if event.generation.number == self.last:
            raise KeyboardInterrupt


@pytest.fixture
def stopped(tiny, tmp_path):
    """Return the folder of a run that stopped after its first generations."""
    settings = tiny(name="stopped", seeds=1, baseline={"arms": ["mlp"]})
    with pytest.raises(KeyboardInterrupt):
        run(
            settings,
            workers=0,
            results=tmp_path,
            run_name="stopped",
            figures=False,
            reporter=StopAfter(1),
        )
    return tmp_path / "stopped"


# -- the page ----------------------------------------------------------------------------------------------------------


def test_a_finished_run_has_every_section_and_only_failures_have_nothing_to_show(whole):
    anchors = [value for tag, name, value in whole.attributes if (tag, name) == ("section", "id")]
    assert anchors == [section.name for section in SECTIONS]
    assert whole.left_out == [
        "Left out: no individual failed, no baseline diverged, no test failed and every run has a result."
    ]
    kinds = [one.get("kind", "plain") for one in whole.specifications]
    assert kinds == ["plain"] * 4 + ["network", "film", "plain"]


@pytest.mark.slow
def test_the_same_results_give_the_same_file(finished, text, tmp_path):
    again = load_results(finished.path)
    path = write_report(again, tmp_path / "one.html")
    assert path.read_text("utf-8") == text
    assert [one.name for one in tmp_path.iterdir()] == ["one.html"]


def test_a_page_names_no_other_file_and_forbids_the_network_and_other_scripts(whole):
    targets = {
        value for _, name, value in whole.attributes if name in {"src", "href", "action", "data"}
    }
    assert targets == {f"#{section.name}" for section in SECTIONS}
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & set(whole.tags)
    policy = next(value for _, _, value in whole.attributes if value and "default-src" in value)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "connect-src" not in rules
    executable = next(code for kind, code in whole.scripts if kind is None)
    library = next(code for kind, code in whole.scripts if kind == "text/plain")
    sources = (executable, gzip.decompress(base64.b64decode(library)).decode())
    digests = [hashlib.sha256(one.encode()).digest() for one in sources]
    assert rules["script-src"].split() == [
        f"'sha256-{base64.b64encode(one).decode()}'" for one in digests
    ]
    assert sources[1].startswith("/**\n* plotly.js")


def test_the_tables_of_a_page_hold_the_numbers_of_the_data_frames(finished, whole):
    summary = finished.summary().reset_index(drop=True)
    compared = finished.compare()[list(meanings.COMPARED)]
    effects = finished.operator_effects().sort_values("difference", ascending=False)
    for frame in (summary, compared, finished.pareto(), effects):
        numeric = frame.select_dtypes("number")
        for row in numeric.astype("Float64").to_numpy(float, na_value=np.nan):
            wanted = [float(one) for one in row if not np.isnan(one)]
            found = [[float(cell) for cell in cells if cell] for cells in whole.rows if any(cells)]
            assert wanted in found


def test_the_verdict_says_who_is_better_how_sure_that_is_and_what_was_equal(finished, text, whole):
    for line in finished.verdicts():
        assert line in whole.texts
    (equal,) = (one for one in whole.texts if one.startswith("Equal to 1%"))
    steps = finished.summary()["steps"].unique()
    assert len(steps) == 1
    assert f"steps ({steps[0]:,.0f})" in equal
    (different,) = (one for one in whole.texts if one.startswith("Not equal"))
    for arm, parameters in finished.summary()["parameters"].items():
        assert f"{arm} {parameters:,.0f}" in different


def test_every_column_has_its_meaning_in_the_header_and_below(finished, whole):
    titles = [value for tag, name, value in whole.attributes if (tag, name) == ("th", "title")]
    assert all(titles)
    assert "Mean over seeds: Number of trainable numbers." in titles
    assert set(meanings.COMPARED) == set(finished.compare())
    assert set(meanings.EFFECTS) == {"name", *finished.operator_effects()}
    assert set(meanings.SETTINGS) - {"runs"} == set(finished.settings()) - {"run"}
    assert set(meanings.SUMMARY) == {"arm", *finished.summary()} - {"test_accuracy"}
    with pytest.raises(ValueError, match="meanings must have every column; got none of p"):
        table(finished.compare()[["p"]], "title", {})


def test_a_long_table_says_what_it_leaves_out(finished, parsed):
    frame = finished.individuals[["seed", "individual"]]
    about = {"seed": "Seed.", "individual": "Number."}
    shown = parsed(table(frame, "All", about, most_rows=3, more="results.individuals"))
    assert sum(any(row) for row in shown.rows) == 3
    said = f"The first 3 of {len(frame)} rows. All of them: results.individuals"
    assert said in shown.texts


# -- names that would harm a careless page -----------------------------------------------------------------------------

TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "nav",
        "main",
        "section",
        "footer",
    ),
    *("h1", "h2", "p", "ul", "li", "a", "div", "pre", "code", "figure", "figcaption", "script"),
    *("table", "caption", "span", "thead", "tbody", "tr", "th", "td", "button"),
    *("details", "summary", "dl", "dt", "dd"),
}
"""The elements that a page has of its own."""


def test_no_name_becomes_markup_or_code(hostile, hostile_name, parsed, tmp_path):
    text = write_report(hostile, tmp_path / "report.html").read_text("utf-8")
    found = parsed(text)
    assert set(found.tags) <= TAGS
    assert [one for one in found.attributes if one[1].startswith("on")] == []
    assert [kind for kind, _ in found.scripts if kind is None] == [None]
    assert any(hostile_name in one for one in found.texts)  # it is shown as text
    network = next(one for one in found.specifications if one.get("kind") == "network")
    escaped = "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&lt;b&gt;%{x}"
    assert f"input {escaped}" in network["names"]  # Plotly reads some HTML, so names are escaped
    assert f"output {escaped}" in network["names"]
    templates = re.findall(r'"hovertemplate":"([^"]*)"', text)
    assert not any("onerror" in one for one in templates)


def test_a_number_that_json_lacks_is_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        as_json([float("nan")])


# -- the winner and the film -------------------------------------------------------------------------------------------


def unpacked(text, kind):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), kind)


def test_graph_and_matrix_show_the_weights_of_the_winner(finished, whole):
    genome = finished.best().genome
    (network,) = (one for one in whole.specifications if one.get("kind") == "network")
    matrix = network["matrix"]
    values = unpacked(matrix["values"], "<f4").reshape(matrix["n"], matrix["n"])
    active = genome.active_mask()
    expected = np.zeros_like(values)
    expected[genome.indices[active], genome.targets[active]] = genome.values[active]
    np.testing.assert_array_equal(values, expected)
    sources, targets, weights = map(np.array, network["edges"])
    np.testing.assert_allclose(weights, expected[sources, targets], rtol=1e-5)
    assert len(weights) == min(MOST_EDGES, len(effective_edges(genome)))
    points = next(one for one in network["graph"]["data"] if one["name"] == "edges")
    s, t = points["customdata"][-1]
    assert f"weight {expected[s, t]:.4g}<br>order {s} → {t}" in points["text"][-1]
    assert network["names"][s] in points["text"][-1]


def test_an_edge_that_acts_a_tick_later_is_named_so():
    matrix = np.zeros((3, 3))
    matrix[0, 1] = matrix[1, 2] = 1.0
    matrix[1, 1] = -0.5
    genome = create_founders(FounderSettings(hidden=1), 1, 1, n_founders=1, seed=0)[0]
    genome = type(genome).from_matrix(matrix, n_inputs=1, n_outputs=1, ticks=3)
    edges = effective_edges(genome)
    drawn = winner.graph(
        genome, edges, lay_out(genome, edges), winner.names_of(genome, None), some_hidden=False
    )
    (points,) = (one for one in drawn["data"] if one["name"] == "edges")
    late = [text for text in points["text"] if text.endswith("a tick later")]
    assert set(late) == {"hidden 1 → hidden 1<br>weight -0.5<br>order 1 → 1, a tick later"}
    assert any(one["name"] == "negative, a tick later" for one in drawn["data"])


def test_the_film_shows_the_genomes_that_training_again_gives(finished, whole):
    best = finished.winner()
    steps = film.steps_of(finished, best)
    genomes = list(film.genomes_of(steps))
    lineage = replay_lineage(finished, best["individual"], seed=best["seed"])
    trained = [
        genome
        for step, genome in zip(steps, genomes, strict=True)
        if step.caption.endswith("trained")
    ]
    assert len(trained) == len(lineage)
    assert all(one.equals(other.genome) for one, other in zip(trained, lineage, strict=True))
    operations = [one.operator for individual in lineage for one in individual.operations]
    told = [re.search(r": (\w) \(", step.caption) for step in steps]
    assert [found[1] for found in told if found] == operations
    assert operations
    (shown,) = (one for one in whole.specifications if one.get("kind") == "film")
    assert [one["caption"] for one in shown["frames"]] == [step.caption for step in steps]
    levels = unpacked(shown["data"], "i1")
    sizes = [one["n"] for one in shown["frames"]]
    last = levels[-(sizes[-1] ** 2) :].reshape(sizes[-1], sizes[-1])
    genome, active = genomes[-1], genomes[-1].active_mask()
    expected = np.zeros(last.shape)
    expected[genome.indices[active], genome.targets[active]] = genome.values[active]
    np.testing.assert_array_equal(np.sign(last), np.sign(expected))
    inverse = np.sign(last) * (last / 127.0) ** 2 * shown["largest"]
    clipped = np.clip(expected, -shown["largest"], shown["largest"])
    np.testing.assert_allclose(inverse, clipped, atol=0.01 * shown["largest"])


@pytest.mark.slow
def test_the_film_of_a_run_that_continues_another_one_begins_there(finished, tmp_path):
    options = {"workers": 0, "results": tmp_path, "run_name": "newer", "figures": False}
    newer = continue_run(finished.path, generations="+1", seed=3, **options)
    best = newer.winner()
    steps = film.steps_of(newer, best)
    assert steps[0].caption.startswith("tiny: Founder")
    shown = list(film.genomes_of(steps))
    lineage = replay_lineage(newer, best["individual"], seed=3)
    trained = [
        one for one, step in zip(shown, steps, strict=True) if step.caption[-7:] == "trained"
    ]
    assert [one.fingerprint() for one in trained] == [one.genome.fingerprint() for one in lineage]


def test_a_film_whose_operations_lead_elsewhere_is_refused(finished):
    results = dataclasses.replace(finished, operations=finished.operations.iloc[:0])
    with pytest.raises(ResultsError, match="must lead to its stored genome"):
        list(film.genomes_of(film.steps_of(results, finished.winner())))


def test_of_very_many_nodes_those_of_shown_edges_are_drawn(monkeypatch, finished):
    genome = finished.best().genome
    edges = effective_edges(genome)
    few = edges.strongest(5)
    drawn = [
        winner.graph(
            genome, few, lay_out(genome, edges), winner.names_of(genome, None), some_hidden=True
        )
        for most in (winner.MOST_NODES, 1)
        if monkeypatch.setattr(winner, "MOST_NODES", most) is None
    ]
    all_nodes, some = (
        {node for trace in one["data"][-3:] for node in trace["customdata"]} for one in drawn
    )
    assert some == {*few.sources.tolist(), *few.targets.tolist()}
    assert some < all_nodes


@pytest.mark.slow
def test_a_large_network_has_room(monkeypatch, finished):
    founders = FounderSettings(hidden=700, density=0.3)
    genome = create_founders(founders, 784, 10, n_founders=1, seed=0)[0]
    steps = [Step(f"step {k}", lambda _: genome) for k in range(30)]
    monkeypatch.setattr(film, "steps_of", lambda *_: steps)
    best = finished.best()
    monkeypatch.setattr(type(finished), "best", lambda _: LargePredictor(genome, best))
    text = report.report(finished)
    assert len(text.encode()) < report.LARGEST
    assert f"the graph shows the {MOST_EDGES} strongest" in text
    assert "A point of it is the mean of 3 × 3 places." in text
    assert "would be larger" not in text


class LargePredictor:
    """A network that is larger than that of a test's run."""

    def __init__(self, genome, best):
        self.genome, self.preparation, self.output_names = genome, best.preparation, None


@pytest.mark.slow
def test_a_report_that_would_be_too_large_leaves_sections_out_and_says_so(
    finished, text, monkeypatch, parsed
):
    monkeypatch.setattr(report, "LARGEST", len(text.encode()) - 1)
    smaller = parsed(report.report(finished))
    assert "film" not in {one.get("kind") for one in smaller.specifications}
    assert "network" in {one.get("kind") for one in smaller.specifications}
    assert any(
        one.startswith("Left out, for the report would be larger") for one in smaller.left_out
    )


def test_a_line_of_many_points_is_thinned_and_keeps_its_ends(finished):
    frame = finished.individuals.iloc[np.arange(3 * MOST_POINTS) % len(finished.individuals)]
    kept = thinned(frame.assign(number=range(len(frame))), 2)
    assert len(kept) == MOST_POINTS // 2
    assert kept["number"].iloc[[0, -1]].tolist() == [0, len(frame) - 1]


# -- other results -----------------------------------------------------------------------------------------------------


def test_where_nothing_evolved_the_sections_of_evolution_are_left_out_with_a_reason(fixed, parsed):
    found = parsed(report.report(fixed))
    assert {one.get("kind", "plain") for one in found.specifications} == {"plain"}
    reasons = " ".join(found.left_out)
    assert "nothing evolved" in reasons
    assert "holds no finished search" in reasons
    assert "no policy has chosen an operator" in reasons


@pytest.mark.slow
def test_runs_on_several_data_sets_have_all_sections_for_each(
    finished, tiny, tmp_path, parsed, monkeypatch
):
    monkeypatch.setattr(report, "SECTIONS", SECTIONS[:2])
    settings = tiny(name="xor", dataset={"name": "xor"}, baseline={"arms": ["mlp", "static"]})
    other = run(settings, workers=0, results=tmp_path, run_name="xor", figures=False)
    both = load_results(finished.path, other.path)
    found = parsed(report.report(both))
    anchors = [value for tag, name, value in found.attributes if (tag, name) == ("section", "id")]
    assert anchors == [
        "all",
        *(f"data{k}.{section.name}" for k in range(2) for section in SECTIONS[:2]),
    ]
    assert found.left_out == []
    assert sum(line in found.texts for line in [*finished.verdicts(), *other.verdicts()]) == 5
    assert set(meanings.DATA_SETS) == set(over_data_sets(both))


def test_a_run_that_is_not_finished_says_why_there_is_no_verdict(stopped, parsed):
    path = write_report(stopped, stopped.parent / "early.html")
    found = parsed(path.read_text("utf-8"))
    assert any("is not finished, so there is no comparison yet" in one for one in found.left_out)
    titles = [one for one in found.texts if one.startswith("Best individual of each generation")]
    assert titles
    assert not any(
        name == "http-equiv" and value == "refresh" for _, name, value in found.attributes
    )


@pytest.mark.slow
def test_watching_writes_again_until_the_run_is_finished(stopped, parsed, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "SECTIONS", SECTIONS[:3])
    target, told = tmp_path / "watched.html", []

    def tell(line):
        told.append((line, target.read_text("utf-8")))
        if len(told) == 1:
            resume(stopped, workers=0, figures=False)

    assert watch([stopped], target, tell=tell, pause=0) == target
    assert [line for line, _ in told] == [
        f"{target}: written, the run goes on",
        f"{target}: written for the last time",
    ]
    reloads = [
        any(value == "refresh" for _, _, value in parsed(text).attributes) for _, text in told
    ]
    assert reloads == [True, False]
    assert parsed(told[0][1]).left_out != []
    assert parsed(told[1][1]).left_out == []


def test_an_interrupted_watch_leaves_a_page_that_stays(stopped, parsed, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "SECTIONS", SECTIONS[:1])
    target, pages = tmp_path / "watched.html", []

    def interrupt(line):
        pages.append(target.read_text("utf-8"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch([stopped], target, tell=interrupt, pause=0)
    pages.append(target.read_text("utf-8"))
    reloads = [any(value == "refresh" for _, _, value in parsed(text).attributes) for text in pages]
    assert reloads == [True, False]


def test_a_study_goes_on_until_all_planned_runs_are_finished(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "one-seed-0")
    assert not report.goes_on(tmp_path)
    (tmp_path / "study.json").write_text('{"runs": {"one-seed-0": {}, "one-seed-1": {}}}', "utf-8")
    assert report.goes_on(tmp_path)
    (tmp_path / "study.json").write_text("[]", "utf-8")
    with pytest.raises(ResultsError, match=r"study\.json: runs must be a table of settings"):
        report.goes_on(tmp_path)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Return the results of a study with two arms and a grid of four points."""
    return study(
        Experiment(
            name="cells",
            dataset={"name": "xor", "options": {"n_samples": 40}},
            founders={"hidden": 3},
            evolution={"population": 1, "generations": 1, "steps_per_generation": 4},
        ),
        arms={"evolved": {}, "mlp": {"evolve": False, "baseline.arms": ["mlp"]}},
        grid={"training.learning_rate": [0.1, 0.2], "founders.hidden": [2, 3]},
        seeds=1,
        folder=tmp_path_factory.mktemp("cells") / "runs",
        workers=0,
        figures=False,
    )


def test_the_front_of_nsga2_is_shown_where_a_run_has_this_selection(finished, parsed):
    before = parsed(pareto.small_and_good(finished))
    settings = {
        "evolution.selection.name": "nsga2",
        "evolution.selection.objectives": '["validation_loss", "parameters", "macs"]',
    }
    kept = dataclasses.replace(finished, runs=finished.runs.assign(**settings))
    after = parsed(pareto.small_and_good(kept))
    assert (len(before.specifications), len(after.specifications)) == (1, 2)
    choices = after.specifications[1]["choices"]
    assert [one["label"] for one in choices] == ["parameters", "MACs per sample"]
    front = kept.selection_front()
    assert sum(len(trace["x"]) for trace in choices[0]["data"][1:]) == len(front)
    assert len(after.rows) == len(before.rows) + len(front) + 1


def test_coverage_and_qd_score_are_shown_where_a_run_has_map_elites(finished, parsed):
    settings = {
        "evolution.selection.name": "map_elites",
        "evolution.selection.descriptors": '["density"]',
        "evolution.selection.bins": "[3]",
        "evolution.selection.bounds.density": "[0.0, 1.0]",
    }
    kept = dataclasses.replace(finished, runs=finished.runs.assign(**settings))
    before, after = (len(parsed(curves.curves(one)).specifications) for one in (finished, kept))
    assert after == before + 1
    (specification,) = parsed(curves.quality_diversity(kept)).specifications
    table = kept.quality_diversity()
    for choice, name in zip(specification["choices"], ("coverage", "qd_score"), strict=True):
        assert choice["label"].startswith(name.split("_")[0].replace("qd", "QD score"))
        drawn = [number for trace in choice["data"] for number in trace["y"]]
        np.testing.assert_allclose(drawn, table[name], rtol=1e-5)


@pytest.mark.slow
def test_an_arm_has_one_colour_in_all_figures_and_its_cells_have_lines_of_their_own(cells, parsed):
    assert len(cells.comparison["arm"].unique()) == 4 + 2
    marks = {"evolved": set(), "mlp": set()}
    lines = {}
    for content in (curves.best_so_far, curves.generations, pareto.small_and_good):
        page = parsed(content(cells))
        (specification,) = page.specifications
        for trace in specification.get("choices", [specification])[0]["data"]:
            name = trace["name"].removeprefix("front: ")
            if name != "all individuals":
                marks[name.partition("-")[0]].add(
                    trace["marker"].get("color") or trace["line"]["color"]
                )
                lines.setdefault(name, set()).add(trace["marker"]["symbol"])
    assert [len(one) for one in marks.values()] == [1, 1]
    assert marks["evolved"] != marks["mlp"]
    assert all(len(symbols) == 1 for symbols in lines.values())
    of_cells = [one for name, one in lines.items() if name.startswith("evolved-")]
    assert len({*map(tuple, of_cells)}) == 4


@pytest.mark.slow
def test_settings_of_a_study_name_arms_and_cells_instead_of_runs(cells):
    found = origin.grouped_settings(cells).set_index(["setting", "value"])["runs"]
    assert found["grid.founders.hidden", "[2, 3]"] == "all"
    assert found["evolution.generations", "1"] == "evolved (4 of 6 runs)"
    names = [f"evolved-learning_rate-{rate}-hidden-2" for rate in (0.1, 0.2)]
    assert found["founders.hidden", "2"] == ", ".join(names)
    assert max(map(len, found)) < 120


def test_of_many_arms_the_ends_of_an_unequal_budget_are_named(cells):
    (_, unequal) = verdict.equalities(cells.summary())
    numbers = cells.summary()["parameters"]
    ends = [f"{numbers[arm]:,.0f} for {arm}" for arm in (numbers.idxmin(), numbers.idxmax())]
    assert f"parameters (from {' to '.join(ends)})" in unequal


def test_what_the_environment_does_not_know_is_said_or_left_out(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "run")
    path = tmp_path / "run" / "environment.json"
    noted = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(noted | {"commit": None, "numba_target": {"cpu": None}}), "utf-8")
    text = origin.environment(load_results(tmp_path / "run"))
    assert "no repository was found beside the package" in text
    assert ">null<" not in text
    assert "numba_target" not in text


def test_a_logarithmic_axis_has_several_numbers_in_full():
    assert log_axis([0.5, 0.6, None]) == {}
    assert log_axis([0.3, 2.0])["dtick"] == "D1"
    assert log_axis([0.01, 2.0]) == {"type": "log", "tickformat": "~g", "dtick": "D2"}


def test_settings_of_several_runs_stand_once_with_the_runs_that_have_them(finished, fixed):
    both = load_results(finished.path, fixed.path)
    table = origin.grouped_settings(both).set_index(["setting", "value"])["runs"]
    wanted = both.settings().groupby(["setting", "value"])["run"].agg(set)
    named = table.map(lambda runs: {"tiny", "fixed"} if runs == "all" else {*runs.split(", ")})
    assert named.to_dict() == wanted.to_dict()
    assert table["evolution.generations", "3"] == "tiny"
    assert "runs" not in origin.grouped_settings(finished)


# -- the summary and the command line ----------------------------------------------------------------------------------


def test_the_summary_has_verdicts_tables_settings_and_command(finished, tmp_path):
    text = write_summary(finished, tmp_path / "summary.md").read_text("utf-8")
    for line in finished.verdicts():
        assert f"* {line.replace('_', chr(92) + '_')}\n" in text
    arms = finished.summary().rename_axis("arm").reset_index()
    of_searches = [name for name in arms if name.startswith("total_") and "macs" not in name]
    arms = arms.drop(columns=[*of_searches, "samples", "training_macs", "cpu_seconds"])
    assert f"```latex\n{latex_table(arms)}\n```" in text
    for row in finished.settings().itertuples():
        assert f"| {row.setting.replace('_', chr(92) + '_')} |" in text
    rows = [line for line in text.splitlines() if line.startswith("| evolved |")]
    assert len(rows) == 1 + len(finished.compare())
    assert "```console\n" in text


def test_no_name_leaves_its_cell_in_the_summary(hostile, tmp_path):
    text = write_summary(hostile, tmp_path / "summary.md").read_text("utf-8")
    outside = re.sub(r"^(`{3,})\w+\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert re.search(r"(?<!\\)<", outside) is None
    assert r"\</script\>" in outside


def test_the_command_writes_both_files_and_says_where(finished, text, tmp_path, capsys):
    target, summary = tmp_path / "r.html", tmp_path / "s.md"
    command = ["report", str(finished.path), "--output", str(target), "--markdown", str(summary)]
    with pytest.raises(SystemExit) as leaving:
        main(command)
    assert leaving.value.code == 0
    assert capsys.readouterr().out.split() == ["Report:", str(target), "Summary:", str(summary)]
    assert target.read_text("utf-8") == text
    with pytest.raises(SystemExit) as leaving:
        main(["report", str(tmp_path / "none")])
    assert leaving.value.code == 2
    assert "no such folder" in capsys.readouterr().err
