"""kNN, linear probe and controls against loops, scikit-learn and what they must refuse."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from sslbook import judging
from sslbook.core.streams import Streams
from sslbook.errors import DataError, UsageError, UserError
from sslbook.judging import logistic


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x, y = load_digits(return_X_y=True)
    x, y = torch.from_numpy(x).float(), torch.from_numpy(y)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = x[order], y[order]
    return x[:1200], y[:1200], x[1200:], y[1200:]


def blobs(seed: int, n: int, classes: int, width: int, noise: float = 1.0) -> tuple:
    """Train and test features of Gaussian classes that overlap."""
    centres = random(seed, classes, width)
    y = torch.arange(n) % classes
    return tuple(
        part
        for i in (1, 2)
        for part in (centres[y] + noise * random(seed + i, n, width), y)
    )


# -- neighbours and kNN ---------------------------------------------------------------------------


def knn_by_loops(train_x, train_y, test_x, test_y, k: int, t: float) -> float:
    right = 0
    for q, truth in zip(test_x.double(), test_y, strict=True):
        cosines = [
            round(float(q @ b / (q.norm() * b.norm()).clamp_min(1e-30)), 9)
            for b in train_x.double()
        ]
        nearest = sorted(range(len(cosines)), key=lambda i: (-cosines[i], i))[:k]
        votes: dict[int, float] = {}
        for i in nearest:
            label = int(train_y[i])
            votes[label] = votes.get(label, 0.0) + math.exp(cosines[i] / t)
        best = max(votes.values())
        guess = min(label for label, vote in votes.items() if vote >= best * (1 - 1e-8))
        right += guess == int(truth)
    return right / len(test_y)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**31), st.integers(1, 12), st.sampled_from([0.07, 0.1, 1.0]), st.booleans()
)
def test_knn_equals_loops_also_with_ties(seed: int, k: int, t: float, coarse: bool) -> None:
    x, y, test_x, test_y = blobs(seed, 24, 4, 3, 2.0)
    if coarse:  # many equal directions
        x, test_x = x.sign(), test_x.sign()
    assert judging.knn(x, y, test_x, test_y, k, t) == knn_by_loops(x, y, test_x, test_y, k, t)


def test_knn_equals_loops_on_digits_and_ignores_row_length(digits) -> None:
    x, y, test_x, test_y = (part[:90] for part in digits)
    expected = knn_by_loops(x, y, test_x, test_y, 20, 0.1)
    length = torch.rand(90, 1, generator=torch.Generator().manual_seed(0)) + 0.5
    assert judging.knn(x, y, test_x, test_y) == expected
    assert judging.knn(x * length, y, test_x * length.flip(0), test_y) == expected
    assert 0.7 < expected < 1


def test_neighbours_are_sorted_and_ties_go_to_the_lower_index() -> None:
    bank = torch.tensor([[0.0, 1], [1, 0], [2, 0], [0, 3], [5, 0], [1, 1]])
    query = torch.tensor([[3.0, 0], [0, 1]])
    assert judging.neighbours(query, bank, 5).tolist() == [[1, 2, 4, 5, 0], [0, 3, 5, 1, 2]]
    assert judging.neighbours(query, bank, 2).tolist() == [[1, 2], [0, 3]]
    same = torch.ones(700, 3)
    assert judging.neighbours(same[:3], same, 4).tolist() == [[0, 1, 2, 3]] * 3


def test_neighbours_equal_a_full_sort_across_chunks() -> None:
    query, bank = random(0, 1100, 5), random(1, 60, 5)
    bank[30:] = bank[:30]  # every row twice
    cosine = nn.functional.normalize(query.double()) @ nn.functional.normalize(bank.double()).T
    expected = (cosine * 2**30).round().argsort(dim=1, descending=True, stable=True)[:, :7]
    assert torch.equal(judging.neighbours(query, bank, 7), expected)


def test_knn_votes_are_weighted_and_ties_take_the_lower_label() -> None:
    bank = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.6, 0.8]])
    labels, query = torch.tensor([7, 3, 3]), torch.tensor([[1.0, 0.0]])
    near, far = torch.tensor([7]), torch.tensor([3])
    assert judging.knn(bank, labels, query, near, k=3, temperature=0.1) == 1  # e^4 beats 2
    assert judging.knn(bank, labels, query, far, k=3, temperature=100) == 1  # a head count
    assert judging.knn(bank[:2] * 0 + 1, labels[:2], query, far, k=2) == 1  # equal: the lower
    assert judging.knn(bank, labels, query, near, k=3, temperature=1e-4) == 1  # no overflow


def test_knn_table_is_knn_for_each_k(digits) -> None:
    table = judging.knn_table(*digits, (1, 20, 200))
    assert table == {k: judging.knn(*digits, k=k) for k in (1, 20, 200)}
    assert table[20] > 0.95


def test_a_small_bank_is_asked_as_a_whole() -> None:
    x, y, test_x, test_y = blobs(0, 12, 3, 5)
    assert judging.knn(x, y, test_x, test_y) == judging.knn(x, y, test_x, test_y, k=len(x))
    everyone = judging.neighbours(test_x, x, 100)
    assert torch.equal(everyone, judging.neighbours(test_x, x, len(x)))
    assert everyone.shape == (len(test_x), len(x))


def test_zero_features_do_not_break_knn() -> None:
    x, y = torch.zeros(5, 3), torch.tensor([2, 1, 1, 1, 0])
    assert judging.knn(x, y, x, y, k=1) == 0.2  # all tie: the first row's label


# -- linear probe ---------------------------------------------------------------------------------


def sklearn_fit(x, y, test_x, l2: float):
    scaler = StandardScaler().fit(x.double().numpy())
    model = LogisticRegression(C=1 / (l2 * len(x)), tol=1e-8, max_iter=20000)
    model.fit(scaler.transform(x.double().numpy()), y.numpy())
    return model, model.predict_proba(scaler.transform(test_x.double().numpy()))


@pytest.mark.parametrize("l2", [0.1, 1e-2, 1e-3])
def test_linear_probe_equals_scikit_learn_on_digits(digits, l2: float) -> None:
    x, y, test_x, test_y = digits
    model, theirs = sklearn_fit(x, y, test_x, l2)
    probe = judging.linear_probe(*digits, l2=l2)
    assert probe.converged
    assert probe.accuracy == float((theirs.argmax(1) == test_y.numpy()).mean())
    ours = probe.scores(test_x).softmax(dim=1)
    assert float((ours - torch.from_numpy(theirs)).abs().max()) < 1e-3
    assert torch.equal(probe.predict(test_x), torch.from_numpy(model.classes_[theirs.argmax(1)]))


@pytest.mark.parametrize(("n", "classes", "width"), [(200, 2, 5), (60, 3, 90), (40, 2, 60)])
def test_linear_probe_equals_scikit_learn_for_two_classes_and_wide_features(
    n: int, classes: int, width: int
) -> None:
    x, y, test_x, test_y = blobs(11, n, classes, width, 3.0)
    _, theirs = sklearn_fit(x, y, test_x, 0.03)
    probe = judging.linear_probe(x, y, test_x, test_y, l2=0.03)
    ours = probe.scores(test_x).softmax(dim=1)
    assert float((ours - torch.from_numpy(theirs)).abs().max()) < 1e-4


def test_linear_probe_is_at_a_minimum_of_the_stated_objective() -> None:
    x, y, test_x, test_y = blobs(3, 120, 4, 6, 2.0)
    probe = judging.linear_probe(x, y, test_x, test_y, l2=0.02)
    x = x.double()
    std = x.std(0, correction=0)
    weight = (probe.weight * std[:, None]).requires_grad_()
    bias = (probe.bias + x.mean(0) @ probe.weight).requires_grad_()
    z = (x - x.mean(0)) / std
    loss = nn.functional.cross_entropy(z @ weight + bias, y) + 0.01 * weight.square().sum()
    loss.backward()
    assert float(weight.grad.abs().max()) < 1e-5
    assert float(bias.grad.abs().max()) < 1e-5


def test_ill_conditioned_features_converge() -> None:
    mix = random(5, 40, 40) @ torch.diag(torch.logspace(0, -4, 40)) @ random(6, 40, 40)
    x, y, test_x, test_y = blobs(4, 300, 3, 40, 2.0)
    x, test_x = x @ mix, test_x @ mix
    _, theirs = sklearn_fit(x, y, test_x, 1e-3)
    probe = judging.linear_probe(x, y, test_x, test_y, l2=1e-3)
    assert probe.converged
    assert abs(probe.accuracy - float((theirs.argmax(1) == test_y.numpy()).mean())) <= 0.002


def test_l2_is_chosen_on_the_training_set_alone(digits) -> None:
    x, y, test_x, test_y = digits
    probe = judging.linear_probe(x, y, test_x, test_y)
    wrong = judging.linear_probe(x, y, test_x, (test_y + 1) % 10)
    assert probe.l2 == wrong.l2
    assert probe.tried == wrong.tried
    assert probe.tried[probe.l2] == max(probe.tried.values())
    assert probe.accuracy > 0.95 > 0.1 > wrong.accuracy
    assert probe.accuracy == judging.linear_probe(x, y, test_x, test_y, l2=probe.l2).accuracy


def test_noisy_wide_features_choose_more_l2_than_clean_ones() -> None:
    clean = judging.linear_probe(*blobs(8, 200, 4, 20, 0.2))
    noisy = judging.linear_probe(*blobs(8, 200, 4, 400, 8.0))
    assert noisy.l2 > 1e-3
    assert clean.accuracy == 1
    assert len(noisy.tried) >= 3


def test_held_out_fifth_is_by_class_and_by_seed() -> None:
    y = torch.tensor([0] * 50 + [1] * 10 + [2] * 2 + [3])
    mask = logistic.held_out(y, 4, seed=0)
    assert [int(mask[y == c].sum()) for c in range(4)] == [10, 2, 1, 0]
    assert torch.equal(mask, logistic.held_out(y, 4, seed=0))
    assert not torch.equal(mask, logistic.held_out(y, 4, seed=1))


def test_constant_and_rounding_noise_columns_change_nothing() -> None:
    x, y, test_x, test_y = blobs(9, 90, 3, 4, 2.0)
    plain = judging.linear_probe(x, y, test_x, test_y, l2=0.01)
    noise = 3.0 + 3e-7 * random(1, 90, 2).sign()
    wide = torch.cat([x, torch.zeros(90, 1), torch.full((90, 1), 7.0), noise], dim=1)
    wide_test = torch.cat([test_x, random(2, 90, 4)], dim=1)
    other = judging.linear_probe(wide, y, wide_test, test_y, l2=0.01)
    assert other.weight[4:].abs().max() == 0
    assert torch.allclose(plain.weight, other.weight[:4], atol=1e-5)
    assert plain.accuracy == other.accuracy


def test_all_constant_features_answer_the_most_frequent_class() -> None:
    y = torch.tensor([4, 4, 9, 4, 9, 4])
    probe = judging.linear_probe(torch.ones(6, 3), y, torch.ones(2, 3), torch.tensor([4, 9]))
    assert probe.accuracy == 0.5
    assert probe.predict(torch.zeros(2, 3)).tolist() == [4, 4]


def test_one_sample_per_class_and_unseen_classes() -> None:
    x = torch.eye(3)
    probe = judging.linear_probe(x, torch.tensor([5, 1, 8]), x, torch.tensor([5, 1, 0]))
    assert probe.accuracy == pytest.approx(2 / 3)
    assert probe.tried == {}
    assert probe.l2 == 1e-2
    assert probe.classes.tolist() == [1, 5, 8]


# -- refusals -------------------------------------------------------------------------------------


X, Y, TEST_X, TEST_Y = blobs(0, 40, 4, 5)


@pytest.mark.parametrize("judge", [judging.knn, judging.linear_probe, judging.scores])
@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((X, None, TEST_X, TEST_Y), DataError, "no labels: labelled measures are left out"),
        ((X, Y, TEST_X, None), DataError, "test set: no labels"),
        ((X, Y, TEST_X[:, :4], TEST_Y), UsageError, "5 and 4 columns"),
        ((X, Y[:5], TEST_X, TEST_Y), UsageError, "40 integers"),
        ((X, Y + 1j, TEST_X, TEST_Y), UsageError, "complex64"),
        ((X * math.nan, Y, TEST_X, TEST_Y), UserError, "NaN"),
        ((X, Y, TEST_X[:0], TEST_Y[:0]), UsageError, "one row"),
    ],
)
def test_bad_input_is_named(judge, arguments, kind, message) -> None:
    with pytest.raises(kind, match=message):
        judge(*arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y, *test: judging.neighbours(test[0], x, 0), "k=0"),
        (lambda x, y, *test: judging.neighbours(test[0], x[:, :4], 3), "4 and 5 columns"),
        (lambda *data: judging.knn(*data, k=1, temperature=0), "temperature=0"),
        (lambda x, y, *test: judging.linear_probe(x, y * 0, *test), "two classes"),
        (lambda *data: judging.linear_probe(*data, l2=0.0), "l2="),
        (lambda *data: judging.linear_probe(*data, l2=-1.0), "l2="),
        (lambda *data: judging.linear_probe(*data, l2=math.nan), "l2="),
    ],
)
def test_wrong_knobs_and_one_class_are_refused(call, message) -> None:
    with pytest.raises(UsageError, match=message):
        call(*blobs(0, 12, 3, 5))


# -- features and controls ------------------------------------------------------------------------


class Net(nn.Module):
    """A small encoder with BatchNorm, dropout and a frozen part that stays in eval mode."""

    def __init__(self, width: int = 8):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.drop = nn.Dropout(0.5)
        self.frozen = nn.BatchNorm2d(width).eval()
        self.out_dim = width

    def forward(self, x: Tensor) -> Tensor:
        x = self.frozen(self.drop(self.norm(self.conv(x)).relu()))
        return x.mean(dim=(2, 3))

    def encode(self, x: Tensor) -> Tensor:
        return self(x)


def prepare(images: Tensor) -> Tensor:
    return images.float() / 255 - 0.5


def tinted(seed: int, n: int) -> SimpleNamespace:
    """Noise images with a red, green or blue tint: three classes."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(3, (n,), generator=generator)
    images = torch.randint(0, 200, (n, 3, 6, 6), generator=generator)
    images[torch.arange(n), y] += 30
    return SimpleNamespace(images=images.clamp(0, 255).to(torch.uint8), labels=y)


def augment(images: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
    flip = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    return (prepare(torch.where(flip, images.flip(3), images)),)


def test_features_run_in_eval_mode_and_restore_every_mode() -> None:
    net, data = Net(), tinted(0, 50)
    net.train()
    net.frozen.eval()
    found = judging.features(net, data, prepare=prepare)
    assert found.shape == (50, 8)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert net.training
    assert net.norm.training
    assert not net.frozen.training
    assert int(net.norm.num_batches_tracked) == 0
    small = judging.features(net, prepare(data.images), batch_size=7)
    assert torch.allclose(found, small, atol=1e-6)
    bound = judging.features(net.encode, data, prepare=prepare)  # a method: same mode, no dropout
    assert torch.equal(found, bound)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(found, judging.features(net, data, prepare=prepare))


def test_features_restore_the_mode_after_an_error_and_refuse_raw_bytes() -> None:
    net, data = Net().train(), tinted(0, 4)
    with pytest.raises(UsageError, match="uint8 and not prepared"):
        judging.features(net, data)
    assert net.training
    with pytest.raises(UsageError, match="0 images"):
        judging.features(net, data.images[:0], prepare=prepare)


def test_calibration_gives_data_statistics_also_for_data_sorted_by_class() -> None:
    net, data = Net(), tinted(1, 400)
    data.images = data.images[data.labels.argsort()]
    weights = [p.clone() for p in net.parameters()]
    judging.calibrate_batchnorm(net, data, batch_size=50, prepare=prepare)
    maps = net.conv(prepare(data.images)).detach()
    assert torch.allclose(net.norm.running_mean, maps.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(net.norm.running_var, maps.var(dim=(0, 2, 3)), rtol=0.01)
    assert net.norm.momentum == 0.1
    assert not any(module.training for module in net.modules())
    assert all(map(torch.equal, weights, net.parameters()))
    with pytest.raises(UsageError, match="two images"):
        judging.calibrate_batchnorm(net, data.images[:1], prepare=prepare)
    plain = nn.Flatten()
    assert judging.calibrate_batchnorm(plain, data, prepare=prepare) is plain


def test_random_control_is_set_by_the_seed_and_touches_no_global_generator() -> None:
    train, test = tinted(2, 120), tinted(3, 60)
    state = torch.random.get_rng_state()
    one, again, other = (
        judging.random_encoder(Net, Streams(seed, "control"), train, prepare=prepare)
        for seed in (0, 0, 1)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one.conv.weight, again.conv.weight)
    assert not torch.equal(one.conv.weight, other.conv.weight)
    found = judging.encoder_scores(one, train, test, prepare=prepare)
    again = judging.control_scores(Net, Streams(0), train, test, prepare=prepare)
    assert set(found) == set(again["random"]) == {"knn20", "linear"}


def test_supervised_control_learns_and_repeats() -> None:
    train, test = tinted(4, 300), tinted(5, 150)
    state = torch.random.get_rng_state()
    runs = [
        judging.supervised_control(
            Net, Streams(0, "s"), train, test,
            augment=augment, epochs=8, batch_size=32, lr=2e-2, prepare=prepare,
        )
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert runs[0]["linear"] > judging.chance(train.labels, test.labels) + 0.3
    with pytest.raises(UsageError, match="epochs=0"):
        judging.supervised_encoder(Net, Streams(0, "s"), train, augment=augment, epochs=0)


@pytest.mark.parametrize(("train", "test", "right"), [
    ([0, 1, 1, 2], [1, 0, 0, 0], 1 / 4),  # 1 is the most frequent, whatever the test split has
    ([0, 0, 1, 1, 2], [2, 2, 1, 1, 0], 2 / 5),  # a tie of 0 and 1: 1, never 2
    ([0, 1, 2, 3], [0] + [1] * 8 + [2] * 8 + [3] * 9, 9 / 26),  # the lowest label would be 3.8 %
    ([3, 3], [0, 1], 0.0),
])
def test_chance_answers_the_most_frequent_training_class(train, test, right) -> None:
    assert judging.chance(torch.tensor(train), torch.tensor(test)) == pytest.approx(right)


def test_control_table_and_its_scores() -> None:
    train, test = tinted(6, 64), tinted(7, 40)
    table = judging.control_scores(
        lambda: nn.Sequential(Net()), Streams(0, "c"), train, test,
        prepare=prepare, augment=augment, epochs=1,
    )
    assert list(table) == ["chance", "pixels", "random", "supervised"]
    assert {tuple(row) for row in table.values()} == {("knn20", "linear")}
    assert all(0 <= value <= 1 for row in table.values() for value in row.values())
    flat = [prepare(split.images).flatten(1) for split in (train, test)]
    assert table["pixels"]["knn20"] == judging.knn(flat[0], train.labels, flat[1], test.labels)
    assert table["chance"]["linear"] == judging.chance(train.labels, test.labels)
    few = judging.control_scores(Net, Streams(0, "c"), train, test, prepare=prepare)
    assert list(few) == ["chance", "pixels", "random"]
    with pytest.raises(DataError, match="no labels"):
        judging.control_scores(
            Net, Streams(0), SimpleNamespace(images=train.images, labels=None), test,
            prepare=prepare,
        )


def test_scores_say_knn200_only_for_a_large_bank_and_clip_k_for_a_tiny_one(digits) -> None:
    assert list(judging.scores(*digits)) == ["knn20", "knn200", "linear"]
    x, y, test_x, test_y = digits
    assert list(judging.scores(x[:999], y[:999], test_x, test_y)) == ["knn20", "linear"]
    tiny = judging.scores(x[:12], y[:12], test_x, test_y)
    assert tiny["knn20"] == judging.knn(x[:12], y[:12], test_x, test_y, k=12)
