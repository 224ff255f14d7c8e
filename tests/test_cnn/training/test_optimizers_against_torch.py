"""The same steps as PyTorch's optimizers and schedules, where it is installed."""

import numpy as np
import pytest

from cnn import (
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    Recipe,
    Samples,
    SoftmaxLayer,
    batch_indices,
    learning_rates,
    train,
)
from cnn.training.optimizers import OPTIMIZERS

torch = pytest.importorskip("torch", reason="PyTorch, the peer to compare with, is not installed")

pytestmark = pytest.mark.usefixtures("one_thread")

RATE, MOMENTUM, DECAY, STEPS = 0.05, 0.8, 0.02, 30


def torch_optimizer(name, parameters, rate, decay, l2=0.0):
    if name == "adam":
        adam = torch.optim.Adam if l2 else torch.optim.AdamW
        options = {"betas": (MOMENTUM, 0.999), "eps": 1e-8, "weight_decay": l2 or decay}
        return adam(parameters, rate, **options)
    momentum = 0.0 if name == "sgd" else MOMENTUM
    nesterov = name == "nesterov"
    return torch.optim.SGD(parameters, rate, momentum, weight_decay=l2 or decay, nesterov=nesterov)


# PyTorch's decay enters the averages of momentum, as our l2 does and our weight_decay does not.
OPTIMIZATIONS = [
    ("sgd", 0.0),
    ("sgd", DECAY),
    ("momentum", 0.0),
    ("nesterov", 0.0),
    ("adam", 0.0),
    ("adam", DECAY),
]


def test_every_optimizer_is_compared():
    assert {name for name, _ in OPTIMIZATIONS} == set(OPTIMIZERS)


@pytest.mark.parametrize(("dtype", "share"), [(np.float64, 1e-13), (np.float32, 1e-5)])
@pytest.mark.parametrize(("name", "decay"), OPTIMIZATIONS)
def test_optimizers_agree_on_given_gradients(name, decay, dtype, share, rng, assert_close):
    theta = rng.normal(size=101).astype(dtype)
    theta_ = torch.tensor(theta, requires_grad=True)
    peer, optimizer = torch_optimizer(name, [theta_], RATE, decay), OPTIMIZERS[name]
    moments = np.zeros((optimizer.n_moments, theta.size), dtype)
    for step in range(STEPS):
        gradient = (rng.normal(size=theta.size) * 10.0 ** rng.integers(-3, 3)).astype(dtype)
        theta_.grad = torch.tensor(gradient)
        peer.step()
        optimizer.update(theta, gradient, moments, RATE, step, MOMENTUM, decay)
        assert_close(theta, theta_.detach().numpy(), share)


def our_network(rng):
    layers = [
        ConvolutionLayer(3, 3, stride=(1, 2), padding=1),
        PoolingLayer("max", "drop"),
        ConvolutionLayer(5, (2, 3), padding=(0, 2)),
        RasterizationLayer(),
        HiddenLayer(9, "sigmoid"),
        SoftmaxLayer(4),
    ]
    return Network(layers, (2, 9, 8), rng=rng, dtype=np.float64)


def their_network(ours):
    """Build the same in PyTorch, with kernels turned by 180°."""
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3, stride=(1, 2), padding=1),
        torch.nn.Tanh(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(3, 5, (2, 3), padding=(0, 2)),
        torch.nn.Tanh(),
        torch.nn.Flatten(),
        torch.nn.Linear(60, 9),
        torch.nn.Sigmoid(),
        torch.nn.Linear(9, 4),
    ).double()
    start = 0
    with torch.no_grad():
        for parameter in network.parameters():
            part = torch.tensor(ours.parameters[start : start + parameter.numel()])
            parameter.copy_(turned(part.reshape(parameter.shape)))
            start += parameter.numel()
    assert start == ours.parameter_count
    return network


def turned(parameter):
    return parameter.flip(2, 3) if parameter.ndim == 4 else parameter


def vector(network):
    parts = [turned(p.detach()).numpy().ravel() for p in network.parameters()]
    return np.concatenate(parts)


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize(
    ("name", "decay", "l2", "smoothing"),
    [
        *((name, decay, 0.0, 0.0) for name, decay in OPTIMIZATIONS),
        *((name, 0.0, DECAY, 0.1) for name in OPTIMIZERS),
    ],
)
def test_training_follows_torchs_trajectory(name, decay, l2, smoothing, clip, rng, assert_close):
    """In float64, so that the paths do not part by rounding; compared after each phase."""
    network = our_network(rng)
    samples = Samples(rng.random((50, 2, 9, 8)), rng.integers(4, size=50))
    twin, seed = their_network(network), np.random.SeedSequence(5)
    peer = torch_optimizer(name, list(twin.parameters()), RATE, decay, l2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(peer, STEPS)
    recipe = Recipe(
        optimizer=name,
        learning_rate=RATE,
        momentum=MOMENTUM,
        weight_decay=decay,
        l2=l2,
        label_smoothing=smoothing,
        batch_size=7,
        gradient_clip=clip,
    )
    state, before = None, network.parameters.copy()
    for first in range(0, STEPS, 10):
        plan = {"first_step": first, "steps": 10, "total_steps": STEPS, "order_seed": seed}
        state = train(network, samples, recipe, state=state, **plan).state
        for batch in batch_indices(50, 7, first, 10, seed):
            peer.zero_grad()
            scores = twin(torch.tensor(samples.inputs[batch]))
            targets = torch.tensor(samples.targets[batch])
            smoothed = {"label_smoothing": smoothing}
            torch.nn.functional.cross_entropy(scores, targets, **smoothed).backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(twin.parameters(), clip)
            peer.step()
            schedule.step()
        # PyTorch clips a gradient to a little less than the norm: by 1e-6 / norm.
        assert_close(network.parameters, vector(twin), 1e-10 if clip is None else 1e-5)
    assert np.abs(network.parameters - before).max() > 1e-3


schedules = torch.optim.lr_scheduler


def warmed_up(optimizer):
    parts = [schedules.LinearLR(optimizer, 1 / 9, 1, 8), schedules.LinearLR(optimizer, 1, 0, 32)]
    return schedules.SequentialLR(optimizer, parts, [8])


@pytest.mark.parametrize(
    ("schedule", "warm_up", "peer"),
    [
        ("constant", 0.0, lambda optimizer: schedules.ConstantLR(optimizer, 1.0)),
        ("step", 0.0, lambda optimizer: schedules.MultiStepLR(optimizer, [20, 30])),
        ("cosine", 0.0, lambda optimizer: schedules.CosineAnnealingLR(optimizer, 40)),
        ("linear", 0.0, lambda optimizer: schedules.LinearLR(optimizer, 1, 0, 40)),
        ("linear", 0.2, warmed_up),
    ],
)
@pytest.mark.filterwarnings("ignore:.*epoch parameter:UserWarning")
def test_schedules_agree(schedule, warm_up, peer):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.3)
    scheduler, rates = peer(optimizer), []
    for _ in range(40):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    recipe = Recipe(learning_rate=0.3, schedule=schedule, warm_up=warm_up)
    ours = learning_rates(recipe, 0, 40, 40)
    np.testing.assert_allclose(ours, rates, rtol=1e-9)
