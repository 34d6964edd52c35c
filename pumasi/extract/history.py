"""What a full delivery must still have, because an earlier one had it.

In a full delivery what is missing was deleted. A table or a column that the source forgot would
delete all of it, so it must be said: by a file that has the header and no rows.
"""

from collections.abc import Sequence

from pumasi.config import SitePaths
from pumasi.errors import DeliveryError
from pumasi.extract.contract import Format
from pumasi.extract.manifest import Manifest, SourceFile, load_manifests


def check_nothing_left_out(
    place: str, source: Format, manifest: Manifest, paths: SitePaths
) -> None:
    """Hold a full delivery against what was read of the site's deliveries up to its date.

    Raises:
        DeliveryError: it lacks a table, or a column of a table, that one of them had.
    """
    if manifest.kind != "full":
        return
    have = columns_in(source, manifest.files)
    for earlier in load_manifests(paths.deliveries):
        was_read = (paths.raw / earlier.delivery_id).exists()
        if not was_read or earlier.format != source.name or earlier.as_of > manifest.as_of:
            continue
        for table, columns in columns_in(source, earlier.files).items():
            lost = sorted(columns - have.get(table, frozenset()))
            if lost or table not in have:
                raise _left_out(place, source, earlier, table, lost if table in have else [])


def columns_in(source: Format, files: Sequence[SourceFile]) -> dict[str, frozenset[str]]:
    """Per table that the files hold, the columns of its contract that all of its files have."""
    found: dict[str, frozenset[str]] = {}
    for file in files:
        for name in file.tables:
            missing = {column.removeprefix(f"{name}.") for column in file.missing_columns}
            columns = {column.source_names()[0] for column in source.table(name).columns} - missing
            found[name] = found.get(name, frozenset(columns)) & columns
    return found


def _left_out(
    place: str, source: Format, earlier: Manifest, table: str, columns: list[str]
) -> DeliveryError:
    resource = source.table(table).resource
    what = f"table {table}"
    remedy = f"send a {table} with its header and no rows"
    if resource:
        what, remedy = resource, f"send an empty {resource}.ndjson"
    if columns:
        what = f"column `{columns[0]}` of table {table}"
        remedy = "send it without values"
    return DeliveryError(
        f"{place}: it is full, but lacks {what}, which delivery {earlier.delivery_id} "
        f"(as of {earlier.as_of}) had: all of it would be deleted. Nothing of it was taken in. Ask "
        f"the source for it; if it is meant, {remedy}"
    )
