"""What the cells of a table's column are: numbers, dates or categories."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sslbook.datasets.lookup import unusable
from sslbook.errors import DataError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_FEW = 10  # different values: fewer may be categories, such as 0, 1, 2, 3+
MOST_KINDS = 256  # of texts in one column: more is a name or an identifier, not a category
_LARGEST = float(np.finfo(np.float32).max)  # beyond it, as nan, a cell is text
_THOUSANDS = r"[-+]?\d{1,3}(?:,\d{3})+"
# What people write for a number and no computer reads: 1.234,50 or $1,200 or 12 %.
_LIKE_A_NUMBER = r"[$€£]? ?[-+]?\d{1,3}(?:[.,' ]?\d{3})*(?:[.,]\d+)? ?[%€$£]?|[-+]?inf(?:inity)?"
_DATE = r"(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})(?:[T ](.+))?"


@dataclass(frozen=True)
class Column:
    """A column without gaps; cells: its texts, by line. kind: "number", "date" or "category".

    values: float64 (n,), dates in days since 1970-01-01; None for a category. note: what such a
    column is said to be, where that may surprise.
    """

    name: str
    cells: Series
    kind: str
    values: np.ndarray | None = None
    note: str = ""

    @property
    def counts_rows(self) -> bool:
        """True where the numbers are those of the rows, in any order."""
        return self.kind == "number" and counts(self.values)

    def block(self, path: Path) -> DataFrame:
        """Features (n, k): k = 1 for numbers and dates, else a 0/1 column for each value."""
        import pandas

        name = self.name.replace("=", ":")  # "=" stands before a category
        if self.values is not None:
            return pandas.DataFrame({name: self.values})
        if self.cells.nunique() > MOST_KINDS:
            what = f"column {self.name} holds {self.cells.nunique()} different texts"
            raise wrong(path, what, f"Mend them, or leave the column out: {option(path, self)}")
        kinds = pandas.get_dummies(self.cells, prefix=name, prefix_sep="=", dtype=np.float64)
        return kinds.reset_index(drop=True)


def wrong(path: Path, what: str, todo: str) -> DataError:
    """The error for a table that cannot be used."""
    return unusable(f"The table {path.name}: {what}.", todo)


def option(path: Path, column: Column | Series) -> str:
    """What to type to leave a column out."""
    return f"csv:{path}?drop={column.name}"


def number(cell: str) -> float:
    """The number in a cell; nan where it is none, or beyond float32."""
    try:
        value = float(cell)
    except ValueError:
        return np.nan
    return value if abs(value) <= _LARGEST else np.nan


def counts(values: Iterable[float]) -> bool:
    """True for whole numbers of which each comes once and none is left out, in any order."""
    return bool((np.diff(np.sort(list(values))) == 1).all())


def read(path: Path, cells: Series, separator: str = ",") -> Column:
    """The column of some cells. A comma is a decimal sign where it marks no thousands.

    Raises DataError that names column and line for a text among numbers, for numbers in a form
    that nothing reads, and for dates that are not understood or may be read in two ways.
    """
    import pandas

    kinds = list(cells.unique())
    values = _each(cells, {kind: number(kind) for kind in kinds})
    if np.isfinite(values).all():
        return Column(cells.name, cells, "number", values)
    marked = pandas.Series([kind for kind in kinds if "," in kind], dtype=str)
    if not any("." in kind for kind in kinds) and (
            separator != "," or not marked.str.fullmatch(_THOUSANDS).all()):
        decimal = _each(cells, {kind: number(kind.replace(",", ".")) for kind in kinds})
        if np.isfinite(decimal).all():
            return Column(cells.name, cells, "number", decimal, "decimal commas")
    days = _dates(path, cells)
    if days is not None:
        return Column(cells.name, cells, "date", days, "dates, in days since 1970-01-01")
    return Column(cells.name, cells, "category", note=_strays(path, cells, np.isfinite(values)))


def _each(cells: Series, known: dict[str, float]) -> np.ndarray:
    return cells.map(known).to_numpy(np.float64)


def _dates(path: Path, cells: Series) -> np.ndarray | None:
    """Days since 1970-01-01, float64 (n,); None where a cell is no date."""
    import pandas

    if not cells.str.fullmatch(_DATE).all():
        return None
    parts = cells.str.extract(f"^{_DATE}$")
    # 2024-01-31 begins with the year; 31.01.2024 with the day; 31/01/2024 with either.
    orders = [(0, 2, 3)] if (parts[0].str.len() == 4).all() else [(3, 2, 0), (3, 0, 2)]
    found = []
    for year, month, day in orders[:1] if (parts[1] == ".").all() else orders:
        text = parts[year] + "-" + parts[month].str.zfill(2) + "-" + parts[day].str.zfill(2)
        when = pandas.to_datetime(text + "T" + parts[4].fillna("00:00"), format="ISO8601",
                                  utc=True, errors="coerce")
        if when.notna().all():
            since = when - pandas.Timestamp(0, tz="UTC")
            found.append((since / pandas.Timedelta(days=1)).to_numpy(np.float64))
    if len(found) == 2 and not np.array_equal(*found):
        what = f"column {cells.name} may begin with the day or the month: {cells.iloc[0]}"
        raise wrong(path, what, f"Write 2024-01-31, or leave it out: {option(path, cells)}")
    return found[0] if found else None


def _strays(path: Path, cells: Series, numeric: np.ndarray) -> str:
    """What to say of categories most of which look like numbers; DataError for many of them."""
    shape = "dates" if cells.str.fullmatch(_DATE).mean() > 0.5 else "numbers"
    alike = cells.str.fullmatch(_LIKE_A_NUMBER).to_numpy(bool) | numeric
    if shape == "numbers" and alike.mean() <= 0.5:
        return ""
    line = cells.index[~numeric][0]
    said = f"line {line} holds {cells[line][:20]!r}"
    if cells.nunique() <= _FEW:
        return f"categories though most look like {shape}, {said}"
    form = "2024-01-31" if shape == "dates" else "1234.5"
    raise wrong(path, f"column {cells.name} looks like {shape}, but {said}",
                f"Mend it (write {form}), or leave the column out: {option(path, cells)}")
