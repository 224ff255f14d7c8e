"""README and docs do what they say: their Python runs, and every command, setting, file and name in them exists."""

import re
import shlex
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest
import typer
import yaml
from effort import IS_FULL
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli as ray_cli

from experiments import continue_run, run, run_study
from experiments.benchmarks import BENCHMARKS
from experiments.cli.app import app, main
from experiments.settings.experiment import Experiment, preset_names, read_settings
from experiments.settings.own_parts import REGISTRIES
from experiments.settings.reference import setting_keys
from experiments.settings.study import is_study, parse_study

ROOT = Path(__file__).parent.parent
TOP_LEVEL = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md")
DOCS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
PAGES = [*TOP_LEVEL, *DOCS]
TEXTS = {page: (ROOT / page).read_text("utf-8") for page in PAGES}
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def blocks(page, language):
    return [code for name, code in FENCE.findall(TEXTS[page]) if name == language]


def having(language):
    return [page for page in PAGES if blocks(page, language)]


# -- Python ------------------------------------------------------------------------------------------------------------

FEWER = "experiment = experiment.model_copy(update={'seeds': 2, 'evolution': EVOLUTION})"
SETUP = {
    "README.md": """
from evo import EvolutionSettings
EVOLUTION = EvolutionSettings(population=4, generations=2, steps_per_generation=20)
""",
    "results/README.md": """
from experiments import Experiment, load_dataset, run
evolution = {"population": 2, "generations": 1, "steps_per_generation": 5}
run(Experiment(name="digits", seeds=1, evolution=evolution), workers=0, run_name="digits-20260101-120000")
images, labels = load_dataset("digits").inputs, load_dataset("digits").targets
""",
    "docs/tutorial.md": """
from experiments import Experiment, run
evolution = {"population": 2, "generations": 1, "steps_per_generation": 5}
run(Experiment(name="digits", seeds=1, evolution=evolution), workers=0)
""",
    "docs/statistics.md": f"""
from pathlib import Path
from shutil import copytree
name = "results/reference/fashion-declared"
copytree(Path({str(ROOT)!r}) / name, name)
""",
}
"""What a reader has done before he comes to the code of a page."""
SHORTER = {"README.md": ("    results = run(experiment, workers=0)\n", f"    {FEWER}\n")}
"""What is put before a line of a page, so that it takes seconds."""

FAST = {"README.md", "docs/analysis.md"}
"""The pages whose code a commit runs; `make test-all` runs that of all pages."""

NEEDS = {"docs/exchange.md": ("onnx", "onnxruntime", "torch"), "docs/tuning.md": ("optuna",)}
"""Libraries that all code of a page needs and the package does not."""

OTHER_LIBRARIES = ("duckdb", "polars")
"""Libraries that a page shows and that the package does not need."""


@pytest.fixture
def own_parts():
    """Take back what a page enters into registries."""
    registries = [registry for registry, _ in REGISTRIES.values()]
    before = [registry.own for registry in registries]
    yield
    for registry, own in zip(registries, before, strict=True):
        registry.install(own)


@pytest.mark.usefixtures("own_parts")
@pytest.mark.parametrize(
    "page",
    [
        page if page in FAST else pytest.param(page, marks=pytest.mark.slow)
        for page in having("python")
    ],
)
def test_the_python_of_a_page_runs_in_order(page, tmp_path, monkeypatch, capsys):
    for library in NEEDS.get(page, ()):
        pytest.importorskip(library, reason=f"{library} is not installed: pip install {library}")
    monkeypatch.chdir(tmp_path)
    if not IS_FULL or page not in TOP_LEVEL:  # pictures take most of the time of a run of seconds
        for function in (run.__wrapped__, continue_run.__wrapped__, run_study):
            monkeypatch.setitem(function.__kwdefaults__, "figures", False)
    codes = [code for code in blocks(page, "python") if library_of(code) is None]
    if page in SHORTER:
        line, before = SHORTER[page]
        assert line in codes[0]
        codes[0] = codes[0].replace(line, before + line)
    namespace = {"__name__": "__main__"}
    for number, code in enumerate([SETUP.get(page, ""), *codes]):
        exec(compile(code, f"{page}, block {number}", "exec"), namespace)
    if page in CHECKS:
        CHECKS[page](capsys.readouterr().out)


def library_of(code):
    """Return the other library that code imports; None if it imports none."""
    return next((name for name in OTHER_LIBRARIES if f"import {name}" in code), None)


@pytest.mark.slow
@pytest.mark.parametrize("library", OTHER_LIBRARIES)
def test_another_library_reads_what_a_run_wrote(library, tmp_path, monkeypatch, capsys):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install {library}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(run.__wrapped__.__kwdefaults__, "figures", False)
    first, *others = blocks("docs/analysis.md", "python")
    own = [code for code in others if library_of(code) == library]
    for code in [first, *own]:
        exec(compile(code, "docs/analysis.md", "exec"), {})
    assert len(own) == 1
    assert {"duckdb": "difference", "polars": "fitness"}[library] in capsys.readouterr().out


def check_readme(printed):
    assert "predicted:" in printed
    assert "validation_accuracy" in printed
    assert re.search(r"\[.*'(same|different)'.*\]", printed)


def check_cnn(printed):
    assert float(printed.splitlines()[-1].rstrip("%")) > 90


def check_recurrent(printed):
    status, accuracy, *norms = printed.split()
    assert (status, len(norms) > 0) == ("ok", True)
    assert float(accuracy) > 0.95


def check_concepts(printed):
    assert "237 238 416520 61706" in printed


def check_studies(printed):
    assert printed.count("evolved-learning_rate-0.03") == 2
    assert "mlp-learning_rate-0.1" in printed


def check_statistics(printed):
    assert " - mlp = " in printed
    assert ", declared before the run" in printed
    assert "8 seeds: p at least 0.0078; at most 6 undeclared comparisons" in printed
    assert "34 seeds for half a standard deviation" in printed


def check_tuning(printed):
    states, best, *_, found = printed.splitlines()
    assert states.count("'PRUNED'") >= 1
    assert states.count("'COMPLETE'") >= 3
    assert re.fullmatch(r"\{'hidden': \d+, 'learning_rate': [\d.]+\} -\d\.\d+", best)
    assert re.match(r"\{'hidden': \d+, 'learning_rate': [\d.]+\} -\d\.\d+ /", found)


CHECKS = {
    "README.md": check_readme,
    "docs/cnn.md": check_cnn,
    "docs/recurrent.md": check_recurrent,
    "docs/concepts.md": check_concepts,
    "docs/statistics.md": check_statistics,
    "docs/studies.md": check_studies,
    "docs/tuning.md": check_tuning,
}


@pytest.mark.slow
def test_the_commands_of_the_tutorial_lead_from_the_first_run_to_the_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code in blocks("docs/tutorial.md", "toml"):
        name = code.partition("\n")[0].removeprefix("# ")
        (tmp_path / name).write_text(code, "utf-8")
    lines = [line for code in blocks("docs/tutorial.md", "console") for line in code.splitlines()]
    assert (lines[0], lines[-1].split()[1]) == ("make run", "report")
    first = [
        "run",
        "digits",
        "--seeds",
        "2",
        "--generations",
        "2",
        "--population",
        "4",
        "--workers",
        "0",
    ]
    for arguments in [first, *(shlex.split(line)[1:] for line in lines[1:])]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code in {0, None}, arguments
    assert {one.name for one in (tmp_path / "pictures").iterdir()} == {
        "graph.png",
        "generations.png",
    }
    assert (tmp_path / "results/question/report.html").stat().st_size > 100_000


def test_the_script_shown_is_the_script_shipped():
    assert blocks("README.md", "python")[0] == (ROOT / "experiments/digits.py").read_text("utf-8")


def test_the_readme_is_short():
    assert len(TEXTS["README.md"].splitlines()) <= 150


def test_the_readme_leads_to_every_page():
    linked = set(re.findall(r"\]\(([\w./-]+)\)", TEXTS["README.md"]))
    assert set(PAGES) - linked == {"README.md"}


# -- commands and settings ---------------------------------------------------------------------------------------------

COMMANDS = typer.main.get_command(app).commands


def commands_in(page):
    """Yield the arguments of each command line of ours that a page shows, in blocks and in the text."""
    lines = [line for code in blocks(page, "console") for line in code.splitlines()]
    prose = FENCE.sub("", TEXTS[page])
    for line in [*lines, *re.findall(r"`([^`\n]+)`", prose)]:
        words = shlex.split(line, comments=True)
        if words and (words[0].endswith("evomatrix") or words[:3] == PROGRAM):
            yield words[3:] if words[:3] == PROGRAM else words[1:]


PROGRAM = ["python", "-m", "experiments"]


def wrong_in(arguments):
    """Return what is wrong with the arguments of a command line of ours."""
    name, *rest = arguments
    if name == "--help":
        return None
    if name not in COMMANDS:
        return f"no command {name}"
    options = {option for one in COMMANDS[name].params for option in one.opts}
    for word in rest:
        if word.startswith("--") and word not in options | {"--help"}:
            return f"no option {word} of {name}"
    if not rest or rest[0].startswith("-"):
        return None
    known = {"run": preset_names(), "presets": preset_names(), "bench": list(BENCHMARKS)}
    if name in known and rest[0] not in known[name] and not rest[0].endswith((".toml", ".json")):
        return f"no {name} {rest[0]}"
    if "--arms" in rest:
        arms = read_settings(rest[0])["arms"]
        return next(
            (
                f"no arm {arm}"
                for arm in rest[rest.index("--arms") + 1].split(",")
                if arm not in arms
            ),
            None,
        )
    return None


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_names_exists(page):
    commands = [words for words in commands_in(page) if words and page != "CHANGELOG.md"]
    assert [wrong for words in commands if (wrong := wrong_in(words)) is not None] == []
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"(?:^|`)make ([a-z-]+)", TEXTS[page], flags=re.MULTILINE)
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


def commands_of_ray(page):
    """Yield the arguments of each command line of Ray that a page shows."""
    for line in (line for code in blocks(page, "console") for line in code.splitlines()):
        words = shlex.split(line, comments=True)
        if words[:1] == ["ray"]:
            yield words[1:]


def test_every_command_of_ray_that_a_page_shows_is_understood_by_ray():
    shown = [words for page in PAGES for words in commands_of_ray(page)]
    assert {words[0] for words in shown} >= {"start", "up", "job"}
    for words in shown:
        command, arguments = ray_cli, words
        while isinstance(command, click.Group):
            name, *arguments = arguments
            command = command.commands[name]
        command.make_context(
            command.name, arguments
        )  # parses; unknown options and missing ones are errors
        if "--" in words:  # what a job runs on the cluster
            program, *ours = words[words.index("--") + 1 :]
            assert program.endswith("/evomatrix")
            assert wrong_in(ours) is None


@pytest.mark.parametrize("page", having("yaml"))
def test_every_cluster_that_a_page_shows_is_accepted_by_ray(page):
    for code in blocks(page, "yaml"):
        described = prepare_config(yaml.safe_load(code))
        validate_config(described)
        assert described["max_workers"] == len(described["provider"]["worker_ips"])
        with pytest.raises(ValidationError, match="'unknown' was unexpected"):
            validate_config({**described, "unknown": 1})


@pytest.mark.parametrize("page", having("toml"))
def test_every_settings_file_that_a_page_shows_is_valid(page):
    for code in blocks(page, "toml"):
        values = tomllib.loads(code)
        if is_study(values):
            parse_study(values, page)
        else:
            Experiment.parse(values, page)


SECTIONS = "dataset|founders|evolution|policy|training|baseline"


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_that_a_page_names_exists(page):
    named = re.findall(rf"`((?:{SECTIONS})\.[a-z_.]+)", TEXTS[page])
    named += re.findall(rf"`\[((?:{SECTIONS})[a-z_.]*)\]", TEXTS[page])
    unknown = {key for key in named if not key.startswith("dataset.options")} - setting_keys()
    assert unknown == set()


# -- files and names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_file_and_section_that_a_page_links_to_exists(page):
    folder = (ROOT / page).parent
    for target, _, anchor in re.findall(r"\]\(([\w./-]*)(#([\w-]+))?\)", TEXTS[page]):
        path = folder / target if target else ROOT / page
        assert path.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
            assert anchor in slugs, f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page):
    folders = "cnn|docs|evo|experiments|graphops|tests|results/reference"
    paths = re.findall(rf"`((?:{folders})/[\w./-]*)`", TEXTS[page])
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"CHANGELOG.md"}))
def test_every_python_name_that_a_page_names_exists(page):
    named = re.findall(r"`((?:cnn|evo|graphops|experiments)(?:\.\w+)+)", TEXTS[page])
    unknown = []
    for name in dict.fromkeys(named):
        first, *rest = name.split(".")
        found = import_module(first)
        for k, part in enumerate(rest, start=2):
            if not hasattr(found, part):
                try:
                    import_module(".".join(name.split(".")[:k]))
                except ImportError:
                    unknown.append(name)
                    break
            found = getattr(found, part)
    assert unknown == []
