"""Models trained at once, alone, and by a loop that is written out here."""

from __future__ import annotations

import copy
import warnings
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from torchattr.errors import InputError
from torchattr.training import FallbackWarning, TorchLearner

N = 13
# With minibatches of four: nobody, a part of one, one, and 2, 3, 1 left after others.
SIZES = (0, 1, 4, 6, 11, 13)
FEW_SIZES = (2, 4, 13)


def coalitions(sizes=SIZES, n=N, seed=0):
    """One coalition of each size, in no order of sizes."""
    generator = torch.Generator().manual_seed(seed)
    ranks = torch.rand(len(sizes), n, generator=generator).argsort(1).argsort(1)
    masks = ranks < torch.tensor(sizes)[:, None]
    return masks[torch.randperm(len(sizes), generator=generator)]


def plain_loop(learner, x, y, coalition, loss):
    """What anybody would write, without any code of ours but the order."""
    model = copy.deepcopy(learner.model).train()
    if coalition.any():
        optimizer = learner._recipe.optimizer(model.parameters())
        scheduler = learner._recipe.scheduler and learner._recipe.scheduler(optimizer)
        for epoch in range(learner.epochs):
            visits = [i for i in learner.order(epoch, len(y)).tolist() if coalition[i]]
            width = learner.batch_size or len(visits)
            for start in range(0, len(visits), width):
                batch = visits[start : start + width]
                optimizer.zero_grad()
                loss(model(x[batch]), y[batch]).backward()
                optimizer.step()
            if scheduler:
                scheduler.step()
    return model.eval()


def state(model):
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def largest_difference(many, i, model):
    return max(
        (many[name][i].double() - tensor.detach().double()).abs().max().item()
        for name, tensor in state(model).items()
    )


def seeded(make):
    torch.manual_seed(7)
    return make()


class GRUClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(4, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.gru(x)[0][:, -1])


def test_one_coalition_alone():
    """A stack of one is contiguous without a copy, and must not be the model itself."""
    make, (x, y) = MODELS["perceptron"]
    model, x = double(seeded(make), x)
    learner = TorchLearner(model, nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=2)
    for _ in range(2):
        check_equal(learner, x, y, coalitions((7,)), loss=F.cross_entropy)
    assert all(
        (learner.model.state_dict()[k] == v).all() for k, v in state(model).items()
    )


class Tied(nn.Module):
    """An autoencoder whose two maps share a matrix, and an embedding its head."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.middle = nn.Linear(4, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        return self.head(torch.tanh(self.middle(self.embedding(x).mean(1))))


class TwoNames(nn.Module):
    """One module that has one parameter under two names."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 3))
        self.again = self.weight

    def forward(self, x):
        return x @ self.weight + torch.tanh(x @ self.again)


def frozen():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    model[0].weight.requires_grad_(False)
    return model


def data(shape, *, classes=3, integers=0):
    generator = torch.Generator().manual_seed(3)
    if integers:
        x = torch.randint(0, integers, (N, *shape), generator=generator)
    else:
        x = torch.randn(N, *shape, generator=generator)
    return x, torch.randint(0, classes, (N,), generator=generator)


MODELS = {
    "linear": (lambda: nn.Linear(6, 3), data((6,))),
    "perceptron": (
        lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)),
        data((6,)),
    ),
    "layernorm": (
        lambda: nn.Sequential(
            nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3)
        ),
        data((6,)),
    ),
    "convolution": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.GroupNorm(2, 4),
            nn.Flatten(),
            nn.Linear(16, 3),
        ),
        data((1, 4, 4)),
    ),
    "embedding": (
        lambda: nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 3)),
        data((2,), integers=5),
    ),
    "padded embedding": (
        lambda: nn.Sequential(nn.Embedding(5, 4, -3), nn.Flatten(), nn.Linear(8, 3)),
        data((2,), integers=5),
    ),
    "weight norm": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 3)),
        data((6,)),
    ),
    "attention": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True),
            nn.Flatten(),
            nn.Linear(20, 3),
        ),
        data((5, 4)),
    ),
    "tied": (Tied, data((2,), integers=5, classes=5)),
    "two names": (TwoNames, data((6,))),
    "frozen": (frozen, data((6,))),
    "one output for many": (lambda: nn.Linear(6, 40), data((6,), classes=40)),
}
OPTIMIZERS = {
    "sgd": partial(torch.optim.SGD, lr=0.1),
    "momentum": partial(torch.optim.SGD, lr=0.05, momentum=0.9, weight_decay=0.1),
    "nesterov": partial(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True),
    "adam": partial(torch.optim.Adam, lr=0.02, weight_decay=0.01),
    "amsgrad": partial(torch.optim.Adam, lr=0.02, amsgrad=True),
    "adamw": partial(torch.optim.AdamW, lr=0.02, weight_decay=0.1),
    "rmsprop": partial(torch.optim.RMSprop, lr=0.01, momentum=0.5, centered=True),
    "adagrad": partial(torch.optim.Adagrad, lr=0.05),
    "nadam": partial(torch.optim.NAdam, lr=0.02),
}


def check_equal(learner, x, y, masks, *, loss=None, tolerance=1e-9):
    many = learner.fit_many((x, y), masks)
    for i, mask in enumerate(masks):
        alone = learner.fit((x, y), mask)
        assert not alone.training
        assert largest_difference(many, i, alone) <= tolerance
        if loss is not None:
            written_out = plain_loop(learner, x, y, mask, loss)
            assert largest_difference(many, i, written_out) <= tolerance
    return many


def double(model, x):
    return model.double(), x.double() if x.is_floating_point() else x


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_what_it_would_be_alone(name, batch_size):
    make, (x, y) = MODELS[name]
    model, x = double(seeded(make), x)
    # The bias of an attention's keys changes nothing. Adam makes steps of the rounding
    # errors that are its gradient.
    optimizer = OPTIMIZERS["momentum" if name == "attention" else "adam"]
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), optimizer, epochs=3, batch_size=batch_size
    )
    check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)
    assert learner._training._plan.padded


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_takes_the_same_steps(name):
    make, (x, y) = MODELS["perceptron"]
    model, x = double(seeded(make), x)
    learner = TorchLearner(
        model,
        nn.CrossEntropyLoss(),
        OPTIMIZERS[name],
        epochs=4,
        batch_size=4,
        scheduler=partial(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.3),
    )
    check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)


def test_single_precision_agrees_to_its_rounding():
    make, (x, y) = MODELS["perceptron"]
    learner = TorchLearner(
        seeded(make), nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=5, batch_size=4
    )
    check_equal(learner, x, y, coalitions(), loss=F.cross_entropy, tolerance=1e-4)


def focal(outputs, targets):
    """A loss of one's own, one for each example."""
    shares = outputs.softmax(1)[torch.arange(len(targets)), targets]
    return -((1 - shares) ** 2) * shares.log()


CLASS_LOSSES = {
    "sum": nn.CrossEntropyLoss(reduction="sum"),
    "none": nn.CrossEntropyLoss(reduction="none"),
    "weights": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 5.0]).double()),
    "ignored": nn.CrossEntropyLoss(ignore_index=1, reduction="sum"),
    "smoothing": nn.CrossEntropyLoss(label_smoothing=0.2),
    "smoothing and weights": nn.CrossEntropyLoss(
        weight=torch.tensor([1.0, 2.0, 5.0]).double(), label_smoothing=0.2
    ),
    "nll": lambda o, t: F.nll_loss(
        o.log_softmax(1), t, weight=torch.tensor([1.0, 2.0, 5.0]).double()
    ),
    "margin": nn.MultiMarginLoss(),
    "shares": lambda o, t: F.cross_entropy(o, F.one_hot(t, 3).to(o.dtype)),
    "focal": focal,
    "mean of focal": lambda o, t: focal(o, t).mean(),
    "penalty": lambda o, t: F.cross_entropy(o, t) + 0.1 * o.pow(2).mean(),
    "constant": lambda o, t: F.cross_entropy(o, t) * torch.arange(1.0, 5.0).mean(),
    "squares": lambda o, t: ((o - F.one_hot(t, 3)) ** 2).sum(1).mean(),
}
# Losses that look at a minibatch as a whole, whose minibatches are never padded.
WHOLE_LOSSES = {
    "largest": lambda o, t: F.cross_entropy(o, t, reduction="none").max(),
    "length": lambda o, t: F.cross_entropy(o, t, reduction="sum") / (1 + len(t)),
    "spread": lambda o, t: F.cross_entropy(o, t) + o.mean(0).pow(2).sum(),
    "transposed": lambda o, t: F.cross_entropy(o, t) + (o.T @ o).pow(2).mean(),
    "median": lambda o, t: F.cross_entropy(o, t, reduction="none").median(),
}


@pytest.mark.parametrize("name", [*CLASS_LOSSES, *WHOLE_LOSSES])
def test_the_loss_of_a_minibatch_is_the_users(name):
    make, (x, y) = MODELS["perceptron"]
    model, x = double(seeded(make), x)
    loss = (CLASS_LOSSES | WHOLE_LOSSES)[name]
    learner = TorchLearner(model, loss, OPTIMIZERS["adam"], epochs=2, batch_size=4)
    reference = lambda o, t: loss(o, t).mean()  # ruff: ignore[lambda-assignment] (short)
    check_equal(learner, x, y, coalitions(FEW_SIZES), loss=reference)
    assert learner._training._plan.padded == (name in CLASS_LOSSES)


REGRESSION_LOSSES = {
    "mse": nn.MSELoss(),
    "mse sum": nn.MSELoss(reduction="sum"),
    "l1": nn.L1Loss(),
    "huber": nn.HuberLoss(),
    "smooth l1": nn.SmoothL1Loss(beta=0.3),
    "soft margin": nn.SoftMarginLoss(),
    "poisson": nn.PoissonNLLLoss(),
    "bce": nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0, 3.0]).double()),
    "kl": lambda o, t: F.kl_div(
        o.log_softmax(1), t.abs().softmax(1), reduction="batchmean"
    ),
    "cosine": lambda o, t: F.cosine_embedding_loss(o, t, torch.ones_like(t[:, 0])),
}


@pytest.mark.parametrize("name", REGRESSION_LOSSES)
def test_losses_of_numbers(name):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(N, 3, generator=generator).double()
    y = (torch.rand(N, 2, generator=generator) < 0.5).double()
    loss = REGRESSION_LOSSES[name]
    learner = TorchLearner(
        seeded(lambda: nn.Linear(3, 2)).double(),
        loss,
        OPTIMIZERS["momentum"],
        epochs=2,
        batch_size=4,
    )
    check_equal(learner, x, y, coalitions(FEW_SIZES), loss=loss)
    assert learner._training._plan.padded


def test_targets_that_are_ignored():
    """Where a minibatch has no other, its loss is 0 / 0, and its gradient zero."""
    x, y = torch.randn(6, 2).double(), torch.tensor([-100, -100, 1, -100, 0, -100])
    learner = TorchLearner(
        seeded(lambda: nn.Linear(2, 2)).double(),
        nn.CrossEntropyLoss(),
        OPTIMIZERS["adam"],
        epochs=2,
        batch_size=2,
    )
    masks = coalitions((0, 1, 2, 3, 4, 5, 6), n=6)
    check_equal(learner, x, y, masks, loss=F.cross_entropy)


def test_dense_targets():
    """A class for each pixel: the loss has more dimensions than the minibatch."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(N, 1, 3, 3, generator=generator).double()
    y = torch.randint(0, 2, (N, 3, 3), generator=generator)
    y[:, 0, 0] = -100
    learner = TorchLearner(
        seeded(lambda: nn.Conv2d(1, 2, 3, padding=1)).double(),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        OPTIMIZERS["adam"],
        epochs=2,
        batch_size=4,
    )
    check_equal(learner, x, y, coalitions(), loss=learner.loss)
    assert learner._training._plan.padded


def test_an_empty_coalition_keeps_the_initial_weights():
    make, (x, y) = MODELS["perceptron"]
    model = seeded(make)
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=3, batch_size=4
    )
    nobody = torch.zeros(2, N, dtype=torch.bool)
    many = learner.fit_many((x, y), nobody)
    assert all((many[name] == p).all() for name, p in model.named_parameters())
    assert learner._training._plan is None  # nothing had to be tried


def test_who_else_is_trained_does_not_matter():
    make, (x, y) = MODELS["perceptron"]
    model, x = double(seeded(make), x)
    learner = TorchLearner(
        nn.Sequential(model, nn.Dropout(0.3)),
        nn.CrossEntropyLoss(),
        OPTIMIZERS["adam"],
        epochs=3,
        batch_size=4,
    )
    masks = coalitions()
    together = learner.fit_many((x, y), masks)
    for i in range(len(masks)):
        alone = learner.fit_many((x, y), masks[i : i + 1])
        for name, stack in together.items():
            torch.testing.assert_close(stack[i], alone[name][0], rtol=0, atol=1e-12)


def test_frozen_parameters_stay_and_tied_ones_stay_tied():
    make, (x, y) = MODELS["frozen"]
    model = seeded(make)
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["momentum"], epochs=2
    )
    many = learner.fit_many((x, y), coalitions())
    assert (many["0.weight"] == model[0].weight).all()
    assert not (many["0.bias"] == model[0].bias).all()
    tied = TorchLearner(Tied(), nn.CrossEntropyLoss(), OPTIMIZERS["sgd"], epochs=1)
    many = tied.fit_many(MODELS["tied"][1], coalitions())
    assert many["head.weight"] is many["embedding.weight"]
    alone = tied.fit(MODELS["tied"][1])
    assert alone.head.weight is alone.embedding.weight


class Unused(nn.Module):
    """Has a parameter that no gradient reaches, which weight decay must not touch."""

    def __init__(self):
        super().__init__()
        self.used = nn.Linear(6, 3)
        self.unused = nn.Linear(6, 3)

    def forward(self, x):
        return self.used(x)


def test_a_parameter_without_a_gradient_is_left_alone():
    _, (x, y) = MODELS["perceptron"]
    model, x = double(seeded(Unused), x)
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["momentum"], epochs=2, batch_size=4
    )
    many = check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)
    assert (many["unused.weight"] == model.unused.weight).all()


def test_groups_of_parameters_have_their_own_settings():
    make, (x, y) = MODELS["perceptron"]
    model, x = double(seeded(make), x)

    def optimizer(parameters):
        parameters = list(parameters)
        return torch.optim.AdamW(
            [
                {"params": parameters[:2], "lr": 0.1},
                {"params": parameters[3:], "weight_decay": 0.0},
            ],
            lr=0.01,
        )

    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), optimizer, epochs=2, batch_size=4
    )
    many = check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)
    assert (many["2.weight"] == model[2].weight).all()  # it is in no group


class Lion(torch.optim.Optimizer):
    """A user's optimizer, element by element."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                p.sub_(group["lr"] * torch.sign(0.9 * mean + 0.1 * p.grad))
                mean.mul_(0.99).add_(p.grad, alpha=0.01)


class Normed(Lion):
    """A user's optimizer that takes the norm of each parameter's gradient."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(group["lr"] * p.grad / p.grad.norm())


def test_a_users_optimizer_is_tried_out():
    make, (x, y) = MODELS["perceptron"]
    model, x = double(seeded(make), x)
    learner = TorchLearner(model, nn.CrossEntropyLoss(), Lion, epochs=2, batch_size=4)
    check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)
    learner = TorchLearner(model, nn.CrossEntropyLoss(), Normed, epochs=2, batch_size=4)
    with pytest.warns(FallbackWarning, match="whole parameters"):
        check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)


def without_decay_of_biases(parameters):
    parameters = list(parameters)
    weights = [p for p in parameters if p.ndim > 1]
    biases = [p for p in parameters if p.ndim < 2]
    groups = [{"params": weights}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.02, weight_decay=0.5)


def test_groups_may_depend_on_the_shapes_of_parameters():
    make, (x, y) = MODELS["perceptron"]
    model, x = double(seeded(make), x)
    loss, optimizer = nn.CrossEntropyLoss(), without_decay_of_biases
    learner = TorchLearner(model, loss, optimizer, epochs=2, batch_size=4)
    check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)
    assert learner._training._plan.padded


def clipping(parameters):
    def clip(optimizer, *_):
        (group,) = optimizer.param_groups
        nn.utils.clip_grad_norm_(group["params"], 0.1)

    optimizer = torch.optim.SGD(parameters, lr=0.1)
    optimizer.register_step_pre_hook(clip)
    return optimizer


def test_a_hook_that_clips_the_norm_falls_back():
    make, (x, y) = MODELS["perceptron"]
    model, x = double(seeded(make), x)
    learner = TorchLearner(model, nn.CrossEntropyLoss(), clipping, epochs=2)
    with pytest.warns(FallbackWarning, match="whole parameters"):
        check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)


@pytest.mark.parametrize("batch_size", [None, 3, 4, 8])
def test_terms_of_a_loss_are_no_rows(batch_size):
    """Not even where a minibatch has as many rows as the loss has terms."""

    def loss(outputs, targets):
        terms = (F.cross_entropy(outputs, targets), 0.1 * outputs.pow(2).mean())
        return torch.stack([*terms, 0.01 * outputs.abs().mean()]).sum()

    make, (x, y) = MODELS["perceptron"]
    model, x = double(seeded(make), x)
    learner = TorchLearner(
        model, loss, OPTIMIZERS["momentum"], epochs=2, batch_size=batch_size
    )
    for sizes in ([3, 2], [7, 6], [11, 10]):  # the last minibatches have 3 and 2 rows
        check_equal(learner, x, y, coalitions(sizes), loss=loss)


def test_embeddings_that_count_tokens_are_not_padded():
    y = data((6,))[1]
    learner = TorchLearner(
        seeded(lambda: nn.Embedding(N, 3, scale_grad_by_freq=True)).double(),
        nn.CrossEntropyLoss(),
        OPTIMIZERS["momentum"],
        epochs=2,
        batch_size=4,
    )
    check_equal(learner, torch.arange(N), y, coalitions(), loss=F.cross_entropy)
    assert not learner._training._plan.padded


class Annealed(nn.Module):
    """Counts its steps, and does something else in each."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 3)
        self.step = 0

    def forward(self, x):
        self.step += 1
        return self.linear(x) * self.step


def test_a_model_that_counts_its_steps_falls_back():
    x, y = MODELS["perceptron"][1]
    model, x = double(seeded(Annealed), x)
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["sgd"], epochs=2, batch_size=4
    )
    with pytest.warns(FallbackWarning, match="attribute 'step'"):
        check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)
    assert learner.model.step == 0


def fallbacks(learner, x, y, masks):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first = learner.fit_many((x, y), masks)
        learner.fit_many((x, y), masks[:3])
        learner.outputs(first, x)
    return [str(w.message) for w in caught if w.category is FallbackWarning]


def test_batchnorm_falls_back_once_and_is_right_to_its_statistics():
    _, (x, y) = MODELS["perceptron"]
    model, x = double(
        seeded(
            lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
        ),
        x,
    )
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=2, batch_size=4
    )
    masks = coalitions((0, 2, 4, 6, 8, 10))
    (message,) = fallbacks(learner, x, y, masks)
    assert "'1.num_batches_tracked'" in message
    assert "one after another" in message
    many = check_equal(learner, x, y, masks, loss=F.cross_entropy, tolerance=0)
    assert many["1.num_batches_tracked"].dtype == torch.int64
    outputs = learner.outputs(many, x)
    torch.testing.assert_close(outputs[-1], learner.fit((x, y), masks[-1])(x))


def test_weights_that_a_forward_pass_changes_fall_back():
    x, y = MODELS["embedding"][1]
    model, x = double(
        seeded(
            lambda: nn.Sequential(
                nn.Embedding(5, 4, max_norm=0.5), nn.Flatten(), nn.Linear(8, 3)
            )
        ),
        x,
    )
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=2, batch_size=4
    )
    with pytest.warns(FallbackWarning, match="parameter '0.weight'"):
        check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)


def test_recurrent_networks():
    x, y = data((5, 4))
    model, x = double(seeded(GRUClassifier), x)
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=2, batch_size=4
    )
    masks = coalitions((0, 3, 6))
    with pytest.warns(FallbackWarning, match="gru"):
        many = check_equal(learner, x, y, masks, loss=F.cross_entropy)
    outputs = learner.outputs(many, x)  # one after another too, as has been said
    torch.testing.assert_close(outputs[-1], learner.fit((x, y), masks[-1])(x))


class Branching(nn.Module):
    """Control flow that looks at numbers."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 3)

    def forward(self, x):
        outputs = self.linear(x)
        return outputs if outputs.sum() > 0 else 2 * outputs


class Batchwise(nn.Module):
    """Normalises by the minibatch, and keeps no statistics: padding would show."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 3)
        self.norm = nn.BatchNorm1d(6, track_running_stats=False)

    def forward(self, x):
        return self.linear(self.norm(x))


def test_branches_fall_back():
    _, (x, y) = MODELS["perceptron"]
    model, x = double(seeded(Branching), x)
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=2, batch_size=4
    )
    with pytest.warns(FallbackWarning, match="vmap"):
        check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)


class Lookup(nn.Module):
    """An embedding by hand, whose padding PyTorch gives a gradient under vmap.

    That is so in all models but the first, and is found in the trial only if both of
    its models see padding.
    """

    def __init__(self):
        super().__init__()
        self.rows = nn.Parameter(torch.randn(5, 3))

    def forward(self, x):
        return torch.embedding(self.rows, x, padding_idx=1).sum(1)


def test_gradients_that_differ_fall_back():
    x, y = MODELS["embedding"][1]
    learner = TorchLearner(
        seeded(Lookup).double(),
        nn.CrossEntropyLoss(),
        OPTIMIZERS["adam"],
        epochs=2,
        batch_size=4,
    )
    with pytest.warns(FallbackWarning, match="gradients"):
        check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)


def test_padding_of_an_embedding_by_hand():
    class Functional(Lookup):
        def forward(self, x):
            return F.embedding(x, self.rows, padding_idx=2).sum(1)

    x, y = MODELS["embedding"][1]
    learner = TorchLearner(
        seeded(Functional).double(),
        nn.CrossEntropyLoss(),
        OPTIMIZERS["adam"],
        epochs=2,
        batch_size=4,
    )
    check_equal(learner, x, y, coalitions(), loss=F.cross_entropy)


def test_an_example_that_spoils_everything_stays_out_of_the_padding():
    make, (x, y) = MODELS["perceptron"]
    x = x.clone()
    x[0] = torch.nan
    learner = TorchLearner(
        seeded(make), nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=1, batch_size=4
    )
    masks = coalitions()
    many = learner.fit_many((x, y), masks)
    assert torch.equal(many["0.weight"].isfinite().all((1, 2)), ~masks[:, 0])


def test_rows_that_see_each_other_are_not_padded():
    _, (x, y) = MODELS["perceptron"]
    model, x = double(seeded(Batchwise), x)
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=2, batch_size=4
    )
    check_equal(learner, x, y, coalitions((0, 2, 4, 6, 7, 11)), loss=F.cross_entropy)
    assert not learner._training._plan.padded


def test_an_error_of_the_users_is_raised_as_it_is():
    x, y = torch.randn(4, 2), torch.tensor([0, 1, 2, 3])
    learner = TorchLearner(
        nn.Linear(2, 2), nn.CrossEntropyLoss(), OPTIMIZERS["sgd"], epochs=1
    )
    with pytest.raises(IndexError, match="Target 2 is out of bounds"):
        learner.fit_many((x, y), torch.ones(2, 4, dtype=torch.bool))


def test_an_error_that_comes_late_is_the_plain_loops():
    """The trial does not see all rows."""
    x, y = torch.randn(400, 2), torch.zeros(400, dtype=torch.int64)
    y[1] = 5
    learner = TorchLearner(
        nn.Linear(2, 2), nn.CrossEntropyLoss(), OPTIMIZERS["sgd"], epochs=1
    )
    with (
        pytest.warns(FallbackWarning, match="failed"),
        pytest.raises(InputError, match="Target 5 is out of bounds") as raised,
    ):
        learner.fit_many((x, y), torch.ones(2, 400, dtype=torch.bool))
    assert isinstance(raised.value.__cause__, IndexError)


def test_nothing_else_changes():
    make, (x, y) = MODELS["perceptron"]
    model = nn.Sequential(seeded(make), nn.Dropout(0.5)).eval()
    model(x).sum().backward()
    before = copy.deepcopy(model.state_dict())
    grads = [p.grad.clone() for p in model.parameters()]
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=2, batch_size=4
    )
    generator = torch.get_rng_state()
    with torch.no_grad():
        many = learner.fit_many((x, y), coalitions())
        learner.fit((x, y))
        learner.outputs(many, x)
    assert (torch.get_rng_state() == generator).all()
    assert not model.training
    assert all((model.state_dict()[k] == v).all() for k, v in before.items())
    pairs = zip(grads, model.parameters(), strict=True)
    assert all((g == p.grad).all() for g, p in pairs)


def test_gradients_are_switched_on_where_they_are_off():
    make, (x, y) = MODELS["perceptron"]
    learner = TorchLearner(
        seeded(make), nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=1
    )
    wanted = learner.fit_many((x, y), coalitions())["0.weight"]
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            got = learner.fit_many((x, y), coalitions())["0.weight"]
            alone = learner.fit((x + 0, y), coalitions()[3])
        assert torch.equal(got, wanted)
        assert (got[3] - alone[0].weight).abs().max() < 1e-5


def test_no_coalitions_no_models():
    make, (x, y) = MODELS["perceptron"]
    learner = TorchLearner(
        seeded(make), nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=1
    )
    many = learner.fit_many((x, y), torch.zeros(0, N, dtype=torch.bool))
    assert many["0.weight"].shape == (0, 8, 6)
    assert learner.outputs(many, x).shape == (0, N, 3)


def test_the_warning_points_at_the_users_line():
    _, (x, y) = MODELS["perceptron"]
    learner = TorchLearner(
        Branching(), nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=1
    )
    with pytest.warns(FallbackWarning) as caught:
        learner.fit_many((x, y), coalitions())
    assert caught[0].filename == __file__


def test_nothing_else_changes_after_an_error():
    def failing(outputs, targets):
        torch.rand(3)
        raise KeyError("mine")

    model = nn.Linear(2, 2).eval()
    learner = TorchLearner(model, failing, OPTIMIZERS["adam"], epochs=2)
    generator = torch.get_rng_state()
    data = torch.randn(4, 2), torch.zeros(4, dtype=torch.int64)
    generator = torch.get_rng_state()
    with pytest.raises(KeyError, match="mine"):
        learner.fit_many(data, torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(KeyError, match="mine"):
        learner.fit(data)
    assert (torch.get_rng_state() == generator).all()
    assert not model.training


def test_autocast():
    make, (x, y) = MODELS["perceptron"]
    learner = TorchLearner(
        seeded(make),
        nn.CrossEntropyLoss(),
        OPTIMIZERS["sgd"],
        epochs=2,
        batch_size=4,
        amp=torch.bfloat16,
    )
    many = check_equal(learner, x, y, coalitions(), tolerance=2e-2)
    assert many["0.weight"].dtype == torch.float32
    full = TorchLearner(
        seeded(make), nn.CrossEntropyLoss(), OPTIMIZERS["sgd"], epochs=2, batch_size=4
    ).fit_many((x, y), coalitions())
    assert not torch.equal(full["0.weight"], many["0.weight"])


def test_tuples_and_dicts_of_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(2, 3), nn.Embedding(4, 3)

        def forward(self, numbers, classes):
            return self.left(numbers) + self.right(classes)

    generator = torch.Generator().manual_seed(1)
    numbers = torch.randn(N, 2, generator=generator).double()
    classes = torch.randint(0, 4, (N,), generator=generator)
    y = torch.randint(0, 3, (N,), generator=generator)
    model = seeded(Two).double()
    answers = []
    for x in ((numbers, classes), {"classes": classes, "numbers": numbers}):
        learner = TorchLearner(
            model, nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=2, batch_size=4
        )
        answers.append(check_equal(learner, x, y, coalitions()))
        outputs = learner.outputs(answers[-1], x)
        assert outputs.shape == (len(SIZES), N, 3)
    assert all(torch.equal(answers[0][k], answers[1][k]) for k in answers[0])


@pytest.mark.parametrize("rows", [1, 4, None])
def test_outputs_are_those_of_each_model(rows):
    make, (x, y) = MODELS["convolution"]
    learner = TorchLearner(
        seeded(make),
        nn.CrossEntropyLoss(),
        OPTIMIZERS["adam"],
        epochs=1,
        eval_batch_size=rows,
    )
    masks = coalitions((0, 3, 9))
    outputs = learner.outputs(learner.fit_many((x, y), masks), x)
    assert outputs.shape == (3, N, 3)
    assert not outputs.requires_grad
    for i, mask in enumerate(masks):
        torch.testing.assert_close(outputs[i], learner.fit((x, y), mask)(x))


def test_a_coalition_that_cannot_be_trained_on_is_named():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    learner = TorchLearner(
        model, F.cross_entropy, partial(torch.optim.SGD, lr=0.1), epochs=1
    )
    data = torch.rand(5, 4), torch.arange(5) % 3
    coalitions = torch.tensor([[True] * 5, [False, False, True, False, False]])
    with (
        pytest.warns(FallbackWarning),
        pytest.raises(InputError, match=r"of 1 example\(s\) \{2\}") as raised,
    ):
        learner.fit_many(data, coalitions)
    assert "more than 1 value per channel" in str(raised.value.__cause__)
