"""Recipe genes: settings of the recipe that every network of a population has for itself.

Population-based training (Jaderberg et al. 2017, arXiv 1711.09846) trains a population once and tunes the recipe
meanwhile. *Exploit*: a network takes the weights and the genes of a better one. *Explore*: it changes the genes. Who
exploits whom is the business of the population; this module has the genes, how they are sampled and how they change.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, Self

import numpy as np
import pydantic

from cnn.checks import brief, did_you_mean
from cnn.settings import Settings
from cnn.training.recipe import Recipe

Scale = Literal["log", "log_of_rest", "linear"]


@dataclass(frozen=True)
class Gene:
    """A setting of the recipe that may be a gene.

    Attributes
    ----------
    setting : str
        Dotted name of the setting in the recipe.
    scale : {"log", "log_of_rest", "linear"}
        The scale of the values. log: the logarithm is sampled uniformly, and a factor multiplies the value.
        log_of_rest: the same for 1 − value. linear: the value is sampled uniformly, and a factor f adds (f − 1) times
        the length of the range.
    is_whole : bool
        Whether values are whole numbers; they then change by 1 at least.
    """

    setting: str
    scale: Scale
    is_whole: bool = False

    def sample(self, low: float, high: float, rng: np.random.Generator) -> float:
        """Return a random value from low to high, uniform on the scale."""
        share = rng.random()
        if self.is_whole:
            return float(low + math.floor(share * (high + 1 - low)))
        if self.scale == "linear":
            return low + share * (high - low)
        first, last = self._on_scale(low), self._on_scale(high)
        return self._on_scale(first * (last / first) ** share)

    def perturb(self, value: float, factor: float, low: float, high: float) -> float:
        """Return a value changed by a factor, which may lie outside of the range."""
        if self.scale != "linear":
            return self._on_scale(self._on_scale(value) * factor)
        change = (factor - 1) * (high - low)
        if self.is_whole:
            change = math.copysign(max(1, round(abs(change))), change)
        return value + change

    def _on_scale(self, value: float) -> float:
        """Return the number whose logarithm is sampled; the function is its own inverse."""
        return 1 - value if self.scale == "log_of_rest" else value


GENES: Mapping[str, Gene] = {
    "learning_rate": Gene("learning_rate", "log"),
    "momentum": Gene("momentum", "log_of_rest"),
    "weight_decay": Gene("weight_decay", "log"),
    "l2": Gene("l2", "log"),
    "label_smoothing": Gene("label_smoothing", "linear"),
    "dropout": Gene("dropout", "linear"),
    "shift": Gene("augmentation.shift", "linear", is_whole=True),
    "erase": Gene("augmentation.erase", "linear", is_whole=True),
}
"""The genes by name. None of them changes the validation loss of a network other than by training it."""


class RecipeGenes(Settings, frozen=True, extra="forbid"):
    """Settings of [training] that each individual has for itself: inherited and changed (population-based training)."""

    ranges: dict[str, tuple[float, float]] = pydantic.Field(
        default_factory=dict,
        description=f"The genes, each with its smallest and largest value, such as {{ learning_rate = [0.01, 1.0] }}: "
        f"{', '.join(GENES)}. Empty: there are no genes, and every network has the settings of [training]. An arm of a "
        "study leaves a gene out by an empty list.",
    )
    initial: Literal["sampled", "recipe"] = pydantic.Field(
        "sampled",
        description="Genes of the first networks. sampled: drawn from the ranges, uniformly on a logarithmic scale or "
        "on a linear one; recipe: the values of [training], which must lie in the ranges.",
    )
    perturbation_factors: tuple[float, ...] = pydantic.Field(
        (0.8, 1.2),
        min_length=1,
        description="Factors by one of which a gene is perturbed. The result is clipped to the range.",
    )
    resample_probability: float = pydantic.Field(
        0.1,
        ge=0,
        le=1,
        description="Probability with which a gene is drawn anew from its range instead of being perturbed.",
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _genes_stand_in_ranges(cls, values: Any) -> Any:
        for name in GENES:
            if isinstance(values, Mapping) and name in values:
                raise ValueError(
                    f"ranges must have the genes, as in ranges = {{ {name} = [low, high] }}; got {name} beside it"
                )
        return values

    @pydantic.field_validator("ranges", mode="before")
    @classmethod
    def _without_empty_lists(cls, ranges: Any) -> Any:
        """Leave out genes without values: the tables of a file and of its arms are merged key by key."""
        if not isinstance(ranges, Mapping):
            return ranges
        return {name: ends for name, ends in ranges.items() if ends not in ([], ())}

    @pydantic.field_validator("ranges")
    @classmethod
    def _ranges_are_usable(
        cls, ranges: dict[str, tuple[float, float]]
    ) -> dict[str, tuple[float, float]]:
        for name, (low, high) in ranges.items():
            if name not in GENES:
                raise ValueError(
                    f"must have keys among {', '.join(GENES)}; got {name!r}{did_you_mean(name, GENES)}"
                )
            if not low < high < math.inf:
                raise ValueError(
                    f"must have a smallest and a larger finite value for {name}; got {brief([low, high])}"
                )
            if GENES[name].scale == "log" and low <= 0:
                raise ValueError(
                    f"must begin above 0 for {name}, which is sampled on a logarithmic scale; got {low:g}"
                )
            for value in (low, high):
                try:
                    Recipe().with_setting(GENES[name].setting, value)
                except ValueError as error:
                    raise ValueError(f"must suit [training]: {error}") from None
        return {name: ranges[name] for name in GENES if name in ranges}

    @pydantic.field_validator("perturbation_factors")
    @classmethod
    def _factors_change_genes(cls, factors: tuple[float, ...]) -> tuple[float, ...]:
        for factor in factors:
            if not 0 < factor < math.inf or factor == 1:
                raise ValueError(
                    f"must be finite numbers above 0 other than 1; got {brief(factor)}"
                )
        return factors

    @pydantic.model_validator(mode="after")
    def _settings_have_an_effect(self) -> Self:
        if not self.ranges:
            others = ("initial", "perturbation_factors", "resample_probability")
            self._refuse(others, "unless ranges has a gene")
        return self

    def check_initial(self, recipe: Recipe) -> None:
        """Raise ValueError if the genes begin with the values of a recipe, and one of them is out of its range."""
        if self.initial == "sampled":
            return
        for name, (low, high) in self.ranges.items():
            value = _value(recipe, name)
            if not low <= value <= high:
                raise ValueError(
                    f'ranges.{name} must contain the value of [training] where initial = "recipe"; got '
                    f"{brief([low, high])} and {value}"
                )

    @property
    def largest(self) -> dict[str, float]:
        """The largest value of each gene."""
        return {name: high for name, (_, high) in self.ranges.items()}


def initial_genes(
    settings: RecipeGenes, recipe: Recipe, rng: np.random.Generator
) -> dict[str, float]:
    """Return the genes of a network that has no parent.

    Parameters
    ----------
    settings
        The genes, their ranges and how they begin.
    recipe
        Has the values with which genes begin that are not sampled.
    rng
        Source of the sampled values.

    Examples
    --------
    >>> some = RecipeGenes(ranges={"learning_rate": (0.01, 1), "shift": (0, 2)})
    >>> genes = initial_genes(some, Recipe(), np.random.default_rng(0))
    >>> with_genes(Recipe(), genes).augmentation.shift == genes["shift"]
    True
    """
    if settings.initial == "recipe":
        return inherited_genes(settings, recipe, {})
    return sampled_genes(settings, rng)


def sampled_genes(settings: RecipeGenes, rng: np.random.Generator) -> dict[str, float]:
    """Return genes that are drawn from their ranges."""
    return {name: GENES[name].sample(*ends, rng) for name, ends in settings.ranges.items()}


def inherited_genes(
    settings: RecipeGenes, recipe: Recipe, genes: Mapping[str, float]
) -> dict[str, float]:
    """Return the genes that a network has from its parent.

    They are those of the parent, unless a run goes on with other settings: a value out of its range is clipped, and a
    gene that the parent does not have begins with the value of the recipe.
    """
    return {
        name: _clipped(genes.get(name, _value(recipe, name)), *ends)
        for name, ends in settings.ranges.items()
    }


def explored_genes(
    settings: RecipeGenes, genes: Mapping[str, float], rng: np.random.Generator
) -> dict[str, float]:
    """Return changed genes: each is sampled anew with the resample probability, and perturbed otherwise.

    Parameters
    ----------
    settings
        The ranges, the factors and the probability.
    genes
        A value for each range.
    rng
        Source of the changes.
    """
    explored, factors = {}, settings.perturbation_factors
    for name, (low, high) in settings.ranges.items():
        is_resampled = rng.random() < settings.resample_probability
        factor, sampled = factors[rng.integers(len(factors))], GENES[name].sample(low, high, rng)
        perturbed = _clipped(GENES[name].perturb(genes[name], factor, low, high), low, high)
        explored[name] = sampled if is_resampled else perturbed
    return explored


def with_genes(recipe: Recipe, genes: Mapping[str, float]) -> Recipe:
    """Return a recipe with the values of some genes."""
    for name, value in genes.items():
        recipe = recipe.with_setting(GENES[name].setting, value)
    return recipe


def _value(recipe: Recipe, gene: str) -> float:
    """Return the value of a recipe for a gene."""
    return float(attrgetter(GENES[gene].setting)(recipe))


def _clipped(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
