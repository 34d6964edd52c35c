"""Pull: identify a delivery by its content, hold it against its format, write its manifest.

Nothing of a row is kept. The same content twice is one delivery. What would lose data is refused
here, before anything is read: a truncated gzip, a missing column, an empty extract, a second
delivery that does not say when it is from.
"""

import re
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

import duckdb

from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import DeliveryError
from pumasi.extract.columns import (
    ZONED,
    Header,
    check_columns,
    check_zones,
    csv_header,
    parquet_header,
)
from pumasi.extract.contract import Format
from pumasi.extract.discover import DELIVERY_FILE, DeliveryFolder
from pumasi.extract.encoding import check_encoding
from pumasi.extract.files import FileFacts, container_of, examine, hash_of, stem_of, table_of
from pumasi.extract.formats import FORMATS
from pumasi.extract.history import check_nothing_left_out
from pumasi.extract.manifest import Manifest, SourceFile, delivery_id, load_manifest, load_manifests
from pumasi.extract.workplace import Progress, alone, no_row_values

# Of difflib, from 0 to 1: `persons` and `condition_ocurrence` have 0.92 and more, the likest two
# tables of a format (device_exposure and drug_exposure) 0.71.
SPELT_ALIKE = 0.85

# A resource type, and numbers of the part or the run: Patient, Patient.000, Patient-part-2.
RESOURCE_NAME = re.compile(r"([a-z_]+?)(?:[-_.]*(?:part)?[-_.]*\d+)*")
# Types of FHIR that servers export and we do not use, so that their files keep their names.
UNUSED_TYPES = frozenset(
    [
        "allergyintolerance",
        "careplan",
        "careteam",
        "claim",
        "coverage",
        "device",
        "diagnosticreport",
        "documentreference",
        "explanationofbenefit",
        "goal",
        "group",
        "imagingstudy",
        "location",
        "medication",
        "medicationdispense",
        "medicationstatement",
        "organization",
        "practitioner",
        "practitionerrole",
        "provenance",
        "servicerequest",
        "specimen",
        "supplydelivery",
    ]
)


def pull(
    config: SiteConfig,
    delivery: DeliveryFolder,
    paths: SitePaths,
    progress: Progress = lambda message: None,
) -> Manifest:
    """Manifest of the delivery, written below `paths.deliveries` if it is new.

    Raises:
        DeliveryError: the delivery can't be taken in; the message says what to do.
    """
    with (
        no_row_values(f"site {config.id}, delivery {delivery.name}"),
        alone(paths, progress),
        delivery.files(paths.reading / "landing") as files,
    ):
        return _pulled(config, delivery, files, paths, progress)


def _pulled(
    config: SiteConfig,
    delivery: DeliveryFolder,
    files: dict[str, Path],
    paths: SitePaths,
    progress: Progress,
) -> Manifest:
    source = FORMATS[config.format]
    found = [
        _examined(source, path, local, config.source.encoding, progress)
        for path, local in files.items()
        if path != DELIVERY_FILE and container_of(path) in source.containers
    ]
    used = [each for each in found if each.tables]
    place = f"site {config.id}, delivery {delivery.name}"
    stated = _stated(config, delivery)
    _check_not_empty(config, place, used, len(files), stated.kind)
    identity = delivery_id([(each.sha256, each.bytes) for each in used])
    known = paths.deliveries / f"{identity}.json"
    if known.exists() and (paths.raw / identity).exists():
        return _read_before(place, load_manifest(known), delivery, stated)
    as_of, extracted_through = _dates(config, delivery, paths, identity, stated)
    findings = [*delivery.notes, *_findings(used), *_misnamed(place, source, found)]
    manifest = Manifest(
        delivery_id=identity,
        site=config.id,
        format=config.format,
        format_version=_format_version(source, used),
        as_of=as_of,
        extracted_through=extracted_through,
        kind=stated.kind,
        dates_stated_by=stated.by,
        folder=delivery.name,
        files=tuple(used),
        unused_files=len(files) - len(used),
        findings=tuple(findings),
        ignored=_ignored(found),
    )
    check_nothing_left_out(place, source, manifest, paths)
    # A manifest of which nothing was read yet is written anew: its dates may have been mended.
    manifest.save(paths.deliveries)
    return manifest


def _read_before(
    place: str, earlier: Manifest, delivery: DeliveryFolder, stated: "_Statement"
) -> Manifest:
    """The manifest under which this content was read; elsewhere it may say another date."""
    before = _Statement(
        earlier.as_of, earlier.extracted_through, earlier.kind, earlier.dates_stated_by
    )
    changed = stated.as_of and stated.said != before.said
    if changed and earlier.folder == delivery.name:
        raise DeliveryError(
            f"{place}: this content was read as {before.said}, but is now said to be "
            f"{stated.said}; nothing was changed. To correct it, remove the folder "
            f"raw/{earlier.delivery_id} of this hospital and pull again; or state again what was "
            f"stated, in {DELIVERY_FILE} beside its files"
        )
    return earlier


def _examined(
    source: Format, path: str, local: Path, encoding: str, progress: Progress
) -> SourceFile:
    container = container_of(path) or ""
    label = _label(source, path, container, local)
    facts = examine(local, label, text=container in ("csv", "ndjson", "bundle"))
    progress(f"{label}: {facts.bytes:,} bytes")
    tables, extra, missing = _tables(source, container, label, local, facts, encoding)
    if tables and container == "csv" and source.name == "hospital_csv":
        check_encoding(local, label, encoding)
    if container == "ndjson" and not facts.lines:
        # Empty, but called as a resource type: the source says that there are none.
        name = stem_of(path).partition(".")[0]
        tables = [table.name for table in source.tables if table.resource.lower() == name]
    return SourceFile(
        path=label,
        label=label,
        container=container,
        sha256=facts.sha256,
        bytes=facts.bytes,
        lines=facts.lines,
        tables=tuple(tables),
        extra_columns=tuple(extra),
        missing_columns=tuple(missing),
        resource_types=facts.resource_types,
    )


def _label(source: Format, path: str, container: str, local: Path) -> str:
    """What the file is called everywhere: its path, or a hash where that may be a patient's name.

    Bundles and files of lines are often called by the patient; one that is called by its type, and
    lies in no folder, says nothing more.
    """
    if container not in ("ndjson", "bundle"):
        return path
    stem = stem_of(path)
    named = RESOURCE_NAME.fullmatch(stem)
    if container == "ndjson" and named and path.count("/") == 0:
        names = {name for table in source.tables for name in (table.name, table.resource.lower())}
        if named[1] in names | UNUSED_TYPES:
            return path
    ending = "json" if container == "bundle" else "ndjson"
    return f"{'bundle' if container == 'bundle' else 'lines'}-{hash_of(local)[:12]}.{ending}"


def _tables(
    source: Format, container: str, label: str, local: Path, facts: FileFacts, encoding: str
) -> tuple[list[str], list[str], list[str]]:
    """Tables in the file, columns no contract names, optional columns it lacks."""
    if container in ("ndjson", "bundle"):
        types = facts.resource_types
        found = [table.name for table in source.tables if table.resource in types]
        return found, [], []
    if container == "duckdb":
        return _database_tables(source, local, label)
    name = table_of(source, label)
    if name is None:
        return [], [], []
    if container == "csv":
        header = csv_header(local, label, encoding)
    else:
        header = parquet_header(local, label)
    check_zones(source.table(name), header, label)
    extra, missing = check_columns(source.table(name), header.columns, label)
    return [name], extra, missing


def database_table(
    connection: duckdb.DuckDBPyConnection, table: str, name: str
) -> tuple[str, Header] | None:
    """SQL name and columns of a table of the attached database `source`, None if it has none.

    A CSV without rows, loaded by an importer that guesses, becomes a table `column0, column1, …`
    whose only row is the header: that is no table either.

    Raises:
        DeliveryError: several schemas have such a table.
    """
    rows = connection.execute(
        "select column_name, schema_name, table_name, data_type from duckdb_columns() "
        "where database_name = 'source' and lower(table_name) = ? order by column_index",
        [table],
    ).fetchall()
    if not rows:
        return None
    if len({row[1:3] for row in rows}) > 1:
        raise DeliveryError(
            f"{name} has {table} in several schemas; nothing of this delivery was taken in. "
            "Export the one that is meant"
        )
    relation = f'source."{rows[0][1]}"."{rows[0][2]}"'
    if all(re.fullmatch(r"column\d+", str(row[0])) for row in rows):
        found = connection.execute(f"select * from {relation} limit 2").fetchall()
        if len(found) == 1 and str(found[0][0]).lower().endswith(("_id", "_code", "name")):
            return None
    zoned = tuple(str(row[0]).lower() for row in rows if row[3] == ZONED)
    return relation, Header(tuple(str(row[0]) for row in rows), zoned=zoned)


def _database_tables(
    source: Format, local: Path, name: str
) -> tuple[list[str], list[str], list[str]]:
    found: list[str] = []
    extra: list[str] = []
    missing: list[str] = []
    with duckdb.connect() as connection:
        attach(connection, local, name)
        for table in source.tables:
            there = database_table(connection, table.name, name)
            if there is None:
                continue
            found.append(table.name)
            check_zones(table, there[1], f"{name}:{table.name}")
            more, less = check_columns(table, there[1].columns, f"{name}:{table.name}")
            extra += [f"{table.name}.{column}" for column in more]
            missing += [f"{table.name}.{column}" for column in less]
    return found, extra, missing


def attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    """Attach a DuckDB file of a delivery as `source`, read only.

    Raises:
        DeliveryError: it is no DuckDB file, or another process holds it for writing.
    """
    escaped = str(path).replace("'", "''")
    try:
        connection.execute(f"attach '{escaped}' as source (read_only)")
    except duckdb.Error:
        raise DeliveryError(
            f"{name} can't be opened as a DuckDB file; is it one, and does nobody write to it?"
        ) from None


def _check_not_empty(
    config: SiteConfig, place: str, used: list[SourceFile], files: int, kind: str
) -> None:
    """Whether the delivery has a file that we use and, if it is full, what every delivery has."""
    required = [table for table in FORMATS[config.format].tables if table.required]
    present = {name for each in used for name in each.tables if each.lines or not _is_text(each)}
    lacking = ", ".join(t.resource or t.name for t in required if t.name not in present)
    if not used:
        raise DeliveryError(
            f"{place}: none of {files} files is {config.format} ({lacking} is missing); "
            f"is `format` right in network/{config.id}.toml?"
        )
    if lacking and kind == "full":
        raise DeliveryError(
            f"{place}: the extract has no rows of {lacking}: an empty extract is refused, because "
            "in a full delivery it would delete everybody. Ask the source for them; if it holds "
            f'only what changed, put `kind = "incremental"` into {DELIVERY_FILE} beside its files'
        )


def _is_text(file: SourceFile) -> bool:
    return file.container in ("csv", "ndjson", "bundle")


def _format_version(source: Format, used: list[SourceFile]) -> str:
    if source.name == "fhir_r4":
        return "4.0"
    if source.name == "synthea_csv":
        return "3"
    if source.name == "hospital_csv":
        return "1"
    # A column that no contract takes, but that only 5.3 has under this name.
    old = any(
        column.endswith("admitting_source_value") for each in used for column in each.extra_columns
    )
    return "5.3" if old else "5.4"


@dataclass(frozen=True)
class _Statement:
    """When a delivery is from and what kind it is, and whether it or the configuration says so."""

    as_of: date | None
    extracted_through: date | None
    kind: str
    by: str

    @property
    def said(self) -> str:
        """The statement in words."""
        return f"{self.kind}, as of {self.as_of}, extracted through {self.extracted_through}"


def _stated(config: SiteConfig, delivery: DeliveryFolder) -> _Statement:
    kind = delivery.kind or config.source.kind
    if delivery.as_of:
        through = delivery.extracted_through or delivery.as_of
        return _Statement(delivery.as_of, through, kind, "delivery")
    as_of = config.source.as_of
    return _Statement(as_of, config.source.extracted_through or as_of, kind, "configuration")


def _dates(
    config: SiteConfig,
    delivery: DeliveryFolder,
    paths: SitePaths,
    identity: str,
    stated: _Statement,
) -> tuple[date, date]:
    """as_of and extracted_through, if somebody states them for this delivery and no other."""
    as_of, through = stated.as_of, stated.extracted_through
    if as_of is None or through is None:
        raise DeliveryError(
            f"site {config.id}, delivery {delivery.name}: nobody states its date; put "
            f"`as_of = 2024-06-30` into {DELIVERY_FILE} beside its files, or "
            f"`source.as_of` into network/{config.id}.toml"
        )
    earlier = [
        each
        for each in load_manifests(paths.deliveries)
        if stated.by == each.dates_stated_by == "configuration"
        and each.as_of == as_of
        and each.delivery_id != identity
        and not _was_mended(each, delivery, paths)
    ]
    if earlier:
        raise DeliveryError(
            f"site {config.id}, delivery {delivery.name}: its content is new, but it has no "
            f"`as_of`, and the configuration's ({as_of}) belongs to delivery "
            f"{earlier[0].delivery_id}. Put {DELIVERY_FILE} with as_of and extracted_through "
            "beside its files; what was read before is intact"
        )
    return as_of, through


def _was_mended(earlier: Manifest, delivery: DeliveryFolder, paths: SitePaths) -> bool:
    """Whether `delivery` stands in the place of an earlier one that was never taken in."""
    return earlier.folder == delivery.name and not (paths.raw / earlier.delivery_id).exists()


def _findings(used: list[SourceFile]) -> list[str]:
    """What the steward should know of the schema, in words without row values."""
    said = []
    for each in used:
        name = PurePosixPath(each.label).name
        if each.extra_columns and each.container != "duckdb":
            said.append(f"{name}: {len(each.extra_columns)} columns do not enter")
        if each.missing_columns:
            said.append(f"{name}: without {', '.join(each.missing_columns)}")
    return said


def _misnamed(place: str, source: Format, found: list[SourceFile]) -> list[str]:
    """Files that are not used, but are called nearly as a table.

    Raises:
        DeliveryError: the table itself is not delivered, so the name is misspelt.
    """
    said = []
    delivered = {table for each in found for table in each.tables}
    for each in found:
        name = PurePosixPath(each.label).name
        if each.tables or each.container not in ("csv", "parquet"):
            continue
        spelt = get_close_matches(stem_of(name), [t.name for t in source.tables], 1, SPELT_ALIKE)
        if spelt and spelt[0] not in delivered:
            raise DeliveryError(
                f"{place}: {name} is called nearly as table {spelt[0]}, which is not delivered; "
                f"nothing of it was taken in. Call it {spelt[0]}, or send a {spelt[0]} with only "
                "its header"
            )
        near = spelt or [t.name for t in source.tables if stem_of(name).startswith(t.name)]
        if near:
            said.append(f"{name}: not used; if it is part of {near[0]}, call it {near[0]}_1, _2, …")
    return said


def _ignored(found: list[SourceFile]) -> dict[str, int]:
    """Lines of files of which we use nothing, by resource type or file name."""
    ignored: dict[str, int] = {}
    for each in found:
        if each.tables or not _is_text(each):
            continue
        for name, lines in _kinds(each).items():
            ignored[name] = ignored.get(name, 0) + lines
    return ignored


def _kinds(file: SourceFile) -> dict[str, int]:
    types = {name: count for name, count in file.resource_types.items() if name != "Bundle"}
    if file.container == "bundle" and types:
        return types
    name = max(types, key=lambda kind: types[kind]) if types else stem_of(file.label)
    lines = file.lines - (1 if file.container == "csv" else 0)
    return {name: lines} if lines > 0 else {}
