"""Fitting a method with a number of jobs, as the functional interface asks for it."""

from __future__ import annotations

from contextlib import nullcontext

from torchattr.errors import MissingExtraError
from torchattr.valuation.methods.valuation import Valuation
from torchattr.valuation.result import ValuationResult

__all__ = ["fitted"]


def fitted(
    method: Valuation, *, n_jobs: int = 1, parallel_backend: object = None
) -> ValuationResult:
    """What a method finds.

    Args:
        method: Any whose utility has its data.
        n_jobs: Workers that evaluate the utility, by joblib. They change no value, and
            are of no use to what trains many models at once.
        parallel_backend: Name of a joblib backend; pyDVL's objects are ignored.

    Returns:
        The result.

    Raises:
        MissingExtraError: If joblib is asked for and not installed.
    """
    if n_jobs == 1:
        return method.fit().result
    try:
        from joblib import parallel_config
    except ImportError as error:
        raise MissingExtraError(
            "n_jobs needs joblib: pip install torchattr[sklearn]"
        ) from error
    named = {"backend": parallel_backend} if isinstance(parallel_backend, str) else {}
    context = parallel_config(n_jobs=n_jobs, **named) if n_jobs else nullcontext()
    with context:
        return method.fit().result
