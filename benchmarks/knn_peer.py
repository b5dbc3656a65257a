"""Seconds of KNN-Shapley by pyDVL, and its values, as a line of JSON.

Started by ``benchmarks.knn`` with the interpreter of an environment that has pyDVL, and
not ours. Reads an ``.npz`` with the examples.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np

warnings.simplefilter("ignore")  # deprecations of pyDVL's own dependencies

import pydvl  # ruff: ignore[module-import-not-at-top-of-file]  (after the filter)
from pydvl.valuation import (  # ruff: ignore[module-import-not-at-top-of-file]
    Dataset,
    KNNShapleyValuation,
)
from sklearn.neighbors import (  # ruff: ignore[module-import-not-at-top-of-file]
    KNeighborsClassifier,
)


def main(path: str, n_neighbours: int) -> None:
    """Value the examples, and print what it took."""
    with np.load(path) as task:
        train = Dataset(task["x"], task["y"])
        test = Dataset(task["x_test"], task["y_test"])
    model = KNeighborsClassifier(n_neighbors=n_neighbours)
    method = KNNShapleyValuation(model, test, progress=False)
    seconds = []
    for _ in range(2):  # the first pays for what is set up once
        began = time.process_time()
        method.fit(train)
        seconds.append(time.process_time() - began)
    result = method.values()
    values = np.empty(len(train))
    values[result.indices] = result.values
    print(
        json.dumps({
            "seconds": min(seconds),
            "values": values.tolist(),
            "versions": f"pyDVL {pydvl.__version__}",
        })
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
