"""The offenders of failed checks of a candidate: keys of a few rows, which stay in the hospital.

They are asked for after the checks, of those that failed only, and written to a file that nobody
but its owner reads. No outcome, no metadata and no release holds one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from expectations.views import CDM, VOCABULARY, catalogue_today, make_views
from pumasi.omop.cdm import cdm_tables
from pumasi.quality import Outcome, Status
from pumasi.quality.catalogue import MOST_KEYS, Cdm, OffenderKeys, build_checks, keys_of
from pumasi.warehouse import memory_limit

if TYPE_CHECKING:
    from expectations.rows import ExpectRowsToObey


def offenders(candidate: Path, vocabulary: Path, outcomes: Iterable[Outcome]) -> list[OffenderKeys]:
    """Return up to 20 keys for each failed check of the suites and of the catalogue.

    A check of a table without a key, or of one that is empty or not there, has none. The arguments
    are those of `expectations.run` and its outcomes.
    """
    from expectations.suites import SUITES

    failed = [o for o in outcomes if o.status is Status.FAILED]
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "candidate.duckdb"
        through = make_views(database, candidate, vocabulary, SUITES)
        with duckdb.connect(
            database, read_only=True, config={"memory_limit": memory_limit()}
        ) as connection:
            cdm = Cdm.find(connection, CDM, VOCABULARY, catalogue_today(through))
            checks = {check.name: check for check in build_checks()}
            of_catalogue = [keys_of(cdm, checks[o.name]) for o in failed if o.source == "catalogue"]
            of_suites = [
                _of_rule(connection, o.table, o.name)
                for o in failed
                if o.source == "great_expectations"
            ]
    return [keys for keys in (*of_catalogue, *of_suites) if keys is not None and keys.keys]


def _of_rule(connection: duckdb.DuckDBPyConnection, table: str, name: str) -> OffenderKeys | None:
    rule = _rule(table, name)
    columns: Sequence[str] = [
        row[0] for row in connection.execute(f'describe "{table}"').fetchall()
    ]
    spec = cdm_tables().get(table)
    key = (spec and spec.primary_key) or "person_id"
    if rule is None or key not in columns:
        return None
    rows = connection.execute(
        f'select distinct "{key}" from "{table}" where ({rule.among}) and not ({rule.rule})'
        f" order by 1 limit {MOST_KEYS}"
    ).fetchall()
    return OffenderKeys(name, key, tuple(str(value) for (value,) in rows))


def _rule(table: str, name: str) -> ExpectRowsToObey | None:
    from expectations.rows import ExpectRowsToObey
    from expectations.suites import SUITES

    for rule in SUITES[table]().expectations:
        if isinstance(rule, ExpectRowsToObey) and (rule.meta or {}).get("check") == name:
            return rule
    return None
