"""The OMOP vocabulary tables of a site, from its delivery or from a folder such as Athena's.

All nine tables are written, empty where the source has none, and their content is hashed: a release
names the vocabulary that it was made with.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import duckdb

from pumasi.atomic import write_text
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import DeliveryError, VocabularyError
from pumasi.extract.columns import check_columns, csv_header, parquet_header
from pumasi.extract.contract import Column, Kind, Table
from pumasi.extract.discover import DeliveryFolder
from pumasi.extract.files import container_of, examine
from pumasi.extract.pull import attach, database_table
from pumasi.extract.scan import Scan, csv_scan, literal, parquet_relation, table_scan
from pumasi.extract.workplace import alone, connection, no_row_values
from pumasi.release.content import table_content
from pumasi.warehouse import hold_warehouse


def _table(name: str, required: str, integers: str, texts: str, dates: str, doubles: str) -> Table:
    kinds = {Kind.INTEGER: integers, Kind.TEXT: texts, Kind.DATE: dates, Kind.DOUBLE: doubles}
    return Table(
        name,
        tuple(
            Column(column, kind, required=column in required.split())
            for kind, names in kinds.items()
            for column in names.split()
        ),
    )


VALIDITY = "valid_start_date valid_end_date"
TABLES = (
    _table(
        "concept",
        "concept_id concept_name domain_id vocabulary_id concept_code",
        "concept_id",
        "concept_name domain_id vocabulary_id concept_class_id standard_concept concept_code "
        "invalid_reason",
        VALIDITY,
        "",
    ),
    _table(
        "concept_relationship",
        "concept_id_1 concept_id_2 relationship_id",
        "concept_id_1 concept_id_2",
        "relationship_id invalid_reason",
        VALIDITY,
        "",
    ),
    _table(
        "concept_ancestor",
        "ancestor_concept_id descendant_concept_id",
        "ancestor_concept_id descendant_concept_id min_levels_of_separation "
        "max_levels_of_separation",
        "",
        "",
        "",
    ),
    _table(
        "concept_class",
        "concept_class_id",
        "concept_class_concept_id",
        "concept_class_id concept_class_name",
        "",
        "",
    ),
    _table(
        "concept_synonym",
        "concept_id",
        "concept_id language_concept_id",
        "concept_synonym_name",
        "",
        "",
    ),
    _table("domain", "domain_id", "domain_concept_id", "domain_id domain_name", "", ""),
    _table(
        "drug_strength",
        "drug_concept_id ingredient_concept_id",
        "drug_concept_id ingredient_concept_id amount_unit_concept_id numerator_unit_concept_id "
        "denominator_unit_concept_id box_size",
        "invalid_reason",
        VALIDITY,
        "amount_value numerator_value denominator_value",
    ),
    _table(
        "relationship",
        "relationship_id",
        "relationship_concept_id",
        "relationship_id relationship_name is_hierarchical defines_ancestry "
        "reverse_relationship_id",
        "",
        "",
    ),
    _table(
        "vocabulary",
        "vocabulary_id",
        "vocabulary_concept_id",
        "vocabulary_id vocabulary_name vocabulary_reference vocabulary_version",
        "",
        "",
    ),
)
# Without these two nothing can be mapped; the others may be missing.
NEEDED = ("concept", "concept_relationship")


def read_vocabulary(
    config: SiteConfig, deliveries: list[DeliveryFolder], paths: SitePaths
) -> dict[str, int]:
    """Rows per vocabulary table, written below `paths.vocabulary`.

    Args:
        config: the site; says whether its deliveries or a folder bring the vocabulary.
        deliveries: the deliveries at the source; the last by name that has concepts is taken.
        paths: folders of the site.

    Raises:
        VocabularyError: no concepts are found, concept_relationship or a column is missing, or a
            table can't be read whole.
    """
    if config.vocabulary.source == "folder":
        sources = [DeliveryFolder(str(config.vocabulary.url), "vocabulary")]
    else:
        sources = list(reversed(deliveries))
    try:
        with no_row_values("vocabulary"), alone(paths):
            return _read(config, sources, paths)
    except DeliveryError as error:
        raise VocabularyError(f"site {config.id}: {error}") from None


def _read(config: SiteConfig, sources: list[DeliveryFolder], paths: SitePaths) -> dict[str, int]:
    work = paths.reading / "vocabulary"
    for source in sources:
        shutil.rmtree(work, ignore_errors=True)  # what a killed process or the source before left
        work.mkdir()
        try:
            with source.files(paths.reading / "landing") as files:
                counts = _write(files, work)
            if counts.get("concept"):
                _require(config, counts)
                _swap(work, paths)
                return {table.name: counts.get(table.name, 0) for table in TABLES}
        finally:
            shutil.rmtree(work, ignore_errors=True)
    raise VocabularyError(
        f"site {config.id}: no vocabulary: neither its deliveries nor "
        "`vocabulary.url` hold a concept table. Download one from Athena and set "
        f'[vocabulary] source = "folder", url = "<folder>" in network/{config.id}.toml'
    )


def _require(config: SiteConfig, counts: dict[str, int]) -> None:
    for name in NEEDED:
        if name not in counts:
            raise VocabularyError(
                f"site {config.id}: the vocabulary has no table {name}, without which no code can "
                "be mapped; download it with the others"
            )


def _swap(work: Path, paths: SitePaths) -> None:
    """Put the new tables in the place of the old while nobody builds."""
    old = paths.reading / "vocabulary-before"
    shutil.rmtree(old, ignore_errors=True)
    with hold_warehouse(paths):
        if paths.vocabulary.exists():
            paths.vocabulary.rename(old)
        work.rename(paths.vocabulary)
    shutil.rmtree(old, ignore_errors=True)


def _write(files: dict[str, Path], work: Path) -> dict[str, int]:
    """Rows of the tables that are there; the others are written empty."""
    counts: dict[str, int] = {}
    hashes = {}
    spill = work / "spill"
    with connection(spill) as opened:
        for table in TABLES:
            target = work / f"{table.name}.parquet"
            with _scan(opened, files, table) as found:
                scan = found[1] if found else None
                into = literal(str(target))
                opened.execute(f"copy ({_select(table, scan)}) to {into} (format parquet)")
                if found:
                    _check_whole(opened, table, found[0], target)
            content = table_content(opened, target)
            if found:
                counts[table.name] = content.rows
            hashes[table.name] = content.hash
    shutil.rmtree(spill, ignore_errors=True)
    rows = {table.name: counts.get(table.name, 0) for table in TABLES}
    text = json.dumps({"hash": _combined(hashes), "tables": hashes, "rows": rows}, indent=1)
    write_text(work / "manifest.json", text + "\n")
    return counts


def _check_whole(opened: duckdb.DuckDBPyConnection, table: Table, name: str, target: Path) -> None:
    """Raise if a line was refused or an id is no number: a concept lost here is missed nowhere."""
    there = "select 1 from duckdb_tables() where table_name = 'reject_errors'"
    if opened.execute(there).fetchall():
        lines = opened.execute("select distinct line from reject_errors order by 1").fetchall()
        opened.execute("drop table reject_errors")
        opened.execute("drop table reject_scans")
        if lines:
            raise DeliveryError(
                f"{name}: {len(lines)} lines can't be read, the first is line {lines[0][0]}; "
                "download the table again"
            )
    ids = [c.name for c in table.columns if c.required and c.kind is Kind.INTEGER]
    if not ids:
        return
    lacking = " or ".join(f"{column} is null" for column in ids)
    query = f"select count(*) from {parquet_relation(target)} where {lacking}"
    rows = opened.execute(query).fetchall()[0][0]
    if rows:
        raise DeliveryError(
            f"{name}: {rows} rows without a number in {' or '.join(ids)}; download the table again"
        )


def _combined(hashes: dict[str, str]) -> str:
    return sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()[:16]


def _select(table: Table, scan: Scan | None) -> str:
    types = {Kind.INTEGER: "integer", Kind.TEXT: "varchar", Kind.DATE: "date"}
    columns = []
    for column in table.columns:
        source = scan.sources.get(column.name) if scan else None
        sql = types.get(column.kind, "double")
        text = f"nullif(trim(({source})::varchar), '')" if source else "null"
        if column.kind is Kind.DATE:
            text = _day(text)
        columns.append(f"try_cast({text} as {sql}) as {column.name}")
    if scan is None:
        return f"select {', '.join(columns)} where false"
    return f"select distinct {', '.join(columns)} from {scan.relation}"


def _day(text: str) -> str:
    """Athena writes 20991231, others 2099-12-31."""
    dashed = f"regexp_replace({text}, '^(\\d{{4}})(\\d{{2}})(\\d{{2}})$', '\\1-\\2-\\3')"
    return f"left({dashed}, 10)"


@contextmanager
def _scan(
    opened: duckdb.DuckDBPyConnection, files: dict[str, Path], table: Table
) -> Iterator[tuple[str, Scan] | None]:
    """The table's file name and relation in whatever container holds it; None if none does."""
    for name, path in files.items():
        container = container_of(name)
        stem = Path(name).name.lower().split(".", 1)[0]
        if container == "duckdb":
            attach(opened, path, name)
            try:
                there = database_table(opened, table.name, name)
                if there is not None:
                    check_columns(table, there[1].columns, f"{name}:{table.name}")
                    yield name, table_scan(*there, table)
                    return
            finally:
                opened.execute("detach source")
        elif stem == table.name and container == "csv":
            examine(path, name, text=path.suffix.lower() == ".gz")  # proves that a gzip is whole
            header = csv_header(path, name)
            check_columns(table, header.columns, name)
            yield name, csv_scan(path, header, table)
            return
        elif stem == table.name and container == "parquet":
            header = parquet_header(path, name)
            check_columns(table, header.columns, name)
            yield name, table_scan(parquet_relation(path), header, table)
            return
    yield None
