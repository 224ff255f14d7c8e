"""The command line: what it prints, where, and how it ends."""

import re
import struct
import subprocess
import sys
import tomllib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from evo.storage.tables import data_dictionary
from experiments import load_results
from experiments.cli.app import main
from experiments.settings.experiment import preset_text
from experiments.settings.reference import settings_reference

OPTIONS = [
    "--seeds",
    "--seed",
    "--generations",
    "--population",
    "--epochs",
    "--data-dir",
    "--data",
    "--target",
    "--workers",
    "--address",
    "--arms",
    "--folder",
    "--set",
    "--parts",
    "--results",
    "--no-figures",
    "--tensorboard",
    "--mlflow",
    "--quiet",
]
PRESETS = [
    "adding-problem",
    "augmented-fashion",
    "cart-pole",
    "delayed-xor",
    "diabetes",
    "digits",
    "digits-random",
    "double-pole",
    "example",
    "fashion",
    "fashion-small",
    "few-labels",
    "few-labels-digits",
    "growth-digits",
    "idx",
    "kernels-digits",
    "lenet-fashion",
    "lenet-mnist",
    "mackey-glass",
    "mlp-mnist",
    "mnist-kernels",
    "parity",
    "rigl-digits",
    "rigl-mnist",
    "sequential-digits",
    "set-digits",
    "set-mnist",
    "small-maps",
    "sparse-mlp",
    "spirals",
    "time-to-accuracy",
    "xor",
]
QUICK = [
    "--workers",
    "0",
    "--seeds",
    "1",
    "--generations",
    "1",
    "--population",
    "2",
    "--no-figures",
]


def in_a_process(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "experiments", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("option", OPTIONS)
def test_the_help_of_run_explains_every_option(evomatrix, option):
    code, out, err = evomatrix("run", "--help")
    assert (code, err) == (0, "")
    assert re.search(rf"{option}\b.*\b[a-zA-Z]{{3,}}", out)
    assert set(re.findall(r"--[a-z][a-z-]*", out)) == {*OPTIONS, "--help"}


@pytest.mark.parametrize(
    ("command", "text"),
    [("bench", 'pip install -e ".[bench]"'), ("bench", "32,64,128"), ("run", "every core")],
)
def test_the_help_swallows_no_brackets(evomatrix, command, text):
    assert text in " ".join(evomatrix(command, "--help")[1].replace("│", "").split())


@pytest.mark.parametrize(
    "command", ["run", "show", "compare", "presets", "tables", "settings", "bench"]
)
def test_the_help_lists_every_command(evomatrix, command):
    code, out, _ = evomatrix("--help")
    assert code == 0
    assert re.search(rf"\b{command}\b +[A-Z]", out)


def test_presets_lists_all_of_them_with_what_they_are(evomatrix):
    code, out, _ = evomatrix("presets")
    assert code == 0
    assert re.findall(r"^ *([a-z-]+) +[A-Z]", out, flags=re.MULTILINE) == PRESETS


def test_presets_prints_one_as_a_start_for_a_file_of_ones_own(evomatrix):
    code, out, _ = evomatrix("presets", "xor")
    assert (code, out.strip()) == (0, preset_text("xor").strip())


def test_tables_prints_the_data_dictionary(evomatrix):
    assert evomatrix("tables") == (0, data_dictionary(), "")


def test_settings_prints_the_reference(evomatrix):
    assert evomatrix("settings") == (0, settings_reference(), "")


def test_a_run_of_a_file_with_options_shows_comparison_verdicts_and_folder(evomatrix, tmp_path):
    settings = tmp_path / "mine.toml"
    settings.write_text(
        'name = "mine"\nseeds = 5\n[dataset]\nname = "xor"\n[evolution]\nsteps_per_generation = 5\n'
        '[baseline]\narms = ["mlp", "static"]\n',
        "utf-8",
    )
    code, out, err = evomatrix("run", settings, *QUICK, "--seed", 7, "--results", tmp_path / "r")
    assert (code, err) == (0, "")
    for arm in ("evolved", "mlp", "static"):
        assert re.search(rf"\b{arm} +│ +\d+\.\d %", out)
    assert out.count("no difference shown, for one seed has no interval: evolved - ") == 2
    (folder,) = (tmp_path / "r").iterdir()
    assert folder.name.startswith("mine-")
    assert f"Results: {folder}\n" in out
    assert (folder / "networks" / "seed-7.npz").is_file()

    code, again, err = evomatrix("show", folder)
    assert (code, err) == (0, "")
    table = again[: again.index("Results:")]
    assert table
    assert table in out


@pytest.mark.slow
def test_a_quiet_run_in_a_process_prints_only_its_folder(tmp_path):
    done = in_a_process("run", "xor", *QUICK, "--quiet", "--results", "r", cwd=tmp_path)
    (folder,) = (tmp_path / "r").iterdir()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{folder.relative_to(tmp_path)}\n"


@pytest.mark.slow
def test_an_error_in_a_process_is_one_line_without_a_traceback(tmp_path):
    done = in_a_process("run", "xorr", "--results", "r", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        r"evomatrix: unknown preset 'xorr' \(did you mean 'xor'\?\); known: [^\n]+\n", done.stderr
    )
    assert list(tmp_path.iterdir()) == []


def idx(shape, data):
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    return header + bytes(data)


@pytest.fixture
def mnist_like(tmp_path):
    """Return a folder of the MNIST family: 60 and 20 images of two classes."""
    folder = tmp_path / "tiny-mnist"
    folder.mkdir()
    for part, n in (("train", 60), ("t10k", 20)):
        pixels = [255 * (k // 16 % 2) if k % 4 else k % 256 for k in range(16 * n)]
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx((n, 4, 4), pixels))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx((n,), [k % 2 for k in range(n)]))
    return folder


def test_a_folder_of_the_mnist_family_is_evolved_on(evomatrix, tmp_path, mnist_like):
    arguments = ["run", "idx", "--data-dir", mnist_like, *QUICK, "--results", tmp_path / "r"]
    code, out, err = evomatrix(*arguments)
    assert (code, err) == (0, "")
    assert re.search(r"\bcnn +│ +\d+\.\d %", out)


def assert_refused(outcome, results, *parts):
    code, out, err = outcome
    assert (code, out) == (2, "")
    assert re.fullmatch(r"evomatrix: [^\n]+\n", err)
    assert [part for part in parts if part not in err] == []
    assert not results.exists() or list(results.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["digitz"], ["unknown preset 'digitz'", "digits"]),
        (["nowhere.toml"], ["nowhere.toml: no such file"]),
        (["digits", "--population", "-1"], ["digits: evolution.population", "got -1"]),
        (["digits", "--population", "0"], ["digits: evolution.population", "got 0"]),
        (["digits", "--generations", "-1"], ["digits: evolution.generations", "got -1"]),
        (["digits", "--seeds", "0"], ["digits: seeds", "got 0"]),
        (["digits", "--seed", "-1"], ["digits: seed", "got -1"]),
        (["digits", "--epochs", "2"], ["digits: baseline.epochs", "evolve = false", "got 2"]),
        (["digits", "--workers", "-1"], ["workers", "at least 0", "got -1"]),
        (["digits", "--workers", "0", "--address", "auto"], ["workers", "address"]),
        (["digits", "--data-dir", "."], ["'digits'", "unknown option 'data_dir'"]),
        (["idx", "--data-dir", "nowhere"], ["nowhere: no such folder"]),
        (["idx"], ["'idx'", "'data_dir' is missing"]),
        (["lenet-mnist"], ["'data_dir' is missing", "--data-dir", "dataset.options.data_dir"]),
    ],
)
@pytest.mark.parametrize("quiet", [[], ["--quiet"]], ids=["", "quiet"])
def test_wrong_input_is_one_line_and_code_2_and_leaves_nothing(
    evomatrix, tmp_path, monkeypatch, arguments, parts, quiet
):
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "r"
    assert_refused(evomatrix("run", *arguments, *quiet, "--results", results), results, *parts)


@pytest.mark.parametrize("keep", [0, 3, 10, 100])
def test_a_truncated_data_file_is_named(evomatrix, tmp_path, mnist_like, keep):
    path = mnist_like / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:keep])
    results = tmp_path / "r"
    outcome = evomatrix("run", "idx", "--data-dir", mnist_like, *QUICK, "--results", results)
    assert_refused(outcome, results, str(path))


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_results_folder_that_is_a_file_is_named(evomatrix, tmp_path, inside):
    in_its_place = tmp_path / "r"
    in_its_place.write_text("mine", "utf-8")
    code, _, err = evomatrix("run", "xor", *QUICK, "--quiet", "--results", in_its_place / inside)
    assert code == 2
    assert re.fullmatch(r"evomatrix: [^\n]+\n", err)
    assert str(in_its_place) in err
    assert in_its_place.read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    "settings",
    [
        '[evolution]\nfitness = "small_good"',
        '[evaluation]\nmetrics = ["top_2"]',
        "[policy.operator_weights]\nZ = 1.0",
        '[dataset]\nname = "my_rings"',
        'evolve = false\n[arms.a]\nbaseline.arms = ["mine"]\nbaseline.epochs = 1',
    ],
)
def test_an_unknown_part_is_answered_with_how_own_parts_are_loaded(evomatrix, tmp_path, settings):
    file, parts = tmp_path / "mine.toml", tmp_path / "no_parts.py"
    file.write_text(settings, "utf-8")
    parts.write_text("", "utf-8")
    code, _, err = evomatrix(
        "run", file, "--workers", "0", "--no-figures", "--results", tmp_path / "r"
    )
    assert (code, err.count("\n")) == (2, 1)
    assert err.endswith(" (own parts: --parts FILE)\n")
    code, _, err = evomatrix("run", file, "--parts", parts, "--results", tmp_path / "r")
    assert code == 2
    assert "--parts" not in err


def test_a_wrong_word_that_is_no_part_gets_no_word_about_parts(evomatrix, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[training]\noptimizer = "adm"', "utf-8")
    code, _, err = evomatrix("run", file, "--results", tmp_path / "r")
    assert code == 2
    assert "--parts" not in err


def test_a_place_without_results_cannot_be_shown(evomatrix, tmp_path):
    code, out, err = evomatrix("show", tmp_path / "nowhere")
    assert (code, out, err) == (2, "", f"evomatrix: {tmp_path / 'nowhere'}: no such folder\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["walk"],
        ["run", "xor", "--speed", "3"],
        ["run", "xor", "--seeds", "x"],
        ["run", "xor", "--population", "2.5"],
        ["run", "xor", "spirals"],
    ],
)
def test_a_wrong_use_of_the_command_line_ends_with_code_2(evomatrix, arguments):
    code, out, err = evomatrix(*arguments)
    assert (code, out) == (2, "")
    assert "Usage: evomatrix" in err
    assert "Traceback" not in err


# -- own data ----------------------------------------------------------------------------------------------------------


def files_of_data(folder):
    """Write one table in every form, and a folder of images."""
    frame = pd.DataFrame({"a": range(40), "b": [i % 3 for i in range(40)], "y": ["u", "v"] * 20})
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_csv(folder / "t.TSV", index=False, sep="\t")
    frame.to_parquet(folder / "t.parquet")
    np.savez(folder / "t.npz", X=frame[["a", "b"]], y=frame["y"].to_numpy(str))
    for i in range(40):
        path = folder / "pictures" / "uv"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (5, 4), i).save(path)


@pytest.mark.parametrize(
    ("data", "target", "n_features"),
    [
        pytest.param("t.csv", ["--target", "y"], 2, marks=pytest.mark.slow),
        pytest.param("t.TSV", ["--target", "y"], 2, marks=pytest.mark.slow),
        pytest.param("t.parquet", ["--target", "y"], 2, marks=pytest.mark.slow),
        pytest.param("t.npz", [], 2, marks=pytest.mark.slow),
        ("pictures", [], 20),
    ],
)
def test_a_preset_runs_on_a_file_or_folder_of_data(evomatrix, tmp_path, data, target, n_features):
    files_of_data(tmp_path)
    runs = tmp_path / "runs"
    code, folder, _ = evomatrix(
        "run", "xor", *QUICK, "--data", tmp_path / data, *target, "--results", runs, "--quiet"
    )
    assert code == 0
    (row,) = load_results(folder.strip()).runs.to_dict("records")
    assert (row["dataset"], row["n_features"], row["n_outputs"]) == (
        data.partition(".")[0],
        n_features,
        2,
    )


def test_any_setting_may_be_set_also_how_a_file_is_read(evomatrix, tmp_path):
    rows = "".join(f"{x};{x % 7},5;{'low' if x < 20 else 'high'}\n" for x in range(40))
    (tmp_path / "t.csv").write_text("a;b;kind\n" + rows)
    of_file = [f"--set=dataset.options.{one}" for one in ("separator=;", "decimal=,", "drop=['a']")]
    code, folder, _ = evomatrix(
        "run", "xor", *QUICK, "--data", tmp_path / "t.csv", "--target", "kind", *of_file,
        "--set", "training.learning_rate=0.5", "--results", tmp_path / "r", "--quiet",
    )  # fmt: skip
    assert code == 0
    (row,) = load_results(folder.strip()).runs.to_dict("records")
    assert (row["n_features"], row["training.learning_rate"]) == (1, 0.5)
    assert evomatrix("run", "xor", "--set", "training.learning_rate")[0] == 2
    code, _, err = evomatrix("run", "xor", "--set", "training.learning_rat=1")
    assert (code, err.startswith("evomatrix: xor: training.learning_rat: unknown key (did")) == (
        2,
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "t.xlsx", "--target", "y"], "data must be a folder of images or a file ending in .csv, .tsv, "
         ".parquet, .npz; got 't.xlsx'"),
        (["--data", "t.csv"], "target must be given for 't.csv': the name of the target column"),
        (["--data", ".", "--target", "y"], "target must not be given for a folder of images; got 'y'"),
        (["--target", "y"], "target must be given with data only; got 'y'"),
        (["--data", "none.csv", "--target", "y"], "none.csv: cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_used_are_one_line(
    evomatrix, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    code, printed, errors = evomatrix("run", "xor", *QUICK, *arguments)
    assert (code, printed, errors) == (2, "", f"evomatrix: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_describe_prints_settings_that_are_a_file_and_how_cells_differ(evomatrix):
    code, out, _ = evomatrix("describe", "xor", "--set", "training.learning_rate=0.5")
    assert code == 0
    assert tomllib.loads(out)["training"]["learning_rate"] == 0.5
    assert "seed = 0                           # default. The first seed." in out
    rates = "--set=grid.training.learning_rate=[0.01, 0.1]"
    code, out, _ = evomatrix("describe", "xor", rates, "--set=grid.founders.hidden=[3]")
    assert code == 0
    assert out.splitlines()[-2:] == [
        "# evolved-learning_rate-0.01: training.learning_rate = 0.01",
        "# evolved-learning_rate-0.1: training.learning_rate = 0.1",
    ]
    primary = "--set=evaluation.primary=evolved-learning_rate-0.1 - evolved-learning_rate-0.01"
    code, out, _ = evomatrix("describe", "xor", rates, primary)
    assert code == 0
    assert out.splitlines()[-1].startswith("# evaluation.primary: 3 seeds can show no p below 0.25")
    code, out, _ = evomatrix("describe", "xor", rates, primary, "--set=seeds=6")
    assert "can show no p" not in out
    code, _, err = evomatrix("describe", "xor", "--set", "learning_rate=1")
    assert (code, "did you mean 'training.learning_rate'" in err) == (2, True)


@pytest.mark.parametrize("nothing", ["[]", "{}"])
def test_an_empty_section_of_a_study_is_none(nothing, evomatrix, tmp_path):
    primary = "--set=evaluation.primary="
    code, out, _ = evomatrix("describe", "double-pole", f"--set=controls={nothing}", primary)
    assert code == 0
    assert "\n# random_search: " not in out
    assert tomllib.loads(out)["evolution"]["population"] == 64
    code, out, _ = evomatrix("describe", "digits", f"--set=grid={nothing}", f"--set=arms={nothing}")
    assert (code, out) == (0, evomatrix("describe", "digits")[1])
    mine = tmp_path / "mine.toml"
    mine.write_text(f"controls = {nothing}\n[arms.one]\n[arms.two]\nfounders.hidden = 3\n", "utf-8")
    code, out, _ = evomatrix("describe", mine)
    assert code == 0
    assert [line.partition(":")[0] for line in out.splitlines()[-2:]] == ["# one", "# two"]


def test_a_study_without_its_controls_has_no_comparison_with_them(evomatrix, tmp_path):
    code, _, err = evomatrix("run", "double-pole", "--set=controls=[]", "--results", tmp_path)
    assert (code, err) == (
        2,
        "evomatrix: double-pole: evaluation.primary must be of two of the arms evolved; "
        "got 'evolved - random_search'\n",
    )
    assert [*tmp_path.iterdir()] == []


SMALL = """
name = "small"
seeds = 1
[dataset]
name = "xor"
[founders]
hidden = 2
[evolution]
population = 2
generations = 1
steps_per_generation = 1
[baseline]
arms = []
"""


@pytest.mark.parametrize(
    ("before", "options", "message"),
    [
        (
            'controls = ["train_only"]',
            ["--set=controls=[]", "--folder=runs"],
            "folder: must not be given for {path}, which has no arms; got 'runs'",
        ),
        (
            'controls = ["train_only"]',
            ["--set=controls=[]", "--arms=evolved"],
            "arms: must not be given for {path}, which has no arms; got 'evolved'",
        ),
        (
            "",
            ["--set=arms.wide.founders.hidden=3", "--generations=2"],
            "generations: must not be given, for each arm of {path} has its own; got 2",
        ),
    ],
)
def test_options_of_a_study_are_for_the_changed_settings(
    before, options, message, evomatrix, tmp_path
):
    path = tmp_path / "small.toml"
    path.write_text(before + SMALL, "utf-8")
    code, _, err = evomatrix("run", path, *options, "--results", tmp_path / "results")
    assert (code, err.count("\n")) == (2, 1)
    assert err.endswith(message.format(path=path) + "\n")
    assert [*tmp_path.iterdir()] == [path]


def test_a_file_that_options_make_a_study_has_a_folder(evomatrix, tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL, "utf-8")
    options = ['--set=controls=["train_only"]', f"--folder={tmp_path / 'runs'}", "--arms=evolved"]
    told = ["--workers=0", "--no-figures", "--quiet"]
    code, out, err = evomatrix("run", path, *options, *told)
    assert (code, out, err) == (0, f"{tmp_path / 'runs'}\n", "")
    assert [one.name for one in (tmp_path / "runs").glob("*-seed-*")] == ["evolved-seed-0"]


REFUSED = """
[dataset]
name = "xor"
[evolution]
recipe_genes.ranges.shift = [0, 1]
"""


def test_a_setting_that_does_not_suit_the_data_is_named_with_its_file(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(REFUSED)
    with pytest.raises(SystemExit):
        main(["run", str(path), "--results", str(tmp_path)])
    told = f"evomatrix: {path}: evolution.recipe_genes: training.augmentation must not be given"
    assert capsys.readouterr().err.startswith(told)


def test_a_refusal_imports_nothing_that_only_a_run_needs(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[evolution]\npopulation = 1\n[baseline]\narms = ['cnn_pbt']\n")
    heavy = "scipy.stats statsmodels moocore networkx ray matplotlib sklearn plotly"
    code = (
        "import sys\n"
        "from experiments.cli.app import main\n"
        "try:\n"
        f"    main(['run', {str(path)!r}])\n"
        "finally:\n"
        f"    print([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.stderr.decode().startswith(
        f"evomatrix: {path}: evolution.population must be at least 2 where baseline.arms has cnn_pbt"
    )
    assert (done.returncode, done.stdout.decode().strip()) == (2, "[]")
