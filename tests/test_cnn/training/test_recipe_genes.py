import numpy as np
import pytest

from cnn.training.recipe import Recipe
from cnn.training.recipe_genes import (
    GENES,
    RecipeGenes,
    explored_genes,
    inherited_genes,
    initial_genes,
    with_genes,
)

RANGES = {
    "learning_rate": (0.001, 1.0),
    "momentum": (0.5, 0.99),
    "weight_decay": (1e-6, 1e-2),
    "l2": (1e-5, 1e-3),
    "label_smoothing": (0.0, 0.2),
    "dropout": (0.0, 0.6),
    "shift": (0, 3),
    "erase": (1, 4),
}
ALL = RecipeGenes(ranges=RANGES)
MIDDLES = {
    "learning_rate": 0.001**0.5,
    "momentum": 1 - (0.5 * 0.01) ** 0.5,
    "weight_decay": 1e-4,
    "l2": 1e-4,
    "label_smoothing": 0.1,
    "dropout": 0.3,
}
"""The value that half of the sampled values lie below."""


def test_every_gene_is_a_setting_of_the_recipe():
    assert RANGES.keys() == GENES.keys()
    recipe = with_genes(Recipe(), ALL.largest)
    assert recipe == Recipe(
        learning_rate=1.0,
        momentum=0.99,
        weight_decay=1e-2,
        l2=1e-3,
        label_smoothing=0.2,
        dropout=0.6,
        augmentation={"shift": 3, "erase": 4},
    )
    assert with_genes(recipe, {}) is recipe


def test_sampled_genes_are_uniform_on_their_scale():
    rng = np.random.default_rng(0)
    drawn = [initial_genes(ALL, Recipe(), rng) for _ in range(2000)]
    values = {name: np.array([one[name] for one in drawn]) for name in GENES}
    for name, (low, high) in RANGES.items():
        assert low <= values[name].min() <= values[name].max() <= high
    for name, middle in MIDDLES.items():
        assert abs(np.mean(values[name] < middle) - 0.5) < 0.05, name
    for name in ("shift", "erase"):
        counts = np.unique(values[name], return_counts=True)[1]
        assert counts.tolist() == pytest.approx([500] * 4, abs=80)
    assert abs(np.corrcoef(values["l2"], values["momentum"])[0, 1]) < 0.1


def test_genes_begin_with_the_recipe_if_they_are_told_to():
    some = RecipeGenes(
        ranges={"learning_rate": (0.01, 1), "label_smoothing": (0, 0.3)}, initial="recipe"
    )
    recipe = Recipe(learning_rate=0.3)
    some.check_initial(recipe)
    found = initial_genes(some, recipe, np.random.default_rng(0))
    assert found == {"learning_rate": 0.3, "label_smoothing": 0.0}
    with pytest.raises(ValueError, match=r"ranges.learning_rate must contain .* got .* and 0.002"):
        some.check_initial(Recipe(learning_rate=0.002))


def test_a_perturbed_gene_changes_by_one_factor_on_its_scale_and_stays_in_its_range():
    rng = np.random.default_rng(1)
    some = ALL.model_copy(update={"resample_probability": 0.0})
    genes = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-6, "l2": 1e-4}
    genes |= {"label_smoothing": 0.1, "dropout": 0.3, "shift": 1.0, "erase": 4.0}
    seen = [explored_genes(some, genes, rng) for _ in range(60)]
    expected = {
        "learning_rate": [0.08, 0.12],
        "momentum": [0.88, 0.92],
        "weight_decay": [1e-6, 1.2e-6],  # clipped from 0.8e-6
        "l2": [0.8e-4, 1.2e-4],
        "label_smoothing": [0.06, 0.14],  # a fifth of the range
        "dropout": [0.18, 0.42],
        "shift": [0.0, 2.0],
        "erase": [3.0, 4.0],
    }
    for name, ends in expected.items():
        found = sorted({one[name] for one in seen})
        assert found == pytest.approx(ends, rel=1e-12), name
    signs = np.array(
        [[one[name] > genes[name] for name in ("learning_rate", "l2")] for one in seen]
    )
    assert len(np.unique(signs, axis=0)) == 4  # each gene has a factor of its own


def test_a_resampled_gene_forgets_its_value():
    some = ALL.model_copy(update={"resample_probability": 1.0})
    first, second = (
        explored_genes(some, genes, np.random.default_rng(2))
        for genes in (some.largest, dict.fromkeys(GENES, 0.5))
    )
    assert first == second
    share = np.mean(
        [
            explored_genes(ALL, {**ALL.largest, "l2": 1e-4}, np.random.default_rng(k))["l2"]
            not in (0.8 * 1e-4, 1.2 * 1e-4)
            for k in range(1000)
        ]
    )
    assert abs(share - 0.1) < 0.03


def test_inherited_genes_are_clipped_to_new_ranges_and_completed_by_the_recipe():
    some = RecipeGenes(ranges={"learning_rate": (0.01, 0.1), "l2": (1e-4, 1e-2)})
    found = inherited_genes(some, Recipe(), {"learning_rate": 0.5, "momentum": 0.7})
    assert found == {"learning_rate": 0.1, "l2": 1e-4}
    assert inherited_genes(some, Recipe(), found) == found


def test_an_empty_list_leaves_a_gene_out():
    some = RecipeGenes(ranges={"shift": [], "l2": [1e-4, 1e-2], "momentum": ()})
    assert some.ranges == {"l2": (1e-4, 1e-2)}


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"ranges": {"learning_rat": (0.1, 1)}}, "did you mean 'learning_rate'"),
        ({"ranges": {"batch_size": (1, 64)}}, "must have keys among learning_rate, .* got 'batch_"),
        ({"ranges": {"l2": ("0.1", "1")}}, "ranges must be a number; got '0.1'"),
        ({"ranges": {"l2": (0.1, 0.2, 0.3)}}, "ranges.l2 must have at most 2 values; got 3"),
        ({"ranges": 3}, "ranges must be a table of keys and values; got 3"),
        ({"l2": (0.1, 1)}, r"ranges must have the genes, as in ranges = \{ l2 = \[low, high\] \}"),
        (
            {"perturbation_factors": ("0.8", 1.2)},
            "perturbation_factors must be a number; got '0.8'",
        ),
        ({"ranges": {"l2": (0.1, 0.01)}}, "a smallest and a larger finite value for l2; got"),
        ({"ranges": {"l2": (0.1, np.inf)}}, "a smallest and a larger finite value for l2; got"),
        ({"ranges": {"l2": (0, 0.01)}}, "ranges must begin above 0 for l2, .* got 0"),
        ({"ranges": {"momentum": (0.5, 1)}}, r"ranges must suit \[training\]: momentum .* got 1"),
        ({"ranges": {"shift": (0, 1.5)}}, r"ranges must suit \[training\]: augmentation.shift"),
        ({"perturbation_factors": (0.8, 1)}, "perturbation_factors must be finite .* got 1"),
        ({"perturbation_factors": ()}, "perturbation_factors must have at least 1 values; got 0"),
        ({"resample_probability": 1.5}, "resample_probability"),
        ({"initial": "random"}, "initial"),
    ],
)
def test_unusable_settings_are_refused(settings, rule):
    with pytest.raises(ValueError, match=rule):
        RecipeGenes(**settings)
