"""The code gives the results that its reference version gives, bit for bit; and the comparison sees what differs."""

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("cnn", "evo", "experiments", "graphops")

REFERENCE = "31705123e25e22baa39b774828a7ba98482e661e"
"""The commit whose results are to stay; what was renamed since stands in CHANGELOG.md."""

OPTIONS = "--seeds 2 --workers 0 --quiet"
PRESETS = {
    "digits": "--results",
    "xor": "--results",
    "set-digits": "--results",
    "parity": "--results",
    "kernels-digits": "--folder",
}
"""The presets that are run in both versions, and the option that says where to."""


def load(name):
    """Import a module that stands beside this file."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


same_results = load("same_results")
NO_RENAMES = same_results.Renames()


# -- the reference version ---------------------------------------------------------------------------------------------


def git(*arguments):
    """Return what git prints; skip the test, with git's reason, where it can't."""
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("git is not installed: there is no reference version to compare with")
    if done.returncode:
        reason = " ".join(done.stderr.decode().split())
        pytest.skip(f"the reference version is not in the history of this checkout: {reason}")
    return done.stdout


def check_out(commit, folder):
    """Unpack the files of a commit; the repository stays as it is."""
    git("cat-file", "-e", f"{commit}^{{commit}}")
    with zipfile.ZipFile(io.BytesIO(git("archive", "--format=zip", commit))) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Return a folder with the reference version."""
    return check_out(REFERENCE, tmp_path_factory.mktemp("reference"))


def python(tree, arguments, folder, environment):
    """Run Python with the packages of one version, in a folder without any."""
    done = subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(tree)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_preset(preset, tree, folder, **environment):
    """Run a preset with one version; return the folder of its runs."""
    folder.mkdir()
    names = ", ".join(PACKAGES)
    code = f"import {names}\nfor package in ({names}): print(package.__file__)"
    imported = python(tree, ["-c", code], folder, environment).splitlines()
    assert imported == [str(tree / name / "__init__.py") for name in PACKAGES]
    command = f"-m experiments run {preset} {OPTIONS} {PRESETS[preset]} results".split()
    python(tree, command, folder, environment)
    return folder / "results"


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_gives_the_results_of_the_reference_version(preset, reference, tmp_path):
    kernels = str(reference / "kernels")  # else each reference folder leaves machine code behind
    before = run_preset(preset, reference, tmp_path / "before", NUMBA_CACHE_DIR=kernels)
    after = run_preset(preset, ROOT, tmp_path / "after")
    found = same_results.differences(before, after, same_results.read_renames())
    assert not found, "\n".join(found)


def test_the_renames_can_be_read():
    assert isinstance(same_results.read_renames(), same_results.Renames)


def test_a_missing_reference_skips_and_says_why(tmp_path):
    with pytest.raises(pytest.skip.Exception, match=r"not in the history of this checkout: ."):
        check_out("0" * 40, tmp_path)


def test_a_missing_git_skips_and_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="git is not installed"):
        check_out(REFERENCE, tmp_path)


# -- the comparison ----------------------------------------------------------------------------------------------------

RUN = "digits-20260101-000000"
INDIVIDUALS = {
    "run": [RUN] * 3,
    "seed": [0, 0, 1],
    "individual": [0, 1, 0],
    "status": ["ok", "diverged", "ok"],
    "parents": [[], [0], []],
    "fitness": [0.0, None, -0.25],
    "genome": ["aa", "bb", "aa"],
    "train_seconds": [0.1, 0.2, None],
}
OPERATIONS = {
    "run": [RUN],
    "seed": [0],
    "individual": [1],
    "position": [0],
    "parameters": [json.dumps({"share": 0.5, "mode": "one"})],
}
TABLES = {"individuals": INDIVIDUALS, "operations": OPERATIONS}
GENOMES = {
    "description": {"7": {"ticks": 1, "mode": "magnitude"}},
    "7/values": np.float32([0.5, -0.0, 2.0]),
    "7/limit": np.float64(0.1),
}
NETWORK = {
    "description": {"format": "network-1", "layers": [{"layer": "hidden", "n_nodes": 3}]},
    "parameters": np.arange(4, dtype=np.float32),
}
FILES = {
    "genomes/seed-0-founders.npz": GENOMES,
    "networks/seed-0-static-inputs.npz": NETWORK,
}


def write_run(folder, tables=TABLES, files=FILES):
    """Write a run: each table in one part."""
    for name, columns in tables.items():
        (folder / name).mkdir(parents=True)
        pq.write_table(pa.table(columns), folder / name / "part.parquet")
    for name, arrays in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        description = np.frombuffer(json.dumps(arrays["description"]).encode(), np.uint8)
        np.savez(path, **(arrays | {"description": description}))
    return folder


@pytest.fixture
def compare(tmp_path):
    """Return a function that lists the differences between a run and the same with tables or files changed."""

    def differences(tables=(), files=(), renames=NO_RENAMES):
        before, after = tmp_path / "before", tmp_path / "after"
        write_run(before / RUN)
        write_run(after / "digits-20260203-040506-2", TABLES | dict(tables), FILES | dict(files))
        return same_results.differences(before, after, renames)

    return differences


def changed(columns, **changes):
    """Return columns with some changed, and those that are None left out."""
    return {name: column for name, column in (columns | changes).items() if column is not None}


def changed_individuals(**changes):
    return {"individuals": changed(INDIVIDUALS, **changes)}


def changed_genomes(**changes):
    changes = {name.replace("_", "/"): array for name, array in changes.items()}
    return {"genomes/seed-0-founders.npz": changed(GENOMES, **changes)}


def renamed(columns, **names):
    return {names.get(name, name): column for name, column in columns.items()}


def test_a_folder_equals_itself(tmp_path):
    run = write_run(tmp_path / "run")
    assert same_results.differences(run, run, NO_RENAMES) == []
    shutil.copytree(run, tmp_path / "all" / "run")
    assert same_results.differences(tmp_path / "all", tmp_path / "all", NO_RENAMES) == []


def test_times_and_names_of_runs_may_differ(compare):
    assert compare(changed_individuals(run=["other"] * 3, train_seconds=[3.0, 4.0, None])) == []


def test_times_in_descriptions_may_differ(tmp_path):
    runs = []
    for seconds in (1.5, 2.5, None):
        described = {"7": {"ticks": 1, "mode": "magnitude", "train_seconds": seconds}}
        files = FILES | changed_genomes(description=described)
        runs.append(tmp_path / str(seconds))
        write_run(runs[-1] / RUN, TABLES, files)
    assert same_results.differences(runs[0], runs[1], NO_RENAMES) == []
    (found,) = same_results.differences(runs[0], runs[2], NO_RENAMES)
    assert "description.7.train_seconds: 1.5 before, None after" in found


def test_the_order_of_rows_and_columns_may_differ(compare):
    turned = {name: column[::-1] for name, column in reversed(INDIVIDUALS.items())}
    assert compare({"individuals": turned}) == []


def test_the_parts_of_a_table_may_differ(tmp_path):
    one, other = write_run(tmp_path / "one"), write_run(tmp_path / "other")
    folder = other / "individuals"
    whole = pq.read_table(folder / "part.parquet")
    pq.write_table(whole.slice(0, 1), folder / "part.parquet")
    pq.write_table(whole.slice(1), folder / "another.parquet")
    assert same_results.differences(one, other, NO_RENAMES) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"fitness": [0.0, None, np.nextafter(-0.25, 0)]},
            "column fitness: 1 of 3 rows differ, first seed 1, individual 0: -0.25 before",
        ),
        ({"fitness": [-0.0, None, -0.25]}, "0.0 before, -0.0 after"),
        ({"fitness": [0.0, float("nan"), -0.25]}, "None before, nan after"),
        ({"status": ["failed", "ok", "ok"]}, "column status: 2 of 3 rows differ"),
        ({"parents": [[], [1], []]}, "column parents: 1 of 3 rows differ"),
        ({"train_seconds": [0.1, None, None]}, "column train_seconds: 1 of 3 rows differ"),
        ({"fitness": None}, "column fitness: missing after"),
        ({"train_seconds": None}, "column train_seconds: missing after"),
        ({"edges": [1, 2, 3]}, "column edges: missing before"),
        (
            {"fitness": pa.array([0.0, None, -0.25], pa.float32())},
            "column fitness: type double before, float after",
        ),
    ],
)
def test_a_changed_column_is_named(changes, said, compare):
    (found,) = compare(changed_individuals(**changes))
    assert found.startswith("digits: table individuals: ")
    assert said in found


def test_what_was_added_on_purpose_is_no_difference_and_the_rest_is(compare):
    renames = same_results.Renames(added=["table individuals: column n_*"])
    new = changed_individuals(n_edges=[1, 2, 3], edges=[1, 2, 3], fitness=None)
    found = compare(new, renames=renames)
    assert found == [
        "digits: table individuals: column fitness: missing after",
        "digits: table individuals: column edges: missing before",
    ]


def test_a_missing_row_is_named(compare):
    fewer = {name: column[:2] for name, column in INDIVIDUALS.items()}
    assert compare({"individuals": fewer}) == [
        "digits: table individuals: 1 rows missing after, first seed 1, individual 0"
    ]


def test_a_row_that_is_there_twice_is_named(compare):
    more = {name: [*column, column[-1]] for name, column in INDIVIDUALS.items()}
    assert compare({"individuals": more}) == [
        "digits: table individuals: 1 rows missing before, first seed 1, individual 0, row 1"
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"7_values": np.float32([0.5, 0.0, 2.0])},
            "array 7/values: 1 of 3 elements differ, first 1: np.float32(-0.0) before",
        ),
        (
            {"7_values": np.float64([0.5, -0.0, 2.0])},
            "array 7/values: dtype float32 before, float64 after",
        ),
        ({"7_values": np.float32([[0.5, -0.0, 2.0]])}, "array 7/values: shape (3,) before"),
        ({"7_limit": np.float64(0.2)}, "array 7/limit: 1 of 1 elements differ"),
        ({"7_limit": None}, "array 7/limit: missing after"),
        ({"7_taps": np.uint16([1])}, "array 7/taps: missing before"),
        (
            {"description": {"7": {"ticks": 1.0, "mode": "magnitude"}}},
            "description.7.ticks: 1 before, 1.0 after",
        ),
        ({"description": {"7": {"ticks": 1}}}, "description.7: key mode: missing after"),
    ],
)
def test_a_changed_array_is_named(changes, said, compare):
    (found,) = compare(files=changed_genomes(**changes))
    assert found.startswith("digits: file genomes/seed-0-founders.npz: ")
    assert said in found


def test_every_difference_is_listed(compare):
    found = compare(
        changed_individuals(fitness=None, status=["ok"] * 3), changed_genomes(**{"7_limit": None})
    )
    assert len(found) == 3


def test_missing_tables_and_files_and_runs_are_named(tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        write_run(folder / "one")
        write_run(folder / "two")
    shutil.rmtree(before / "one" / "operations")
    (after / "one" / "genomes" / "seed-0-founders.npz").unlink()
    shutil.rmtree(after / "two")
    assert same_results.differences(before, after, NO_RENAMES) == [
        "one: table operations: missing before",
        "one: file genomes/seed-0-founders.npz: missing after",
        "two: 1 runs before, 0 after",
    ]


def test_what_cannot_be_read_is_named(tmp_path):
    before, after = write_run(tmp_path / "before"), write_run(tmp_path / "after")
    for name in ("individuals/part.parquet", "genomes/seed-0-founders.npz"):
        (after / name).write_bytes(b"PK\3\4")
    with (after / "networks" / "seed-0-static-inputs.npz").open("wb") as file:
        np.save(file, np.arange(3))
    pq.write_table(pa.table({"seed": [0]}), after / "operations" / "other.parquet")
    found = same_results.differences(before, after, NO_RENAMES)
    assert len(found) == 4
    assert all("cannot be read after" in line for line in found)


def test_folders_without_a_run_differ(tmp_path):
    found = same_results.differences(tmp_path, tmp_path / "missing", NO_RENAMES)
    assert found == [f"{tmp_path}: holds no run", f"{tmp_path / 'missing'}: holds no run"]


# -- renames -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def renames(tmp_path):
    """Return a function that reads renames from Markdown, given as rows by title."""

    def read(**rows):
        headers = {
            "columns": ("| table | before | after |", "|---|:--|--:|"),
            "values": ("| table | column | before | after |", "|---|---|---|---|"),
            "arrays": ("| before | after |", "|---|---|"),
        }
        lines = ["# Changelog", "", "| a table | of another kind |", ""]
        for title, header in headers.items():
            lines += [f"### Renamed {title}", "", "Words.", "", *header, *rows.get(title, ()), ""]
        path = tmp_path / "CHANGELOG.md"
        path.write_text("\n".join(lines), "utf-8")
        return same_results.read_renames(path)

    return read


@pytest.mark.parametrize("table", ["individuals", "*"])
def test_a_column_may_be_renamed(table, compare, renames):
    after = {"individuals": renamed(INDIVIDUALS, fitness="quality", train_seconds="duration")}
    rows = [f"| {table} | `fitness` | `quality` |", f"| {table} | train_seconds | duration |"]
    assert compare(after, renames=renames(columns=rows)) == []


def test_the_columns_of_a_key_may_be_renamed(compare, renames):
    columns = {name: column[::-1] for name, column in INDIVIDUALS.items()}
    after = {"individuals": renamed(columns, individual="number")}
    assert compare(after, renames=renames(columns=["| individuals | individual | number |"])) == []


def test_two_columns_may_change_their_names(compare, renames):
    after = {"individuals": renamed(INDIVIDUALS, status="genome", genome="status")}
    rows = ["| * | status | genome |", "| * | genome | status |"]
    assert compare(after, renames=renames(columns=rows)) == []


def test_a_renamed_column_is_compared(compare, renames):
    columns = changed(INDIVIDUALS, fitness=[0.0, None, -0.5])
    after = {"individuals": renamed(columns, fitness="quality")}
    (found,) = compare(after, renames=renames(columns=["| * | fitness | quality |"]))
    assert "column quality: 1 of 3 rows differ" in found


def test_a_rename_that_was_not_made_is_named(compare, renames):
    assert compare(renames=renames(columns=["| individuals | fitness | quality |"])) == [
        "digits: table individuals: column quality: missing after",
        "digits: table individuals: column fitness: missing before",
    ]


def test_two_columns_of_one_name_are_named(compare, renames):
    assert compare(renames=renames(columns=["| individuals | fitness | status |"])) == [
        "digits: table individuals: several columns are renamed to status"
    ]


def test_a_value_may_be_renamed(compare, renames):
    after = changed_individuals(status=["ok", "not finite", "ok"])
    rows = ["| individuals | status | diverged | `not finite` |"]
    assert compare(after, renames=renames(values=rows)) == []


def test_a_renamed_value_that_stayed_is_named(compare, renames):
    (found,) = compare(renames=renames(values=["| * | status | diverged | not finite |"]))
    assert "seed 0, individual 1: 'not finite' before, 'diverged' after" in found


def test_keys_and_values_in_cells_of_json_may_be_renamed(compare, renames):
    cells = [json.dumps({"fraction": 0.5, "mode": "single"})]
    after = {"operations": changed(OPERATIONS, parameters=None, details=cells)}
    rows = {
        "columns": [
            "| operations | parameters | details |",
            "| operations | parameters.share | details.fraction |",
        ],
        "values": ["| operations | details.mode | one | single |"],
    }
    assert compare(after, renames=renames(**rows)) == []


def test_a_changed_number_in_a_cell_of_json_with_renamed_keys_is_named(compare, renames):
    cells = [json.dumps({"fraction": 0.25, "mode": "one"})]
    rows = renames(columns=["| * | parameters.share | parameters.fraction |"])
    (found,) = compare({"operations": changed(OPERATIONS, parameters=cells)}, renames=rows)
    assert "column parameters: 1 of 1 rows differ" in found


def test_hashes_may_change_one_to_one(compare, renames):
    any_hash = renames(values=["| individuals | genome | * | * |"])
    assert compare(changed_individuals(genome=["cc", "dd", "cc"]), renames=any_hash) == []


@pytest.mark.parametrize("genome", [["cc", "cc", "cc"], ["cc", "dd", "ee"], ["cc", "dd", None]])
def test_hashes_that_part_others_than_before_are_named(genome, compare, renames):
    any_hash = renames(values=["| individuals | genome | * | * |"])
    (found,) = compare(changed_individuals(genome=genome), renames=any_hash)
    assert "column genome: 1 of 3 rows differ" in found


def test_arrays_and_descriptions_may_be_renamed(compare, renames):
    genomes = changed(
        renamed(GENOMES, **{"7/limit": "7/threshold"}),
        description={"7": {"n_ticks": 1, "mode": "absolute"}},
    )
    network = changed(
        NETWORK,
        description={"format": "network-2", "layers": [{"kind": "dense", "n_nodes": 3}]},
    )
    rows = {
        "arrays": ["| limit | threshold |", "| ticks | n_ticks |", "| layer | kind |"],
        "values": [
            "| description | mode | magnitude | absolute |",
            "| description | format | network-1 | network-2 |",
            "| description | kind | hidden | dense |",
        ],
    }
    files = {
        "genomes/seed-0-founders.npz": genomes,
        "networks/seed-0-static-inputs.npz": network,
    }
    assert compare(files=files, renames=renames(**rows)) == []


def test_two_arrays_of_one_name_are_named(compare, renames):
    (found,) = compare(renames=renames(arrays=["| limit | values |"]))
    assert found.endswith("several arrays are renamed to one name")


def test_an_arm_is_renamed_in_the_names_of_runs_and_files_too(tmp_path, renames):
    before, after = tmp_path / "before", tmp_path / "after"
    write_run(before / "static-seed-0")
    files = {
        "genomes/seed-0-founders.npz": GENOMES,
        "networks/seed-0-fixed-inputs.npz": NETWORK,
    }
    write_run(after / "fixed-seed-0", files=files)
    rows = renames(values=["| * | arm | static | fixed |"])
    assert same_results.differences(before, after, rows) == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"columns": ["| fitness | quality |"]}, "must have 3 cells a row"),
        ({"columns": ["| * | fitness | |"]}, "must have 3 cells a row"),
        ({"columns": ["", "| fitness | quality |"]}, "must have the columns table before after"),
        ({"columns": ["| * | a | b |", "| * | a | c |"]}, "a is renamed twice, to b and c"),
        ({"columns": ["| * | parameters.share | fraction |"]}, "must both be column.key"),
        ({"values": ["| * | genome | * | aa |"]}, r"must both be \*"),
        ({"values": ["| description | mode | * | * |"]}, "must not be the value of a key in JSON"),
        ({"arrays": ["| a | b |", "| a | c |"]}, "a is renamed twice, to b and c"),
    ],
)
def test_a_table_of_renames_of_another_form_is_an_error(rows, said, renames):
    with pytest.raises(ValueError, match=said):
        renames(**rows)


# -- by hand -----------------------------------------------------------------------------------------------------------


def by_hand(*arguments):
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "same_results.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_by_hand_every_difference_is_printed(tmp_path):
    before = write_run(tmp_path / "before")
    after = write_run(tmp_path / "after", TABLES | changed_individuals(fitness=None, status=None))
    none = tmp_path / "no renames.md"
    none.write_text("# Changelog\n")
    assert by_hand(before, before, "--renames", none) == (0, "", "")
    status, printed, errors = by_hand(before, after, "--renames", none)
    assert (status, errors) == (1, "")
    assert printed.splitlines() == [
        ".: table individuals: column fitness: missing after",
        ".: table individuals: column status: missing after",
    ]


@pytest.mark.slow
def test_by_hand_a_missing_file_of_renames_is_an_error(tmp_path):
    status, printed, errors = by_hand(tmp_path, tmp_path, "--renames", tmp_path / "missing.md")
    assert (status, printed) == (2, "")
    assert "missing.md" in errors
