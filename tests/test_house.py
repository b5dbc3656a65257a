"""The house rules, read from the source: layers, sizes, errors, documentation.

A rule is a function of one source file that yields its breaches. Each rule runs over
the package, and over a planted breach that it must find. A list of exemptions gives
the reason of each, and an exemption that nothing needs any more is a failure.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "torchattr"

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_POSITIONAL = 6
MAX_DUPLICATION = 0.05
WINDOW = 6

CORE = {"errors", "games", "sampling", "estimation"}
MAY_IMPORT = {
    "errors": set(),
    "games": {"errors"},
    "sampling": {"errors", "games"},
    "estimation": {"errors", "games", "sampling"},
    "attr": CORE,
    "training": {"errors", "games"},
    "valuation": CORE | {"training"},
    "influence": {"errors", "games"},
    "metrics": CORE | {"training"},
    "visualization": {"errors", "estimation"},
}
PEERS = {"captum", "pydvl", "shap", "shapiq", "skorch"}
SHAPELESS_NAMES = {"utils", "util", "common", "helpers", "misc", "base", "_core"}

CAPTUM = "captum 0.9's positional arguments, in its order"
MANY_POSITIONAL = {
    "FeatureAblation.attribute": CAPTUM,
    "FeatureAblation.attribute_future": CAPTUM,
    "KernelShap.attribute": CAPTUM,
    "Lime.attribute": CAPTUM,
    "LimeBase.__init__": CAPTUM,
    "Occlusion.attribute": CAPTUM,
    "ShapleyValueSampling.attribute": CAPTUM,
    "ShapleyValueSampling.attribute_future": CAPTUM,
    "ShapleyValues.attribute": CAPTUM,
    "ShapleyValues.attribute_future": CAPTUM,
    "visualize_image_attr": CAPTUM,
    "visualize_image_attr_multiple": CAPTUM,
}
BROAD_EXCEPT = {
    "games/forward.py": "a user's forward may fail in any way when first given two "
    "variants; it is then given one, and what it raises there is not caught",
    "games/futures.py": "what a callback raises is handed on to whoever waits",
    "valuation/utility/attempt.py": "a user's model may fail in any way on few points;"
    " failures are counted and told, and on all the points they are raised",
}
OVERRIDDEN = {
    "attribute_future": "captum gives its base one that raises, and some methods theirs"
}
ABSTRACT = "abstract: its subclasses show how they are used"
PROTOCOL = "a protocol: scikit-learn's and skorch's models comply"
NO_EXAMPLE = {
    "Attribution": ABSTRACT,
    "BaggingModel": PROTOCOL,
    "BaseModel": PROTOCOL,
    "Draws": ABSTRACT,
    "InterpretableModel": "a protocol: Lasso shows one that complies",
    "MissingExtraError": "raised only where an optional dependency is missing",
    "PerturbationAttribution": ABSTRACT,
    "Players": ABSTRACT,
    "Sampler": ABSTRACT,
    "SkorchSupervisedModel": PROTOCOL,
    "StoppingRule": ABSTRACT,
    "SupervisedModel": PROTOCOL,
    "TorchAttrError": "never raised itself",
    "Valuation": ABSTRACT,
}


@dataclass(frozen=True)
class Source:
    """One file of the package, or a planted one."""

    path: str  # relative to the package, such as "games/players.py"
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @property
    def layer(self) -> str:
        return self.path.split("/")[0].removesuffix(".py")

    def functions(self) -> Iterator[tuple[str, ast.FunctionDef]]:
        """Every function with its qualified name, inner ones included."""
        scopes = [("", self.tree)]
        while scopes:
            prefix, scope = scopes.pop()
            for node in ast.iter_child_nodes(scope):
                inner = prefix
                if isinstance(
                    node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
                ):
                    inner = f"{prefix}.{node.name}".lstrip(".")
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield inner, node
                scopes.append((inner, node))

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and absolute name of every imported module, deferred ones included."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                if node.level:
                    here = ["torchattr", *self.path.split("/")][: -node.level]
                    module = ".".join([*here, module]).rstrip(".")
                names = [f"{module}.{alias.name}" for alias in node.names]
                yield from (
                    (node.lineno, name)
                    for name in (names if module == "torchattr" else [module])
                )

    @cached_property
    def tokens(self) -> list[tokenize.TokenInfo]:
        return list(tokenize.generate_tokens(io.StringIO(self.text).readline))

    @cached_property
    def code_lines(self) -> set[int]:
        """Numbers of the lines that hold code: neither blank nor only a comment."""
        silent = {
            tokenize.COMMENT,
            tokenize.NL,
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
            tokenize.ENDMARKER,
        }
        return {
            line
            for token in self.tokens
            if token.type not in silent
            for line in range(token.start[0], token.end[0] + 1)
        }


SOURCES = [
    Source(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
]


def imports_against_the_arrows(source: Source) -> Iterator[str]:
    if source.path == "__init__.py":
        return  # the package's face imports every layer
    allowed = MAY_IMPORT.get(source.layer)
    if allowed is None:
        yield f"1: {source.layer} has no place in the order of layers"
        return
    for line, name in source.imports():
        parts = name.split(".")
        if parts[0] != "torchattr" or len(parts) == 1:
            continue
        if parts[1] not in allowed | {source.layer, "__version__"}:
            yield f"{line}: {source.layer} may not import {name}"


def imports_of_peers(source: Source) -> Iterator[str]:
    for line, name in source.imports():
        if name.split(".")[0] in PEERS:
            yield f"{line}: imports {name}"


def names_without_a_concept(source: Source) -> Iterator[str]:
    for part in source.path.removesuffix(".py").split("/"):
        if part in SHAPELESS_NAMES:
            yield f"1: a file is named after its concept, not {part!r}"


def long_files(source: Source) -> Iterator[str]:
    n_lines = len(source.text.splitlines())
    if n_lines > MAX_FILE_LINES:
        yield f"1: {n_lines} lines, at most {MAX_FILE_LINES}"


def long_functions(source: Source) -> Iterator[str]:
    for name, function in source.functions():
        body = function.body[1 if ast.get_docstring(function) is not None else 0 :]
        if not body:
            continue
        span = range(body[0].lineno, function.end_lineno + 1)
        n_lines = len(source.code_lines.intersection(span))
        if n_lines > MAX_FUNCTION_LINES:
            yield (
                f"{function.lineno}: {name} has {n_lines} lines of code, "
                f"at most {MAX_FUNCTION_LINES}"
            )


def many_positional(source: Source) -> Iterator[str]:
    for name, function in source.functions():
        arguments = [*function.args.posonlyargs, *function.args.args]
        if arguments and arguments[0].arg in {"self", "cls"}:
            arguments = arguments[1:]
        if len(arguments) > MAX_POSITIONAL and name not in MANY_POSITIONAL:
            yield (
                f"{function.lineno}: {name} takes {len(arguments)} positional "
                f"arguments, at most {MAX_POSITIONAL}; make the rest keyword-only"
            )


def calls_of_hasattr(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.Name) and node.id == "hasattr":
            yield f"{node.lineno}: hasattr; give the protocol a type"


def broad_excepts(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if not isinstance(node, ast.ExceptHandler) or source.path in BROAD_EXCEPT:
            continue
        caught = ast.unparse(node.type) if node.type else ""
        if not caught or re.search(r"\b(Base)?Exception\b", caught):
            yield f"{node.lineno}: except {caught or '(anything)'}; name the error"


def bare_asserts(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.Assert):
            yield f"{node.lineno}: assert vanishes under python -O; raise an error"


def unexplained_suppressions(source: Source) -> Iterator[str]:
    code = (
        r"# (type: ignore\[[a-z, -]+\]|ruff: ignore\[[a-z, -]+\]"
        r"|noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*)"
    )
    for token in source.tokens:
        comment = token.string if token.type == tokenize.COMMENT else ""
        if re.match(r"#\s*((type|ruff):\s*ignore|noqa)", comment) and not re.match(
            code + r"(  #)? \(?\w+", comment
        ):
            yield (
                f"{token.start[0]}: {comment!r} lacks its code or its reason "
                "('# noqa: CODE  # reason')"
            )


RULES = {
    imports_against_the_arrows: Source(
        "games/x.py", "from torchattr.attr.shapley_values import ShapleyValues"
    ),
    imports_of_peers: Source("attr/x.py", "def f():\n    from captum.attr import Lime"),
    names_without_a_concept: Source("games/utils.py", ""),
    long_files: Source("games/x.py", "x = 1\n" * (MAX_FILE_LINES + 1)),
    long_functions: Source(
        "games/x.py",
        'def f():\n    """Do."""\n' + "    x = 1\n" * (MAX_FUNCTION_LINES + 1),
    ),
    many_positional: Source(
        "games/x.py", "class A:\n    def f(self, a, b, c, d, e, f, g): ..."
    ),
    calls_of_hasattr: Source("games/x.py", "if hasattr(1, 'real'): ..."),
    broad_excepts: Source(
        "games/x.py", "try: ...\nexcept (ValueError, Exception): ..."
    ),
    bare_asserts: Source("games/x.py", "assert True, 'message'"),
    unexplained_suppressions: Source("games/x.py", "x = 1  # type: ignore[misc]"),
}
by_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


def report(breaches: list[str]) -> str:
    return f"{len(breaches)} breaches:\n" + "\n".join(breaches)


@by_rule
def test_the_package_keeps(rule):
    breaches = [f"torchattr/{s.path}:{found}" for s in SOURCES for found in rule(s)]
    assert not breaches, report(breaches)


@by_rule
def test_a_planted_breach_is_found_by(rule):
    assert list(rule(RULES[rule]))


def test_relative_imports_are_resolved():
    source = Source("games/x.py", "from ..attr import shapley_values")
    assert list(imports_against_the_arrows(source))


def test_every_exemption_is_needed():
    defined = {name for source in SOURCES for name, _ in source.functions()}
    stale = {
        "MANY_POSITIONAL": sorted(set(MANY_POSITIONAL) - defined),
        "BROAD_EXCEPT": sorted(set(BROAD_EXCEPT) - {s.path for s in SOURCES}),
        "NO_EXAMPLE": sorted(set(NO_EXAMPLE) - {p.name for p in PUBLIC}),
    }
    assert not any(stale.values()), stale


# Documentation


def docstring_windows(source: Source) -> Iterator[tuple[str, ...]]:
    """Every run of six consecutive non-blank lines of every docstring."""
    for node in source.nodes:
        if not isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ):
            continue
        lines = (ast.get_docstring(node) or "").splitlines()
        lines = [line.strip() for line in lines if line.strip()]
        for start in range(len(lines) - WINDOW + 1):
            yield tuple(lines[start : start + WINDOW])


def duplication(sources: list[Source]) -> tuple[float, list[str]]:
    """Share of the windows that occur more than once, and the worst of them."""
    counts = Counter(window for s in sources for window in docstring_windows(s))
    repeated = {window: count for window, count in counts.items() if count > 1}
    share = sum(repeated.values()) / max(counts.total(), 1)
    worst = sorted(repeated, key=repeated.get, reverse=True)[:3]
    return share, [f"{repeated[w]} times: " + " / ".join(w) for w in worst]


def test_a_paragraph_is_said_only_once():
    share, worst = duplication(SOURCES)
    assert share <= MAX_DUPLICATION, f"{share:.1%} of the windows\n" + "\n".join(worst)


def test_duplication_is_measured():
    text = '"""One.\n\nTwo.\nThree.\nFour.\nFive.\nSix.\n"""\n'
    share, _ = duplication([Source("games/x.py", text), Source("games/y.py", text)])
    assert share == 1


@dataclass(frozen=True)
class Public:
    """One name of a module's ``__all__``."""

    module: str
    name: str

    @property
    def object(self) -> object:
        return getattr(importlib.import_module(self.module), self.name)


def module_name(source: Source) -> str:
    parts = ["torchattr", *source.path.removesuffix(".py").split("/")]
    return ".".join(parts).removesuffix(".__init__")


def exported(source: Source) -> list[str]:
    for node in source.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


# What users import: a folder's names, and those of the modules that are paths of their
# own. Another module's __all__ is what its neighbours may use.
PATHS = {"torchattr.errors", "torchattr.estimation.stopping"}
PUBLIC = [
    Public(module_name(source), name)
    for source in SOURCES
    if source.path.endswith("__init__.py") or module_name(source) in PATHS
    for name in exported(source)
    if not inspect.ismodule(Public(module_name(source), name).object)
]


def isort_order(name: str) -> tuple[int, str]:
    """CONSTANTS, then Classes, then functions: the order ruff's RUF022 keeps."""
    kind = 0 if name.isupper() else 1 if name.lstrip("_")[:1].isupper() else 2
    return kind, name


def test_exports_are_sorted():
    unsorted = [
        f"torchattr/{source.path}: {exported(source)}"
        for source in SOURCES
        if exported(source) != sorted(exported(source), key=isort_order)
    ]
    assert not unsorted, report(unsorted)


def test_every_module_says_what_it_exports():
    silent = [
        f"torchattr/{source.path} has no __all__"
        for source in SOURCES
        if not exported(source)
    ]
    assert not silent, report(silent)


def has_example(documented: object) -> bool:
    """Whether a function, or a class or a method of its own, shows how it is used."""
    docs = [inspect.getdoc(documented) or ""]
    if inspect.isclass(documented):
        docs += [inspect.getdoc(member) or "" for member in vars(documented).values()]
    return any(re.search(r"Examples?:\s+>>> ", doc) for doc in docs)


def test_every_public_name_has_an_example():
    lacking = {
        public.name
        for public in PUBLIC
        if (inspect.isclass(public.object) or inspect.isroutine(public.object))
        and not has_example(public.object)
    }
    assert lacking <= set(NO_EXAMPLE), report(sorted(lacking - set(NO_EXAMPLE)))


def documented() -> list[str]:
    """What the API pages document, by the directives that autodoc reads."""
    directive = r"^\s*(?:\.\. |```\{)auto(?:class|data|exception|function)[:}]*\s+(\S+)"
    pages = sorted((ROOT / "docs" / "api").glob("*.md"))
    return [
        name
        for page in pages
        for name in re.findall(directive, page.read_text(encoding="utf-8"), re.M)
    ]


def resolve(path: str) -> object:
    """The documented object, or None where there is none of that name."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name, None)


def test_the_api_pages_document_every_public_name_once():
    pages = Counter(id(resolve(path)) for path in documented())
    wrong = {
        f"{public.name}: {pages[id(public.object)]} times in docs/api"
        for public in PUBLIC
        if pages[id(public.object)] != 1
    }
    assert not wrong, report(sorted(wrong))


def test_the_api_pages_document_only_what_there_is():
    missing = [path for path in documented() if resolve(path) is None]
    assert not missing, report(missing)


# Classes


def overrides() -> Iterator[str]:
    """Concrete methods that replace a concrete method of another class of ours."""
    classes = {p.object for p in PUBLIC if inspect.isclass(p.object)}
    classes |= {base for cls in classes for base in cls.__mro__[1:-1]}
    for owner in sorted(classes, key=lambda cls: cls.__qualname__):
        for name, member in vars(owner).items():
            if not inspect.isfunction(member) or name.startswith("__"):
                continue
            if name in OVERRIDDEN:
                continue
            for base in owner.__mro__[1:]:
                inherited = vars(base).get(name)
                if base.__module__.startswith("torchattr") and inspect.isfunction(
                    inherited
                ):
                    if not getattr(inherited, "__isabstractmethod__", False):
                        yield f"{owner.__name__}.{name} overrides {base.__name__}'s"
                    break


def test_no_method_is_implemented_twice_along_a_chain():
    breaches = sorted(set(overrides()))
    assert not breaches, report(breaches)
