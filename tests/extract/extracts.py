"""Small extracts of every format, and what reading them left: rows, counts, quarantine."""

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pumasi.config import SiteConfig, SitePaths
from pumasi.extract import Manifest, ReadReport, discover, pull, read

AS_OF = date(2024, 6, 30)
LINEAGE = ("delivery_id", "file_no", "line_no")
KEY = bytes(range(32))

PERSONS = """\
person_id,gender_concept_id,year_of_birth,month_of_birth,race_concept_id,ethnicity_concept_id,\
gender_source_value,race_source_value,ethnicity_source_value,person_source_value
101,8507,1950,3,8527,38003564,M,white,nonhispanic,MRN-000101
102,8532,1961,4,8527,38003564,F,black,nonhispanic,MRN-000102
103,8532,1972,5,8527,38003564,F,white,hispanic,MRN-000103
"""
PERIODS = """\
observation_period_id,person_id,observation_period_start_date,observation_period_end_date,\
period_type_concept_id
1,101,2010-01-01,2020-12-31,44814724
2,102,2011-01-01,2021-12-31,44814724
3,103,2012-01-01,2022-12-31,44814724
"""
CONDITIONS = """\
condition_occurrence_id,person_id,condition_concept_id,condition_start_date,condition_end_date,\
condition_type_concept_id,stop_reason,visit_occurrence_id,condition_source_value
11,101,317009,2015-02-03,2015-02-10,32020,,501,195967001
12,102,192671,2016-03-04,,32020,got better,502,74474003
13,103,317009,2017-04-05,,32020,,503,195967001
14,103,255573,2018-05-06,,32020,,,13645005
"""
OMOP = {
    "person.csv": PERSONS,
    "observation_period.csv": PERIODS,
    "condition_occurrence.csv": CONDITIONS,
}

SYNTHEA = {
    "patients.csv": "Id,BIRTHDATE,DEATHDATE,SSN,FIRST,LAST,RACE,ETHNICITY,GENDER,ADDRESS\n"
    "aaa-1,1980-02-03,,999-11-2222,Ada,Byron,white,nonhispanic,F,1 Old Lane\n"
    "bbb-2,1990-04-05,2020-01-01,999-33-4444,Bob,Stone,asian,nonhispanic,M,2 New Lane\n",
    "encounters.csv": "Id,START,STOP,PATIENT,ENCOUNTERCLASS,CODE\n"
    "eee-1,2019-01-02T10:20:30Z,2019-01-02T10:35:30Z,aaa-1,ambulatory,185345009\n",
    "observations.csv": "DATE,PATIENT,ENCOUNTER,CATEGORY,CODE,DESCRIPTION,VALUE,UNITS,TYPE\n"
    "2019-01-02T10:20:30Z,aaa-1,eee-1,vital-signs,29463-7,Weight,61.5,kg,numeric\n"
    "2019-01-02T10:20:30Z,aaa-1,eee-1,survey,72166-2,Smoking,Never smoker,,text\n",
}

HOSPITAL = {
    "patients.csv": "patient_no,patient_name,sex,birth_date,region,death_date,registered_date\n"
    "10000001,Kim Old,F,19800203,Seoul,,20150301\n"
    "10000002,Lee Old,M,19900405,Busan,20200101,20150302\n",
    "encounters.csv": "encounter_no,patient_no,visit_type,start_datetime,end_datetime,department\n"
    "E0001,10000001,O,2019-01-02 10:20,2019-01-02 10:35,IM\n",
    "diagnoses.csv": "diagnosis_no,patient_no,encounter_no,kcd_code,kcd_version,diagnosis_type,"
    "diagnosed_date,recorded_datetime\n"
    "D0001,10000001,E0001,J459,KCD8,M,20190102,2019-01-03 09:00\n"
    "D0002,10000001,E0001,E752,KCD8,R,20190102,2019-01-03 09:00\n",
    "orders.csv": "order_no,patient_no,encounter_no,order_code,ordered_date,quantity,daily_dose,"
    "daily_times,days,route,recorded_datetime\n"
    "O0001,10000001,E0001,SIM-EDI-000001,20190102,60,1,2,30,PO,2019-01-02 11:00\n",
    "lab_results.csv": "result_no,patient_no,encounter_no,lab_code,specimen_date,"
    "reported_datetime,value_number,value_text,unit\n"
    "R0001,10000001,E0001,SIM-LAB-0002,20190102,2019-01-02 15:00,4.0,,%\n"
    "R0002,10000001,E0001,SIM-LAB-0024,20190102,2019-01-12 15:00,,uncertain,\n",
    "procedures.csv": "procedure_no,patient_no,encounter_no,procedure_code,performed_date,"
    "recorded_datetime\n"
    "P0001,10000001,E0001,SIM-PROC-0001,20190102,2019-01-02 12:00\n",
    "data_dictionary.csv": "file,column,meaning,unit,code_system\n"
    "lab_results,value_number,result of the test,,\n",
}


def patient(identifier: str = "p1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": identifier,
        "gender": "female",
        "birthDate": "1980-02-03",
    } | more


def encounter(identifier: str = "e1", subject: str = "Patient/p1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": identifier,
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": subject},
        "period": {"start": "2019-01-02T10:20:30+09:00", "end": "2019-01-02T10:35:30+09:00"},
    } | more


def condition(identifier: str = "c1", subject: str = "Patient/p1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": identifier,
        "clinicalStatus": {"coding": [{"system": "http://x/clinical", "code": "active"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "195967001"}]},
        "subject": {"reference": subject},
        "encounter": {"reference": "Encounter/e1"},
        "onsetDateTime": "2019-01-02T10:20:30+09:00",
    } | more


def ndjson(*resources: Mapping[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in resources)


def bundle(*resources: Mapping[str, Any]) -> str:
    entries = [{"fullUrl": f"urn:uuid:{each['id']}", "resource": each} for each in resources]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}, indent=2)


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write the files; a name that ends in .gz is compressed."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return folder


def site_of(
    folder: Path | str, form: str = "omop_cdm", as_of: date | None = AS_OF, **more: Any
) -> SiteConfig:
    source = {"url": str(folder), "as_of": as_of, "extracted_through": as_of}
    return SiteConfig.model_validate(
        {"id": "tiny", "name": "Tiny", "format": form, "source": source} | more
    )


@dataclass
class Taken:
    """What taking in the deliveries of a site left behind."""

    paths: SitePaths
    manifests: list[Manifest]
    reports: list[ReadReport]

    @property
    def manifest(self) -> Manifest:
        (only,) = self.manifests
        return only

    @property
    def report(self) -> ReadReport:
        (only,) = self.reports
        return only

    def counts(self, table: str) -> tuple[int, int, int, int, int]:
        """Rows in, read, quarantined, ignored; values nulled."""
        count = self.report.tables[table]
        return (
            count.rows_in,
            count.rows_read,
            count.rows_quarantined,
            count.rows_ignored,
            count.values_nulled,
        )

    def rows(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        return rows_of(self.paths.raw / "*" / f"{table}.parquet", columns)

    def quarantine(self, columns: str = "*") -> list[tuple[Any, ...]]:
        return rows_of(self.paths.quarantine / "*.parquet", columns)

    def content(self) -> dict[str, str]:
        return content_of(self.paths.raw / self.manifest.delivery_id)


def place_key(paths: SitePaths) -> None:
    """Give the hospital the key of the tests, so that two homes have the same pseudonyms."""
    paths.key.parent.mkdir(parents=True, exist_ok=True)
    paths.key.write_text(KEY.hex())
    paths.key.chmod(0o600)


def take_in(config: SiteConfig, home: Path) -> Taken:
    """Discover, pull and read everything that lies at the site's source, under the tests' key."""
    paths = SitePaths.of(config.id, home)
    place_key(paths)
    taken = Taken(paths, [], [])
    for delivery in discover(config):
        manifest = pull(config, delivery, paths)
        taken.manifests.append(manifest)
        taken.reports.append(read(config, manifest, delivery, paths))
    return taken


def take_in_files(
    tmp_path: Path, files: Mapping[str, str | bytes], form: str = "omop_cdm", **more: Any
) -> Taken:
    """The same for the files of one delivery, written below `tmp_path`."""
    folder = write_files(tmp_path / "extract", files)
    return take_in(site_of(folder, form, **more), tmp_path / "home")


def rows_of(path: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        order = "order by file_no, line_no" if "raw" in path.parts else "order by line_no"
        return connection.execute(
            f"select {columns} from read_parquet($1, union_by_name = true) {order}", [str(path)]
        ).fetchall()


def content_of(folder: Path, exclude: Sequence[str] = LINEAGE) -> dict[str, str]:
    """Per raw table, a hash of its rows as a multiset, without where they came from."""
    hashes = {}
    with duckdb.connect() as connection:
        for path in sorted(folder.glob("*.parquet")):
            if path.stem in ("delivery", "read_counts"):
                continue
            hashes[path.stem] = connection.execute(
                "select count(*) || ':' || coalesce(md5(string_agg(h, '' order by h)), '') "
                "from (select md5(t::varchar) as h from "
                f"(select * exclude ({', '.join(exclude)}) from read_parquet($1)) as t)",
                [str(path)],
            ).fetchall()[0][0]
    return hashes


def every_text(paths: Iterable[Path]) -> set[str]:
    """Every distinct value of every column that holds text, nested ones included, as one string."""
    found: set[str] = set()
    with duckdb.connect() as connection:
        for path in paths:
            described = connection.execute(
                "describe select * from read_parquet($1)", [str(path)]
            ).fetchall()
            for name, kind, *_ in described:
                if "VARCHAR" in kind:
                    values = connection.execute(
                        f'select distinct "{name}"::varchar from read_parquet($1)', [str(path)]
                    ).fetchall()
                    found |= {value for (value,) in values if value is not None}
    return found
