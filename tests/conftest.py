"""How many examples Hypothesis tries, on how many threads BLAS and PyTorch run, how often Python looks for garbage, and
which files come first.

A commit tries few examples, always the same; `make test-all` tries many and new ones: ``HYPOTHESIS_PROFILE=full``.
"""

import gc
import os
import signal
from pathlib import Path

import pytest
import scipy.linalg  # noqa: F401 - brings the second BLAS, which has to be there when its threads are limited
import threadpoolctl
from effort import IS_FULL
from hypothesis import settings

settings.register_profile("commit", deadline=None, max_examples=20, derandomize=True)
settings.register_profile("full", deadline=None, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "commit"))

# A process that has collected all tests holds a million objects. Looking through all of them for garbage, as often as
# programs with few objects do, would take a tenth of the time of the suite.
gc.set_threshold(50_000, 20, 20)

COMPILING = (
    "test_experiments/studies/test_runner.py",  # networks of neurons in float32
    "test_evo/phenotype/test_engine_of_maps.py",  # feature maps
    "test_evo/phenotype/test_descend.py",  # networks of neurons in float64
    "test_evo/phenotype/test_weights.py",  # weighted samples
    "test_evo/gradient_free/test_neuroevolution.py",  # generations in compiled code
)
"""Files that compile what many others run, and each file other kernels.

They come first. Otherwise two processes often compile the same kernels at the same time, which takes a minute of each.
"""


@pytest.fixture
def minds_ctrl_c():
    """Let Python mind Ctrl-C, as it does in a terminal; a shell starts programs in the background deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def one_thread_of_blas():
    """Let BLAS run on one thread in the tests of a commit; in `make test-all` it has the threads that users have."""
    if IS_FULL:
        yield
        return
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="module")
def one_thread():
    """Let PyTorch run on one thread: several that wait for one another take minutes on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_collection_modifyitems(items):
    """Sort the files of `COMPILING` to the front."""
    order = {Path(__file__).parent / name: rank for rank, name in enumerate(COMPILING)}
    items.sort(key=lambda item: order.get(item.path, len(order)))
