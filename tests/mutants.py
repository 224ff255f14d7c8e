"""Would the tests notice? A mutant is a plausible bug, and names the test that must fail because of it.

A mutant changes what a function, method, property or registry entry gives, at its public border, so it stays the same
bug whatever code lies beneath. Its test runs in a process of its own. As importing everything takes longer than most
tests do, these processes are forked off one that has done so: run as a script, this file is that process.
"""

import functools
import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
import types
from collections import defaultdict
from collections.abc import MutableMapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"cnn", "evo", "experiments", "graphops"}


class Suite:
    """The mutants of one file, and the tests that run them.

    Parameters
    ----------
    path : str
        The file, which calls its suite ``SUITE``. The tests that its mutants name stand below its folder.
    """

    def __init__(self, path):
        self.path = Path(path).resolve()
        self.mutants = {}
        """For each mutant, by name: how to apply it, the file of its test, and for pytest's option -k the test."""

    def mutant(self, test, owner, name):
        """Register ``function(original, *arguments)`` to stand in for an attribute or entry of the owner."""

        def register(function):
            file, _, chosen = test.partition("::")
            apply = functools.partial(put, function, owner, name)
            self.mutants[function.__name__] = apply, file, chosen
            return function

        return register

    def tests(self):
        """Return a fixture that runs tests and three tests: for the module that registered all mutants of the suite."""
        chosen_of = defaultdict(set)
        for _, file, chosen in self.mutants.values():
            chosen_of[file].add(chosen)

        @pytest.fixture(scope="module")
        def run_tests():
            server = subprocess.Popen(
                [sys.executable, __file__, str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

            def run(file, chosen, mutant=None):
                print(json.dumps([file, chosen, mutant]), file=server.stdin, flush=True)
                return json.loads(server.stdout.readline())

            with server:
                yield run

        @pytest.mark.slow
        @pytest.mark.parametrize("name", self.mutants)
        def test_a_mutant_is_noticed(name, run_tests):
            status, said = run_tests(*self.mutants[name][1:], name)
            assert status == pytest.ExitCode.TESTS_FAILED, said
            assert "1 failed" in said

        @pytest.mark.slow
        @pytest.mark.parametrize("file", sorted(chosen_of))
        def test_without_a_mutant_the_same_tests_pass(file, run_tests):
            whole = "" in chosen_of[file]
            status, said = run_tests(file, "" if whole else " or ".join(sorted(chosen_of[file])))
            assert status == pytest.ExitCode.OK, said

        def test_the_tests_that_mutants_name_exist():
            for file, every in chosen_of.items():
                source = (self.path.parent / file).read_text("utf-8")
                for chosen in every:
                    function = chosen.partition(" ")[0]
                    assert re.search(rf"^def \w*{function}", source, re.MULTILINE), (file, chosen)

        return (
            run_tests,
            test_a_mutant_is_noticed,
            test_without_a_mutant_the_same_tests_pass,
            test_the_tests_that_mutants_name_exist,
        )


def put(function, owner, name):
    """Put a function in the place of an attribute, a property, a function of a module or an entry of a registry."""
    if isinstance(owner, MutableMapping):
        owner[name] = stand_in(function, owner[name])
    elif isinstance(owner, types.ModuleType):
        original = getattr(owner, name)
        mutated = stand_in(function, original)
        for module in [*sys.modules.values()]:  # whoever has imported it by name
            ours = getattr(module, "__name__", "").partition(".")[0] in PACKAGES
            if ours and vars(module).get(name) is original:
                setattr(module, name, mutated)
        setattr(owner, name, mutated)
    elif isinstance(inspect.getattr_static(owner, name), property):
        setattr(owner, name, property(stand_in(function, getattr(owner, name).fget)))
    elif isinstance(inspect.getattr_static(owner, name), functools.cached_property):
        setattr(owner, name, property(stand_in(function, getattr(owner, name).func)))
    else:
        # An entry of a registry is frozen, for everyone but this.
        change = setattr if isinstance(owner, type) else object.__setattr__
        change(owner, name, stand_in(function, getattr(owner, name)))


def stand_in(function, original):
    """Return what calls ``function(original, …)`` and otherwise looks like the original."""

    @functools.wraps(original)
    def mutated(*arguments, **keywords):
        return function(original, *arguments, **keywords)

    return mutated


# -- the process that forks --------------------------------------------------------------------------------------------


def serve(path):
    """Read from standard input which tests to run with which mutant; write pytest's exit status and what it said."""
    spec = importlib.util.spec_from_file_location("suite", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as said:
            child = os.fork()
            if child == 0:
                os.dup2(said.fileno(), sys.stdout.fileno())
                os.dup2(said.fileno(), sys.stderr.fileno())
                os._exit(run_with(module.SUITE, *json.loads(line)))
            _, status = os.waitpid(child, 0)
            said.seek(0)
            answer = os.waitstatus_to_exitcode(status), said.read()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def run_with(suite, file, chosen, mutant):
    """Apply a mutant, if any, and run tests; return pytest's exit status."""
    status = pytest.ExitCode.INTERNAL_ERROR
    try:
        if mutant is not None:
            suite.mutants[mutant][0]()
        quick = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist"]
        status = pytest.main([*quick, str(suite.path.parent / file), "-k", chosen])
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    return int(status)


if __name__ == "__main__":
    serve(sys.argv[1])
