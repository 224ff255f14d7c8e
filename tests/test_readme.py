"""The README does what it says: its script is the shipped one, and its Python blocks run."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def run_python(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_script_shown_is_the_script_shipped():
    assert BLOCKS[0] == (ROOT / "experiments" / "digits.py").read_text("utf-8")


def test_the_script_runs_with_fewer_generations(tmp_path):
    smaller = BLOCKS[0].replace(
        'load_experiment("digits")',
        'load_experiment("digits").model_copy(update={"seeds": 2, "evolution": EVOLUTION})',
    )
    assert smaller != BLOCKS[0]
    setup = (
        "from evo import EvolutionSettings\n"
        "EVOLUTION = EvolutionSettings(population=4, generations=2, steps_per_generation=20)\n"
    )
    printed = run_python(setup + smaller, tmp_path)
    assert "predicted:" in printed
    assert len(list(tmp_path.glob("results/digits-*/best.npz"))) == 1
    # The block on pandas reads the newest digits run below results/.
    printed = run_python(BLOCKS[5], tmp_path)
    assert "validation_accuracy" in printed
    assert "cnn" in printed


def test_own_data_and_own_fitness_work_as_shown(tmp_path):
    assert set(run_python(BLOCKS[1], tmp_path).split("'")[1::2]) <= {"same", "different"}


def test_the_cnn_trains_as_shown(tmp_path):
    printed = run_python(BLOCKS[2], tmp_path)
    assert float(printed.splitlines()[-1].rstrip("%")) > 90
    assert (tmp_path / "digits.npz").is_file()


def test_the_graph_trains_as_shown(tmp_path):
    status, accuracy, *norms = run_python(BLOCKS[3], tmp_path).split()
    assert status == "ok"
    assert float(accuracy) > 0.95
    assert norms


def test_lenet_is_a_matrix_as_shown(tmp_path):
    n_nodes, side = map(int, run_python(BLOCKS[4], tmp_path).split())
    assert n_nodes == 238
    assert side in {28, 10, 1}


def test_every_command_and_file_that_is_named_exists():
    for path in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / path).exists(), path
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", README, flags=re.MULTILINE):
        assert f"\n{target}:" in makefile, target
