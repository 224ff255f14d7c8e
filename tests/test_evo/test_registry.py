"""One registry for every kind of part: names, origins, refusals, and messages of one line."""

import functools
from typing import Annotated

import pytest

from evo import (
    ACTIVATIONS,
    DESCRIPTORS,
    FITNESSES,
    GRAPHS,
    OPERATORS,
    POLICIES,
    REGROWTHS,
    REMOVALS,
    SCHEDULES,
    SELECTIONS,
    TOPOLOGIES,
    Operator,
    Registry,
    Selection,
    SettingsError,
)
from evo.origin import origin_of, place_of
from evo.settings import Settings
from experiments import ARMS, DATASETS

REGISTRIES = (
    *(ACTIVATIONS, ARMS, DATASETS, DESCRIPTORS, FITNESSES, GRAPHS, OPERATORS),
    *(POLICIES, REMOVALS, REGROWTHS, SCHEDULES, SELECTIONS, TOPOLOGIES),
)


@pytest.fixture(autouse=True)
def own_parts():
    before = [registry.own for registry in REGISTRIES]
    yield
    for registry, own in zip(REGISTRIES, before, strict=True):
        registry.install(own)


@pytest.fixture
def shapes():
    registry = Registry("shape")
    registry.fill({"square": square, "disc": functools.partial(square, factor=3)})
    return registry


def square(side, factor=1):
    """Return the area, see :func:`math.pow`.

    More.
    """
    return factor * side * side


def triangle(side):
    """A triangle."""
    return side * side / 2


def test_a_registry_is_a_mapping_of_names_to_parts(shapes):
    shapes.register("triangle", triangle)
    assert list(shapes) == ["square", "disc", "triangle"]
    assert len(shapes) == 3
    assert shapes["triangle"](2) == 2
    assert shapes.built_in == ("square", "disc")
    assert list(shapes.own) == ["triangle"]
    assert shapes.is_built_in(square)
    assert not shapes.is_built_in(triangle)


def test_a_decorator_an_item_and_a_call_register_the_same(shapes):
    assert shapes.register("one")(triangle) is triangle
    assert shapes.register("two", triangle) is triangle
    shapes["three"] = triangle
    assert shapes["one"] is shapes["two"] is shapes["three"] is triangle
    assert shapes.origin("one") == shapes.origin("two") == shapes.origin("three")


def test_a_part_knows_where_its_code_is(shapes):
    shapes.register("triangle", triangle)
    origin = shapes.origin("triangle")
    assert (origin.module, origin.name) == (__name__, "triangle")
    assert place_of(triangle) == (__file__, triangle.__code__.co_firstlineno)
    assert origin == origin_of(triangle)
    assert len(origin.source_hash) == 64
    assert shapes.origin("square").source_hash is None


def test_a_part_without_source_has_the_hash_of_its_byte_code(shapes):
    def typed(text):
        namespace = {"__name__": "__main__"}
        exec(compile(text, "<stdin>", "exec"), namespace)
        shapes.register("typed", namespace["typed"], replace=True)
        return shapes.origin("typed")

    first = typed("def typed(side):\n    return side in {'a', 'b', 2}\n")
    assert first == typed("def typed(side):\n\n    return side in {'a', 'b', 2}  # the same\n")
    assert first != typed("def typed(side):\n    return side in {'a', 'b', 3}\n")
    assert (first.module, first.name) == ("__main__", "typed")
    assert place_of(shapes["typed"]) is None


def test_a_sentence_is_given_or_the_first_line_of_the_docstring(shapes):
    shapes.register("triangle", triangle)
    shapes.register("other", triangle, about="Half a square.")
    assert shapes.sentence("square") == "Return the area, see math.pow."
    assert shapes.sentence("triangle") == "A triangle."
    assert shapes.sentence("other") == "Half a square."


def test_a_name_is_taken_once_unless_it_shall_be_replaced(shapes):
    with pytest.raises(ValueError, match=r"name of the shape must be new.*'square', which the"):
        shapes.register("square", triangle)
    shapes.register("square", triangle, replace=True)
    assert shapes["square"] is triangle
    with pytest.raises(ValueError, match=f"'square', which {__name__} has"):
        shapes.register("square", triangle)
    shapes.install({})
    assert shapes["square"] is square


@pytest.mark.parametrize("name", ["", "two words", "1st", 7, None])
def test_a_name_is_a_word(shapes, name):
    with pytest.raises(ValueError, match=r"name of the shape must be .*; got"):
        shapes.register(name, triangle)


def test_an_unknown_name_is_answered_by_the_nearest(shapes):
    with pytest.raises(ValueError, match=r"^shape must be one of square, disc; got 'sqare' \(did"):
        shapes.choose("sqare")
    with pytest.raises(KeyError, match="did you mean 'disc'"):
        shapes["disk"]

    class Drawing(Settings):
        shape: Annotated[str, shapes] = "square"

    shapes.register("triangle", triangle)
    assert Drawing(shape="triangle").shape == "triangle"
    with pytest.raises(SettingsError, match=r"^shape must be one of .*\(did you mean 'triangle'\?"):
        Drawing(shape="triangel")


def no_parameters():
    return 1


BAD = [
    (ACTIVATIONS, "f", 3, TypeError),
    (ACTIVATIONS, "f", no_parameters, TypeError),
    (ARMS, "f", no_parameters, TypeError),
    (DATASETS, "f", "a file", TypeError),
    (DATASETS, "f", lambda n: None, TypeError),
    (DATASETS, "f", lambda *n: None, TypeError),
    (DESCRIPTORS, "f", no_parameters, TypeError),
    (DESCRIPTORS, "f", "depth", TypeError),
    (FITNESSES, "f", no_parameters, TypeError),
    (FITNESSES, "f", 3.0, TypeError),
    (GRAPHS, "f", no_parameters, TypeError),
    (OPERATORS, "XY", Operator("XY", "two", square, square), ValueError),
    (OPERATORS, "7", Operator("7", "digit", square, square), ValueError),
    (OPERATORS, "X", Operator("Y", "other", square, square), ValueError),
    (OPERATORS, "X", Operator("X", "arguments", no_parameters, square), TypeError),
    (OPERATORS, "X", square, TypeError),
    (OPERATORS, "X", type("Half", (), {"propose": square}), TypeError),
    (POLICIES, "f", square, TypeError),
    (POLICIES, "f", None, TypeError),
    (REMOVALS, "f", no_parameters, TypeError),
    (REGROWTHS, "f", no_parameters, TypeError),
    (SCHEDULES, "f", no_parameters, TypeError),
    (TOPOLOGIES, "f", no_parameters, TypeError),
    (SELECTIONS, "f", Selection(square, square), TypeError),
    (SELECTIONS, "f", triangle, TypeError),
]


@pytest.mark.parametrize(("registry", "name", "part", "error"), BAD)
def test_a_part_that_breaks_a_rule_is_refused_in_one_line(registry, name, part, error):
    with pytest.raises(error, match=r"must be .*; got") as caught:
        registry.register(name, part)
    assert "\n" not in str(caught.value)
    assert name not in registry


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_every_built_in_part_has_a_sentence_for_people(registry):
    for name in registry:
        sentence = registry.sentence(name)
        assert sentence, name
        assert ":`" not in sentence
        assert "\n" not in sentence
