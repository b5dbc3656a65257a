"""Games with known Shapley values, on which estimators are compared.

Small games are tables of all coalitions, so that their truth is the exact fold;
large ones have a truth in closed form. Every game is a callable from coalitions
``(C, n)`` bool to values ``(C,)`` float64, on NumPy arrays (what the peers want).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import comb

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_friedman1,
)
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

Value = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class BenchmarkGame:
    """A game and its true Shapley values."""

    name: str
    n_players: int
    value: Value
    truth: np.ndarray

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        """Values of coalitions."""
        return self.value(np.atleast_2d(np.asarray(coalitions, dtype=bool)))


def all_coalitions(n: int) -> np.ndarray:
    return (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)


def tabulated(name: str, n: int, value: Value) -> BenchmarkGame:
    """Evaluate all 2^n coalitions once; the truth is the weighted sum over them."""
    masks = all_coalitions(n)
    table = np.asarray(value(masks), dtype=float)
    sizes = masks.sum(1)
    weight = np.array([1 / (n * comb(n - 1, s)) for s in range(n)] + [0.0])
    gain, loss = weight[sizes - 1] * (sizes > 0), weight[sizes]
    truth = ((gain + loss) * table) @ masks - (loss * table).sum()
    powers = 2 ** np.arange(n)
    return BenchmarkGame(name, n, lambda c: table[c @ powers], truth)


def ablation(predict: Value, x: np.ndarray, baseline: np.ndarray) -> Value:
    return lambda c: predict(np.where(c, x, baseline))


def unanimity(n: int, terms: int, seed: int) -> BenchmarkGame:
    """Sum of unanimity games: a term counts when all of its players are in."""
    rng = np.random.default_rng(seed)
    members = np.zeros((terms, n), dtype=bool)
    for row in members:
        row[rng.choice(n, rng.integers(1, min(n, 12) + 1), replace=False)] = True
    worth = rng.normal(size=terms)
    sizes = members.sum(1)
    truth = (worth / sizes) @ members

    def value(c: np.ndarray) -> np.ndarray:
        return (c.astype(float) @ members.T.astype(float) == sizes) @ worth

    return BenchmarkGame(f"SOUM {n} #{seed}", n, value, truth)


def network_games() -> Iterator[BenchmarkGame]:
    x, y = load_breast_cancer(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    forest = RandomForestClassifier(100, random_state=0).fit(x[:, :12], y)
    mlp = MLPClassifier(hidden_layer_sizes=(32, 32), max_iter=400, random_state=0).fit(
        x[:, :14], y
    )
    for i in (0, 50):
        predict = ablation(
            lambda z: forest.predict_proba(z)[:, 1], x[i, :12], 0 * x[i, :12]
        )
        yield tabulated(f"breast cancer forest 12 #{i}", 12, predict)
        predict = ablation(
            lambda z: mlp.predict_proba(z)[:, 1], x[i, :14], 0 * x[i, :14]
        )
        yield tabulated(f"breast cancer MLP 14 #{i}", 14, predict)
    x, y = load_diabetes(return_X_y=True)
    trees = GradientBoostingRegressor(random_state=0).fit(x, y)
    for i in (0, 9):
        yield tabulated(
            f"diabetes boosting 10 #{i}", 10, ablation(trees.predict, x[i], x.mean(0))
        )
    x, y = load_wine(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    wine = MLPClassifier(hidden_layer_sizes=(32,), max_iter=800, random_state=0).fit(
        x, y
    )
    for i in (0, 100):
        predict = ablation(
            lambda z, k=y[i]: wine.predict_proba(z)[:, k], x[i], 0 * x[i]
        )
        yield tabulated(f"wine MLP 13 #{i}", 13, predict)
    x, y = make_friedman1(400, 12, random_state=0)
    friedman = MLPRegressor(
        hidden_layer_sizes=(64, 64), max_iter=800, random_state=0
    ).fit(x, y)
    for i in (0, 1):
        yield tabulated(
            f"friedman MLP 12 #{i}", 12, ablation(friedman.predict, x[i], x.mean(0))
        )
    yield from digit_games()


def digit_games() -> Iterator[BenchmarkGame]:
    x, y = load_digits(return_X_y=True)
    digits = MLPClassifier(hidden_layer_sizes=(64,), max_iter=300, random_state=0).fit(
        x / 16, y
    )
    segment = (np.arange(8)[:, None] // 2 * 4 + np.arange(8) // 2).ravel()
    for i in (0, 7):

        def predict(c: np.ndarray, i: int = i) -> np.ndarray:
            masked = np.where(c[:, segment], x[i] / 16, 0.0)
            return digits.predict_proba(masked)[:, y[i]]

        yield tabulated(f"digits MLP 16 #{i}", 16, predict)


def ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)


def valuation_games() -> Iterator[BenchmarkGame]:
    """Data valuation: players are training points, or chunks of eight of them."""
    x, y = load_breast_cancer(return_X_y=True)
    x, y = StandardScaler().fit_transform(x)[:, :10], 2.0 * y - 1
    d, t = load_diabetes(return_X_y=True)
    d, t = StandardScaler().fit_transform(d), (t - t.mean()) / t.std()
    for seed in (0, 1):
        order = np.random.default_rng(seed).permutation(len(x))
        train, test = order[:12], order[12:212]

        def accuracy(c: np.ndarray, train=train, test=test) -> np.ndarray:
            fits = [ridge(x[train[s]], y[train[s]], 1.0) for s in c]
            return ((x[test] @ np.array(fits).T > 0) == (y[test, None] > 0)).mean(0)

        yield tabulated(f"points by accuracy 12 #{seed}", 12, accuracy)
        order = np.random.default_rng(seed).permutation(len(d))
        chunks, hold = order[:96].reshape(12, 8), order[96:296]

        def r2(c: np.ndarray, chunks=chunks, hold=hold) -> np.ndarray:
            rows = [chunks[s].ravel() for s in c]
            fits = np.array([ridge(d[r], t[r], 1.0) for r in rows])
            return (
                1 - ((t[hold] - fits @ d[hold].T) ** 2).mean(1) / (t[hold] ** 2).mean()
            )

        yield tabulated(f"chunks by R2 12 #{seed}", 12, r2)


def product_kernel(index: int) -> BenchmarkGame:
    """Decision function of an RBF-SVM: a sum of products, so quadrature is exact."""
    x, y = load_breast_cancer(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    svm = SVC(gamma=1 / 30).fit(x, y)
    centres, alpha = svm.support_vectors_, svm.dual_coef_[0]
    present = np.exp(-svm.gamma * (x[index] - centres) ** 2)
    absent = np.exp(-svm.gamma * centres**2)
    nodes, weights = np.polynomial.legendre.leggauss(16)
    truth = np.zeros(30)
    for q, w in zip((nodes + 1) / 2, weights / 2, strict=True):
        mix = q * present + (1 - q) * absent
        others = mix.prod(1, keepdims=True) / mix
        truth += w * alpha @ ((present - absent) * others)

    def value(c: np.ndarray) -> np.ndarray:
        return (
            np.exp(np.where(c[:, None], np.log(present), np.log(absent)).sum(-1))
            @ alpha
        )

    return BenchmarkGame(f"RBF-SVM 30 #{index}", 30, value, truth)


def tree_games() -> Iterator[BenchmarkGame]:
    import shap

    x, y = load_breast_cancer(return_X_y=True)
    boosting = GradientBoostingClassifier(random_state=0).fit(x, y)
    digits, labels = load_digits(return_X_y=True)
    forest = RandomForestClassifier(50, max_depth=8, random_state=0).fit(digits, labels)
    for i in (0, 50):
        base = x.mean(0)
        explain = shap.TreeExplainer(
            boosting, base[None], feature_perturbation="interventional"
        )
        truth = explain.shap_values(x[i : i + 1])[0]
        yield BenchmarkGame(
            f"boosting 30 #{i}",
            30,
            ablation(boosting.decision_function, x[i], base),
            truth,
        )
        base = digits.mean(0)
        explain = shap.TreeExplainer(
            forest, base[None], feature_perturbation="interventional"
        )
        truth = explain.shap_values(digits[i : i + 1])[0, :, labels[i]]
        predict = ablation(
            lambda z, k=labels[i]: forest.predict_proba(z)[:, k], digits[i], base
        )
        yield BenchmarkGame(f"digits forest 64 #{i}", 64, predict, truth)


def neighbours(n: int, seed: int, k: int = 5, tests: int = 20) -> BenchmarkGame:
    """Points valued by the accuracy of k nearest neighbours (Jia et al. 2019)."""
    x, y = load_breast_cancer(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    order = np.random.default_rng(seed).permutation(len(x))
    train, test = order[:n], order[n : n + tests]
    distance = ((x[test][:, None] - x[train]) ** 2).sum(-1)
    ranks = distance.argsort(1)
    hits = (y[train][ranks] == y[test][:, None]).astype(float)

    truth = np.zeros(n)
    for rank, hit in zip(ranks, hits, strict=True):
        value = hit[-1] * min(k, n) / (n * k)
        truth[rank[-1]] += value
        for j in range(n - 1, 0, -1):
            value += (hit[j - 1] - hit[j]) * min(k, j) / (k * j)
            truth[rank[j - 1]] += value

    def score(c: np.ndarray) -> np.ndarray:
        inside = c[:, ranks]
        nearest = inside & (inside.cumsum(-1) <= k)
        return (nearest * hits).sum(-1).mean(-1) / k

    return BenchmarkGame(f"{k}-NN {n} #{seed}", n, score, truth / tests)


def small_games() -> Iterator[BenchmarkGame]:
    for seed in (0, 1):
        yield unanimity(12, 50, seed)
    yield from network_games()
    yield from valuation_games()


def large_games() -> Iterator[BenchmarkGame]:
    for seed in (0, 1):
        yield unanimity(40, 100, seed)
        yield product_kernel(seed)
        yield neighbours(60, seed)
    yield from tree_games()
