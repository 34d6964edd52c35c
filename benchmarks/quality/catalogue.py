"""The catalogue of faults: one row per fault, read from `faults.toml` and held to its form.

A fault has sizes: gross; the smallest that its check promises to find; half of that, which it does
not promise; and two between the first two, to see where it is found for sure. What has no half (one
row, one file) has none.
"""

import math
import tomllib
from dataclasses import dataclass, field, fields
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pumasi.errors import PumasiError

FAULTS = Path(__file__).with_name("faults.toml")

Action = Literal["change", "repeat", "remove", "lose_columns", "cut", "remove_file"]
# What `check` says where no check of a build names the fault, but reading does.
REFUSED, QUARANTINED = "refused", "quarantined"


class FaultError(PumasiError):
    """A fault is written wrongly, or can't be put into the files that it names."""


@dataclass(frozen=True)
class Fault:
    """A fault: what is done to which rows of which file, and what must find it.

    Attributes:
        id: its name.
        family: the kind of fault, for reading the table.
        hospital: one of the demo network, and with it the format.
        tables: names of the files without number and ending. Rows of all of them are hit; which,
            is drawn in the first.
        what: the fault in words.
        check: name of the outcome that must fail; `refused` where the delivery must be, and
            `quarantined` where every row that was hit must be. Empty where there is no such check:
            then `wanted` says which is needed.
        says: a part of the message with which the delivery is refused, or may be where it is read
            otherwise.
        gross: the biggest size, and `promised` the smallest that `check` promises to find: shares
            of the rows (or of the values of `of`) among which is drawn, or numbers if `unit` is
            another word than share.
        action: what is done.
        set: new values by column, SQL on the row; of `repeat` those of the second row.
        among: which rows can be hit, SQL on the row.
        of: what is drawn: values of this SQL, all rows of which are hit; empty for single rows.
        order: SQL on the row, of which the smallest is hit first; empty for at random.
        lines: the file is taken as lines, column `line`, rather than by its format.
        encoding: the file is written in it.
        stated: the delivery says how many bytes the file has that is cut.
        delivery: `first` is one that nothing was before, `second` comes after another.
        frozen: whether it was written after the thresholds were frozen.
    """

    id: str
    family: str
    hospital: str
    tables: tuple[str, ...]
    what: str
    check: str
    gross: float
    promised: float
    action: Action = "change"
    set: dict[str, str] = field(default_factory=dict)
    among: str = "true"
    of: str = ""
    order: str = ""
    lines: bool = False
    encoding: str = "utf-8"
    stated: bool = False
    unit: str = "share"
    says: str = ""
    wanted: str = ""
    delivery: str = "first"
    frozen: bool = False

    @cached_property
    def sizes(self) -> dict[str, float]:
        """Sizes by name, the biggest first; gross and promised are always there."""
        middle = math.sqrt(self.gross * self.promised)
        sizes = {
            "gross": self.gross,
            "middle": middle,
            "low": math.sqrt(middle * self.promised),
            "promised": self.promised,
            "half": self.promised / 2,
        }
        if self.unit != "share":
            sizes = {name: float(round(size)) for name, size in sizes.items() if size >= 1}
        # Where some are one, it has the name that says more; there is no half of one row.
        named = {size: name for name, size in sizes.items()}
        named |= {self.promised: "promised"} | {self.gross: "gross"}
        found = {name: size for size, name in sorted(named.items(), reverse=True)}
        return found if "promised" in found else found | {"promised": self.promised}

    @cached_property
    def definition(self) -> str:
        """Hash of all that is said of it but words: of another definition nothing was measured."""
        words = ("family", "what", "wanted", "frozen")
        said = [(each.name, getattr(self, each.name)) for each in fields(self)]
        kept = [(name, value) for name, value in said if name not in words]
        return sha256(repr(kept).encode()).hexdigest()[:12]


def faults(path: Path = FAULTS) -> list[Fault]:
    """Return the faults in the order of the file.

    Raises:
        FaultError: one has no such form; names it.
    """
    said = tomllib.loads(path.read_text(encoding="utf-8"))["fault"]
    found = [_fault(row) for row in said]
    ids = [fault.id for fault in found]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise FaultError(f"{path.name} has two faults called {', '.join(twice)}: rename one")
    return found


def _fault(row: dict[str, Any]) -> Fault:
    tables = row.pop("table")
    try:
        fault = Fault(tables=(tables,) if isinstance(tables, str) else tuple(tables), **row)
    except TypeError as error:
        raise FaultError(f"fault {row.get('id', '(without id)')}: {error}") from None
    if fault.promised > fault.gross or fault.delivery not in ("first", "second"):
        raise FaultError(
            f"fault {fault.id}: it promises {fault.promised} of at most {fault.gross}, in the "
            f"{fault.delivery} delivery: correct its row"
        )
    if not fault.check and not fault.wanted:
        raise FaultError(f"fault {fault.id}: no check names it, and none is wanted: say which")
    return fault
