"""The notebooks hold no outputs, and run from their first cell to their last."""

import re
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install nbclient")
nbformat = pytest.importorskip("nbformat", reason="nbformat comes with nbclient")

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def read(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert cells
    assert [cell.outputs for cell in cells] == [[]] * len(cells)
    assert {cell.execution_count for cell in cells} == {None}


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(path, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = read(path)
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    printed = " ".join(texts(notebook))
    if path.stem == "first-evolution":
        assert re.search(r"predicted: \[.*\]\s+true: {6}\[.*\]", printed)
        assert "Genome(" in printed
        assert any("image/svg+xml" in output.get("data", {}) for output in outputs(notebook))
    else:
        assert re.search(r"^0\.01 .*\n0\.10 ", printed, flags=re.MULTILINE)
        assert (tmp_path / "results" / "learning-rates").is_dir()
        assert sum("text/html" in output.get("data", {}) for output in outputs(notebook)) >= 5


def outputs(notebook):
    return [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    ]


def texts(notebook):
    for output in outputs(notebook):
        yield output.get("text", "") + output.get("data", {}).get("text/plain", "")
