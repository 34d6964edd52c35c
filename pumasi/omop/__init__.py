"""The CDM as data: its tables, its vocabulary, concept sets."""

from pumasi.omop.project import (
    FIRST_LOCAL_CONCEPT,
    LOCAL_VOCABULARY,
    PROJECT_VOCABULARY,
    project_concepts,
)

__all__ = ["FIRST_LOCAL_CONCEPT", "LOCAL_VOCABULARY", "PROJECT_VOCABULARY", "project_concepts"]
