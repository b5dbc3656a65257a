"""Runs the examples of the README and the docs, as tests."""

import doctest
import os

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

os.environ["MPLBACKEND"] = "Agg"  # before anything imports pyplot: no display is needed

pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(
            doctest_optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
        ),
        SkipParser(),
    ],
    patterns=["README.md", "docs/*.md", "docs/*/*.md"],
    excludes=["docs/_build/*"],
).pytest()
