"""The settings of recombination."""

from typing import Literal, Self

from pydantic import Field, model_validator

from evo.settings import Settings

Mode = Literal["average", "soup", "crossover", "policy"]


class RecombinationSettings(Settings, frozen=True, extra="forbid"):
    """How children are made from several relatives."""

    probability: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Probability that a child is made from its parent and mates, which are relatives of the parent. 0: "
        "every child has one parent.",
    )
    mode: Mode = Field(
        "average",
        description="What makes such a child. average: operator V, the mean of the matrices of all. soup: operator V "
        "with the mates that do not raise the validation loss of the mean, tried one after the other, the fittest "
        "first. crossover: operator Y, weights of either, and the edges and nodes of the fitter one. policy: the "
        "policy, as for other children; its operators may use the mates.",
    )
    mates: int = Field(
        1,
        ge=1,
        description="Largest number of mates of one child. They are drawn at random; mode = soup takes the fittest. "
        "Operator Y uses one of them.",
    )
    relatives: Literal["lineage", "population"] = Field(
        "lineage",
        description="Who can be a mate. lineage: the individuals of the population with the same founder. population: "
        "all individuals of the population.",
    )

    @model_validator(mode="after")
    def _settings_have_an_effect(self) -> Self:
        if self.probability == 0:
            self._refuse(("mode", "mates", "relatives"), "unless probability is above 0")
        return self
