"""Reading and checking the configuration of hospitals: one TOML per hospital in the network folder.

The environment is read when a function is called, never at import: PUMASI_HOME (everything written
at run time), PUMASI_NETWORK (the folder of site files), PUMASI_SITE (the hospital).
"""

from pumasi.config.address import shown
from pumasi.config.hub import HubConfig
from pumasi.config.network import get_site, load_hub, load_network, load_site, load_waivers
from pumasi.config.paths import SitePaths, home_folder, hub_folder, network_folder, project_root
from pumasi.config.site import (
    FORMATS,
    AlertsConfig,
    DatabaseConfig,
    FhirBulkConfig,
    MappingConfig,
    SiteConfig,
    SourceConfig,
    SourceFormat,
    Threshold,
    VocabularyConfig,
)
from pumasi.config.waivers import Waiver, Waivers

__all__ = [
    "FORMATS",
    "AlertsConfig",
    "DatabaseConfig",
    "FhirBulkConfig",
    "HubConfig",
    "MappingConfig",
    "SiteConfig",
    "SitePaths",
    "SourceConfig",
    "SourceFormat",
    "Threshold",
    "VocabularyConfig",
    "Waiver",
    "Waivers",
    "get_site",
    "home_folder",
    "hub_folder",
    "load_hub",
    "load_network",
    "load_site",
    "load_waivers",
    "network_folder",
    "project_root",
    "shown",
]
