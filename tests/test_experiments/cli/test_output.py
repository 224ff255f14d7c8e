"""The command line loses nothing: without UTF-8, into a closed pipe, on a narrow terminal."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from evo.storage.run_reader import is_complete
from experiments.cli.app import main
from experiments.cli.output import _Output, print_table
from experiments.cli.terminal import arms_table, comparison_table
from experiments.settings.experiment import preset_names

REPOSITORY = Path(__file__).resolve().parents[3]
COMMAND = f"{sys.executable} -m experiments"


def shell(command, folder, **environment):
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
def test_results_are_shown_on_output_that_is_not_utf8(finished, tmp_path, capsys):
    done = shell(f"{COMMAND} show {finished.path}", tmp_path, PYTHONIOENCODING="cp1252")
    assert (done.returncode, done.stderr) == (0, b"")
    with pytest.raises(SystemExit):
        main(["show", str(finished.path)])
    text, whole = done.stdout.decode("cp1252"), capsys.readouterr().out
    assert all(line in text for line in finished.verdicts())
    assert text.count("\n") == whole.count("\n")
    assert str(finished.path) in text


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "utf-8"])
def test_any_character_is_written(encoding):
    written = io.BytesIO()
    stream = _Output(written, encoding, "evomatrix")
    stream.write("a − b ± 1 ≥ 2, 日 \udc80")
    stream.flush()
    text = written.getvalue().decode(encoding)
    assert text.startswith("a − b ± 1" if encoding == "utf-8" else "a - b ")
    assert ("日" in text) == (encoding == "utf-8") != (r"\u65e5" in text)
    assert r"\udc80" in text


@pytest.mark.slow
def test_a_pipe_that_is_closed_ends_with_code_0_and_the_run_is_complete(tmp_path):
    run = f"{COMMAND} run xor --seeds 1 --generations 0 --population 2 --workers 0"
    done = shell(f"{run} | head -1; echo codes ${{PIPESTATUS[@]}}", tmp_path)
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("xor: about ")
    assert lines[1] == "codes 0 0"
    (folder,) = (tmp_path / "results").iterdir()
    assert is_complete(folder)
    assert b"Traceback" not in done.stderr
    assert b"Broken pipe" not in done.stderr


def test_writing_into_a_closed_pipe_goes_on(tmp_path):
    reading, writing = os.pipe()
    stream = _Output(os.fdopen(writing, "wb"), "utf-8")
    os.close(reading)
    for _ in range(3):
        stream.write("nobody reads this\n" * 1000)
        stream.flush()
    stream.close()


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("width", [20, 60, 79, 130])
@pytest.mark.parametrize("kind", ["comparison", "arms"])
def test_a_table_loses_no_cell_on_a_narrow_terminal(kind, width, terminal, finished, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    tables = {
        "comparison": lambda: comparison_table(finished),
        "arms": lambda: arms_table(finished.pooled(), finished.compare("cnn"), "cnn"),
    }
    table = tables[kind]()
    console = Console(
        width=width,
        file=io.StringIO(),
        force_terminal=terminal,
        color_system=None,
        legacy_windows=False,
    )
    print_table(console, table)
    text = console.file.getvalue()
    assert "…" not in text
    for column in table.columns:
        assert all(str(cell) in text for cell in column.cells)
        assert str(column.header) in text or column is table.columns[0]
    if terminal and width >= 60:
        assert max(map(len, text.splitlines())) <= width
    assert console.width == width


def test_the_table_of_arms_has_difference_interval_and_p_of_each_comparison(finished):
    compared = finished.compare("cnn").set_index("arm")
    table = arms_table(finished.pooled(), compared.reset_index(), "cnn")
    columns = {str(column.header): list(column.cells) for column in table.columns}
    for arm, difference, ends, p in zip(
        columns["arm"],
        columns["− cnn"],
        columns["95 % interval"],
        columns["p (Holm)"],
        strict=True,
    ):
        if arm == "cnn":
            assert (difference, ends, p) == ("", "", "")
            continue
        row = compared.loc[arm]
        assert difference == f"{100 * row['difference']:+.2f}"
        assert ends == f"{100 * row['low']:+.2f} to {100 * row['high']:+.2f} (2 pairs)"
        assert p == f"{row['p_holm']:.2g}"


def test_a_table_is_a_list_where_the_environment_names_a_narrow_width(
    finished, monkeypatch, capsys
):
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit):
        main(["show", str(finished.path)])
    table, _, _ = capsys.readouterr().out.partition("The whole search")
    rows = [line for line in table.splitlines() if line.startswith("  ")]
    assert max(map(len, rows)) <= 60
    cells = comparison_table(finished).columns[1].cells
    assert all(f"  accuracy: {cell}" in rows for cell in cells)


@pytest.mark.parametrize("width", ["60", "79"])
def test_the_names_of_presets_stay_whole_on_a_narrow_terminal(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", width)
    with pytest.raises(SystemExit):
        main(["presets"])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= int(width)
    assert "…" not in text
    assert all(name in text for name in preset_names())
