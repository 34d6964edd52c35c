"""What changes when one vocabulary takes the place of another: concept sets, cohorts, persons.

The members of a set are found by the project's own model `int_concept_set_members`, whose SQL is
read here and run on both vocabularies, so that the rule stands in one place. Persons are counted in
a warehouse as it is: those who have a record of a concept that enters or leaves a set. Whether a
code of the source would be mapped otherwise is not known before a build with the other vocabulary.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from pumasi.config import SiteConfig, SitePaths, project_root
from pumasi.config.network import resolve_url
from pumasi.errors import VocabularyError
from pumasi.extract.scan import literal
from pumasi.extract.vocabulary import read_vocabulary
from pumasi.omop import FIRST_LOCAL_CONCEPT, PROJECT_VOCABULARY

MODEL = "models/intermediate/concept_sets/int_concept_set_members.sql"
SEED = "seeds/concept_sets/concept_sets.csv"
MARTS = "models/marts"
SETS = "concept_sets"
REF = re.compile(r"\{\{\s*ref\('(\w+)'\)\s*\}\}")
QUOTED = re.compile(r"'([a-z0-9_]+)'")
# Tables of OMOP with a person, and the column of the standard concept.
RECORDS = {
    "person": "gender_concept_id",
    "visit_occurrence": "visit_concept_id",
    "condition_occurrence": "condition_concept_id",
    "drug_exposure": "drug_concept_id",
    "procedure_occurrence": "procedure_concept_id",
    "measurement": "measurement_concept_id",
    "observation": "observation_concept_id",
}


@dataclass(frozen=True)
class SetChange:
    """A concept set whose members differ, or of which B lacks a concept that is listed.

    `missing` are listed concepts that are standard in A and not in B; persons are None if no
    warehouse was asked.
    """

    name: str
    concepts_before: int
    concepts_after: int
    lost: tuple[int, ...]
    gained: tuple[int, ...]
    missing: tuple[int, ...]
    persons_before: int | None = None
    persons_after: int | None = None


@dataclass(frozen=True)
class CohortChange:
    """A mart that is made with changed sets; `persons` have a record of a concept that changes."""

    name: str
    sets: tuple[str, ...]
    persons: int | None = None


@dataclass(frozen=True)
class Difference:
    """What changes from A to B, by name."""

    sets: tuple[SetChange, ...]
    cohorts: tuple[CohortChange, ...]


@dataclass
class _Side:
    members: dict[str, set[int]] = field(default_factory=dict)
    standard: set[int] = field(default_factory=set)


def vocabulary_diff(
    before: str, after: str, warehouse: duckdb.DuckDBPyConnection | None = None
) -> Difference:
    """Compare two vocabularies, each the folder of one or the word `project`.

    Args:
        before: the vocabulary A.
        after: the vocabulary B.
        warehouse: of the hospital whose persons are to be counted.

    Raises:
        VocabularyError: one of them can't be read; the message names it.
    """
    a, b = _side(before), _side(after)
    listed = concept_sets()
    changed = []
    for name in sorted(listed):
        lost = a.members[name] - b.members[name]
        gained = b.members[name] - a.members[name]
        missing = {
            concept
            for concept in listed[name]
            if concept < FIRST_LOCAL_CONCEPT and concept in a.standard - b.standard
        }
        if lost or gained or missing:
            change = SetChange(
                name,
                len(a.members[name]),
                len(b.members[name]),
                tuple(sorted(lost)),
                tuple(sorted(gained)),
                tuple(sorted(missing)),
            )
            changed.append(_with_persons(change, a, b, warehouse))
    return Difference(tuple(changed), tuple(_cohorts(changed, set(listed), warehouse)))


def _side(written: str) -> _Side:
    url = str(PROJECT_VOCABULARY) if written == "project" else resolve_url(written, Path.cwd())
    config = SiteConfig.model_validate(
        {
            "id": "vocabulary",
            "name": written,
            "format": "omop_cdm",
            "source": {"url": url},
            "vocabulary": {"source": "folder", "url": url},
        }
    )
    with tempfile.TemporaryDirectory() as home, duckdb.connect() as connection:
        paths = SitePaths.of(config.id, Path(home))
        try:
            read_vocabulary(config, [], paths)
        except VocabularyError as error:
            said = str(error).removeprefix(f"site {config.id}: ")
            raise VocabularyError(f"vocabulary {written}: {said}") from None
        return _read_side(connection, paths.vocabulary)


def _read_side(connection: duckdb.DuckDBPyConnection, folder: Path) -> _Side:
    for table in ("concept", "concept_ancestor"):
        path = literal(str(folder / f"{table}.parquet"))
        connection.execute(f"create view stg_vocabulary__{table}s as from read_parquet({path})")
    seed = literal(str(_dbt(SEED)))
    connection.execute(f"create view concept_sets as from read_csv({seed}, header = true)")
    sql = REF.sub(r"\1", _dbt(MODEL).read_text(encoding="utf-8"))
    side = _Side()
    for name, concept in connection.execute(sql).fetchall():
        side.members.setdefault(name, set()).add(concept)
    query = "select concept_id from stg_vocabulary__concepts where standard_concept = 'S'"
    side.standard = {row[0] for row in connection.execute(query).fetchall()}
    return side


def concept_sets() -> dict[str, set[int]]:
    """The concepts that the seed lists for each concept set, descendants aside."""
    found: dict[str, set[int]] = {}
    query = f"select concept_set, concept_id from read_csv({literal(str(_dbt(SEED)))})"
    for name, concept in duckdb.execute(query).fetchall():
        found.setdefault(name, set()).add(concept)
    return found


def _dbt(path: str) -> Path:
    return project_root() / "dbt_project" / path


def _with_persons(
    change: SetChange, a: _Side, b: _Side, warehouse: duckdb.DuckDBPyConnection | None
) -> SetChange:
    if warehouse is None:
        return change
    persons = [_persons(warehouse, side.members[change.name]) for side in (a, b)]
    return SetChange(**{**vars(change), "persons_before": persons[0], "persons_after": persons[1]})


def _persons(
    warehouse: duckdb.DuckDBPyConnection, concepts: set[int], table: str | None = None
) -> int:
    """Persons, of those in the mart if one is named, with a record of one of the concepts."""
    records = " union all ".join(
        f"select person_id from omop.{name} where list_contains($concepts, {column})"
        for name, column in RECORDS.items()
    )
    among = f"where person_id in (select person_id from marts.{table})" if table else ""
    query = f"select count(distinct person_id) from ({records}) {among}"
    return int(warehouse.execute(query, {"concepts": sorted(concepts)}).fetchall()[0][0])


def _cohorts(
    changed: list[SetChange], names: set[str], warehouse: duckdb.DuckDBPyConnection | None
) -> Iterator[CohortChange]:
    concepts = {each.name: {*each.lost, *each.gained, *each.missing} for each in changed}
    for mart, sets in sets_of_marts(names).items():
        touched = sorted(sets & concepts.keys())
        if not touched:
            continue
        persons = None
        if warehouse is not None and _has_persons(warehouse, mart):
            moving = set().union(*(concepts[name] for name in touched))
            persons = _persons(warehouse, moving, mart)
        yield CohortChange(mart, tuple(touched), persons)


def _has_persons(warehouse: duckdb.DuckDBPyConnection, mart: str) -> bool:
    query = (
        "select count(*) from duckdb_columns() where schema_name = 'marts' "
        "and table_name = ? and column_name = 'person_id'"
    )
    return bool(warehouse.execute(query, [mart]).fetchall()[0][0])


def sets_of_marts(names: set[str]) -> Mapping[str, set[str]]:
    """Concept sets that each mart is made with, by the mart's name.

    A set counts if the mart, one of its steps, a macro or a seed of theirs names it, or begins its
    name and leaves the rest to a seed (`'charlson_' || category`).
    """
    sql = _texts(MARTS, "*.sql")
    seeds = {stem: text for stem, text in _texts("seeds", "*.csv").items() if stem != SETS}
    macros = _texts("macros", "*.sql")

    def texts(model: str, seen: set[str]) -> Iterator[str]:
        seen.add(model)
        text = sql.get(model, "")
        yield text
        yield from (body for name, body in macros.items() if f"{name}(" in text)
        for ref in REF.findall(text):
            if ref in seeds:
                yield "".join(f"'{cell}'" for cell in re.split(r"[,\n]", seeds[ref]))
            elif ref in sql and ref not in seen:
                yield from texts(ref, seen)

    def sets(model: str) -> set[str]:
        quoted = {each for text in texts(model, set()) for each in QUOTED.findall(text)}
        joined = {a + b for a in quoted if a.endswith("_") for b in quoted}
        return (quoted | joined) & names

    return {model: sets(model) for model in sorted(sql) if "__int_" not in model}


def _texts(folder: str, pattern: str) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in _dbt(folder).rglob(pattern)}
