"""The compiled engine: the tables of the general one, to the bit; and what it cannot do is refused before any work."""

import signal
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from same_tables import assert_same_file
from schemes import scheme
from tests_of_kills import count_boundaries, in_child

import evo
from evo.errors import SettingsError
from evo.executors import compiled
from evo.executors.travel import pack
from evo.gradient_free import act
from evo.gradient_free.generation import score_networks
from evo.rewards import TaskSettings
from evo.selection import SELECTIONS
from evo.storage import is_complete
from evo.storage.tables import TABLES, TIMING_COLUMNS, TIMING_TABLES
from experiments import (
    Experiment,
    continue_run,
    load_results,
    replay_lineage,
    resume,
    run,
    verify,
)
from experiments.analysis.comparison import compare, summarize
from experiments.continuation import continuation
from experiments.settings.study import parse_study
from experiments.studies.study import run_study

QUIET = {"workers": 0, "figures": False}
SAMPLES = {
    "name": "corners",
    "seeds": 2,
    "dataset": {"name": "xor", "options": {"n_samples": 60}},
    "founders": {"hidden": 4, "density": 0.4, "ticks": 2, "graph": "recurrent"},
    "evolution": {"engine": "compiled", "population": 6, "generations": 5},
    "baseline": {"arms": []},
}
POLES = {
    "name": "poles",
    "seeds": 2,
    "task": {
        "name": "double-pole",
        "options": {"steps": 40, "start": "random"},
        "episodes": 3,
        "test_episodes": 5,
    },
    "founders": {"hidden": 3, "density": 0.5},
    "evolution": {"engine": "compiled", "population": 6, "generations": 5},
    "baseline": {"arms": ["static"]},
}


def experiment_of(values, **changes):
    """Return the experiment with some settings of its sections changed."""
    sections = {name: values.get(name, {}) | change for name, change in changes.items()}
    return Experiment.parse(values | sections, values["name"])


def begin(folder, experiment, name="one", **options):
    return run(experiment, results=folder, run_name=name, **(QUIET | options))


def assert_same(one, other):
    """Assert that two runs have the same tables and winners, but for the engine."""
    for table in sorted(TABLES.keys() - TIMING_TABLES):
        left, right = (getattr(results, table) for results in (one, other))
        dropped = [*(TIMING_COLUMNS & {*left}), *({"evolution.engine"} & {*left})]
        frames = left.drop(columns=dropped), right.drop(columns=dropped)
        pd.testing.assert_frame_equal(*frames, check_exact=True, obj=table)
    for folder in ("genomes", "networks"):
        for path in sorted((one.path / folder).iterdir()):
            assert_same_file(path, other.path / folder / path.name)


def assert_engines_agree(folder, values, **changes):
    """Run an experiment by both engines; return the results of the compiled one."""
    evolution = changes.pop("evolution", {})
    runs = {
        engine: begin(
            folder / engine,
            experiment_of(
                values,
                evolution=evolution
                | {"engine": engine, "steps_per_generation": 0, "train_only_fraction": 0.0},
                policy=values.get("policy", {}) | {"name": "compiled"},
                **changes,
            ),
        )
        for engine in ("compiled", "general")
    }
    assert_same(runs["compiled"], runs["general"])
    return runs["compiled"]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(SAMPLES, id="samples", marks=pytest.mark.slow),
        pytest.param(POLES, id="poles"),
    ],
)
def values(request):
    return request.param


@pytest.fixture(scope="module")
def done(values, tmp_path_factory):
    return begin(tmp_path_factory.mktemp("compiled"), experiment_of(values))


def test_tables_are_complete(done, values):
    individuals = done.individuals
    assert len(individuals) == done.runs["n_individuals"].sum() >= 2 * 6 * 6
    assert (individuals["status"] == "ok").all()
    assert individuals["fitness"].notna().all()
    children = individuals[individuals["origin"] == "child"]
    assert len(done.operations) >= 0.9 * len(children)
    assert {*done.operations["operator"]} <= {*"ABCDFHN"}
    assert (children["network_hash"] != "").all()
    assert not done.credits.empty
    if values is POLES:
        played = individuals["reused_from"].isna()
        assert (individuals["played_episodes"] == 3 * played).all()
        assert (individuals["validation_return"] <= 40).all()
        assert (individuals["played_steps"] >= 3 * played).all()
        np.testing.assert_array_equal(
            individuals.groupby("seed")["played_steps"].sum(), done.runs["search_played_steps"]
        )
        assert {"evolved", "static"} == {*done.comparison["arm"]}


def test_the_lineage_of_the_winner_replays_and_the_run_verifies(done):
    winners = done.runs.set_index("seed")["best_individual"]
    for seed in (0, 1):
        lineage = replay_lineage(done, int(winners[seed]), seed=seed)
        assert lineage[-1].job.individual == winners[seed]
    verify(done.path, workers=0)


@pytest.mark.parametrize("values", [SAMPLES, POLES], ids=["samples", "poles"])
def test_both_engines_make_the_same_tables(values, tmp_path):
    assert_engines_agree(tmp_path, values | {"seeds": 1})


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SELECTIONS.keys() - SELECTIONS.own.keys()))
def test_every_selection_works_in_both_engines(name, tmp_path):
    selection = scheme(name)
    if name == "nsga2":
        selection["objectives"] = ["fitness", "parameters"]
    evolution = POLES["evolution"] | {"selection": selection, "statistics": "sizes"}
    assert_engines_agree(tmp_path, POLES | {"seeds": 1}, evolution=evolution)


def test_scores_of_few_networks_are_in_memory_at_the_same_time(tmp_path, monkeypatch):
    scored, most = [], []

    def noting(*arguments):
        for scores in score_networks(*arguments):
            scored.append(weakref.ref(scores[0]))
            most.append(sum(one() is not None for one in scored))
            yield scores

    monkeypatch.setattr(compiled, "score_networks", noting)
    n_samples, n_together = 9, 2
    monkeypatch.setattr(compiled, "MAX_SCORES", n_together * n_samples)
    evolution = SAMPLES["evolution"] | {"population": 12, "generations": 1}
    values = SAMPLES | {"seeds": 1, "evolution": evolution}
    results = begin(tmp_path, experiment_of(values))
    assert results.runs["n_validation"].tolist() == [n_samples]
    assert len(scored) > 12
    assert max(most) <= 2 * n_together


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["average", "crossover"])
def test_mates_are_those_of_the_general_engine(mode, tmp_path):
    recombination = {"probability": 0.6, "mode": mode, "relatives": "population"}
    evolution = SAMPLES["evolution"] | {"recombination": recombination}
    results = assert_engines_agree(tmp_path, SAMPLES | {"seeds": 1}, evolution=evolution)
    assert {*results.operations["operator"]} & {*"VY"}


def test_a_run_that_is_killed_and_resumed_is_the_run_that_was_not(values, done, tmp_path):
    experiment = experiment_of(values)
    n_boundaries = count_boundaries(lambda: begin(tmp_path / "whole", experiment))

    def begin_or_go_on():
        if (tmp_path / "one").exists():
            resume(tmp_path / "one", **QUIET)
        else:
            begin(tmp_path, experiment)

    assert in_child(begin_or_go_on, fatal=n_boundaries // 2) == -signal.SIGKILL
    assert in_child(begin_or_go_on) == 0
    assert is_complete(tmp_path / "one")
    assert_same(done, load_results(tmp_path / "one"))


@pytest.mark.slow
def test_a_run_that_is_continued_is_the_longer_run(tmp_path):
    evolution = POLES["evolution"] | {"train_only_fraction": 0.0}
    short = begin(tmp_path, experiment_of(POLES, evolution=evolution | {"generations": 3}))
    long = begin(tmp_path / "long", experiment_of(POLES, evolution=evolution | {"generations": 5}))
    more = continue_run(short.path, generations=5, results=tmp_path, run_name="more", **QUIET)
    columns = ["seed", "individual", "fitness", "played_steps", "network_hash"]
    whole = pd.concat([short.individuals, more.individuals])[columns]
    whole = whole.drop_duplicates(["seed", "individual"]).sort_values(["seed", "individual"])
    pd.testing.assert_frame_equal(
        whole.reset_index(drop=True), long.individuals[columns], check_exact=True
    )


@pytest.fixture(scope="module")
def of_other_form(tmp_path_factory):
    """Return a run whose operators have put hidden nodes behind the outputs."""
    evolution = {"engine": "general", "steps_per_generation": 0, "train_only_fraction": 0.0}
    policy = {"name": "weighted", "operator_weights": dict.fromkeys("BIN", 1.0)}
    experiment = experiment_of(SAMPLES | {"seeds": 1}, evolution=evolution, policy=policy)
    return begin(tmp_path_factory.mktemp("general"), experiment)


def go_on_by(engine, older, folder):
    settings = {
        "evolution.engine": engine,
        "evolution.steps_per_generation": 0,
        "policy.name": "compiled",
        "policy.operator_weights": {"N": 1.0, "B": 1.0, "I": 0.0},
    }
    options = {"results": folder / engine, "run_name": "one"} | QUIET
    return continue_run(older.path, generations="+2", settings=settings, **options)


@pytest.mark.parametrize("engine", ["compiled", "general"])
def test_a_population_that_does_not_suit_compiled_code_is_not_continued(
    engine, of_other_form, tmp_path
):
    with pytest.raises(SettingsError, match=r"seed 0: individual .* inputs first") as told:
        go_on_by(engine, of_other_form, tmp_path)
    assert "\n" not in str(told.value)
    assert not [*tmp_path.iterdir()]


def test_genomes_that_do_not_suit_compiled_code_are_evaluated_by_the_general_one(
    of_other_form, tmp_path, monkeypatch
):
    monkeypatch.setattr(continuation, "check_compiled_form", lambda *_: None)
    one, other = (go_on_by(name, of_other_form, tmp_path) for name in ("compiled", "general"))
    assert_same(one, other)
    assert {*one.individuals["status"]} == {"ok", "failed"}


@pytest.fixture
def own_task():
    """Return the settings of a task that is registered as a user's own reward."""

    def follow(agent, episode, measures):
        place, at, distance = episode[0], 0.0, 0.0
        for _ in range(8):
            agent.inputs[0] = place - at
            act(agent)
            at += 0.1 * agent.outputs[0]
            distance += abs(place - at) / 8
        measures[0] = abs(place - at)
        return -distance

    compiled = evo.compiled_task(
        follow, n_inputs=1, n_outputs=1, episodes=[[0.0]], measures=("last_distance",)
    )

    def make(episodes: int = 2):
        return replace(compiled, draw_episodes=lambda rng: rng.uniform(-1, 1, (episodes, 1)))

    own = evo.REWARDS.own
    evo.REWARDS.register("follow", make)
    yield {"name": "follow", "options": {"episodes": 3}, "episodes": 2, "test_episodes": 4}
    evo.REWARDS.install(own)


def test_a_task_of_the_users_own_is_played_by_both_engines(own_task, tmp_path):
    results = assert_engines_agree(tmp_path, POLES | {"task": own_task, "seeds": 1})
    individuals = results.individuals
    assert (individuals["played_steps"] == 2 * 3 * 8 * individuals["reused_from"].isna()).all()
    assert individuals["validation_last_distance"].notna().all()
    assert individuals["fitness"].nunique() > 10


@pytest.mark.parametrize("task", ["double-pole", "follow"])
def test_a_compiled_task_brings_no_kernel_of_the_package_to_a_worker(task, own_task):
    settings = own_task if task == "follow" else POLES["task"]
    cargo = pack(TaskSettings(**settings).make())
    assert b"fast_tanh" not in cargo
    assert len(cargo) < 20_000


@pytest.mark.slow
@pytest.mark.parametrize("task", ["double-pole", "follow"])
def test_ray_workers_play_compiled_tasks(task, own_task, tmp_path):
    values = POLES | {"seeds": 1, "task": own_task if task == "follow" else POLES["task"]}
    experiment = experiment_of(
        values, evolution={"engine": "general", "generations": 2}, policy={"name": "compiled"}
    )
    serial, parallel = (begin(tmp_path / str(n), experiment, workers=n) for n in (0, 2))
    assert_same(serial, parallel)


@pytest.mark.slow
def test_an_own_task_that_raises_fails_the_individuals_that_it_raises_for(tmp_path):
    def refuse(agent, episode, measures):
        agent.inputs[0] = episode[0]
        act(agent)
        if agent.outputs[0] > 0.2:
            raise ValueError("too far")
        return agent.outputs[0]

    compiled = evo.compiled_task(refuse, n_inputs=1, n_outputs=1, episodes=[[0.5]])
    own = evo.REWARDS.own
    evo.REWARDS.register("refuse", lambda: compiled)
    try:
        task = {"name": "refuse", "options": {}, "episodes": 1, "test_episodes": 0}
        results = assert_engines_agree(tmp_path, POLES | {"task": task, "seeds": 1})
    finally:
        evo.REWARDS.install(own)
    status = results.individuals["status"]
    assert {*status} == {"ok", "failed"}
    assert {*results.individuals["reason"][status == "failed"]} == {"ValueError: too far"}


@pytest.mark.parametrize(
    ("values", "changes", "rule"),
    [
        (SAMPLES, {"evolution": {"mode": "asynchronous"}}, "evolution.mode must be"),
        (
            SAMPLES,
            {"evolution": {"steps_per_generation": 5}},
            "steps_per_generation must be 0 where engine",
        ),
        (SAMPLES, {"evolution": {"inheritance": "baldwinian"}}, "inheritance must be"),
        (SAMPLES, {"policy": {"name": "weighted"}}, 'policy.name must be "compiled" or "none"'),
        (
            SAMPLES,
            {"policy": {"operator_weights": {"N": 1, "I": 1}}},
            "operator_weights must be of A, B, C, D, F, H, N",
        ),
        (
            SAMPLES,
            {"policy": {"operators": {"mutation_std": 0.1}}},
            "operators.mutation_std must not be given",
        ),
        (SAMPLES, {"policy": {"name": "weighted", "weights": {"init_std": 1.0}},
                   "evolution": {"engine": "general"}}, "weights.init_std must not be given"),
        (SAMPLES, {"evaluation": {"timeout": 3}}, "evaluation.timeout must not be given"),
        (
            POLES,
            {"task": {"options": {"steps": 40}, "same_episodes": "generation"}},
            "task.same_episodes must not be given unless options.start",
        ),
        (
            POLES,
            {"task": {"strategy": {"name": "openai_es"}}},
            'task.strategy.name must be "none" where evolution.engine = "compiled"',
        ),
    ],
)  # fmt: skip
def test_settings_that_do_not_suit_are_refused(values, changes, rule):
    with pytest.raises(SettingsError, match=rule) as told:
        experiment_of(values, **changes)
    assert "\n" not in str(told.value)


def test_fixed_episodes_are_those_of_the_run():
    task = POLES["task"] | {"options": {"steps": 40}}
    fixed = TaskSettings(**task)
    assert fixed.same_episodes == "run"
    assert TaskSettings.model_validate_json(fixed.model_dump_json()) == fixed
    assert TaskSettings(**POLES["task"]).same_episodes == "generation"


def test_no_baseline_is_trained_unless_one_is_named():
    without = {name: value for name, value in SAMPLES.items() if name != "baseline"}
    assert Experiment.parse(without, "corners").baseline.arms == ()


@pytest.mark.parametrize(
    ("values", "changes", "options", "rule"),
    [
        (SAMPLES, {"founders": {"hidden": 70}}, {}, "founders must have at most 64 nodes"),
        (SAMPLES, {"founders": {"threshold_mode": "signed"}}, {}, "founders where .* threshold"),
        (SAMPLES, {}, {"fitness": lambda network, validation: 1.0}, "fitness must be one of"),
        (POLES, {"task": {"options": {}}}, {}, "task.episodes must be at most 1"),
        (POLES, {"task": {"options": {"start": "left"}}}, {}, "options.start must be one of"),
        (
            POLES,
            {"task": {"name": "gymnasium", "id": "CartPole-v1", "options": {}}},
            {},
            "task.name must be a task in compiled code",
        ),
    ],
)
def test_data_founders_and_tasks_that_do_not_suit_are_refused(
    values, changes, options, rule, tmp_path
):
    experiment = experiment_of(values, **changes)
    with pytest.raises(SettingsError, match=rule) as told:
        begin(tmp_path, experiment, **options)
    assert "\n" not in str(told.value)
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_a_study_has_controls_of_the_engine(tmp_path):
    evolution = {"engine": "compiled", "population": 4, "generations": 3}
    study = parse_study(
        POLES
        | {"evolution": evolution, "seeds": 1, "baseline": {"arms": []}}
        | {"controls": ["random_search", "no_selection"]},
        "poles",
    )
    results = run_study(study, folder=tmp_path / "study", quiet=True, workers=2, figures=False)
    assert {*results.comparison["arm"]} == {"evolved", "random_search", "no_selection"}
    episodes = results.comparison.set_index("arm")["total_played_episodes"]
    assert (episodes == episodes.iloc[0]).all()


def test_the_page_has_the_published_numbers_of_the_preset():
    repository = Path(__file__).parents[3]
    page = (repository / "docs" / "compiled-tasks.md").read_text("utf-8")
    table = pd.read_csv(repository / "results" / "reference" / "double-pole" / "comparison.csv")
    for arm, row in summarize(table.assign(run="")).iterrows():
        assert (
            f"| `{arm}` | {row['test_return']:.1f} | {row['low']:.1f} to {row['high']:.1f} | "
            f"{row['total_played_episodes']:,.0f} | {row['total_played_steps']:,.0f} |"
        ) in page
    declared = [("evolved", "random_search")]
    (found,) = compare(table.assign(run=""), declared, declared="evolved - random_search").to_dict(
        "records"
    )
    assert found["winner"] == "evolved"
    told = f"by {found['difference']:.1f} ({found['low']:.1f} to {found['high']:.0f}), p {found['p']:.2g}"
    assert told in page
