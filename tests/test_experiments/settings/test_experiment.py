"""Settings: what a preset or a TOML file may say, and what its author reads where it is wrong."""

import copy
import re

import pytest
from pydantic import ValidationError

from cnn import TrainingBudget
from cnn.settings import Settings
from cnn.training.recipe import Recipe
from evo import (
    EvolutionSettings,
    FounderSettings,
    NeuroevolutionSettings,
    PolicySettings,
    SelectionSettings,
)
from evo.errors import EvoMatrixError, SettingsError
from evo.operators import OperatorSettings
from experiments import (
    Dataset,
    Experiment,
    load_experiment,
    load_study,
    preset_names,
    run,
    run_study,
)
from experiments.arms import BaselineSettings
from experiments.datasets import DATASETS
from experiments.settings.experiment import preset_text, read_settings, with_values

PRESETS = {
    "adding-problem",
    "delayed-xor",
    "diabetes",
    "digits",
    "digits-random",
    "example",
    "idx",
    "lenet-fashion",
    "lenet-mnist",
    "mackey-glass",
    "mlp-mnist",
    "rigl-digits",
    "rigl-mnist",
    "set-digits",
    "sequential-digits",
    "set-mnist",
    "parity",
    "spirals",
    "xor",
}
WITH_ARMS = {
    "augmented-fashion",
    "cart-pole",
    "double-pole",
    "fashion",
    "fashion-small",
    "few-labels",
    "few-labels-digits",
    "growth-digits",
    "kernels-digits",
    "mnist-kernels",
    "small-maps",
    "sparse-mlp",
    "time-to-accuracy",
}


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a settings file and names it."""

    def write(content, name="mine.toml"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def message_of(preset):
    with pytest.raises(SettingsError) as caught:
        load_experiment(preset)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_presets_are_all_there():
    assert set(preset_names()) == PRESETS | WITH_ARMS


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_is_valid_and_named_like_its_file(name):
    experiment = load_experiment(name)
    assert experiment.name == name
    assert experiment.dataset.name in DATASETS
    assert preset_text(name).startswith("# ")


@pytest.mark.parametrize("name", sorted(WITH_ARMS))
def test_every_preset_with_arms_is_valid_and_named_like_its_file(name):
    study = load_study(name)
    assert study.name == name
    assert {one.dataset.name for one in study.arms.values()} <= set(DATASETS)
    assert preset_text(name).startswith("# ")


def test_a_file_says_the_same_as_a_script(written):
    path = written(
        'name = "mine"\nseeds = 2\n[evolution]\npopulation = 5\n[policy]\nname = "set"\n'
    )
    assert load_experiment(path) == Experiment(
        name="mine", seeds=2, evolution={"population": 5}, policy={"name": "set"}
    )
    assert load_experiment(str(path)) == load_experiment(path)


def test_what_a_file_leaves_out_has_its_default(written):
    assert load_experiment(written("")) == Experiment()


def test_settings_survive_being_stored():
    experiment = load_experiment("digits")
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment


@pytest.mark.parametrize(
    ("content", "field", "rule", "value"),
    [
        (
            "[evolution]\npopulation = -1",
            "evolution.population",
            "greater than or equal to 1",
            "-1",
        ),
        ("[evolution]\npopulation = 0", "evolution.population", "greater than or equal to 1", "0"),
        ("[evolution]\ngenerations = -2", "evolution.generations", "or equal to 0", "-2"),
        ("[evolution]\npopulation = 2.5", "evolution.population", "valid integer", "2.5"),
        ('[founders]\ndensities = ["0.1", 1]', "founders.densities", "must be a number", "'0.1'"),
        ("seed = true", "seed", "must be a number", "True"),
        ('seeds = "3"', "seeds", "must be a number", "'3'"),
        ('evolve = "no"', "evolve", "must be true or false", "'no'"),
        ('[baseline]\narms = "mlp"', "baseline.arms", "must be a list", "'mlp'"),
        (
            "[training]\nlearning_rate = false",
            "training.learning_rate",
            "must be a number",
            "False",
        ),
        (
            '[evolution]\nsteps_per_generation = "many"',
            "evolution.steps_per_generation",
            "must be a number",
            "'many'",
        ),
        ("evolution = 5", "evolution", "must be a table of keys and values", "5"),
        (
            "[evolution]\ntrain_only_fraction = 1.5",
            "evolution.train_only_fraction",
            "or equal to 1",
            "1.5",
        ),
        (
            '[evolution]\nfitness = "speed"',
            "evolution.fitness",
            "negative_loss, accuracy",
            "'speed'",
        ),
        ("seeds = 0", "seeds", "greater than or equal to 1", "0"),
        ("seed = -1", "seed", "greater than or equal to 0", "-1"),
        ('name = "../up"', "name", "must be letters", "'../up'"),
        ('name = ""', "name", "must be letters", "''"),
        ('[policy]\nname = "layerwise"', "founders.graph", "layerwise", "'feedforward'"),
        (
            '[founders]\ngraph = "maps"\nlayers = [[6, 4]]\n[policy]\nname = "set"\n'
            'rewiring_scope = "network"',
            "policy.rewiring_scope",
            'must be "layer"',
            "'network'",
        ),
        ("[dataset]\nvalidation = 1.0", "dataset.validation", "less than 1", "1.0"),
        ("[dataset]\ntest = -0.1", "dataset.test", "greater than or equal to 0", "-0.1"),
        ('[dataset]\nnormalization = "log"', "dataset.normalization", "'standard'", "'log'"),
        ('[baseline]\narms = ["cnn", "rnn"]', "baseline.arms.1", "mlp, static", "'rnn'"),
        ("[baseline]\nlearning_rate = -0.1", "baseline.learning_rate", "greater than 0", "-0.1"),
        ("[baseline]\nlearning_rate = inf", "baseline.learning_rate", "finite", "inf"),
        ("[training]\nlearning_rate = 0", "training.learning_rate", "greater than 0", "0"),
        ("[training]\nlearning_rate = nan", "training.learning_rate", "number", "nan"),
        ('[training]\noptimizer = "best"', "training.optimizer", "'momentum'", "'best'"),
        ("[policy]\nrewired_fraction = 2", "policy.rewired_fraction", "less than 1", "2"),
        (
            "[policy.operator_weights]\nZ = 1",
            "policy.operator_weights",
            "one of A, B, C, D, F, H, N",
            "'Z'",
        ),
        ("[policy.operator_weights]\nA = -1", "policy.operator_weights", "at least 0", "A = -1"),
        ("[founders]\ndensity = 0", "founders.density", "greater than 0", "0"),
        ("[founders]\nhidden = [3, 2.5]", "founders.hidden", "list of integers", "[3, 2.5]"),
        ("[founders]\nhidden = [3, 2]", "founders.hidden", 'unless graph = "layered"', "[3, 2]"),
        (
            "[founders]\nepsilon = 20",
            "founders.epsilon",
            'must not be given unless graph = "layered"',
            "20.0",
        ),
        (
            '[founders]\ngraph = "layered"\nepsilon = 20\ndensity = 0.5',
            "founders.epsilon",
            "must not be given together with density",
            "20.0 and 0.5",
        ),
        ("[baseline]\nhidden = 0", "baseline.hidden", "must be at least 1", "0"),
        ("[baseline]\nhidden = [3, 2]", "baseline.hidden", "one number for the arm cnn", "[3, 2]"),
    ],
)
def test_a_wrong_value_is_one_line_naming_file_field_rule_and_value(
    written, content, field, rule, value
):
    path = written(content)
    message = message_of(path)
    assert message.startswith(f"{path}: {field} must ")
    assert rule in message
    assert f"got {value}" in message


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("colour = 3", "colour"),
        ("[evolution]\npopulatoin = 3", "evolution.populatoin"),
        ("[evolution.selection]\nspeed = 3", "evolution.selection.speed"),
        ("[training]\nlr = 0.1", "training.lr"),
        ("[dataset]\nn_samples = 3", "dataset.n_samples"),
    ],
)
def test_an_unknown_key_is_named_with_its_section(written, content, field):
    path = written(content)
    assert message_of(path).startswith(f"{path}: {field}: unknown key (")


def test_an_unknown_key_or_name_is_answered_with_the_nearest_one(written):
    assert message_of(written("[evolution.selection]\nelite = 3")).endswith(
        "evolution.selection.elite: unknown key (did you mean 'elites'?)"
    )
    for name, near in (("rigel", "rigl"), ("layerwize", "layerwise")):
        message = message_of(written(f'[policy]\nname = "{name}"'))
        assert "policy.name must be one of mixed, weighted, " in message
        assert message.endswith(f"; got '{name}' (did you mean '{near}'?)")


@pytest.mark.parametrize(
    ("key", "given", "near"),
    [
        ("training.optimizer", "adm", "adam"),
        ("training.class_weight", "balancd", "balanced"),
        ("dataset.normalization", "standrad", "standard"),
        ("dataset.rare_classes", "trian", "train"),
        ("evolution.dormant", "straight_thru", "straight_through"),
        ("founders.threshold_mode", "sined", "signed"),
        ("evaluation.verdict", "roc_acu", "roc_auc"),
        ("evolution.fitness", "acuracy", "accuracy"),
    ],
)
def test_a_misspelt_word_of_a_setting_is_answered_with_the_nearest_one(key, given, near):
    with pytest.raises(SettingsError, match="^" + re.escape(f"{key} must be ")) as caught:
        Experiment(**with_values({}, {key: given}))
    assert str(caught.value).endswith(f"; got '{given}' (did you mean '{near}'?)")
    section, name = key.split(".")
    assert getattr(getattr(Experiment(**with_values({}, {key: near})), section), name) == near


def test_a_word_that_is_near_to_none_is_answered_with_all():
    with pytest.raises(SettingsError) as caught:
        Experiment(training={"optimizer": "lbfgs"})
    told = "training.optimizer must be 'sgd', 'momentum', 'nesterov' or 'adam'; got 'lbfgs'"
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("preset", "near"), [("digit", "digits"), ("XOR", "xor"), ("fashon", "fashion")]
)
def test_a_misspelt_preset_is_answered_with_the_nearest_one(preset, near):
    assert message_of(preset).startswith(f"unknown preset '{preset}' (did you mean '{near}'?); ")


@pytest.mark.parametrize(
    ("model", "values", "told"),
    [
        (
            EvolutionSettings,
            {"population": 0},
            "population must be greater than or equal to 1; got 0",
        ),
        (
            EvolutionSettings,
            {"fitness": "acuracy"},
            "fitness must be one of negative_loss, accuracy",
        ),
        (EvolutionSettings, {"selection": {"name": "best"}}, "selection.name must be one of"),
        (SelectionSettings, {"elites": -1}, "elites must be"),
        (
            PolicySettings,
            {"operator_weights": {"Q": 1}},
            "operator_weights must be one of",
        ),
        (FounderSettings, {"activation": "tahn"}, "activation must be one of identity, "),
        (FounderSettings, {"graph": "ring"}, "graph must be one of feedforward, "),
        (
            NeuroevolutionSettings,
            {"activations": ["tahn"]},
            "activations must be one of",
        ),
        (OperatorSettings, {"max_factor": 0}, "max_factor must be greater than 0; got 0"),
        (Recipe, {"learning_rate": -1}, "learning_rate must be greater than"),
        (Recipe, {"optimiser": "adam"}, "optimiser: unknown key (did you mean 'optimizer'?)"),
        (TrainingBudget, {"steps": 0}, "steps must be"),
        (BaselineSettings, {"arms": ["lenet"]}, "arms.0 must be one of cnn, lenet1, lenet5, mlp"),
        (Experiment, {"policy": {"name": "set", "x": 1}}, "policy.x: unknown key"),
    ],
)
def test_settings_made_in_a_script_raise_one_line(model, values, told):
    with pytest.raises(ValueError, match="^" + re.escape(told)) as caught:
        model(**values)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, ValidationError)


def classes_of_settings(base=Settings):
    for one in base.__subclasses__():
        if one.model_fields:
            yield one
        yield from classes_of_settings(one)


ALL_SETTINGS = sorted(set(classes_of_settings()), key=lambda one: one.__name__)


def smallest(model):
    """Return settings with few values of their own, so that most have their defaults."""
    return model(seed=4) if model is Experiment else model()


@pytest.mark.parametrize("model", ALL_SETTINGS, ids=lambda one: one.__name__)
def test_a_changed_copy_is_checked_like_new_settings(model):
    settings = smallest(model)
    for name in model.model_fields:
        wrong = {name: object()}
        with pytest.raises(model.error_type) as made:
            model(**wrong)
        with pytest.raises(model.error_type, match="^" + re.escape(str(made.value))) as copied:
            settings.model_copy(update=wrong)
        assert type(copied.value) is type(made.value)
    with pytest.raises(model.error_type, match=r"^nonsense: unknown key"):
        settings.model_copy(update={"nonsense": 1})
    with pytest.raises(TypeError, match=r"^update must be a mapping"):
        settings.model_copy(update=[("name", 1)])


@pytest.mark.parametrize("model", ALL_SETTINGS, ids=lambda one: one.__name__)
def test_a_copy_knows_which_settings_were_given(model):
    settings = smallest(model)
    assert settings.model_copy() == settings
    assert settings.model_copy(deep=True) == settings
    for name in model.model_fields:
        value = getattr(settings, name)
        copied = settings.model_copy(update={name: value})
        assert type(copied) is model
        assert copied == settings
        assert copied.model_fields_set == settings.model_fields_set | {name}


@pytest.mark.parametrize(
    ("update", "told"),
    [
        ({"evaluation": {"metrics": ["acuracy"]}}, "evaluation.metrics.0 must be one of "),
        ({"evolution": {"populatoin": 3}}, "evolution.populatoin: unknown key (did you mean "),
        (
            {"learning_rate": 3},
            "learning_rate: unknown key (did you mean 'training.learning_rate' or 'baseline.learning_rate'?)",
        ),
        ({"evolution": {"budget": {"steps": 0}}}, "evolution.budget.steps must be "),
        ({"evolve": False}, "baseline.epochs must be given where evolve = false"),
        ({"policy": {"name": "layerwise"}}, "founders.graph must be "),
        ({"policy": {"name": "chts"}}, 'founders.graph must be "layered", with hidden layers'),
        (
            {"policy": {"name": "set", "fixed_layers": [1]}},
            "policy.fixed_layers must be empty unless founders.graph is ",
        ),
        (
            {
                "policy": {"name": "set", "fixed_layers": [3]},
                "founders": {"graph": "layered", "hidden": 9},
            },
            "policy.fixed_layers must be from 1 to 2 or from -2 to -1; got 3",
        ),
        (
            {"policy": {"name": "mest"}, "founders": {"threshold": 0, "threshold_mode": "signed"}},
            'founders.threshold_mode must be "magnitude" where entries are dropped one by one',
        ),
        ({"dataset": {"folds": 1}}, "dataset.folds must be "),
    ],
)
def test_a_copy_that_breaks_a_rule_between_settings_is_one_line(update, told):
    settings = Experiment(dataset={"rare_classes": "train"})
    with pytest.raises(SettingsError, match="^" + re.escape(told)) as caught:
        settings.model_copy(update=update)
    assert "\n" not in str(caught.value)


def test_a_table_in_a_copy_changes_what_it_names_and_settings_replace_a_section():
    before = Experiment(
        dataset={"name": "xor", "options": {"noise": 0.1}},
        evolution={"population": 3, "budget": {"samples": 5}},
    )
    folds = before.model_copy(update={"dataset": {"folds": 3}, "seeds": 3})
    assert (folds.dataset.name, folds.dataset.folds, folds.seeds) == ("xor", 3, 3)
    assert folds.dataset.options == {"noise": 0.1}
    assert folds == Experiment(
        seeds=3,
        dataset={"name": "xor", "options": {"noise": 0.1}, "folds": 3},
        evolution={"population": 3, "budget": {"samples": 5}},
    )
    deeper = before.model_copy(update={"evolution": {"budget": {"steps": 7}}})
    assert deeper.evolution.population == 3
    assert deeper.evolution.budget == TrainingBudget(samples=5, steps=7)
    replaced = before.model_copy(update={"evolution": EvolutionSettings(generations=2)})
    assert replaced.evolution == EvolutionSettings(generations=2)
    assert before.dataset.folds is None


@pytest.mark.parametrize("preset", ["digit", "DIGITS", "digits.yaml", "", ".."])
def test_an_unknown_preset_is_answered_with_the_known_ones(preset):
    message = message_of(preset)
    assert message.startswith(f"unknown preset {preset!r}")
    assert (
        "adding-problem, augmented-fashion, cart-pole, delayed-xor, diabetes, digits, digits-random, double-pole, "
        "example, fashion, fashion-small, few-labels, few-labels-digits, growth-digits, idx, kernels-digits, "
        "lenet-fashion, lenet-mnist, mackey-glass, mlp-mnist, mnist-kernels, parity, rigl-digits, rigl-mnist, "
        "sequential-digits, set-digits, set-mnist, small-maps, sparse-mlp, spirals, time-to-accuracy, xor"
        in message
    )
    assert ".toml" in message


@pytest.mark.parametrize(
    "content", ["seeds = ", "[evolution\n", "seeds = 1\nseeds = 2", "{}", b"name = '\xff'"]
)
def test_a_file_that_is_no_toml_is_named(written, content):
    path = written(content)
    assert message_of(path).startswith(f"{path}: must be TOML in UTF-8 (")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "[dataset]\n[evolution]  # short\ngenerations = 2\ngenerations = 3",
            "(Cannot overwrite a value, line 4: evolution.generations = 3)",
        ),
        ("seeds = 1\nseeds = 2", "(Cannot overwrite a value, line 2: seeds = 2)"),
        ("[policy]\n[policy]", "(Cannot declare ('policy',) twice, line 2: [policy])"),
        ("[founders]\nlayers = [\n[28, 2],\n[1, 2]]\nkernel = x", "line 5: founders.kernel = x)"),
    ],
)
def test_an_error_of_toml_comes_with_its_line_and_table(written, content, told):
    assert message_of(written(content)).endswith(told)


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "nowhere.toml"
    assert message_of(path) == f"{path}: no such file"


def test_a_folder_is_no_settings_file(tmp_path):
    path = tmp_path / "folder.toml"
    path.mkdir()
    assert message_of(path).startswith(f"{path}: cannot be read (")


FLAT = Dataset.from_arrays([[float(k), 1.0] for k in range(40)], [k % 2 for k in range(40)])
SMALL_IMAGES = Dataset.from_arrays(
    [[[float(k), 1.0], [2.0, 3.0]] for k in range(40)], [k % 2 for k in range(40)]
)


@pytest.mark.parametrize(
    ("settings", "dataset", "parts"),
    [
        ({}, FLAT, ["baseline.arms", "cnn needs images", "'arrays' has shape (2,)", "mlp"]),
        ({}, SMALL_IMAGES, ["baseline.kernel", "at most 2", "got 3"]),
        (
            {"dataset": {"validation": 0.7, "test": 0.4}, "baseline": {"arms": ["mlp"]}},
            FLAT,
            ["validation 0.7", "test 0.4", "leave some for training"],
        ),
        ({"dataset": {"name": "moons"}}, None, ["'moons'", "known", "digits"]),
        ({"dataset": {"name": "xor", "options": {"noize": 1}}}, None, ["'noize'", "noise"]),
        ({"dataset": {"name": "xor", "options": {"noise": -1}}}, None, ["noise", "-1", "negative"]),
        ({"dataset": {"name": "csv"}}, None, ["'path'", "missing"]),
    ],
    ids=["flat", "kernel", "shares", "dataset", "option", "value", "missing"],
)
def test_settings_that_do_not_fit_the_data_are_one_line_and_leave_nothing(
    tmp_path, settings, dataset, parts
):
    with pytest.raises(EvoMatrixError) as caught:
        run(Experiment(**settings), dataset=dataset, workers=0, results=tmp_path)
    message = str(caught.value)
    assert [part for part in parts if part not in message] == []
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"workers": -1}, "workers must be a whole number of at least 0; got -1"),
        ({"workers": 1.5}, "workers must be a whole number of at least 0; got 1.5"),
        ({"workers": 2.0}, "workers must be a whole number of at least 0; got 2.0"),
        ({"workers": "2"}, "workers must be a whole number of at least 0; got '2'"),
        ({"workers": True}, "workers must be a whole number of at least 0; got True"),
        ({"workers": 0, "address": "auto"}, "workers must not be 0"),
    ],
)
def test_wrong_workers_are_refused_before_any_work(tmp_path, arguments, part):
    with pytest.raises(SettingsError, match=part):
        run(Experiment(), results=tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"experiment": "xor"}, "experiment must be settings, such as load_experiment("),
        ({"experiment": {"seeds": 1}}, "experiment must be settings, such as load_experiment("),
        ({"experiment": Experiment}, "experiment must be settings, such as load_experiment("),
        ({"dataset": "people.csv"}, "dataset must be a Dataset, such as Dataset.from_frame("),
        ({"dataset": [[0.0]]}, "dataset must be a Dataset, such as Dataset.from_frame("),
        ({"fitness": "accuracy"}, "fitness must be a function of (network, validation)"),
        ({"fitness": ""}, "fitness must be a function of (network, validation)"),
        ({"reporter": print}, "reporter must be a Reporter"),
        ({"results": 3}, "results must be the path of a folder; got 3"),
        ({"run_name": 3}, "run_name must be a text; got 3"),
        ({"address": 6379}, "address must be a text"),
    ],
)
def test_an_argument_of_a_wrong_type_is_one_line_that_says_what_is_right(tmp_path, arguments, told):
    given = {"experiment": Experiment(), "results": tmp_path, **arguments}
    with pytest.raises(TypeError, match="^" + re.escape(told)) as caught:
        run(**given)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"study": "fashion-small"}, "study must be a study, such as load_study("),
        ({"folder": 3}, "folder must be the path of a folder; got 3"),
        ({"results": None}, "results must be the path of a folder; got None"),
    ],
)
def test_an_argument_of_a_study_of_a_wrong_type_is_one_line(arguments, told):
    with pytest.raises(TypeError, match="^" + re.escape(told)):
        run_study(**{"study": load_study("fashion-small"), **arguments})


def test_changes_replace_what_a_preset_says_and_nothing_else():
    before = read_settings("digits")
    after = with_values(
        before, {"seeds": 1, "evolution.population": 3, "dataset.options.data_dir": "d"}
    )
    assert after["seeds"] == 1
    assert after["evolution"] == {**before["evolution"], "population": 3}
    assert after["dataset"] == {**before["dataset"], "options": {"data_dir": "d"}}
    assert after["policy"] == before["policy"]


def test_merging_leaves_its_arguments_alone():
    values = {"dataset": {"options": {"noise": 0.1}}, "evolution": {"steps_per_generation": 5}}
    kept = copy.deepcopy(values)
    with_values(values, {"dataset.options.noise": 0.2, "evolution.generations": 6})
    assert values == kept


@pytest.mark.parametrize(
    ("values", "change", "section"),
    [
        ({"evolution": 5}, "evolution.population", "evolution"),
        ({"dataset": {"options": "x"}}, "dataset.options.data_dir", "dataset.options"),
    ],
)
def test_a_change_inside_what_is_no_table_names_it(values, change, section):
    with pytest.raises(SettingsError, match=rf"^{section} must be a table; got"):
        with_values(values, {change: 3})


def test_a_wrong_value_in_a_script_is_one_line():
    with pytest.raises(SettingsError) as caught:
        Experiment(evolution={"population": 0})
    message = "evolution.population must be greater than or equal to 1; got 0"
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"label_smoothng": [0.1]}, "must suit .training.: label_smoothng: unknown key"),
        ({"label_smoothing": [2]}, "must suit .training.: label_smoothing must be less than 1; got 2"),
        ({"augmentation.shift": [-1]}, "must suit .training.: augmentation.shift must be greater"),
        ({"l2": [0.1, 0.1]}, "must have different values for l2"),
        ({"l2": []}, "must have different values for l2"),
        ({"weight_decay": [0.1]}, "must not have the key weight_decay, for which weight_decays"),
        ({"batch_size": [8, 16]}, "must not have the key batch_size, which decides how many"),
    ],
)  # fmt: skip
def test_values_that_candidates_cannot_have_are_refused(training, message):
    with pytest.raises(SettingsError, match=f"baseline.search.training {message}"):
        Experiment(baseline={"search": {"training": training}})


def test_candidates_have_every_combination_of_values():
    training = {"augmentation.shift": [0, 2], "l2": [0.0, 0.1]}
    search = Experiment(
        baseline={"arms": ["cnn_search"], "search": {"training": training}}
    ).baseline.search
    base = Recipe(weight_decay=0.01, augmentation={"flip": True})
    recipes = search.recipes(base)
    assert len(recipes) == 3 * 3 * 4
    assert recipes[0] == (base, {"augmentation.shift": 0, "l2": 0.0})
    recipe, further = recipes[6]
    assert further == {"augmentation.shift": 2, "l2": 0.0}
    assert (recipe.weight_decay, recipe.augmentation.shift, recipe.augmentation.flip) == (
        0.002, 2, True,
    )  # fmt: skip
