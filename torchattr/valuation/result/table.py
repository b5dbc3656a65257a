"""Tables for people who go on with pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from torchattr.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["table"]


def table(columns: Mapping[str, NDArray[Any]], index: NDArray[Any]) -> pd.DataFrame:
    """A data frame that shares no memory with what it is made of.

    Args:
        columns: ``(n,)`` arrays by name.
        index: ``(n,)``, what the rows are called.

    Returns:
        The frame.

    Raises:
        MissingExtraError: If pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError(
            "a data frame needs pandas: pip install torchattr[sklearn]"
        ) from error
    copies = {name: column.copy() for name, column in columns.items()}
    return pd.DataFrame(copies, index=pd.Index(index.copy()))
