"""The fuzzer: damaged inputs by number, and the rules that every reader keeps for each of them.

``python -m fuzz.fuzzing record 1000``, in the folder of the tests, tries a reader with that many inputs.
"""

import json
import signal
import sys
import tempfile
import time
import traceback
import tracemalloc
import warnings
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from fuzz.mutations import as_json
from fuzz.readers import READERS

CORPUS = Path(__file__).with_name("corpus")

LONGEST_MESSAGE = 500
"""Most characters of a message, beside the path of the file."""

SECONDS = 2.0
"""Most CPU time for an input; nearly all take less than a hundredth of it."""

FREE_MEMORY = 8 << 20
"""Bytes that a reader may take for any input."""

ADVICE = ("No key type for id", "Reading `.npy` or `.npz` file required additional header parsing")
"""Warnings of networkx and NumPy about files that they read nevertheless."""

MEASURED = 50
"""Memory is measured for one of so many inputs, since measuring is slow."""


class TooSlow(BaseException):
    """The time for an input is over; no reader catches it."""


class Fuzzer:
    """A reader with its valid inputs and those of its corpus, in a folder for its file."""

    def __init__(self, name, folder):
        self.name, self.reader = name, READERS[name]
        self.valid = self.reader.valid(folder)
        self.path = folder / self.reader.file
        self.kept = {path.name: self._loaded(path) for path in sorted((CORPUS / name).glob("*"))}
        for sample in self.valid:  # compiles kernels, and imports what is needed
            self.read(sample)

    def _loaded(self, path):
        content = path.read_bytes()
        return content if self.reader.file else json.loads(content)

    def damaged(self, number):
        """Return the damaged input of a number."""
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), number])
        sample = self.valid[int(rng.integers(len(self.valid)))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of NumPy, about arrays that were damaged before
            return self.reader.damage(sample, self.valid, rng)

    def read(self, sample):
        """Return what the reader makes of an input."""
        if not self.reader.file:
            return self.reader.read(sample)
        self.path.unlink(missing_ok=True)  # a file system may flush what is written over
        self.path.write_bytes(sample)
        return self.reader.read(self.path)

    def problem(self, sample, *, measure=False):
        """Return how the reader breaks a rule with an input, as kind, place and message; None if it breaks none."""
        if measure:
            tracemalloc.start()
        found = None
        try:
            with warnings.catch_warnings(), limited(SECONDS):
                warnings.simplefilter("error")
                for advice in ADVICE:
                    warnings.filterwarnings("ignore", advice)
                self.read(sample)
        except self.reader.errors as error:
            found = self._broken_rule_of_message(str(error))
            if found is not None:
                found = found, place_of(error), str(error)[:300]
        except (Exception, TooSlow) as error:
            found = type(error).__name__, place_of(error), str(error)[:300]
        finally:
            if measure:
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
        if measure and found is None:
            size = len(sample) if self.reader.file else len(as_json(sample))
            most = FREE_MEMORY + self.reader.bytes_per_byte * size
            if peak > most:
                found = "too much memory", "", f"{peak} bytes for {size}; at most {most}"
        return found

    def _broken_rule_of_message(self, message):
        """Return which rule a message breaks, or None."""
        if len(message) > LONGEST_MESSAGE + len(str(self.path)):
            return "long message"
        if not message.isprintable():
            return "message that is no line of printable text"
        if self.reader.file and not message.startswith(f"{self.path.parent}/"):
            return "message that does not begin with the file"
        return None

    def problems(self, numbers, most=20):
        """Return the different problems with damaged inputs of some numbers: {(kind, place): (number, message)}."""
        found = {}
        for number in numbers:
            problem = self.problem(self.damaged(number), measure=number % MEASURED == 0)
            if problem is not None:
                *key, message = problem
                found.setdefault(tuple(key), (number, message))
                if len(found) == most:
                    break
        return found


def place_of(error):
    """Return where an error comes from: the last line of all, and the last line of this project."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        one
        for one in frames
        if "site-packages" not in one.filename and "/tests/" not in one.filename
    ]
    places = [f"{Path(one.filename).name}:{one.lineno}" for one in (*frames[-1:], *own[-1:])]
    return " in ".join(dict.fromkeys(places))


@contextmanager
def limited(seconds):
    """Raise TooSlow after some CPU time."""

    def stop(number, frame):
        raise TooSlow(f"more than {seconds} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def main():
    """Try readers: their names, then a number of inputs."""
    *names, count = sys.argv[1:]
    for name in names or READERS:
        with tempfile.TemporaryDirectory() as folder:
            fuzzer = Fuzzer(name, Path(folder))
            begin = time.process_time()
            found = fuzzer.problems(range(int(count)))
            seconds = time.process_time() - begin
        sys.stdout.write(f"{name}: {count} inputs, {seconds:.1f} s, {len(found)} problems\n")
        for (kind, place), (number, message) in found.items():
            sys.stdout.write(f"  {number}: {kind}, {place}: {message!r}\n")


if __name__ == "__main__":
    main()
