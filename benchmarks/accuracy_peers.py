"""shapiq's and shap's estimators of Shapley values behind one signature.

An estimator is ``(game, budget, seed) -> values (n,)``. Whatever the installed
version of shapiq offers is compared; newer versions bring more (LeverageSHAP,
RegressionMSR, PolySHAP, OddSHAP, ProxySHAP).
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import shap
import shapiq.approximator

from benchmarks.accuracy_games import BenchmarkGame

Peer = Callable[[BenchmarkGame, int, int], np.ndarray]

SHAPIQ: dict[str, tuple[str, dict[str, object]]] = {
    "KernelSHAP": ("KernelSHAP", {}),
    "KernelSHAP paired": ("KernelSHAP", {"pairing_trick": True}),
    "LeverageSHAP": ("LeverageSHAP", {}),
    "kADD-SHAP 2": ("kADDSHAP", {"max_order": 2, "pairing_trick": True}),
    "kADD-SHAP 3": ("kADDSHAP", {"max_order": 3, "pairing_trick": True}),
    "PolySHAP 2": ("PolySHAP", {"max_order": 2, "pairing_trick": True}),
    "PolySHAP 3": ("PolySHAP", {"max_order": 3, "pairing_trick": True}),
    "permutations": ("PermutationSamplingSV", {}),
    "stratified": ("StratifiedSamplingSV", {}),
    "Owen": ("OwenSamplingSV", {}),
    "SVARM": ("SVARM", {}),
    "unbiased KernelSHAP": ("UnbiasedKernelSHAP", {}),
    "RegressionMSR linear": ("RegressionMSR", {"index": "SV", "proxy_model": "linear"}),
    "RegressionMSR xgboost": ("RegressionMSR", {"index": "SV"}),
    "OddSHAP": ("OddSHAP", {}),
    "ProxySHAP": ("ProxySHAP", {"index": "SV", "max_order": 1}),
}


def first_order(values: object, n: int) -> np.ndarray:
    return np.array([values[i,] for i in range(n)])


def with_shapiq(
    method: str, options: dict[str, object], game: BenchmarkGame, budget: int, seed: int
) -> np.ndarray:
    approximator = getattr(shapiq.approximator, method)
    estimator = approximator(n=game.n_players, random_state=seed, **options)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return first_order(estimator.approximate(budget, game), game.n_players)


def shap_permutation(game: BenchmarkGame, budget: int, seed: int) -> np.ndarray:
    n = game.n_players
    if budget < 2 * n + 1:
        return np.full(n, np.nan)
    model = lambda rows: game(rows > 0.5)  # ruff: ignore[lambda-assignment]
    explainer = shap.PermutationExplainer(model, np.zeros((1, n)), seed=seed)
    return explainer(np.ones((1, n)), max_evals=budget, silent=True).values[0]


def shap_kernel(
    l1_reg: object, game: BenchmarkGame, budget: int, seed: int
) -> np.ndarray:
    np.random.seed(seed)  # ruff: ignore[numpy-legacy-random]  (shap draws from the global state)
    n = game.n_players
    explainer = shap.KernelExplainer(lambda rows: game(rows > 0.5), np.zeros((1, n)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = explainer.shap_values(
            np.ones((1, n)), nsamples=budget - 2, l1_reg=l1_reg, silent=True
        )
    return values[0]


def peers() -> dict[str, Peer]:
    found: dict[str, Peer] = {
        f"shapiq {name}": partial(with_shapiq, method, options)
        for name, (method, options) in SHAPIQ.items()
        if method in dir(shapiq.approximator)
    }
    found["shap Permutation"] = shap_permutation
    found["shap Kernel"] = partial(shap_kernel, "num_features(10)")
    found["shap Kernel l1_reg=0"] = partial(shap_kernel, 0)
    return found
