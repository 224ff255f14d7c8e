"""Own parts, as a user writes them: in a file beside another file, in a run in this process and on Ray."""

import hashlib
import importlib
import json
import linecache
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
from functools import partial

import gymnasium
import numpy as np
import pandas as pd
import pytest
import ray
from same_tables import assert_equal

from evo import (
    REWARDS,
    Actor,
    EvoMatrixError,
    Genome,
    Phenotype,
    SettingsError,
    TaskSettings,
)
from evo.errors import ChangedError
from evo.evolution.evolution import EvolutionError
from evo.executors.travel import TravelError, pack, unpack
from evo.storage.journal import read_journal
from evo.storage.tables import TIMING_COLUMNS
from experiments import ARMS, Callback, Dataset, Experiment, StopRun, resume, run, study, verify
from experiments.cli.app import main
from experiments.settings.own_parts import REGISTRIES, list_parts, load_parts, own_parts

NEIGHBOUR = """
import numpy as np

LARGEST = 2.0

def factor(rng):
    return float(rng.uniform(0.5, LARGEST))
"""

PARTS = '''
import numpy as np
import neighbour
from neighbour import factor
from evo import (ACTIVATIONS, FITNESSES, GRAPHS, OPERATORS, POLICIES, SELECTIONS, OffspringRequest, Role)
from experiments import ARMS, DATASETS, Dataset
from evo.selection import ranked


@OPERATORS.register("X")
class Scaling:
    """Scale the in-edges of a node."""

    def propose(editor, context):
        hidden = editor.positions(Role.HIDDEN)
        return {"node": int(context.rng.choice(hidden)), "factor": factor(context.rng)}

    def apply(editor, parameters):
        assert parameters["factor"] <= neighbour.LARGEST
        sources, values = editor.column(parameters["node"])
        targets = np.full(len(sources), parameters["node"])
        editor.assign(sources, targets, values * np.float32(parameters["factor"]))


@ACTIVATIONS.register("swish")
class Swish:
    """n/(1 + exp(-n))."""

    def value(n):
        return n / (1 + np.exp(-n))

    def slope(n):
        s = 1 / (1 + np.exp(-n))
        return s + n * s * (1 - s)


@FITNESSES.register("small")
def small(network, validation, evaluation):
    """Prefer small networks."""
    return -evaluation.loss - 1e-4 * network.parameter_count


@POLICIES.register("twice")
def twice(editor, context, settings):
    """Scale twice."""
    from evo.operators import apply_operation

    return [
        apply_operation(editor, "X", OPERATORS["X"].propose(editor, context)) for _ in range(2)
    ]


@SELECTIONS.register("from_best")
class FromBest:
    """Breed from the best."""

    def propose(population, settings, rng):
        best = population.index(ranked(population)[0])
        return [OffspringRequest(best, slot, modified=slot > 0) for slot in range(len(population))]

    def select(population, offspring, settings, generation):
        return ranked([*offspring, *population])[: len(population)]


@GRAPHS.register("upper")
def upper(spec):
    """Connect every node to all later nodes."""
    n = spec.n_inputs + spec.settings.hidden + spec.n_outputs
    return np.triu(spec.rng.normal(size=(n, n)) / n, 1)


@DATASETS.register("rings")
def rings(n_samples: int = 120) -> Dataset:
    """Two rings."""
    rng = np.random.default_rng(0)
    labels = np.arange(n_samples) % 2
    angle = rng.uniform(0, 6.28, n_samples)
    points = (1 + labels)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return Dataset.from_arrays(points, labels, name="rings")


@ARMS.register("wide")
def wide(spec):
    """Build one wide hidden layer."""
    return ARMS["mlp"](spec)
'''

OWN = {
    "name": "own",
    "seeds": 1,
    "dataset": {"name": "rings", "options": {"n_samples": 80}},
    "founders": {"graph": "upper", "hidden": 5, "activation": "swish"},
    "evolution": {
        **{"population": 4, "generations": 3, "steps_per_generation": 5},
        **{"fitness": "small", "selection": {"name": "from_best"}},
    },
    "policy": {"name": "twice"},
    "baseline": {"arms": ["wide", "static"]},
}


@pytest.fixture
def clean():
    """Take own parts and modules back out."""
    before = [registry.own for registry, _ in REGISTRIES.values()]
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name in {"my_parts", "neighbour", "broken"}:
            del sys.modules[name]
    importlib.invalidate_caches()
    for (registry, _), own in zip(REGISTRIES.values(), before, strict=True):
        registry.install(own)


@pytest.fixture
def parts_file(tmp_path, clean):
    (tmp_path / "neighbour.py").write_text(NEIGHBOUR, "utf-8")
    (tmp_path / "my_parts.py").write_text(PARTS, "utf-8")
    return tmp_path / "my_parts.py"


@pytest.mark.slow
def test_own_parts_of_every_kind_give_the_same_tables_on_ray(parts_file, tmp_path):
    load_parts(str(parts_file))
    experiment = Experiment(**OWN)
    serial = run(experiment, workers=0, results=tmp_path / "serial", run_name="own")
    for file in (parts_file, tmp_path / "neighbour.py"):
        file.unlink()  # so no worker can import them
    sys.path.remove(str(tmp_path))
    parallel = run(experiment, workers=2, results=tmp_path / "ray", run_name="own", figures=False)
    assert_equal(serial, parallel)
    assert set(serial.individuals["status"]) == {"ok"}
    assert set(serial.operations["operator"]) == {"X"}
    assert set(serial.comparison["arm"]) == {"evolved", "wide", "static"}
    assert set(serial.runs["dataset"]) == {"rings"}


def test_what_is_registered_is_listed_with_its_origin(parts_file, capsys):
    with pytest.raises(SystemExit):
        main(["parts", "--parts", str(parts_file), "--json"])
    rows = json.loads(capsys.readouterr().out)
    own = [row for row in rows if not row["built_in"]]
    assert [row["name"] for row in own] == [
        *("X", "twice", "from_best", "small", "swish", "upper", "rings", "wide")
    ]
    assert {row["module"] for row in own} == {"my_parts"}
    assert {row["file"] for row in own} == {str(parts_file)}
    assert own == json.loads(json.dumps(own_parts()))
    assert len(rows) == len(list_parts()) == sum(len(one) for one, _ in REGISTRIES.values())
    with pytest.raises(SystemExit):
        main(["parts"])
    printed = capsys.readouterr().out
    assert f"Scale the in-edges of a node. - yours: my_parts.Scaling ({parts_file}:" in printed
    assert all(f"  {row['name']} " in printed for row in rows)


@pytest.mark.slow
def test_a_settings_file_names_own_parts_that_an_option_loads(parts_file, tmp_path, capsys):
    settings = tmp_path / "own.toml"
    settings.write_text(
        'name = "own"\nseeds = 1\nfounders.graph = "upper"\ndataset.name = "rings"\n'
        "evolution = { population = 2, generations = 1, steps_per_generation = 2 }\n"
        'policy = { name = "weighted", operator_weights = { X = 1.0 } }\n'
        'baseline.arms = ["wide"]\n',
        "utf-8",
    )
    command = [
        "run",
        str(settings),
        "--workers",
        "0",
        "--no-figures",
        "--results",
        str(tmp_path),
        "--quiet",
    ]
    with pytest.raises(SystemExit):
        main(command)
    assert "founders.graph must be one of feedforward, " in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main([*command, "--parts", str(parts_file)])
    assert ended.value.code in {0, None}


REWARD = """
import evo

@evo.REWARDS.register("right")
class Right:
    n_inputs, n_outputs = 1, 1

    def evaluate(self, network, *, rng):
        return float(network.act([rng.uniform()])[0])
"""


ENVIRONMENT = """
import gymnasium
import numpy as np

SIZE = 0.5

class Line(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-1, 1)
        return np.float32([self.place]), {}

    def step(self, action):
        self.place = float(np.clip(self.place + SIZE * (2 * action - 1), -1, 1))
        return np.float32([self.place]), -abs(self.place), False, False, {}

gymnasium.register("Line-v0", entry_point="my_parts:Line", max_episode_steps=5)
"""

LINE = {
    "name": "line",
    "seeds": 1,
    "task": {"id": "Line-v0", "episodes": 1, "test_episodes": 2},
    "founders": {"hidden": 1},
    "evolution": {"population": 2, "generations": 2},
    "policy": {"name": "weighted"},
    "baseline": {"arms": ["static"]},
}


@pytest.fixture
def with_environment(tmp_path, clean):
    """Return a function that loads a file which registers an environment of Gymnasium, and one that takes it away."""
    file = tmp_path / "my_parts.py"

    def forget():
        gymnasium.registry.pop("Line-v0", None)
        sys.modules.pop("my_parts", None)
        sys.path[:] = [one for one in sys.path if one != str(tmp_path)]
        file.unlink(missing_ok=True)
        linecache.clearcache()
        importlib.invalidate_caches()

    def load(text):
        forget()
        file.write_text(text, "utf-8")
        load_parts(str(file))

    yield load, forget
    forget()


def test_an_own_environment_travels_with_the_reward(with_environment):
    load, forget = with_environment
    load(ENVIRONMENT)
    reward = TaskSettings(id="Line-v0").make()
    cargo = pack(reward)
    forget()  # as in a worker
    network = Phenotype(
        Genome.from_matrix(np.eye(3, k=1, dtype=np.float32), n_inputs=1, n_outputs=2),
        "squared_error",
    )
    returned, other = (
        one.evaluate(Actor(network), rng=np.random.default_rng(3))
        for one in (reward, unpack(cargo))
    )
    assert returned == other
    assert returned[0] < 0


@pytest.mark.slow
def test_an_own_environment_gives_the_same_tables_on_ray(with_environment, tmp_path):
    load, _ = with_environment
    load(ENVIRONMENT)
    experiment = Experiment(**LINE)
    options = {"run_name": "line", "figures": False}
    serial = run(experiment, workers=0, results=tmp_path / "serial", **options)
    parallel = run(experiment, workers=2, results=tmp_path / "ray", **options)
    for table in ("individuals", "comparison"):
        frames = [getattr(one, table) for one in (serial, parallel)]
        assert len(frames[0]) > 1
        frames = [one.drop(columns=TIMING_COLUMNS & {*one.columns}) for one in frames]
        pd.testing.assert_frame_equal(*frames, check_exact=True)
    assert set(serial.individuals["status"]) == {"ok"}


class Stop(Callback):
    def generation(self, event):
        raise StopRun("enough")


@pytest.fixture
def with_reward(tmp_path, clean):
    """Return a function that loads other own parts, the SHA-256 of those that are loaded, and the settings."""
    file = tmp_path / "my_parts.py"

    def load(text):
        file.write_text(text, "utf-8")
        sys.modules.pop("my_parts", None)
        REWARDS.install({name: one for name, one in REWARDS.own.items() if name != "right"})
        linecache.clearcache()
        load_parts(str(file))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    before = load(REWARD)
    settings = {
        "name": "go",
        "seeds": 1,
        "task": {"name": "right", "episodes": 1, "test_episodes": 1},
        "founders": {"hidden": 2},
        "evolution": {"population": 2, "generations": 2},
        "policy": {"name": "adaptive"},
        "baseline": {"arms": []},
    }
    return load, before, Experiment(**settings)


def test_another_file_of_own_parts_is_told_when_a_run_goes_on_and_refused_if_the_run_uses_it(
    with_reward, tmp_path, caplog
):
    load, before, experiment = with_reward
    options = {"workers": 0, "figures": False}
    for name in ("same", "other", "used"):
        run(experiment, results=tmp_path, run_name=name, callbacks=[Stop()], **options)
    resume(tmp_path / "same", **options)
    assert "parts:" not in caplog.text
    after = load(f"{REWARD}# a remark that changes nothing\n")
    assert len(resume(tmp_path / "other", **options).comparison) == 1
    file = tmp_path / "my_parts.py"
    assert [one.getMessage() for one in caplog.records if one.levelname == "WARNING"] == [
        f"{tmp_path / 'other'}: parts: the run began with {file} (SHA-256 {before}), and {file} ({after}) is loaded "
        "now; what it uses is the same"
    ]
    load(REWARD.replace("float(", "2 * float("))
    with pytest.raises(
        SettingsError, match=r"used: cannot go on as it began: the reward 'right' has changed since"
    ):
        resume(tmp_path / "used", **options)


def test_the_runs_of_a_study_do_not_begin_with_other_own_parts_than_its_first_ones(
    with_reward, tmp_path
):
    load, _, experiment = with_reward
    options = {"workers": 0, "figures": False}
    both = partial(study, experiment, controls=["train_only"], folder=tmp_path / "s")
    both(**options)
    shutil.rmtree(tmp_path / "s" / "train_only-seed-0")
    load(REWARD.replace("float(", "2 * float("))
    told = "/s: cannot go on as it began, for evolved-seed-0 is a run of it already: the reward 'right' has changed"
    planned = (tmp_path / "s" / "study.json").read_text("utf-8")
    for begin in (partial(resume, tmp_path / "s"), partial(both, seeds=range(1, 2))):
        with pytest.raises(SettingsError, match=told):
            begin(**options)
    assert {one.name for one in (tmp_path / "s").iterdir() if one.is_dir()} == {"evolved-seed-0"}
    assert (tmp_path / "s" / "study.json").read_text("utf-8") == planned
    assert set(resume(tmp_path / "s", force=True, **options).comparison["arm"]) == {
        *("evolved", "train_only"),
    }


def test_a_file_of_own_parts_is_named_as_it_was_loaded_however_it_is_edited_later(
    with_reward, tmp_path
):
    _, loaded, experiment = with_reward
    (tmp_path / "my_parts.py").write_text(f"{REWARD}# a remark that was not there\n", "utf-8")
    run(experiment, results=tmp_path, run_name="r", callbacks=[Stop()], workers=0, figures=False)
    files = read_journal(tmp_path / "r").entries[0]["parts"]
    assert files[str(tmp_path / "my_parts.py")].startswith(loaded)


def test_a_run_does_not_go_on_with_another_environment(with_environment, tmp_path):
    load, _ = with_environment
    load(ENVIRONMENT)
    options = {"workers": 0, "figures": False}
    for name in ("same", "used"):
        run(Experiment(**LINE), results=tmp_path, run_name=name, callbacks=[Stop()], **options)
    load(f"{ENVIRONMENT}# a remark that changes nothing\n")
    resume(tmp_path / "same", **options)
    told = "the reward 'Line-v0' has changed since"
    for old, new in (("SIZE = 0.5", "SIZE = 0.4"), ("max_episode_steps=5", "max_episode_steps=6")):
        load(ENVIRONMENT.replace(old, new))
        with pytest.raises(SettingsError, match=f"cannot go on as it began: {told}"):
            resume(tmp_path / "used", **options)
        with pytest.raises(ChangedError, match=f"cannot be computed again: {told}"):
            verify(tmp_path / "same", workers=0)


METRIC = """
from evo import METRICS, Metric

def top_2(truth, output):
    best = output.argsort(axis=1)[:, -2:]
    return (best == truth[:, None]).any(axis=1).mean()

METRICS.register("top_2", Metric("top_2", "top-2 share", "classification", "fraction", True, top_2))
"""


@pytest.mark.slow
def test_results_with_own_parts_are_shown_without_them_too(parts_file, tmp_path, capsys):
    parts_file.write_text(PARTS + METRIC, "utf-8")
    load_parts(str(parts_file))
    settings = {**OWN, "evaluation": {"verdict": "top_2"}}
    path = run(Experiment(**settings), workers=0, results=tmp_path / "runs").path
    used = json.loads((path / "config.json").read_text("utf-8"))["used"]
    assert set(used["parts"]) == {
        *("operators.X", "policies.twice", "selections.from_best", "fitnesses.small"),
        *("metrics.top_2", "activations.swish", "graphs.upper", "datasets.rings", "arms.wide"),
    }
    for registry, _ in REGISTRIES.values():
        registry.install({})
    del sys.modules["my_parts"]
    for command in ("show", "compare"):
        for parts, told in (([], "Test top 2, "), (["--parts", str(parts_file)], "Test top-2 sh")):
            with pytest.raises(SystemExit) as ended:
                main([command, str(path), *parts])
            assert not ended.value.code
            assert told in capsys.readouterr().out
        for registry, _ in REGISTRIES.values():
            registry.install({})
        del sys.modules["my_parts"]


@pytest.mark.parametrize(
    ("source", "text", "told"),
    [
        ("nowhere.py", None, "parts must be Python files or modules; "),
        ("no.such.module", None, "No module named 'no'"),
        ("my.toml", None, "parts must be Python files (.py) or names of modules; got 'my.toml'"),
        ("my/parts", None, "parts must be Python files (.py) or names of modules; got 'my/parts'"),
        ("my parts.py", "", "must be letters"),
        ("broken.py", "x = 1\ny = 1 / 0\n", "broken.py: ZeroDivisionError: division by zero"),
        ("broken.py", "import sys\nsys.exit('enough')\n", "SystemExit: enough"),
        ("broken.py", "def f(:\n", "SyntaxError"),
        ("json.py", "", "has the name of another module"),
        (
            "broken.py",
            "from evo import OPERATORS\nOPERATORS.register('A', 3)\n",
            "line 2 of {file}: ValueError: name of the operator must be new",
        ),
    ],
)
def test_a_file_of_parts_that_cannot_be_used_is_one_line(clean, tmp_path, source, text, told):
    if text is not None:
        (tmp_path / source).write_text(text, "utf-8")
    given = str(tmp_path / source) if source.endswith(".py") else source
    with pytest.raises(SettingsError) as caught:
        load_parts(given)
    assert told.format(file=given) in str(caught.value)
    assert "\n" not in str(caught.value)


# -- operators in every policy that draws operators --------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        "weighted",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("adaptive", "mixed", "layerwise")
        ),
    ],
)
def test_an_own_operator_is_drawn_credited_and_recorded(parts_file, tmp_path, policy):
    load_parts(str(parts_file))
    weights = {"name": policy, "operator_weights": {"X": 1.0}}
    if policy in {"mixed", "layerwise"}:
        weights["rewiring_probability"] = 0.0
    changes = {"founders": {"graph": "layered", "hidden": 5}, "policy": weights}
    results = run(
        Experiment(**{**OWN, **changes}), workers=0, results=tmp_path / "runs", figures=False
    )
    assert set(results.individuals["status"]) == {"ok"}
    assert "X" in set(results.operations["operator"])
    credited = results.credits[results.credits["operator"] == "X"]
    assert (credited["n_uses"] > 0).any()
    assert (credited["probability"] > 0).all()


def test_an_operator_that_is_registered_and_not_named_is_not_drawn(parts_file):
    before = Experiment().policy.operator_weights
    load_parts(str(parts_file))
    assert Experiment().policy.operator_weights == before


# -- errors ------------------------------------------------------------------------------------------------------------


def small_table():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(60, 3))
    return Dataset.from_arrays(inputs, (inputs[:, 0] > 0).astype(int))


def small_run(folder, **arguments):
    experiment = Experiment(
        name="small",
        seeds=1,
        evolution={"population": 4, "generations": 1, "steps_per_generation": 3},
        founders={"hidden": 4, "density": 0.5},
        baseline={"arms": ["mlp"], "hidden": 4},
    )
    return run(experiment, dataset=small_table(), results=folder, **arguments, figures=False)


def test_a_fitness_that_exits_fails_one_individual(tmp_path, caplog):
    calls = iter(range(1000))

    def fitness(network, validation, evaluation):
        if next(calls) == 2:
            sys.exit("simulator failed")
        return -evaluation.loss

    individuals = small_run(tmp_path, fitness=fitness, workers=0).individuals
    failed = individuals[individuals["status"] == "failed"]
    assert failed["reason"].tolist() == ["SystemExit: simulator failed"]
    assert set(individuals.drop(failed.index)["status"]) == {"ok"}
    line = fitness.__code__.co_firstlineno + 2
    assert f'{__file__}", line {line}, in fitness' in caplog.text


def test_an_interruption_by_the_user_ends_the_run(tmp_path):
    def fitness(network, validation):
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        small_run(tmp_path, fitness=fitness, workers=0)


def test_an_operator_whose_parameters_no_record_can_hold_fails_its_child_only(clean, tmp_path):
    operators = REGISTRIES["evo.OPERATORS"][0]

    @operators.register("Z")
    class Arrays:
        @staticmethod
        def propose(editor, context):
            return {"weights": np.ones(2)}

        @staticmethod
        def apply(editor, parameters):
            pass

    policy = {"name": "weighted", "operator_weights": {"Z": 1.0}}
    results = run(
        Experiment(**{**OWN_PLAIN, "policy": policy}), workers=0, results=tmp_path, figures=False
    )
    children = results.individuals[results.individuals["origin"] == "child"]
    assert set(children["status"]) == {"failed"}
    assert children["reason"].str.contains("parameters of operator 'Z' must be a dict").all()


def test_a_policy_that_returns_no_operations_fails_its_child_only(clean, tmp_path):
    REGISTRIES["evo.POLICIES"][0].register("forgetful", lambda editor, context, settings: None)
    settings = {**OWN_PLAIN, "policy": {"name": "forgetful"}}
    individuals = run(
        Experiment(**settings), workers=0, results=tmp_path, figures=False
    ).individuals
    children = individuals[individuals["origin"] == "child"]
    reason = "TypeError: policy 'forgetful' must return its operations in a list; got None"
    assert set(children["reason"]) == {reason}
    assert set(individuals.drop(children.index)["status"]) == {"ok"}


OWN_PLAIN = {
    "name": "plain",
    "seeds": 1,
    "dataset": {"name": "xor", "options": {"n_samples": 60}},
    "founders": {"hidden": 4},
    "evolution": {"population": 4, "generations": 3, "steps_per_generation": 3},
    "baseline": {"arms": ["mlp"]},
}


@pytest.mark.parametrize(
    ("requests", "selected", "told"),
    [
        (lambda n: [], None, "propose of selection 'mine' must return a list of OffspringRequest"),
        (lambda n: None, None, "propose of selection 'mine' must return a list of"),
        (None, lambda people: people[:1], "select of selection 'mine' must return 4 of the given"),
        (
            None,
            lambda people: [1, 2, 3, 4],
            "select of selection 'mine' must return 4 of the given",
        ),
    ],
)
def test_a_selection_that_selects_nothing_usable_is_one_line(
    clean, tmp_path, requests, selected, told
):
    selections = REGISTRIES["evo.SELECTIONS"][0]
    package = selections["random_search"]

    @selections.register("mine")
    class Mine:
        @staticmethod
        def propose(population, settings, rng):
            if requests is None:
                return package.propose(population, settings, rng)
            return requests(len(population))

        @staticmethod
        def select(population, offspring, settings, generation):
            return selected(list(population))

    evolution = {**OWN_PLAIN["evolution"], "selection": {"name": "mine"}}
    with pytest.raises(EvolutionError, match=told):
        run(Experiment(**{**OWN_PLAIN, "evolution": evolution}), workers=0, results=tmp_path)


@pytest.mark.parametrize(
    ("arm", "told"),
    [
        (lambda spec: object(), "own must build a network that can be trained; got object without"),
        (lambda spec: 1 / len(()), None),
    ],
)
def test_an_own_arm_that_builds_nothing_usable_is_refused_before_work(clean, tmp_path, arm, told):
    ARMS.register("own", arm)
    experiment = Experiment(**{**OWN_PLAIN, "baseline": {"arms": ["own"]}})
    with pytest.raises(ZeroDivisionError if told is None else SettingsError, match=told):
        run(experiment, workers=0, results=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("option", ["label_smoothing", "dropout"])
def test_options_of_the_recipe_are_refused_for_an_own_arm_that_lacks_them(clean, tmp_path, option):
    class Plain:
        """The arm mlp, behind a method without the parameters."""

        def __init__(self, network):
            self.network = network

        def __getattr__(self, name):
            return getattr(self.network, name)

        def loss_and_gradients(self, inputs, targets, weights=None):
            return self.network.loss_and_gradients(inputs, targets, weights)

    ARMS.register("own", lambda spec: Plain(ARMS["mlp"](spec)))
    changed = {"baseline": {"arms": ["own"]}, "training": {option: 0.1}}
    with pytest.raises(SettingsError, match=rf"{option} must be 0 for the arm own, .*got 0.1"):
        run(Experiment(**{**OWN_PLAIN, **changed}), workers=0, results=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


# -- what cannot travel ------------------------------------------------------------------------------------------------

lock = threading.Lock()


class Simulator:
    """An object with a database in it."""

    def __init__(self, folder):
        self.connection = sqlite3.connect(folder / "results.db")

    def __call__(self, network, validation):
        return 0.0


def with_lock(network, validation):
    with lock:
        return 0.0


def through_another_function(network, validation):
    return with_lock(network, validation)


def unsendable(folder, file):
    table = {"files": [file]}

    def with_file(network, validation):
        return float(file.tell())

    def with_table(network, validation):
        return len(table["files"])

    return [
        (
            with_lock,
            "fitness 'with_lock' uses lock, which cannot be sent to Ray workers (TypeError",
        ),
        (through_another_function, "fitness 'through_another_function' uses lock, which"),
        (with_file, "fitness 'with_file' uses file, which cannot be sent to Ray workers"),
        (with_table, "fitness 'with_table' uses table['files'][0], which"),
        (Simulator(folder), "fitness 'Simulator' uses connection, which"),
        (Simulator(folder).__call__, "fitness '__call__' uses self.connection, which"),
    ]


N_UNSENDABLE = 6


@pytest.mark.parametrize("number", range(N_UNSENDABLE))
def test_what_cannot_travel_is_named_before_any_work(tmp_path, number):
    with (tmp_path / "open.txt").open("w+") as file:
        fitness, told = unsendable(tmp_path, file)[number]
        with pytest.raises(TravelError) as caught:
            small_run(tmp_path / "runs", fitness=fitness, workers=1)
    assert str(caught.value).startswith(told)
    assert str(caught.value).endswith("; workers=0 works without sending")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, EvoMatrixError)
    assert not (tmp_path / "runs").exists()
    assert not ray.is_initialized()


def test_an_operator_that_cannot_travel_is_named(clean):
    operators = REGISTRIES["evo.OPERATORS"][0]

    @operators.register("Z")
    class Locked:
        @staticmethod
        def propose(editor, context):
            with lock:
                return

        @staticmethod
        def apply(editor, parameters):
            pass

    with pytest.raises(TravelError, match=r"^operator 'Z' uses lock, which cannot be sent"):
        pack(with_table_of_numbers)


def with_table_of_numbers(network, validation):
    return sum(NUMBERS)


NUMBERS = [1.0, 2.0]


def test_without_workers_everything_may_be_used(tmp_path):
    results = small_run(tmp_path, fitness=with_lock, workers=0)
    assert set(results.individuals["status"]) == {"ok"}


def test_what_is_packed_comes_back_with_its_own_parts(parts_file):
    load_parts(str(parts_file))
    before = [registry.own for registry, _ in REGISTRIES.values()]
    fitness = unpack(pack(with_table_of_numbers))
    assert fitness is not with_table_of_numbers
    assert fitness(None, None) == 3.0
    after = [registry.own for registry, _ in REGISTRIES.values()]
    assert [list(own) for own in after] == [list(own) for own in before]
    built_in = REGISTRIES["evo.FITNESSES"][0]["accuracy"]
    assert unpack(pack(built_in)) is built_in


def test_a_file_that_is_open_for_reading_does_not_travel_as_its_contents():
    with tempfile.TemporaryFile("w+") as file, pytest.raises(TravelError, match="an open file"):
        pack(lambda network, validation: len(file.read()))
