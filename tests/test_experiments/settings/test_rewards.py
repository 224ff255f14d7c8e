"""Settings beside a reward: defaults that need no samples, and what is refused before any work."""

import tomllib

import pytest

from evo import EvolutionSettings, PolicySettings
from evo.errors import SettingsError
from experiments import Experiment
from experiments.settings.columns import setting_values
from experiments.settings.experiment import changed_experiment
from experiments.settings.reference import described
from experiments.settings.study import study_of

CART = {"id": "CartPole-v1"}
ES = CART | {"strategy": {"name": "openai_es"}}


def parsed(**values):
    return Experiment.parse({"task": CART, **values}, "cart")


def test_defaults_beside_a_reward_need_no_samples():
    experiment = parsed()
    assert experiment.evolution.steps_per_generation == 0
    assert experiment.policy.gradient_fraction == 0
    assert experiment.policy.operators.mutation_probability > 0
    assert experiment.baseline.arms == ()
    trained = parsed(task=ES)
    assert trained.evolution.steps_per_generation == 100
    assert trained.policy.operators.mutation_probability == 0


def test_what_is_given_stays_in_a_file_and_in_a_script():
    policy = {"name": "weighted", "operators": {"mutation_probability": 0.1}}
    evolution = EvolutionSettings(generations=3)
    experiment = Experiment(task=CART, policy=policy, evolution=evolution)
    assert experiment.policy.operators.mutation_probability == 0.1
    assert experiment.evolution.generations == 3
    assert experiment.evolution.steps_per_generation == 0
    made = Experiment(task=CART, policy=PolicySettings(name="adaptive"))
    assert made.policy.operators.mutation_probability > 0


@pytest.mark.parametrize("task", [CART, ES])
def test_settings_of_a_reward_come_back_from_their_files(task):
    experiment = parsed(task=task, baseline={"arms": ["static"]})
    text = experiment.model_dump_json()
    assert "dataset" not in experiment.model_dump()
    assert Experiment.model_validate_json(text) == experiment
    assert Experiment.parse(tomllib.loads(described(experiment)), "") == experiment
    columns = setting_values(experiment)
    assert columns["task.id"].as_py() == "CartPole-v1"
    assert not any(name.startswith("dataset.") for name in columns)


def test_settings_without_a_task_have_no_trace_of_it():
    assert "task" not in Experiment().model_dump()
    assert not any(name.startswith("task") for name in setting_values(Experiment()))


REFUSED = [
    (
        {"baseline": {"arms": ["retrained"]}},
        r"baseline\.arms must not name retrained beside task unless task\.strategy\.name is openai_es or cma_es",
    ),
    (
        {"evolution": {"inheritance": "baldwinian"}},
        r'evolution\.inheritance must be "lamarckian" beside task unless task\.strategy\.name is openai_es or cma',
    ),
    ({"dataset": {"name": "xor"}}, "dataset must not be given beside task"),
    ({"evolve": False, "baseline": {"epochs": 1}}, "evolve must be true beside task"),
    ({"founders": {"sequence": True, "ticks": 2}}, r"founders\.sequence must be false beside task"),
    (
        {"task": ES, "evolution": {"recipe_genes": {"ranges": {"dropout": [0.0, 0.5]}}}},
        r"evolution\.recipe_genes\.ranges must not have dropout beside task",
    ),
    ({"baseline": {"arms": ["cnn"]}}, r"baseline\.arms must name arms that need no samples"),
    ({"policy": {"name": "rigl"}}, r"policy\.name must be one that needs no gradient"),
    ({"policy": {"gradient_fraction": 0.5}}, r"policy\.gradient_fraction must be 0 beside task"),
    ({"evolution": {"dormant": "straight_through"}}, r'evolution\.dormant must be "frozen"'),
    ({"evolution": {"steps_per_generation": 5}}, r"evolution\.steps_per_generation must not be"),
    ({"evolution": {"fitness": "accuracy"}}, r"evolution\.fitness must not be given beside task"),
    ({"evolution": {"budget": {"macs": 5}}}, r"evolution\.budget\.macs must not be given"),
    ({"evolution": {"budget": {"steps": 5}}}, r"evolution\.budget\.steps must not be given unless"),
    (
        {
            "task": CART | {"strategy": {"name": "cma_es"}},
            "evolution": {"budget": {"seconds": 1.0}},
        },
        r"evolution\.budget\.seconds must not be given where",
    ),
    ({"evaluation": {"metrics": ["accuracy"]}}, r"evaluation\.metrics must not be given"),
    (
        {"task": CART | {"test_episodes": 0}, "evaluation": {"verdict": "success"}},
        r"evaluation\.verdict must not be given where task\.test_episodes = 0",
    ),
    ({"training": {"learning_rate": 0.5}}, r"training\.learning_rate must not be given unless"),
    (
        {"task": ES, "training": {"batch_size": 5}},
        r"training\.batch_size must not be given beside task",
    ),
    (
        {"task": CART | {"test_episodes": 0}, "evaluation": {"primary": "evolved - static"}},
        r"evaluation\.primary must not be given where task\.test_episodes = 0",
    ),
    (
        {"evolution": {"recombination": {"mode": "soup", "probability": 0.5}}},
        r'evolution\.recombination\.mode must not be "soup"',
    ),
    (
        {
            "evolution": {
                "selection": {"name": "nsga2", "objectives": ["fitness", "validation_loss"]}
            }
        },
        r"evolution\.selection\.objectives must not have validation_loss",
    ),
    ({"task": {"name": "gymnasium"}}, r'task\.id must be given where task\.name = "gymnasium"'),
    ({"task": {"name": "gymnsium"}}, r"task\.name must be one of gymnasium, .*; got 'gymnsium'"),
    (
        {"evolution": {"recipe_genes": {"ranges": {"learning_rate": [0.01, 1.0]}}}},
        r"evolution\.recipe_genes\.ranges must not be given unless",
    ),
]


@pytest.mark.parametrize(("values", "rule"), REFUSED)
def test_what_needs_samples_or_a_gradient_is_refused_in_one_line(values, rule):
    with pytest.raises(SettingsError, match=f"^cart: {rule}"):
        parsed(**values)


def test_a_change_of_policy_leaves_no_inherited_setting_without_effect():
    values = {"task": CART, "policy": {"name": "mixed", "gradient_fraction": 0.0}}
    changed = changed_experiment(values, {"policy.name": "adaptive"}, "cart")
    assert changed.policy.name == "adaptive"


@pytest.mark.parametrize(
    ("arm", "rule"),
    [
        ({"task.id": "Acrobot-v1"}, "task.id must be the same for all arms; got 'CartPole-v1' and"),
        (
            {"task.options": {"actions": "sampled"}},
            "task.options must be the same for all arms; got {} and {'actions': 'sampled'}",
        ),
        (
            {"task.test_episodes": 3},
            "task.test_episodes must be the same for all arms; got 100 and 3",
        ),
    ],
)
def test_arms_with_different_tasks_are_refused_before_any_work(arm, rule):
    with pytest.raises(SettingsError) as caught:
        study_of(Experiment(task=CART), arms={"a": {}, "b": arm})
    assert str(caught.value).startswith(f"arms.b.{rule}")


def test_an_arm_with_a_task_beside_one_without_is_refused():
    with pytest.raises(
        SettingsError, match=r"^arms\.b\.task must be the same .*; got none and 'gym"
    ):
        study_of(Experiment(), arms={"a": {}, "b": {"task": CART}})


def test_arms_may_differ_in_strategy_and_episodes_and_a_grid_in_tasks():
    arms = {"a": {}, "b": {"task.episodes": 3}, "c": {"task.strategy.name": "openai_es"}}
    grid = {"task.id": ["CartPole-v1", "Acrobot-v1"], "task.test_episodes": [5, 6]}
    made = study_of(Experiment(task=CART), arms=arms, grid=grid)
    assert len(made.cells) == 12
    assert {one.task.id for one in made.cells.values()} == {*grid["task.id"]}
