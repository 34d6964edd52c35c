"""Connectors bring a delivery where no folder does: they land files that the folder path reads.

`fetch` asks a source for what is new and lands it below `sites/<id>/landing`; `discover`, `pull`
and `read` go on from there as with any folder; `clear` removes the files when they were read. Only
what the configuration names is asked, and only here.
"""

from pumasi.config import SiteConfig, SitePaths
from pumasi.extract.connectors.landing import Landed, clear, read_as, vocabulary_folder
from pumasi.extract.workplace import Progress, no_row_values

__all__ = ["Landed", "clear", "fetch", "preview", "read_as", "vocabulary_folder"]


def fetch(
    config: SiteConfig,
    paths: SitePaths,
    *,
    full: bool = False,
    progress: Progress = lambda message: None,
) -> Landed | None:
    """Land the next delivery of a site with a connector; None if its source has nothing new.

    `full` asks for everything, whatever `source.kind` says: only so what was deleted is noticed.

    Raises:
        ConfigError: a secret is missing or open to others.
        DeliveryError: the source can't be reached, refuses, or gives something else; what was
            landed and read before is as it was.
    """
    # Each loads a library that the other hospitals don't need.
    with no_row_values(f"site {config.id}: fetching"):
        if config.source.connector == "database":
            from pumasi.extract.connectors import database

            return database.fetch(config, paths, full=full, progress=progress)
        from pumasi.extract.connectors import fhir_bulk

        return fhir_bulk.fetch(config, paths, full=full, progress=progress)


def preview(
    config: SiteConfig, paths: SitePaths, *, full: bool = False
) -> tuple[str, dict[str, int | None]]:
    """Kind of the delivery that `fetch` would land, and its rows per table; None: not known.

    Empty if there is nothing new. Nothing is written. Raises as `fetch` does.
    """
    with no_row_values(f"site {config.id}: asking"):
        if config.source.connector == "database":
            from pumasi.extract.connectors import database

            return database.preview(config, paths, full=full)
        from pumasi.extract.connectors import fhir_bulk

        return fhir_bulk.preview(config, paths, full=full)
