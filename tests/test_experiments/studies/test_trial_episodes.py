"""A trial episode before a run: a reward that cannot judge is told in one line; the runs of others are untouched."""

import inspect
import re

import numpy as np
import pytest
from reaching import TASK, Reach, little

import evo
from evo import create_founders
from evo.errors import SettingsError
from evo.rewards import EpisodeSource
from evo.rewards.trial import MOST_STEPS
from experiments import run, study
from experiments.studies.episodes import check_reward_judges


class Misspelt(Reach):
    """Raises an error."""

    def evaluate(self, network, *, rng):
        return network.acts([0.1, 0.2])


class TooWide(Reach):
    """Shows one number too many."""

    def evaluate(self, network, *, rng):
        return float(network.act([0.1, 0.2, 0.3])[0])


class WithoutMeasures(Reach):
    """Returns no measures."""

    def evaluate(self, network, *, rng):
        return 1.0


class NotANumber(Reach):
    """Has no fitness."""

    def evaluate(self, network, *, rng):
        return float("nan"), {"distance": 0.0}


class Leaves(Reach):
    """Ends the program."""

    def evaluate(self, network, *, rng):
        raise SystemExit(3)


BROKEN = {
    Misspelt: "AttributeError: '.*' object has no attribute 'acts'",
    TooWide: r"ValueError: observation must have 2 numbers; got shape \(3,\)",
    WithoutMeasures: r"ValueError: evaluate must return \(fitness, \{'distance'\}\); got 1.0",
    NotANumber: "ValueError: fitness must be finite; got nan",
    Leaves: "SystemExit: 3",
}


@pytest.fixture(autouse=True)
def registered():
    own = evo.REWARDS.own
    for reward in (Reach, Endless, Counting, Moody, Unmeasured, Lost, *BROKEN):
        evo.REWARDS.register(reward.__name__, reward)
    yield
    evo.REWARDS.install(own)


def begin(folder, reward, workers=0, **changes):
    experiment = little(task={**TASK, "name": reward.__name__}, seeds=1, **changes)
    return run(experiment, results=folder, workers=workers, quiet=True, figures=False)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("reward", BROKEN)
def test_a_reward_that_cannot_judge_is_told_with_its_place_before_any_work(
    reward, workers, tmp_path
):
    lines, first = inspect.getsourcelines(reward.evaluate)
    raises = reward in {Misspelt, TooWide, Leaves}
    place = f"{__file__}:{first + len(lines) - 1 if raises else first} in evaluate"
    told = f"^task: reward '{reward.__name__}' \\(class {reward.__name__}\\) fails in a trial episode with each of 3 "
    with pytest.raises(SettingsError, match=f"{told}founders: {BROKEN[reward]}") as error:
        begin(tmp_path / "results", reward, workers)
    assert f"({place})" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "results").exists()


def test_a_study_tells_it_too(tmp_path):
    base = little(task={**TASK, "name": "Misspelt"}, seeds=1)
    with pytest.raises(SettingsError, match=r"^task: reward 'Misspelt' .*has no attribute 'acts'"):
        study(base, {"one": {}}, folder=tmp_path / "study", workers=0, quiet=True)
    assert not (tmp_path / "study").exists()


def test_the_shell_tells_file_and_class(evomatrix, tmp_path):
    parts, file, results = tmp_path / "mine.py", tmp_path / "mine.toml", tmp_path / "results"
    parts.write_text(
        "import evo\n\n\n@evo.REWARDS.register('mine')\nclass Mine:\n    n_inputs = n_outputs = 1\n\n"
        "    def evaluate(self, network, *, rng):\n        return 1 / 0\n",
        "utf-8",
    )
    file.write_text('name = "mine"\n[task]\nname = "mine"\n', "utf-8")
    code, out, err = evomatrix("run", file, "--parts", parts, "--results", results)
    assert (code, out) == (2, "")
    told = rf"evomatrix: {file}: task: reward 'mine' \(class Mine\) .*ZeroDivisionError: .* \({parts}:9 in evaluate\)"
    assert re.fullmatch(told, err.strip())
    assert not results.exists()


class Unmeasured(Reach):
    """Has no number for its measure."""

    def evaluate(self, network, *, rng):
        return 1.0, {"distance": float("nan")}


@pytest.mark.parametrize(
    "selection",
    [
        {"name": "novelty", "descriptors": ["distance"]},
        {"name": "nsga2", "objectives": ["fitness", "-distance"]},
    ],
)
def test_a_measure_that_a_selection_reads_must_be_a_number(selection, tmp_path):
    evolution = {"population": 3, "generations": 1, "selection": selection}
    told = "ValueError: distance must be finite, for the selection reads it; got nan"
    with pytest.raises(SettingsError, match=told):
        begin(tmp_path / "results", Unmeasured, evolution=evolution)
    assert not (tmp_path / "results").exists()
    assert begin(tmp_path, Unmeasured).individuals["status"].eq("ok").all()


class Endless(Reach):
    """Goes on for ever with a network that does not push hard."""

    def evaluate(self, network, *, rng):
        for step in range(3 * MOST_STEPS):
            if self.is_over(network.act([0.1, 0.1]), step):
                break
        return 1.0, {"distance": 0.0}

    tried = 0

    def is_over(self, force, step):
        Endless.tried = max(Endless.tried, step + 1)
        return Endless.tried == MOST_STEPS


def test_an_episode_without_an_end_is_broken_off(tmp_path):
    assert begin(tmp_path, Endless).individuals["status"].eq("ok").all()
    assert Endless.tried == MOST_STEPS


class Counting(Reach):
    """Returns how many episodes the object has played, with random numbers that are those of the episode."""

    def __init__(self):
        self.played = 0

    def evaluate(self, network, *, rng):
        self.played += 1
        return float(self.played), {"distance": rng.random()}


def test_the_trial_leaves_no_trace_in_the_run(tmp_path):
    found = begin(tmp_path, Counting).individuals
    assert found["fitness"].iloc[0] == np.mean([1, 2, 3])
    assert found["played_episodes"].iloc[0] == 3


class Lost(Reach):
    """Fails always, and counts."""

    tried = 0

    def evaluate(self, network, *, rng):
        Lost.tried += 1
        raise RuntimeError("lost")


def test_three_founders_try_a_reward_at_most(tmp_path):
    Lost.tried = 0
    with pytest.raises(SettingsError, match="fails in a trial episode with each of 3 founders"):
        begin(tmp_path, Lost, evolution={"population": 5, "generations": 1})
    assert Lost.tried == 3


@pytest.mark.parametrize("limit", ["timeout", "memory"])
def test_without_a_worker_that_keeps_to_a_limit_nobody_tries_a_reward(limit):
    Lost.tried = 0
    experiment = little(task={**TASK, "name": "Lost"}, evaluation={limit: 1000})
    founders = create_founders(experiment.founders, 2, 1, n_founders=3, seed=0)
    check_reward_judges(EpisodeSource.of(experiment.task), founders, experiment)
    assert Lost.tried == 0


class Moody(Reach):
    """Fails with networks that push to the left."""

    def evaluate(self, network, *, rng):
        if network.act([0.3, 0.2])[0] < 0:
            raise RuntimeError("lost")
        return super().evaluate(network, rng=rng)


def test_a_reward_that_fails_with_some_networks_begins(tmp_path):
    found = begin(tmp_path, Moody).individuals
    assert {"ok", "failed"} <= {*found["status"]}
