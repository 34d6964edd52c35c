"""The folder connector: which deliveries lie in a hospital's source folder.

A source folder either holds the files of one delivery, or holds one folder for each delivery. Any
fsspec address works; what is not on this machine is copied to a landing folder while it is read and
removed afterwards, because it holds identifiers.
"""

import gzip
import hashlib
import shutil
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pumasi.config import SiteConfig
from pumasi.errors import DeliveryError
from pumasi.extract.files import container_of, table_of
from pumasi.extract.formats import FORMATS

DELIVERY_FILE = "delivery.toml"
LITTER = ("__MACOSX",)


@dataclass(frozen=True)
class DeliveryFolder:
    """One delivery as it lies at the source: its address, and what it says of itself.

    `as_of`, `extracted_through` and `kind` come from `delivery.toml` beside the files and are None
    where it says nothing; then the site's configuration speaks.
    """

    url: str
    name: str
    as_of: date | None = None
    extracted_through: date | None = None
    kind: str | None = None

    @property
    def key(self) -> str:
        """Name and fingerprint (names, sizes, times) of what lies there; cheap, no file is read.

        It tells a changed folder from an unchanged one. What a delivery *is* is its content, and
        two keys may turn out to be one delivery.
        """
        filesystem, path = _filesystem(self.url, self.name)
        found = filesystem.find(path, detail=True)
        said = sorted(
            f"{name.removeprefix(path)} {info.get('size')} {info.get('mtime', info.get('etag'))}"
            for name, info in found.items()
        )
        return f"{self.name}-{hashlib.sha256(chr(10).join(said).encode()).hexdigest()[:8]}"

    @contextmanager
    def files(self, landing: Path) -> Iterator[dict[str, Path]]:
        """The delivery's files by their path within it, as local files.

        What is remote or in a zip is unpacked below `landing` and removed afterwards.
        """
        shutil.rmtree(landing, ignore_errors=True)  # what a killed process left
        filesystem, path = _filesystem(self.url, self.name)
        try:
            folder = Path(path)
            if not isinstance(filesystem, LocalFileSystem):
                folder = landing / "remote"
                folder.mkdir(parents=True)
                filesystem.get(path.rstrip("/") + "/", f"{folder}/", recursive=True)
            yield _unpacked(folder, landing)
        finally:
            shutil.rmtree(landing, ignore_errors=True)


def discover(config: SiteConfig) -> list[DeliveryFolder]:
    """Deliveries in the site's source folder, by name.

    Raises:
        DeliveryError: the folder does not exist or holds no file of the site's format.
    """
    url = config.source.url
    place = f"site {config.id}: `source.url` in network/{config.id}.toml"
    filesystem, path = _filesystem(url, place)
    if not _is_folder(filesystem, path, place):
        raise DeliveryError(
            f"site {config.id}: the source folder {config.source.url} does not exist; "
            f"mend `source.url` in network/{config.id}.toml"
        )
    entries = sorted(filesystem.ls(path, detail=True), key=lambda entry: str(entry["name"]))
    files = [entry for entry in entries if entry["type"] != "directory"]
    if any(_is_data(config.format, str(entry["name"])) for entry in files):
        return [_delivery(filesystem, url, path)]
    folders = [str(entry["name"]) for entry in entries if entry["type"] == "directory"]
    if any(table_of(FORMATS[config.format], f"{PurePosixPath(f).name}/x.csv") for f in folders):
        return [_delivery(filesystem, url, path)]
    found = [
        _delivery(filesystem, filesystem.unstrip_protocol(folder), folder)
        for folder in folders
        if not _is_litter(folder)
    ]
    if not found:
        raise DeliveryError(
            f"site {config.id}: no file of format {config.format} in {config.source.url} "
            f"({len(files)} other files); is `format` right in network/{config.id}.toml?"
        )
    return found


def _filesystem(url: str, place: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """What reads the address, and the path there; an address may hold a password: it isn't shown.

    Raises:
        DeliveryError: the protocol is unknown, or what speaks it is not installed or fails.
    """
    protocol = url.partition("://")[0]
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        return filesystem, path
    except ImportError as error:  # says which package
        why = f"{error}. Install it into the environment of pumasi"
    except ValueError:
        near = get_close_matches(protocol, fsspec.available_protocols(), n=1)
        why = "there is no such protocol" + (f"; did you mean {near[0]}://?" if near else "")
    except OSError as error:
        why = f"it can't be reached ({type(error).__name__}); is the address right?"
    raise DeliveryError(f"{place} begins with {protocol}://: {why}")


def _is_folder(filesystem: fsspec.AbstractFileSystem, path: str, place: str) -> bool:
    try:
        return bool(filesystem.isdir(path))
    except OSError as error:
        raise DeliveryError(
            f"{place} can't be reached ({type(error).__name__}); is the address right?"
        ) from None


def _unpacked(folder: Path, landing: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if not path.is_file() or any(_is_litter(part) for part in inside.parts):
            continue
        if path.suffix.lower() == ".zip":
            found |= _members(path, inside, landing)
        elif container_of(path.name) == "bundle" and path.suffix.lower() == ".gz":
            # DuckDB decompresses lines, but not a whole document.
            plain = inside.with_suffix("")
            found[str(plain)] = _decompressed(path, landing / "gzip" / plain)
        else:
            found[str(inside)] = path
    return found


def _decompressed(path: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with gzip.open(path, "rb") as packed, target.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        # Bundles are often called by the patient's name: it is not shown.
        raise DeliveryError(
            f"a bundle of {path.stat().st_size} bytes is a broken or truncated gzip; ask the "
            "source for the files again; nothing of this delivery was taken in"
        ) from None
    return target


def _members(archive: Path, inside: Path, landing: Path) -> dict[str, Path]:
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [
                name
                for name in opened.namelist()
                if not name.endswith("/")
                and not any(_is_litter(part) for part in PurePosixPath(name).parts)
            ]
            target = landing / "zip" / inside
            # `extract` keeps members below the target whatever their names say.
            return {f"{inside}/{name}": Path(opened.extract(name, target)) for name in names}
    except (RuntimeError, NotImplementedError):
        raise DeliveryError(
            f"{inside} is a zip that is encrypted, or packed in a way that Python can't unpack; "
            "ask the source for a plain one; nothing of this delivery was taken in"
        ) from None
    except (zipfile.BadZipFile, EOFError, zlib.error):
        raise DeliveryError(
            f"{inside} is a broken or truncated zip; ask the source for the file again; "
            "nothing of this delivery was taken in"
        ) from None


def _is_litter(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.startswith(".") or name in LITTER


def _is_data(format_name: str, path: str) -> bool:
    """Whether the file could be data of the format: by container, and by name where names count."""
    if _is_litter(path):
        return False
    source = FORMATS[format_name]
    container = container_of(path)
    if container == "zip":
        return True
    if container not in source.containers:
        return False
    return container in ("duckdb", "ndjson", "bundle") or table_of(source, path) is not None


def _delivery(filesystem: fsspec.AbstractFileSystem, url: str, path: str) -> DeliveryFolder:
    name = PurePosixPath(path).name
    statement = f"{path.rstrip('/')}/{DELIVERY_FILE}"
    if not filesystem.exists(statement):
        return DeliveryFolder(url, name)
    try:
        said = tomllib.loads(filesystem.cat_file(statement).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeliveryError(f"{name}/{DELIVERY_FILE} is not TOML: {error}") from None
    _check_statement(name, said)
    return DeliveryFolder(
        url, name, said.get("as_of"), said.get("extracted_through"), said.get("kind")
    )


def _check_statement(name: str, said: dict[str, Any]) -> None:
    wanted: dict[str, type] = {"as_of": date, "extracted_through": date, "kind": str}
    for key, value in said.items():
        if key not in wanted:
            raise DeliveryError(
                f"{name}/{DELIVERY_FILE}: unknown key `{key}`; it knows {', '.join(wanted)}"
            )
        if type(value) is not wanted[key]:
            raise DeliveryError(
                f"{name}/{DELIVERY_FILE}: `{key}` is a {type(value).__name__}, "
                f"wanted a {wanted[key].__name__} (dates without quotes: 2024-06-30)"
            )
    if said.get("kind", "full") not in ("full", "incremental"):
        raise DeliveryError(f"{name}/{DELIVERY_FILE}: `kind` must be full or incremental")
    if "extracted_through" in said and said.get("as_of", date.min) < said["extracted_through"]:
        raise DeliveryError(
            f"{name}/{DELIVERY_FILE}: `extracted_through` needs an `as_of` that is not before it: "
            "an extract can't cover days after it was made"
        )
