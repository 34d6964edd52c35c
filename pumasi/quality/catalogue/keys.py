"""The offenders of failed checks: primary keys of a few rows, asked for apart and kept apart.

They identify rows of persons, so they are in no outcome, message or report: whoever asks for them
gets them in a file of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pumasi.omop.cdm import cdm_tables
from pumasi.quality.catalogue.checks import ConcreteCheck
from pumasi.quality.catalogue.database import Cdm
from pumasi.quality.catalogue.engine import FAMILIES, CheckResult
from pumasi.quality.outcome import Status

MOST_KEYS = 20
# Relations of these families have one row per person, whatever table they judge.
_OF_PERSONS = ("persons", "eras", "periods")


@dataclass(frozen=True)
class OffenderKeys:
    """Up to 20 keys of rows that violate a check, the smallest first.

    `check` is its name, `field` the column that the keys are values of.
    """

    check: str
    field: str
    keys: tuple[str, ...]


def offender_keys(cdm: Cdm, results: Iterable[CheckResult]) -> list[OffenderKeys]:
    """Ask for the offenders of each failed check; a table without a key of its own has none."""
    found = (keys_of(cdm, r.check) for r in results if r.outcome.status is Status.FAILED)
    return [keys for keys in found if keys is not None]


def keys_of(cdm: Cdm, check: ConcreteCheck) -> OffenderKeys | None:
    """Ask for the offenders of a check; None where its table has no key, or is not there."""
    field = _key_field(check)
    family = FAMILIES.get(check.family)
    table = "person" if check.family in _OF_PERSONS else check.table
    if field is None or family is None or not cdm.has(table, field):
        return None
    column = "t.person_id" if check.family in _OF_PERSONS else cdm.column(table, field)
    relation, violation = family.offenders(cdm, check)
    rows = cdm.connection.execute(
        f"select distinct {column} from {relation} where ({violation}) and {column} is not null"
        f" order by 1 limit {MOST_KEYS}"
    ).fetchall()
    return OffenderKeys(check.name, field, tuple(str(key) for (key,) in rows))


def _key_field(check: ConcreteCheck) -> str | None:
    if check.family in _OF_PERSONS:
        return "person_id"
    table = cdm_tables()[check.table]
    fields = {field.name for field in table.fields}
    return table.primary_key or ("person_id" if "person_id" in fields else None)
