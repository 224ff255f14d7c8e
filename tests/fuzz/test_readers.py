"""Every reader of files and records gives a value or a declared error of one line, whatever the bytes.

The fuzzer's inputs are the same in every run: an input is known by the reader's name and its number.
"""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from fuzz.fuzzing import FREE_MEMORY, Fuzzer
from fuzz.readers import READERS
from hypothesis import given

from evo import OPERATORS, ResultsError

OF_FILES = [name for name, reader in READERS.items() if reader.file]


@pytest.fixture(scope="module")
def fuzzer_of(tmp_path_factory):
    """Return a function that returns the fuzzer of a reader, made once."""
    made = {}

    def find(name):
        if name not in made:
            made[name] = Fuzzer(name, tmp_path_factory.mktemp(name))
        return made[name]

    return find


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_input_is_read_or_refused_in_one_line(fuzzer_of, name):
    assert fuzzer_of(name).problems(range(40)) == {}


@pytest.mark.parametrize("name", READERS)
def test_what_once_went_wrong_is_read_or_refused_in_one_line(fuzzer_of, name):
    fuzzer = fuzzer_of(name)
    wrong = {one: fuzzer.problem(sample, measure=True) for one, sample in fuzzer.kept.items()}
    assert {one: problem for one, problem in wrong.items() if problem is not None} == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_many_damaged_inputs_are_read_or_refused_in_one_line(fuzzer_of, name):
    fuzzer = fuzzer_of(name)
    assert fuzzer.problems(range(40, fuzzer.reader.n_all)) == {}


@pytest.mark.parametrize("name", OF_FILES)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_one_line(fuzzer_of, name, content):
    assert fuzzer_of(name).problem(content) is None


NAMES = st.sampled_from(
    ["a", "b", "node", "source", "target", "threshold", "drop", "keep", "layers", "values", "data"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(NAMES, inside, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("code", OPERATORS)
@given(parameters=st.dictionaries(NAMES, VALUES, max_size=5) | VALUES, parent=st.integers(0, 2))
def test_any_parameters_are_replayed_or_refused_in_one_line(fuzzer_of, code, parameters, parent):
    sample = {"parent": parent, "record": [[code, parameters]]}
    assert fuzzer_of("record").problem(sample) is None


def test_valid_inputs_are_read_and_hold_every_operator(fuzzer_of):
    fuzzer = fuzzer_of("record")
    assert all(fuzzer.read(sample).n_nodes > 0 for sample in fuzzer.valid)
    replayed = {code for sample in fuzzer.valid for code, _ in sample["record"]}
    assert replayed == set(OPERATORS.built_in)


# -- the fuzzer itself -------------------------------------------------------------------------------------------------


def broken(fuzzer, read):
    """Return the kind of problem that the fuzzer finds with a reader that does something else."""
    fuzzer.reader = replace(fuzzer.reader, read=read)
    found = fuzzer.problem(b"0" * 10, measure=True)
    return None if found is None else found[0]


def refusing(message):
    def read(path):
        raise ResultsError(message.format(path=path))

    return read


def spinning(path):
    while True:
        pass


def failing(path):
    return {}[path]


@pytest.mark.parametrize(
    ("read", "problem"),
    [
        (lambda path: None, None),
        (refusing("{path}: must be a graph"), None),
        (refusing("must be a graph"), "message that does not begin with the file"),
        (refusing("{path}: must be\na graph"), "message that is no line of printable text"),
        (refusing("{path}: " + "x" * 600), "long message"),
        (failing, "KeyError"),
        (spinning, "TooSlow"),
        (lambda path: bytes(2 * FREE_MEMORY), "too much memory"),
    ],
)  # fmt: skip
def test_the_fuzzer_sees_what_a_reader_does_wrong(tmp_path, monkeypatch, read, problem):
    monkeypatch.setattr("fuzz.fuzzing.SECONDS", 0.1)
    assert broken(Fuzzer("graphml", tmp_path), read) == problem


def test_an_input_of_a_number_is_always_the_same(fuzzer_of, tmp_path):
    first, second = fuzzer_of("csv"), Fuzzer("csv", tmp_path)
    assert [first.damaged(k) for k in range(50)] == [second.damaged(k) for k in range(50)]
