"""The CDM as data: its tables and which of them have a source, its vocabulary, concept sets."""

from pumasi.omop.cdm import CdmField, CdmTable, cdm_tables
from pumasi.omop.project import (
    FIRST_LOCAL_CONCEPT,
    LOCAL_VOCABULARY,
    PROJECT_VOCABULARY,
    project_concepts,
)
from pumasi.omop.sources import OPTIONAL_TABLES, has_source, tables_without_source

__all__ = [
    "FIRST_LOCAL_CONCEPT",
    "LOCAL_VOCABULARY",
    "OPTIONAL_TABLES",
    "PROJECT_VOCABULARY",
    "CdmField",
    "CdmTable",
    "cdm_tables",
    "has_source",
    "project_concepts",
    "tables_without_source",
]
