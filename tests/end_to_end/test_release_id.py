"""A release is its content: built again, in any order, it is the same one; changed, it is another.

And what was sealed can't be edited: the file of a table is verified before it is read.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pumasi.errors import ReleaseError
from pumasi.quality import Purpose
from pumasi.release import open_release
from tests.end_to_end.network import Built, Network
from tests.end_to_end.stories import Variants


def test_building_again_gives_the_same_release(synthea27: Built, told_otherwise: Variants) -> None:
    again = told_otherwise.again
    assert again.code == 0, again.said
    assert again.release.id == synthea27.release.id
    assert again.release.seal.number == synthea27.release.seal.number + 1
    assert again.accounts("read_counts") == synthea27.accounts("read_counts")


def test_other_files_in_another_order_read_by_one_thread_give_the_same_release(
    synthea27: Built, told_otherwise: Variants
) -> None:
    shuffled = told_otherwise.shuffled
    assert shuffled.code == 0, shuffled.said
    contents = [
        {name: entry.content for name, entry in each.release.manifest.tables.items()}
        for each in (shuffled, synthea27)
    ]
    assert contents[0] == contents[1]
    assert shuffled.release.id == synthea27.release.id
    (row,) = shuffled.accounts("deliveries")
    assert row["delivery_id"] != synthea27.accounts("deliveries")[0]["delivery_id"]


def test_one_changed_value_gives_another_release(
    synthea27: Built, told_otherwise: Variants
) -> None:
    changed = told_otherwise.changed
    assert changed.code == 0, changed.said
    assert changed.release.id != synthea27.release.id
    before, after = (each.release.manifest.tables for each in (synthea27, changed))
    differing = {name for name in before if before[name].content != after[name].content}
    assert "person" in differing
    assert "measurement" not in differing


def test_a_release_with_an_edited_byte_is_not_read(
    network: Network, synthea27: Built, told_otherwise: Variants
) -> None:
    paths, release = told_otherwise.again.paths, told_otherwise.again.release
    file = release.folder / "tables" / "condition_occurrence.parquet"
    whole = file.with_suffix(".whole")
    shutil.move(file, whole)
    try:
        content = bytearray(whole.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        assert_refused(network, synthea27.site, release.folder)
    finally:
        shutil.move(whole, file)
    opened = open_release(paths.root.name, Purpose("reading"), datetime.now(UTC), network.home)
    with duckdb.connect() as connection:
        assert opened.read("condition_occurrence", connection).fetchall()


def assert_refused(network: Network, site: str, folder: Path) -> None:
    """Reading the edited table raises; the others can be read; the command names the table."""
    opened = open_release(site, Purpose("reading"), datetime.now(UTC), network.home)
    with duckdb.connect() as connection:
        with pytest.raises(ReleaseError, match="table 'condition_occurrence' is not what was"):
            opened.read("condition_occurrence", connection)
        assert opened.read("person", connection).fetchall()
    verified = network.pumasi("release", "verify", "--site", site)
    assert verified.returncode == 1
    assert f"release {folder.name}: table 'condition_occurrence' is not what was" in verified.stdout
