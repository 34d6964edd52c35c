"""Reads the site files of a network folder, their waivers, and its hub.toml.

Asking for one hospital reads only its file: a hospital's own settings may use variables that are
set nowhere else.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pumasi.config.hub import HubConfig
from pumasi.config.paths import home_folder, network_folder
from pumasi.config.problems import explain
from pumasi.config.site import SITE_ID_PATTERN, SiteConfig, SourceConfig
from pumasi.config.waivers import WAIVERS_SUFFIX, Waivers
from pumasi.errors import ConfigError

Section = TypeVar("Section", bound=BaseModel)

HUB_FILE = "hub.toml"
PACKAGE_SCHEME = "package://"
HOME_SCHEME = "home://"


def load_site(path: Path, *, resolve: bool = True) -> SiteConfig:
    """Read one site file; `resolve=False` leaves its urls as written.

    Raises `ConfigError` naming the file, the field, what it got and what it wants.
    """
    return parse_site(_text(path), path, resolve=resolve)


def parse_site(text: str, path: Path, *, resolve: bool = True) -> SiteConfig:
    """Check the text that is, or is to be, the file at that path. Raises like `load_site`."""
    content = _content(text, path)
    if content.setdefault("id", path.stem) != path.stem:
        raise ConfigError(
            f"{path}: id is {content['id']!r} but the file is called {path.name}; "
            "leave id out, the file's name is the id"
        )
    site = _checked(SiteConfig, content, path)
    return _with_absolute_urls(site, path) if resolve else site


def load_hub(folder: Path | None = None) -> HubConfig | None:
    """Read hub.toml of the folder (default: PUMASI_NETWORK); None when the network has no hub.

    Raises `ConfigError` naming the file, the field, what it got and what it wants.
    """
    path = (folder or network_folder()) / HUB_FILE
    return _checked(HubConfig, _content(_text(path), path), path) if path.exists() else None


def load_waivers(site_id: str, network: Path | None = None) -> Waivers:
    """Read the waivers of a site; a site without such a file has none.

    Raises `ConfigError` naming the file, the field, what it got and what it wants.
    """
    path = (network or network_folder()) / f"{site_id}{WAIVERS_SUFFIX}"
    return _checked(Waivers, _content(_text(path), path), path) if path.exists() else Waivers()


def load_network(folder: Path | None = None, *, resolve: bool = True) -> dict[str, SiteConfig]:
    """Read every site file of the folder (default: PUMASI_NETWORK), sorted by id."""
    return {path.stem: load_site(path, resolve=resolve) for path in _site_files(folder)}


def get_site(site_id: str | None = None, network: Path | None = None) -> SiteConfig:
    """Read the site of that id; None means PUMASI_SITE, else the only one there is.

    Raises `ConfigError` listing the sites when the choice is not clear.
    """
    files = {path.stem: path for path in _site_files(network)}
    listed = ", ".join(files) or "none: `pumasi site add` writes one"
    chosen = site_id or os.environ.get("PUMASI_SITE")
    if not chosen:
        if len(files) != 1:
            raise ConfigError(f"which site? Set PUMASI_SITE or name one of: {listed}")
        chosen = next(iter(files))
    if chosen not in files:
        folder = network or network_folder()
        raise ConfigError(f"no site {chosen!r} in {folder}; the sites there are: {listed}")
    return load_site(files[chosen])


def resolve_url(url: str, base: Path) -> str:
    """Return the url with `${VAR}` expanded and, unless it names a protocol, as an absolute path.

    `base` is the folder that relative paths start from; `package://<package>/<folder>` is a folder
    inside an installed Python package, `home://<folder>` one below PUMASI_HOME. Raises
    `ConfigError` for an unset variable or package, or a user who is not there.
    """
    url = _expand_variables(url)
    if url.startswith(PACKAGE_SCHEME):
        return _package_folder(url)
    if url.startswith(HOME_SCHEME):
        return str(home_folder() / url.removeprefix(HOME_SCHEME))
    if "://" in url:
        return url
    try:
        return str((base / Path(url).expanduser()).resolve())
    except RuntimeError:
        raise ConfigError(
            f"no user of this machine has the home folder {url}; write it out"
        ) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8: {error}") from None
    except OSError as error:
        raise ConfigError(
            f"{path}: can't be read ({type(error).__name__}); is it a file, and this user's?"
        ) from None


def _content(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from None


def _checked(model: type[Section], content: dict[str, Any], path: Path) -> Section:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError(explain(error, path, model)) from None


def _site_files(folder: Path | None) -> list[Path]:
    folder = folder or network_folder()
    if not folder.is_dir():
        raise ConfigError(f"no network folder {folder}; PUMASI_NETWORK names another one")
    every = sorted(path for path in folder.glob("*.toml") if path.name != HUB_FILE)
    waivers = [path for path in every if path.name.endswith(WAIVERS_SUFFIX)]
    files = [path for path in every if path not in waivers]
    for path in files:
        if not re.fullmatch(SITE_ID_PATTERN, path.stem):
            raise ConfigError(
                f"{path}: a site file is called <id>.toml, and an id is lower-case letters, "
                f"digits and _, beginning with a letter"
            )
    for path in waivers:
        _require_site_of(path, [file.stem for file in files])
    return files


def _require_site_of(waivers: Path, sites: list[str]) -> None:
    """Raise ConfigError for a file of waivers that no site has: it would accept nothing."""
    site = waivers.name.removesuffix(WAIVERS_SUFFIX)
    if site not in sites:
        near = difflib.get_close_matches(site, sites, n=1)
        hint = f"did you mean {near[0]}{WAIVERS_SUFFIX}?" if near else "rename it, or take it out"
        raise ConfigError(f"{waivers}: there is no site '{site}'; {hint}")


def _with_absolute_urls(site: SiteConfig, path: Path) -> SiteConfig:
    def absolute(section: str, url: str) -> dict[str, str]:
        try:
            return {"url": resolve_url(url, path.resolve().parent)}
        except ConfigError as error:
            raise ConfigError(f"{path}: {section}.url: {error}") from None

    source = site.source.model_copy(update=absolute("source", site.source.url))
    # Once more: a variable in the url may have brought a password or another protocol.
    try:
        source = type(source).model_validate(source.model_dump())
    except ValidationError as error:
        raise ConfigError(explain(error, path, SiteConfig)) from None
    source = _with_absolute_files(source, path)
    vocabulary = site.vocabulary
    if vocabulary.url is not None:
        vocabulary = vocabulary.model_copy(update=absolute("vocabulary", vocabulary.url))
    mapping = site.mapping
    if mapping is not None:
        mapping = mapping.model_copy(update=absolute("mapping", mapping.url))
    alerts = site.alerts
    if alerts is not None and alerts.webhook_file is not None:
        file = _absolute_file("alerts.webhook_file", alerts.webhook_file, path)
        alerts = alerts.model_copy(update={"webhook_file": file})
    changed = {"source": source, "vocabulary": vocabulary, "mapping": mapping, "alerts": alerts}
    return site.model_copy(update=changed)


def _with_absolute_files(source: SourceConfig, path: Path) -> SourceConfig:
    """The source with the paths of its connector's files, which start from the network folder."""
    sections = {name: getattr(source, name) for name in ("database", "fhir_bulk")}
    update = {}
    for name, section in sections.items():
        files = {
            field: _absolute_file(f"source.{name}.{field}", value, path)
            for field in ("password_file", "token_file", "ca_file")
            if (value := getattr(section, field, None))
        }
        if files:
            update[name] = section.model_copy(update=files)
    return source.model_copy(update=update)


def _absolute_file(setting: str, written: str, path: Path) -> str:
    """The path of a file that the site's file at `path` names in a setting.

    It is printed when the file can't be read. So an address is refused here, and a variable alone
    must lead to a file: it may hold the secret instead of the path.
    """
    try:
        file = resolve_url(written, path.resolve().parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {setting}: {error}") from None
    is_variable = re.fullmatch(r"\$\{\w+\}", written)
    if "://" in file or (is_variable and not _is_file(file)):
        raise ConfigError(
            f"{path}: {setting}: leads to no file, wants the path of one; if its variable holds "
            "the secret itself, name the variable in the setting that ends in _env"
        )
    return file


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # a secret may be too long for a path
        return False


def _expand_variables(url: str) -> str:
    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise ConfigError(f"the variable {name} is not set; set it or write the path itself")
        return os.environ[name]

    return re.sub(r"\$\{(\w+)\}", value, url)


def _package_folder(url: str) -> str:
    package, _, folder = url.removeprefix(PACKAGE_SCHEME).partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"the Python package {package!r} is not installed here")
    return str(Path(spec.submodule_search_locations[0]) / folder)
