"""The OMOP vocabulary tables of a site: from its delivery, a folder such as Athena's, or ours.

All nine tables are written, empty where the source has none, and their content is hashed: a release
names the vocabulary that it was made with. A table may lie in several files: all of them count. The
hospital's own mapping table is written and hashed beside them, and brings the local concepts.
"""

import json
import re
import shutil
from hashlib import sha256
from pathlib import Path, PurePosixPath

import duckdb
import pyarrow as pa

from pumasi.atomic import sync_folder, write_text
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import DeliveryError, VocabularyError
from pumasi.extract.columns import check_columns, csv_header, parquet_header
from pumasi.extract.connectors.landing import vocabulary_folder
from pumasi.extract.contract import Column, Kind, Table
from pumasi.extract.discover import DeliveryFolder
from pumasi.extract.files import container_of, examine
from pumasi.extract.mapping import Mapped, read_mapping
from pumasi.extract.pull import attach, database_table
from pumasi.extract.scan import Scan, csv_scan, literal, parquet_relation, table_scan
from pumasi.extract.workplace import alone, connection, no_row_values
from pumasi.omop import FIRST_LOCAL_CONCEPT, PROJECT_VOCABULARY
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
PROJECT = "project of pumasi"  # no path of a source begins so
MAPPING_SCHEMA = pa.schema(
    [
        ("source_code", pa.string()),
        ("source_concept_id", pa.int32()),
        ("source_vocabulary_id", pa.string()),
        ("source_code_description", pa.string()),
        ("target_concept_id", pa.int32()),
    ]
)
MAPPING = "source_to_concept_map"
# Tables that must say something of a local concept for it to be mapped to.
LOCAL = {"concept": "concept_id", "concept_ancestor": "descendant_concept_id"}
# Without these two nothing can be mapped; the others may be missing.
NEEDED = ("concept", "concept_relationship")
# What programs call the files of a table that is a folder: part-0000-…, data_0, 000000000012.
PART_NAME = re.compile(r"(part|data|file|chunk)?[-_]?\d[\w-]*")


def read_vocabulary(
    config: SiteConfig, deliveries: list[DeliveryFolder], paths: SitePaths
) -> dict[str, int]:
    """Rows per vocabulary table, written below `paths.vocabulary`.

    Args:
        config: the site; says whether its deliveries, a folder or the project bring the vocabulary.
        deliveries: the deliveries at the source; the last by name that has concepts is taken.
        paths: folders of the site.

    Raises:
        VocabularyError: no concepts are found, concept_relationship or a column is missing, or a
            table can't be read whole.
    """
    match config.vocabulary.source:
        case "folder":
            sources = [DeliveryFolder(str(config.vocabulary.url), "vocabulary")]
        case "project":
            sources = [DeliveryFolder(str(PROJECT_VOCABULARY), "vocabulary")]
        case _ if config.source.connector != "folder":
            sources = [DeliveryFolder(str(vocabulary_folder(paths)), "vocabulary")]
        case _:
            sources = list(reversed(deliveries))
    try:
        with no_row_values("vocabulary"), alone(paths):
            _restore(paths)
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
                counts = _write(config, files, work)
            if counts.get("concept"):
                _require(config, counts)
                _swap(work, paths)
                return {name: counts.get(name, 0) for name in (*_names(), MAPPING)}
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


def _before(paths: SitePaths) -> Path:
    return paths.reading / "vocabulary-before"


def _restore(paths: SitePaths) -> None:
    """Undo a swap that a killed process left between its two renames."""
    if _before(paths).exists() and not paths.vocabulary.exists():
        with hold_warehouse(paths):
            _before(paths).rename(paths.vocabulary)
    shutil.rmtree(_before(paths), ignore_errors=True)


def _swap(work: Path, paths: SitePaths) -> None:
    """Put the new tables in the place of the old while nobody builds."""
    for path in work.iterdir():
        sync_folder(path)
    with hold_warehouse(paths):
        if paths.vocabulary.exists():
            paths.vocabulary.rename(_before(paths))
        work.rename(paths.vocabulary)
        sync_folder(paths.vocabulary.parent)
    shutil.rmtree(_before(paths), ignore_errors=True)


def _names() -> tuple[str, ...]:
    return tuple(table.name for table in TABLES)


def _write(config: SiteConfig, files: dict[str, Path], work: Path) -> dict[str, int]:
    """Rows of the tables that are there; the others are written empty."""
    if config.mapping is not None:
        files = files | _local_files()
    counts: dict[str, int] = {}
    hashes = {}
    spill = work / "spill"
    with connection(spill) as opened:
        for table in TABLES:
            target = work / f"{table.name}.parquet"
            there = _write_table(opened, files, table, target)
            content = table_content(opened, target)
            if there:
                counts[table.name] = content.rows
            hashes[table.name] = content.hash
        mapping = _write_mapping(config, opened, work)
        content = table_content(opened, mapping)
        counts[MAPPING] = content.rows
        hashes[MAPPING] = content.hash
    shutil.rmtree(spill, ignore_errors=True)
    rows = {name: counts.get(name, 0) for name in hashes}
    text = json.dumps({"hash": _combined(hashes), "tables": hashes, "rows": rows}, indent=1)
    write_text(work / "manifest.json", text + "\n")
    return counts


def _local_files() -> dict[str, Path]:
    """The project's files: of them only local concepts are taken, and only beside a mapping."""
    return {f"{PROJECT}/{name}.csv": PROJECT_VOCABULARY / f"{name}.csv" for name in LOCAL}


def _write_mapping(config: SiteConfig, opened: duckdb.DuckDBPyConnection, work: Path) -> Path:
    """Write the hospital's mapping table, empty where it has none."""
    concepts = opened.execute(
        "select concept_id, coalesce(standard_concept, '') = 'S' "
        f"from {parquet_relation(work / 'concept.parquet')}"
    ).fetchall()
    rows: list[Mapped] = []
    if config.mapping is not None:
        rows = read_mapping(Path(config.mapping.url), dict(concepts))
    opened.register("mapping", pa.Table.from_pylist([vars(row) for row in rows], MAPPING_SCHEMA))
    target = work / f"{MAPPING}.parquet"
    _copy(opened, "select * from mapping", target)
    opened.unregister("mapping")
    return target


def _write_table(
    opened: duckdb.DuckDBPyConnection, files: dict[str, Path], table: Table, target: Path
) -> bool:
    """Write the distinct rows of all files that hold the table; False if none does."""
    parts: dict[str, Path] = {}
    for number, (name, path) in enumerate(files.items()):
        part = target.with_suffix(f".{number}.part")
        with no_row_values(name):
            local = name.startswith(f"{PROJECT}/")
            if _read_part(opened, table, name, path, part, local=local):
                parts[name] = part
    every = f"select distinct * from {parquet_relation(*parts.values())}"
    _copy(opened, every if parts else _select(table, None), target)
    _check_one_row_per_concept(opened, table, list(parts), target)
    for part in parts.values():
        part.unlink()
    return any(not name.startswith(f"{PROJECT}/") for name in parts)


def _read_part(
    opened: duckdb.DuckDBPyConnection,
    table: Table,
    name: str,
    path: Path,
    part: Path,
    *,
    local: bool,
) -> bool:
    """Write the rows that a file has of the table, whatever its container; False if it has none."""
    container = container_of(name)
    if container == "duckdb":
        return _read_database(opened, table, name, path, part)
    if container not in ("csv", "parquet") or not _holds(table, name):
        return False
    if container == "parquet":
        header = parquet_header(path, name)
        check_columns(table, header.columns, name)
        scan = table_scan(parquet_relation(path), header, table)
        _copy(opened, _select(table, scan), part)
    else:
        lines = examine(path, name, text=True).lines
        header = csv_header(path, name)
        check_columns(table, header.columns, name)
        _copy(opened, _select(table, csv_scan(path, header, table)), part)
        _check_lines(opened, name, lines, part)
        if local:
            only = f"select * from {parquet_relation(part)} where {LOCAL[table.name]} >= "
            rows = opened.sql(f"{only} {FIRST_LOCAL_CONCEPT}").to_arrow_table()
            opened.register("local_rows", rows)
            _copy(opened, "select * from local_rows", part)
            opened.unregister("local_rows")
    _check_ids(opened, table, name, part)
    return True


def _read_database(
    opened: duckdb.DuckDBPyConnection, table: Table, name: str, path: Path, part: Path
) -> bool:
    attach(opened, path, name)
    try:
        there = database_table(opened, table.name, name)
        if there is None:
            return False
        check_columns(table, there[1].columns, f"{name}:{table.name}")
        _copy(opened, _select(table, table_scan(*there, table)), part)
    finally:
        opened.execute("detach source")
    _check_ids(opened, table, f"{name}:{table.name}", part)
    return True


def _holds(table: Table, name: str) -> bool:
    """Whether a file is the table or a part of it: CONCEPT.csv, concept_1.csv, concept/part-0.csv.

    Beside its tables Athena puts CONCEPT_CPT4.csv, and a folder may be called vocabulary.
    """
    path = PurePosixPath(name.lower())
    stem = path.name.split(".", 1)[0]
    if re.fullmatch(rf"{table.name}([-_]?\d+)?", stem):
        return True
    return path.parent.name == table.name and PART_NAME.fullmatch(stem) is not None


def _copy(opened: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    opened.execute(f"copy ({query}) to {literal(str(target))} (format parquet)")


def _check_lines(opened: duckdb.DuckDBPyConnection, name: str, lines: int, part: Path) -> None:
    """Raise unless every line but the header is a row: a concept lost here is missed nowhere.

    A quotation mark that opens in one row and closes in another makes one row of both. No name of
    a concept has line breaks, so none is allowed for.
    """
    rejected = opened.execute("select distinct line from reject_errors order by 1").fetchall()
    opened.execute("drop table reject_errors")
    opened.execute("drop table reject_scans")
    if rejected:
        raise DeliveryError(
            f"{name}: {len(rejected)} lines can't be read, the first is line {rejected[0][0]}; "
            "download the table again"
        )
    rows = _number(opened, f"select count(*) from {parquet_relation(part)}")
    if rows != lines - 1:
        raise DeliveryError(
            f"{name}: {lines - 1} lines below the header gave {rows} rows: a quotation mark is not "
            "closed in its line, or a value breaks lines; download the table again, and leave it "
            "as Athena writes it (tabs, no quotation marks around values)"
        )


def _check_ids(opened: duckdb.DuckDBPyConnection, table: Table, name: str, part: Path) -> None:
    """Raise if an id is no number."""
    ids = [c.name for c in table.columns if c.required and c.kind is Kind.INTEGER]
    if not ids:
        return
    lacking = " or ".join(f"{column} is null" for column in ids)
    rows = _number(opened, f"select count(*) from {parquet_relation(part)} where {lacking}")
    if rows:
        raise DeliveryError(
            f"{name}: {rows} rows without a number in {' or '.join(ids)}; download the table again"
        )


def _check_one_row_per_concept(
    opened: duckdb.DuckDBPyConnection, table: Table, names: list[str], target: Path
) -> None:
    """Raise if files contradict each other, as those of two versions of the vocabulary do."""
    if table.name != "concept":
        return
    twice = _number(
        opened,
        f"select count(*) - count(distinct concept_id) from {parquet_relation(target)}",
    )
    if twice:
        raise DeliveryError(
            f"{', '.join(names)}: {twice} concepts are there again with another content; "
            "leave the files of one version of the vocabulary only"
        )


def _number(opened: duckdb.DuckDBPyConnection, query: str) -> int:
    return opened.execute(query).fetchall()[0][0]  # type: ignore[no-any-return]


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
    return f"select {', '.join(columns)} from {scan.relation}"


def _day(text: str) -> str:
    """Athena writes 20991231, others 2099-12-31."""
    dashed = f"regexp_replace({text}, '^(\\d{{4}})(\\d{{2}})(\\d{{2}})$', '\\1-\\2-\\3')"
    return f"left({dashed}, 10)"
