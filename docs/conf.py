"""Sphinx settings. The build needs no network, and a warning ends it."""

import torchattr

project = "torchattr"
author = "the torchattr authors"
copyright = "2026, the torchattr authors"
release = version = torchattr.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"torchattr {release}"

# Types of other libraries are not linked: an inventory would have to be downloaded.
# Names of argument types stay names; PerturbationAttribution says what they may be.
nitpick_ignore_regex = [
    (r"py:class", r"(Inputs|Baselines|FeatureMask|TargetLike|Extents|Sampling)"),
    (r"py:class", r"(Array|Floats|Method|Sign|Options|Colormap|Show|Mask|Seed|Names)"),
    (
        r"py:class",
        r"(ScorerLike|Learner|PointValues|Scoring|Result|Data|Curve|Fractions)",
    ),
    (
        r"py:class",
        r"(RandomState|SubFigure|.*\.(LogCoefficient|Transformed|ModelScore))",
    ),
    (
        r"py:class",
        r"torchattr\.sampling\.(rounds|orders|marginals)\..*|NearestNeighboursGame",
    ),
    (
        r"py:class",
        r".*\.(FiniteSampler|CountedSampler|Resettable|_Regressor|ScoredModel)",
    ),
    (r"py:class", r"nn\.Module|Loss|Regularization|BlockStructure|CurvatureChoice"),
    (r"py:class", r"BatchFunction|da\.Array|Client|DTypeLike|Correlation"),
    (r"py:class", r".*\.(ExampleGradients|ParameterGradients|HasSelfInfluences)"),
    (r"py:class", r".*\.(LowRankInverse|DiagonalInverse|Columns)"),
    (
        r"py:class",
        r".*\.(HasIndices|Learner)|pathlib\.Path|os\.PathLike|enum\.Enum|pd\..*",
    ),
    (r"py:.*", r"(torch|numpy|np|matplotlib|scipy|collections|abc)\..*"),
    (r"py:.*", r"(Tensor|Module|Future|Figure|Axes|NDArray|Generator|ArrayLike)"),
    (r"py:.*", r"(Any|Callable|Iterable|Iterator|Literal|Sequence|Self|T|optional)"),
    (r"py:.*", r"(bool|int|float|str|tuple|list|dict|object|None|type|slice|range)"),
    (r"py:exc", r"\w+(Error|Warning)"),
]
