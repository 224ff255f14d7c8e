"""The settings of the arms that do not evolve, and the registry of the arms that they may name."""

import itertools
import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from cnn.layers.pooling import PoolingMethod
from cnn.training.recipe import Recipe
from cnn.training.recipe_genes import RecipeGenes
from evo.initial.settings import Widths
from evo.registry import Registry, check_signature
from evo.settings import Settings


def _converted(name: str, given: Any) -> Callable[[Any], Any]:
    """Return an own arm; raise TypeError if it is no function of a specification."""
    check_signature("arm", name, given, "spec")
    arm: Callable[[Any], Any] = given
    return arm


ARMS: Registry[Callable[[Any], Any]] = Registry("arm", convert=_converted)
"""The arms by name; :mod:`experiments.arms.arms` has those of the package."""


OF_WINNER = {
    "static": "the winner's founder",
    "retrained": "the winner with new weights",
    "shuffled": "the winner with shuffled wiring",
}
"""The arms that are made of a winner, in words."""

SEARCHED = frozenset({"cnn_search", "cnn_pbt"})
"""The arms whose network is the best of several candidates, which get the training compute of a search."""


OF_ALL_CANDIDATES = {
    "learning_rate": ", for which learning_rates has the values",
    "weight_decay": ", for which weight_decays has the values",
    "batch_size": ", which decides how many candidates there are",
}
"""Keys of [training] that a search has elsewhere or not at all, and why."""


class SearchSettings(Settings, frozen=True, extra="forbid"):
    """The candidates of the arm cnn_search: every combination of values, then the same with other starting weights."""

    learning_rates: tuple[float, ...] | None = Field(
        None,
        description="Learning rates, in the order of trial. By default that of the baseline, half and twice as much.",
    )
    weight_decays: tuple[float, ...] | None = Field(
        None,
        description="Weight decays, in the order of trial. By default that of [training], a fifth and five times as "
        "much; if it is 0, then 0, 0.0005 and 0.005.",
    )
    training: dict[str, tuple[Any, ...]] = Field(
        default_factory=dict,
        description="Values of further keys of [training], in the order of trial, such as { label_smoothing = [0.0, "
        "0.1] }. By default every candidate has those of [training].",
    )

    @model_validator(mode="after")
    def _values_are_usable(self) -> Self:
        for name, above in (("learning_rates", True), ("weight_decays", False)):
            values = getattr(self, name)
            if values is None:
                continue
            fine = all(0 <= one < math.inf and (one > 0 or not above) for one in values)
            if not values or not fine or len(set(values)) < len(values):
                least = "above 0" if above else "of at least 0"
                raise ValueError(
                    f"{name} must be different finite numbers {least}; got {list(values)}"
                )
        return self

    @field_validator("training")
    @classmethod
    def _values_are_settings(cls, training: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
        for key, values in training.items():
            if key in OF_ALL_CANDIDATES:
                raise ValueError(f"must not have the key {key}{OF_ALL_CANDIDATES[key]}")
            if not values or any(one in values[:k] for k, one in enumerate(values)):
                raise ValueError(f"must have different values for {key}; got {list(values)}")
            for value in values:
                try:
                    Recipe().with_setting(key, value)
                except ValueError as error:
                    raise ValueError(f"must suit [training]: {error}") from None
        return training

    def recipes(self, base: Recipe) -> list[tuple[Recipe, dict[str, Any]]]:
        """Return the recipe of each candidate, in the order of trial, and its values of further keys.

        Parameters
        ----------
        base : Recipe
            Has what the settings leave open.
        """
        rate, decay = base.learning_rate, base.weight_decay
        rates = self.learning_rates or (rate, rate / 2, rate * 2)
        decays = (decay, decay / 5, decay * 5) if decay else (0.0, 0.0005, 0.005)
        found = []
        for rate, decay, *values in itertools.product(
            rates, self.weight_decays or decays, *self.training.values()
        ):
            further = dict(zip(self.training, values, strict=True))
            recipe = base.model_copy(update={"learning_rate": rate, "weight_decay": decay})
            for key, value in further.items():
                recipe = recipe.with_setting(key, value)
            found.append((recipe, further))
        return found


class PbtSettings(Settings, frozen=True, extra="forbid"):
    """The population of the arm cnn_pbt: as many cnn, trained side by side, as the search pays for."""

    interval: int | None = Field(
        None,
        ge=1,
        description="Gradient steps between two rungs, at which networks are compared by validation loss. By default "
        "evolution.steps_per_generation.",
    )
    truncation: float = Field(
        0.2,
        gt=0,
        le=0.5,
        description="Fraction of the networks, the worst ones, that take weights and genes of as many best ones at a "
        "rung; one network at least.",
    )
    recipe_genes: RecipeGenes = RecipeGenes()

    def genes(self, of_evolution: RecipeGenes) -> RecipeGenes:
        """Return the genes of the population: its own ones, or those of evolution if it has none."""
        return self.recipe_genes if self.recipe_genes.ranges else of_evolution


_SMALL = ("cnn", *sorted(SEARCHED))

READERS = {
    "maps": _SMALL,
    "kernel": _SMALL,
    "hidden": (*_SMALL, "mlp", "reservoir"),
    "spectral_radius": ("reservoir",),
    "pooling": (*_SMALL, "lenet1", "lenet5"),
    "activation": (*_SMALL, "mlp", "lenet1", "lenet5"),
    "learning_rate": (*_SMALL, "mlp", "lenet1", "lenet5", "reservoir"),
    "search": ("cnn_search",),
    "pbt": ("cnn_pbt",),
}
"""The arms of the package that read a setting; an own arm may read all."""


class BaselineSettings(Settings, frozen=True, extra="forbid"):
    """The networks that do not evolve."""

    arms: tuple[Annotated[str, ARMS], ...] = Field(
        ("cnn",),
        description="Networks to train. cnn: convolution, pooling, rasterization, hidden and softmax layer. lenet1, "
        "lenet5: LeCun's networks. mlp: dense hidden layers. static: the winner's founder, trained without "
        "evolution. retrained: the winner's final topology, trained from scratch. shuffled: the same, its wiring "
        "shuffled within degrees and layers. cnn_search: the best of as many cnn, by validation loss, as the training "
        "compute of the whole search pays for; see [baseline.search]. cnn_pbt: as many, by population-based training; "
        "see [baseline.pbt]. reservoir: for sequences, a recurrent network with fixed random weights, of which the "
        "edges to the outputs alone train.",
    )
    epochs: int | None = Field(
        None,
        ge=1,
        description="Passes over the training part. Only with evolve = false: beside evolution a baseline gets as many "
        "steps as the winner.",
    )
    total_steps: int | None = Field(
        None,
        ge=1,
        description="Gradient steps, instead of epochs. Only with evolve = false. In a study the default is the number "
        "of steps of [evolution].",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="Number of epochs without a lower validation loss after which training ends. The parameters of the "
        "best epoch are then restored. By default training ends after the last epoch.",
    )
    maps: int = Field(8, ge=1, description="Number of feature maps (cnn).")
    kernel: int = Field(3, ge=1, description="Side of the kernels, in pixels (cnn).")
    hidden: Widths = Field(
        32,
        description="Nodes of the hidden layer (cnn, mlp) or of the reservoir; a list for several hidden layers (mlp).",
    )
    spectral_radius: float = Field(
        0.9,
        gt=0,
        allow_inf_nan=False,
        description="Spectral radius to which the weights between the nodes of the reservoir are scaled.",
    )
    activation: Literal["sigmoid", "tanh", "relu"] = Field(
        "tanh", description="Activation of the hidden layers of fixed networks."
    )
    pooling: PoolingMethod | None = Field(
        None,
        description="Pooling method (cnn, lenet1, lenet5); by default max, and trainable for lenet1.",
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Learning rate of fixed networks, instead of that in [training].",
    )

    search: SearchSettings = SearchSettings()
    pbt: PbtSettings = PbtSettings()

    @field_validator("arms")
    @classmethod
    def _arms_differ(cls, arms: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(arms)) < len(arms):
            raise ValueError(f"must name each arm at most once; got {list(arms)}")
        return arms

    @model_validator(mode="after")
    def _hidden_suits_the_arms(self) -> Self:
        if self.hidden == 0:
            raise ValueError("hidden must be at least 1; got 0")
        if not isinstance(self.hidden, int) and {"cnn", "reservoir", *SEARCHED} & {*self.arms}:
            arm = "cnn" if {"cnn", *SEARCHED} & {*self.arms} else "reservoir"
            raise ValueError(
                f"hidden must be one number for the arm {arm}, which has one hidden layer; got {list(self.hidden)}"
            )
        return self

    @model_validator(mode="after")
    def _patience_counts_epochs(self) -> Self:
        if self.epochs is None:
            self._refuse(("patience",), "without epochs")
        if self.epochs is not None and self.total_steps is not None:
            raise ValueError(
                f"total_steps must not be given beside epochs; got {self.total_steps} and {self.epochs}"
            )
        return self

    @model_validator(mode="after")
    def _settings_are_read(self) -> Self:
        if not ARMS.own.keys() & {*self.arms}:
            self._refuse_unread(self.arms, READERS)
        return self
