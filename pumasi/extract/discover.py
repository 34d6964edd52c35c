"""The folder connector: which deliveries lie in a hospital's source folder.

A source folder either holds the files of one delivery, or holds one folder for each delivery; what
has a `delivery.toml` is always one. Any
fsspec address works; what is not on this machine is copied to a landing folder while it is read and
removed afterwards, because it holds identifiers.
"""

import gzip
import hashlib
import json
import os
import shutil
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pumasi.config import SiteConfig, SitePaths, shown
from pumasi.errors import DeliveryError
from pumasi.extract.files import RESOURCE_TYPE, container_of, table_of
from pumasi.extract.formats import FORMATS

DELIVERY_FILE = "delivery.toml"
# Beside it, where a connector landed the delivery; the dot keeps it out of what is read.
LANDED_FILE = ".landed.json"
LITTER = ("__MACOSX",)
ROOT = PurePosixPath(".")
# Bytes of a .json at the source in which the type of its resource is looked for.
LOOKED_AT = 1 << 16
UNREAD_ARCHIVES = frozenset({".tar", ".tgz", ".bz2", ".xz", ".zst", ".lz4", ".7z", ".rar", ".z"})
DEEPEST_ZIP = 3


@dataclass(frozen=True)
class DeliveryFolder:
    """One delivery as it lies at the source: its address, and what it says of itself.

    `as_of`, `extracted_through` and `kind` come from `delivery.toml` beside the files and are None
    where it says nothing; then the site's configuration speaks. `sizes` are the files, by their
    path, that it says are there, with their bytes. `notes` are what a connector has to say of it,
    without row values.
    """

    url: str
    name: str
    as_of: date | None = None
    extracted_through: date | None = None
    kind: str | None = None
    notes: tuple[str, ...] = ()
    sizes: tuple[tuple[str, int], ...] = ()

    @property
    def key(self) -> str:
        """Name and fingerprint (names, sizes, times) of what lies there; cheap, no file is read.

        It tells a changed folder from an unchanged one. What a delivery *is* is its content, and
        two keys may turn out to be one delivery.
        """
        filesystem, path = _filesystem(self.url, self.name)
        said = [
            f"/{name} {_stamp(filesystem, path + '/' + name)}" for name in listing(filesystem, path)
        ]
        return f"{self.name}-{hashlib.sha256(chr(10).join(said).encode()).hexdigest()[:8]}"

    @contextmanager
    def files(self, landing: Path) -> Iterator[dict[str, Path]]:
        """The delivery's files by their path within it, as local files.

        What is remote or in a zip is unpacked below `landing` and removed afterwards.

        Raises:
            DeliveryError: a file is not there, or has other bytes than the delivery says.
        """
        shutil.rmtree(landing, ignore_errors=True)  # what a killed process left
        filesystem, path = _filesystem(self.url, self.name)
        try:
            folder = Path(path)
            if not isinstance(filesystem, LocalFileSystem):
                folder = landing / "remote"
                folder.mkdir(parents=True)
                filesystem.get(path.rstrip("/") + "/", f"{folder}/", recursive=True)
            self._check_sizes(folder)
            yield _unpacked(folder, landing / "unpacked", self.name)
        finally:
            shutil.rmtree(landing, ignore_errors=True)

    def _check_sizes(self, folder: Path) -> None:
        """A text that was cut at the end of a line can be read: only its size tells."""
        for name, stated in self.sizes:
            file = folder / name
            there = file.stat().st_size if file.is_file() else None
            if there != stated:
                # Bundles and files of lines may be called by the patient.
                nameless = container_of(name) in ("bundle", "ndjson")
                found = "is not there" if there is None else f"has {there:,}"
                raise DeliveryError(
                    f"delivery {self.name}: {'a file' if nameless else name} should have "
                    f"{stated:,} bytes, as `[bytes]` in {DELIVERY_FILE} says, and {found}; nothing "
                    "of this delivery was taken in. Transfer the file again"
                )


def discover(config: SiteConfig, paths: SitePaths | None = None) -> list[DeliveryFolder]:
    """Deliveries in the site's source folder, by name; with a connector, those that it landed.

    `paths` are the folders of the site, by default those below PUMASI_HOME.

    A folder with `delivery.toml` is a delivery, however deep it lies. So is any other folder in the
    source folder that holds data, unless data lie beside it or a folder is called as a table.

    Raises:
        DeliveryError: the folder does not exist or holds no file of the site's format, or a file
            lies where it belongs to no delivery.
    """
    if config.source.connector != "folder":
        return _landed((paths or SitePaths.of(config.id)).landing / "deliveries")
    place = f"site {config.id}: `source.url` in network/{config.id}.toml"
    filesystem, path = _filesystem(config.source.url, place)
    if not _is_folder(filesystem, path, place):
        raise DeliveryError(
            f"site {config.id}: the source folder {shown(config.source.url)} does not exist; "
            f"mend `source.url` in network/{config.id}.toml"
        )
    listed = [PurePosixPath(each) for each in listing(filesystem, path)]
    stated = {each.parent for each in listed if each.name == DELIVERY_FILE}
    inside = [each for each in listed if len(each.parts) > 1 and _may_be_data(config, each)]
    # A look into a file costs; `any` stops at the first that is data.
    beside = (each for each in listed if len(each.parts) == 1)
    here = (each for each in beside if _is_data(config, filesystem, path, each))
    if stated - {ROOT}:
        _check_no_strays(config, [*here, *inside], stated)
    elif ROOT in stated or any(here) or _has_parts(config, inside):
        return [_delivery(filesystem, path, ROOT)]
    folders = {_delivery_of(each, stated) for each in inside} | stated
    if not folders:
        raise DeliveryError(
            f"site {config.id}: no file of format {config.format} in {shown(config.source.url)} "
            f"({len(listed)} other files); is `format` right in network/{config.id}.toml?"
        )
    return [_delivery(filesystem, path, folder) for folder in sorted(folders)]


def _landed(folder: Path) -> list[DeliveryFolder]:
    found = []
    for said in sorted(folder.glob(f"*/{LANDED_FILE}")):
        name = PurePosixPath(said.parent.name)
        delivery = _delivery(LocalFileSystem(), str(folder), name)
        found.append(replace(delivery, notes=tuple(json.loads(said.read_text())["notes"])))
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


def _delivery_of(file: PurePosixPath, stated: set[PurePosixPath]) -> PurePosixPath:
    """The folder whose delivery a file belongs to: one that states something, or the outermost."""
    around = [parent for parent in file.parents if parent in stated]
    return around[0] if around else file.parents[-2]


def _check_no_strays(
    config: SiteConfig, data: list[PurePosixPath], stated: set[PurePosixPath]
) -> None:
    """Whether each file lies in one delivery and no delivery in another."""
    outer = {parent for folder in stated for parent in folder.parents}
    if outer & stated:
        raise DeliveryError(
            f"site {config.id}: {_shown(config, min(outer & stated))} has a {DELIVERY_FILE}, and "
            f"so has a folder in it; which is the delivery? Remove the {DELIVERY_FILE} that is "
            "not meant"
        )
    strays = [
        file
        for file in data
        if not stated & set(file.parents) and (len(file.parts) == 1 or file.parents[-2] in outer)
    ]
    if strays:
        raise DeliveryError(
            f"site {config.id}: {len(strays)} files of format {config.format} lie in "
            f"{_shown(config, strays[0].parent)}, beside folders with a {DELIVERY_FILE}: they "
            "belong to no delivery. Move them into one, or out of the source folder"
        )


def _shown(config: SiteConfig, folder: PurePosixPath) -> str:
    source = f"the source folder {shown(config.source.url)}"
    return f"the folder {folder}" if folder.parts else source


def _has_parts(config: SiteConfig, data: list[PurePosixPath]) -> bool:
    """Whether a folder in the source folder is called as a table."""
    source = FORMATS[config.format]
    return any(table_of(source, f"{name}/x.csv") for name in {each.parts[0] for each in data})


def listing(filesystem: fsspec.AbstractFileSystem, path: str) -> list[str]:
    """Files below `path` by their path within it, litter aside; links to folders are followed."""
    if isinstance(filesystem, LocalFileSystem):
        found = _walked(Path(path))
    else:
        root = path.rstrip("/") + "/"
        found = [str(each).removeprefix(root) for each in filesystem.find(path)]
    return sorted(each for each in found if not any(map(_is_litter, PurePosixPath(each).parts)))


def _walked(root: Path) -> list[str]:
    found = []
    for folder, inside, names in os.walk(root, followlinks=True):
        here = Path(folder)
        if here != root and any(here.samefile(above) for above in _between(root, here)):
            inside.clear()  # a link to a folder around it
            continue
        files = (here / name for name in names)
        found += [str(file.relative_to(root)) for file in files if file.is_file()]
    return found


def _between(root: Path, folder: Path) -> list[Path]:
    return [above for above in folder.parents if above == root or root in above.parents]


def _unpacked(folder: Path, landing: Path, name: str) -> dict[str, Path]:
    """Files by their path in the delivery, those in archives too; what is unpacked lies in
    `landing` under a number, so that no two meet and no name matters."""
    found: dict[str, Path] = {}
    landing.mkdir(parents=True, exist_ok=True)
    targets = (landing / str(number) for number in count())
    for inside in listing(LocalFileSystem(), str(folder)):
        for member, path in _contents(inside, folder / inside, targets, name, DEEPEST_ZIP):
            if member in found:
                raise _refused(name, "holds a zip with two files of one name")
            found[member] = path
    return found


def _contents(
    inside: str, path: Path, targets: Iterator[Path], name: str, deepest: int
) -> Iterator[tuple[str, Path]]:
    """The file itself or, of an archive, what is in it; of a zip in a zip too."""
    kind = container_of(inside)
    ending = PurePosixPath(inside.lower().removesuffix(".gz")).suffix
    if ending in UNREAD_ARCHIVES:
        raise _refused(name, f"has a file of kind {ending}, which is not opened: gzip and zip are")
    if inside.lower().endswith(".gz") and kind not in (None, "csv", "ndjson"):
        # DuckDB decompresses lines, but not a whole document.
        path = _decompressed(path, next(targets).with_suffix(ending), kind, inside)
    if kind != "zip":
        yield inside, path
        return
    if not deepest:
        raise _refused(name, f"has more than {DEEPEST_ZIP} zips in one another")
    for member, content in _members(path, inside, targets):
        yield from _contents(f"{inside}/{member}", content, targets, name, deepest - 1)


def _refused(name: str, why: str) -> DeliveryError:
    return DeliveryError(
        f"delivery {name} {why}; nothing of it was taken in. Unpack it, or ask the source for "
        "plain files"
    )


def _decompressed(path: Path, target: Path, kind: str | None, inside: str) -> Path:
    try:
        with gzip.open(path, "rb") as packed, target.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        # Bundles are often called by the patient's name: it is not shown.
        shown = f"a bundle of {path.stat().st_size} bytes" if kind == "bundle" else inside
        raise DeliveryError(
            f"{shown} is a broken or truncated gzip; ask the "
            "source for the files again; nothing of this delivery was taken in"
        ) from None
    return target


def _members(archive: Path, inside: str, targets: Iterator[Path]) -> Iterator[tuple[str, Path]]:
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                parts = PurePosixPath(member.filename).parts
                if member.is_dir() or any(map(_is_litter, parts)):
                    continue
                # The ending tells DuckDB whether to decompress.
                target = next(targets).with_suffix(PurePosixPath(member.filename).suffix)
                with opened.open(member) as packed, target.open("wb") as plain:
                    shutil.copyfileobj(packed, plain)
                yield member.filename, target
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


def _stamp(filesystem: fsspec.AbstractFileSystem, path: str) -> str:
    """Size and time of a file; of a link, those of the file that it leads to."""
    if isinstance(filesystem, LocalFileSystem):
        stat = os.stat(path)
        return f"{stat.st_size} {stat.st_mtime}"
    info = filesystem.info(path)
    return f"{info.get('size')} {info.get('mtime', info.get('etag'))}"


def _is_litter(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.startswith(".") or name in LITTER


def _is_data(
    config: SiteConfig, filesystem: fsspec.AbstractFileSystem, path: str, file: PurePosixPath
) -> bool:
    """Whether a file in the source folder itself is data: by container, name or content."""
    container = container_of(str(file))
    if not _may_be_data(config, file):
        return False
    if container == "bundle" and file.suffix.lower() == ".json":
        # Servers put a manifest.json beside what they export; it holds no resource.
        there = f"{path.rstrip('/')}/{file}"
        # fsspec logs the names of local files that it opens, and they may be patients'.
        local = isinstance(filesystem, LocalFileSystem)
        with Path(there).open("rb") if local else filesystem.open(there, "rb") as stream:
            return RESOURCE_TYPE.search(stream.read(LOOKED_AT)) is not None
    return container in ("zip", "duckdb", "ndjson", "bundle") or (
        table_of(FORMATS[config.format], str(file)) is not None
    )


def _may_be_data(config: SiteConfig, file: PurePosixPath) -> bool:
    container = container_of(str(file))
    return container == "zip" or container in FORMATS[config.format].containers


def _delivery(
    filesystem: fsspec.AbstractFileSystem, path: str, folder: PurePosixPath
) -> DeliveryFolder:
    root = path.rstrip("/")
    there = f"{root}/{folder}" if folder.parts else root
    name = "-".join(folder.parts) or PurePosixPath(root).name
    url = filesystem.unstrip_protocol(there)
    statement = f"{there}/{DELIVERY_FILE}"
    if not filesystem.exists(statement):
        return DeliveryFolder(url, name)
    try:
        said = tomllib.loads(filesystem.cat_file(statement).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeliveryError(f"{name}/{DELIVERY_FILE} is not TOML: {error}") from None
    _check_statement(name, said)
    return DeliveryFolder(
        url,
        name,
        said.get("as_of"),
        said.get("extracted_through"),
        said.get("kind"),
        sizes=tuple(said.get("bytes", {}).items()),
    )


def _check_statement(name: str, said: dict[str, Any]) -> None:
    dates = {"as_of": date, "extracted_through": date}
    wanted: dict[str, type] = dates | {"kind": str, "bytes": dict}
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
    if any(type(size) is not int or size < 0 for size in said.get("bytes", {}).values()):
        raise DeliveryError(
            f'{name}/{DELIVERY_FILE}: `[bytes]` gives the size of each file, as "visits.csv" = 1024'
        )
    if said.get("kind", "full") not in ("full", "incremental"):
        raise DeliveryError(f"{name}/{DELIVERY_FILE}: `kind` must be full or incremental")
    if "extracted_through" in said and said.get("as_of", date.min) < said["extracted_through"]:
        raise DeliveryError(
            f"{name}/{DELIVERY_FILE}: `extracted_through` needs an `as_of` that is not before it: "
            "an extract can't cover days after it was made"
        )
