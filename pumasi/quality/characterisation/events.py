"""Which tables of a CDM hold events, and the columns that a characterisation reads of each.

What is not there is left out: a table, or a column that the CDM lets a hospital leave away.
"""

from __future__ import annotations

from dataclasses import dataclass

from pumasi.quality.catalogue.database import Cdm


@dataclass(frozen=True)
class EventTable:
    """A table of events: its columns of concept, day and source code; None where CDM has none."""

    name: str
    concept: str
    date: str
    source: str | None


EVENT_TABLES = (
    EventTable("visit_occurrence", "visit_concept_id", "visit_start_date", "visit_source_value"),
    EventTable(
        "visit_detail", "visit_detail_concept_id", "visit_detail_start_date",
        "visit_detail_source_value",
    ),
    EventTable(
        "condition_occurrence", "condition_concept_id", "condition_start_date",
        "condition_source_value",
    ),
    EventTable(
        "drug_exposure", "drug_concept_id", "drug_exposure_start_date", "drug_source_value"
    ),
    EventTable(
        "procedure_occurrence", "procedure_concept_id", "procedure_date", "procedure_source_value"
    ),
    EventTable(
        "device_exposure", "device_concept_id", "device_exposure_start_date", "device_source_value"
    ),
    EventTable(
        "measurement", "measurement_concept_id", "measurement_date", "measurement_source_value"
    ),
    EventTable(
        "observation", "observation_concept_id", "observation_date", "observation_source_value"
    ),
    EventTable("specimen", "specimen_concept_id", "specimen_date", "specimen_source_value"),
    # The text of a note's title, or of a cause of death, is no code.
    EventTable("note", "note_class_concept_id", "note_date", None),
    EventTable("death", "cause_concept_id", "death_date", None),
)  # fmt: skip


def event_tables(cdm: Cdm) -> list[EventTable]:
    """The event tables that are there with person, concept and day."""
    return [
        each for each in EVENT_TABLES if cdm.has(each.name, "person_id", each.concept, each.date)
    ]
