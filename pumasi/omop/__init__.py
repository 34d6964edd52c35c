"""The CDM as data: its tables, its vocabulary, concept sets."""

from pumasi.omop.cdm import CdmField, CdmTable, cdm_tables
from pumasi.omop.project import (
    FIRST_LOCAL_CONCEPT,
    LOCAL_VOCABULARY,
    PROJECT_VOCABULARY,
    project_concepts,
)

__all__ = [
    "FIRST_LOCAL_CONCEPT",
    "LOCAL_VOCABULARY",
    "PROJECT_VOCABULARY",
    "CdmField",
    "CdmTable",
    "cdm_tables",
    "project_concepts",
]
