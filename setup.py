"""Metadata; pyproject.toml holds the tools' settings."""

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(
    r'^__version__ = "(.+)"$',
    (here / "torchattr" / "__init__.py").read_text(encoding="utf-8"),
    re.MULTILINE,
).group(1)

extras = {
    "sklearn": ["scikit-learn>=1.3", "joblib>=1.3", "pandas>=2.0", "skorch>=1.0"],
    "store": ["zarr>=2.16"],
    "distributed": ["dask[distributed]>=2023.5", "joblib>=1.3"],
    "vision": ["torchvision>=0.19"],
    "test": [
        "captum==0.9.0",  # the oracle: its semantics change between minor versions
        "hypothesis>=6.100",
        "pytest>=8.0",
        "pytest-xdist>=3.5",
        "scikit-learn>=1.3",
        "joblib>=1.3",
        "pandas>=2.0",
        "skorch>=1.0",  # data valuation speaks its models' protocol
        "zarr>=2.16",
        "dask[distributed]>=2023.5",
        "curvlinops-for-pytorch>=3.0",  # its operators plug into the solvers
        "sybil>=8.0",  # runs the examples of README and docs
        "torchvision>=0.19",
    ],
    "docs": ["furo>=2024.1", "myst-parser>=3.0", "sphinx>=7.2"],
}
users = ("sklearn", "store", "distributed", "vision")
extras["all"] = sorted({need for name in users for need in extras[name]})

setup(
    name="torchattr",
    version=version,
    description="Which inputs, and which training examples, made a prediction: "
    "fast attribution for PyTorch with standard errors",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-3-Clause",
    packages=find_packages(include=["torchattr", "torchattr.*"]),
    package_data={"torchattr": ["py.typed"]},
    python_requires=">=3.10",
    install_requires=[
        "torch>=2.4",  # torch.OutOfMemoryError's home moved in 2.5; both are handled
        "numpy>=1.24",
        "scipy>=1.11",  # t quantiles, quadrature nodes, linear programming (HiGHS)
        "tqdm>=4.60",
        "matplotlib>=3.7",
    ],
    extras_require=extras,
    classifiers=[
        "Programming Language :: Python :: 3",
        "Operating System :: OS Independent",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
