"""A hospital whose warehouse is a few made-up rows: enough to write, seal and open."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pumasi.config.paths import SitePaths
from pumasi.quality import Outcome, Severity, Status
from pumasi.release import Provenance, Release, seal, write_candidate

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

WAREHOUSE = """
    create schema omop; create schema marts; create schema intermediate; create schema staging;
    create table omop.person as
        select (i * 7919) % 1009 as person_id, 8507 as gender_concept_id, 1950 + i as year_of_birth
        from range(40) r(i);
    create table omop.condition_occurrence as
        select i as condition_occurrence_id, (i * 7919) % 1009 % 40 as person_id,
            date '2020-01-01' + i::integer as condition_start_date,
            case when i % 3 = 0 then 'cough' end as condition_source_value
        from range(200) r(i);
    create view omop.concept as select 1 as concept_id;
    create table marts.asthma__cohort as
        select person_id, 5 as split_key from omop.person limit 3;
    create table marts.asthma__int_step as select 1 as secret_step;
    create table staging.stg as select 1 as x;
    create table intermediate.int_deliveries as
        select 'd1' as delivery_id, date '2021-01-01' as as_of,
            date '2020-12-31' as extracted_through, 'full' as kind, 'omop_cdm' as format,
            '5.4' as format_version;
    create table intermediate.int_row_fates as
        select 'd1' as delivery_id, 'person' as source_table, 1 as file_no, i as line_no,
            case when i < 40 then 'in_omop' else 'duplicate' end as fate,
            case when i >= 40 then 'same_content' end as rule
        from range(42) r(i);
    create table intermediate.int_reference_losses as
        select 'condition_occurrence' as table_name, 'visit_occurrence' as reference,
            200::bigint as rows_referring, 3::bigint as rows_lost;
"""


def passed(name: str = "person.person_id_is_unique") -> Outcome:
    return Outcome(
        name=name,
        table=name.partition(".")[0],
        category="conformance",
        violations=0,
        denominator=40,
        threshold=0.0,
        severity=Severity.ERROR,
        status=Status.PASSED,
        message="violated by 0 of 40 (0.00%); allowed 0.00%",
        source="dbt",
    )


def failed(name: str = "person.birth_year_is_plausible") -> Outcome:
    return Outcome(
        **{
            **passed(name).__dict__,
            "violations": 9,
            "status": Status.FAILED,
            "message": "violated by 9 of 40 (22.50%); allowed 0.00%",
        }
    )


class TinySite:
    """A hospital under a home folder; `build` makes its warehouse anew, with changes."""

    def __init__(self, home: Path, name: str = "tiny"):
        self.home = home
        self.paths = SitePaths.of(name, home)
        (self.paths.raw / "d1").mkdir(parents=True)
        self.paths.vocabulary.mkdir(parents=True)
        (self.paths.vocabulary / "manifest.json").write_text(json.dumps({"hash": "v1"}))
        with duckdb.connect() as connection:
            connection.execute(
                "copy (select 'd1' as delivery_id, 'person' as source_table, 43 as rows_in, "
                "42 as rows_read, 1 as rows_quarantined, 0 as rows_withdrawn, 0 as values_nulled) "
                f"to '{self.paths.raw / 'd1' / 'read_counts.parquet'}' (format parquet)"
            )
        self.build()

    @classmethod
    def at(cls, home: Path) -> TinySite:
        """Return the site that is there already, for another process."""
        site = cls.__new__(cls)
        site.home, site.paths = home, SitePaths.of("tiny", home)
        return site

    def build(self, *changes: str) -> None:
        self.paths.warehouse.unlink(missing_ok=True)
        with duckdb.connect(self.paths.warehouse) as connection:
            connection.execute(WAREHOUSE)
            for change in changes:
                connection.execute(change)

    def write(self, run_id: str = "run-1") -> None:
        with duckdb.connect(self.paths.warehouse, read_only=True) as connection:
            write_candidate(connection, self.paths, run_id=run_id)

    def seal(
        self, *outcomes: Outcome, run_id: str = "run-1", sealed_at: datetime = NOON
    ) -> Release:
        self.write(run_id)
        return self.seal_written(*outcomes, run_id=run_id, sealed_at=sealed_at)

    def seal_written(
        self, *outcomes: Outcome, run_id: str = "run-1", sealed_at: datetime = NOON
    ) -> Release:
        return seal(
            self.paths,
            outcomes or (passed(),),
            Provenance(run_id, {"pumasi": "0.1.0"}),
            sealed_at=sealed_at,
            transformation="t1",
        )
