"""A tiny hospital for tests: say what happened, and get the warehouse that it makes.

It writes a FHIR R4 extract and a vocabulary of two dozen concepts; `pumasi.extract` reads them. Say
what a later delivery adds, changes and removes, and write again, to get several deliveries.
`pumasi.compiled` runs the project's own SQL on the result.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pumasi.config import SiteConfig, SitePaths
from pumasi.extract import discover, pull, read, read_vocabulary

SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOINC = "http://loinc.org"

# concept id, name, domain, vocabulary, class, code; all standard. Facts, see the concept sets.
CONCEPTS = (
    (317009, "Asthma", "Condition", "SNOMED", "Disorder", "195967001"),
    (4051466, "Childhood asthma", "Condition", "SNOMED", "Disorder", "233678006"),
    (255573, "Chronic obstructive lung disease", "Condition", "SNOMED", "Disorder", "13645005"),
    (192671, "Gastrointestinal hemorrhage", "Condition", "SNOMED", "Disorder", "74474003"),
    (4042934, "Fabry's disease", "Condition", "SNOMED", "Disorder", "16652001"),
    (75650, "Proteinuria", "Condition", "SNOMED", "Disorder", "29738008"),
    (373503, "Transient cerebral ischemia", "Condition", "SNOMED", "Disorder", "266257000"),
    (138525, "Pain in limb", "Condition", "SNOMED", "Finding", "90834002"),
    (1118084, "celecoxib", "Drug", "RxNorm", "Ingredient", "140587"),
    (1124300, "Diclofenac", "Drug", "RxNorm", "Ingredient", "3355"),
    (1154161, "montelukast", "Drug", "RxNorm", "Ingredient", "88249"),
    (1525746, "agalsidase beta", "Drug", "RxNorm", "Ingredient", "338817"),
    (1154343, "albuterol", "Drug", "RxNorm", "Ingredient", "435"),
    (939259, "budesonide", "Drug", "RxNorm", "Ingredient", "19831"),
    (1551099, "prednisone", "Drug", "RxNorm", "Ingredient", "8640"),
    (3025315, "Body weight", "Measurement", "LOINC", "Clinical Observation", "29463-7"),
    (3016723, "Creatinine", "Measurement", "LOINC", "Lab Test", "2160-0"),
    (40770471, "Employment status - current", "Observation", "LOINC", "Survey", "67875-5"),
    (4298386, "Anticipatory guidance", "Procedure", "SNOMED", "Procedure", "386516004"),
    (8507, "MALE", "Gender", "Gender", "Gender", "M"),
    (8532, "FEMALE", "Gender", "Gender", "Gender", "F"),
    (9529, "kilogram", "Unit", "UCUM", "Unit", "kg"),
)
ASTHMA, COPD, BLEED = "195967001", "13645005", "74474003"
WEIGHT, EMPLOYMENT, GUIDANCE = "29463-7", "67875-5", "386516004"
CELECOXIB, DICLOFENAC, MONTELUKAST, PREDNISONE = "140587", "3355", "88249", "8640"
FABRY, PROTEINURIA, TIA, LIMB_PAIN = "16652001", "29738008", "266257000", "90834002"
AGALSIDASE, ALBUTEROL, BUDESONIDE, CREATININE = "338817", "435", "19831", "2160-0"


def write_vocabulary(folder: Path) -> None:
    """Write the concepts as the CSV files of a vocabulary folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        (i, name, domain, vocabulary, klass, "S", code)
        for i, name, domain, vocabulary, klass, code in CONCEPTS
    ]
    header = "concept_id concept_name domain_id vocabulary_id concept_class_id standard_concept"
    _write_csv(folder / "concept.csv", f"{header} concept_code", rows)
    _write_csv(
        folder / "concept_relationship.csv",
        "concept_id_1 concept_id_2 relationship_id",
        [(row[0], row[0], "Maps to") for row in rows],
    )
    _write_csv(
        folder / "concept_ancestor.csv",
        "ancestor_concept_id descendant_concept_id",
        [*((row[0], row[0]) for row in rows), (317009, 4051466)],
    )
    _write_csv(
        folder / "vocabulary.csv",
        "vocabulary_id vocabulary_version",
        [("None", "tiny vocabulary of the tests")],
    )


def _write_csv(path: Path, header: str, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header.split())
        writer.writerows(rows)


@dataclass
class TinyHospital:
    """What happened and when it was recorded; every `add_…` fills in what SQL needs.

    An event or a visit is named by the id that its `add_…` returns; `change` and `remove` take it.
    """

    resources: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def add_person(
        self, person: str, born: str = "1970-05-01", sex: str = "female", died: str | None = None
    ) -> None:
        """Add a person; `born` and `died` are days."""
        self._add("Patient", id=person, gender=sex, birthDate=born, deceasedDateTime=died)

    def add_visit(self, person: str, start: str, end: str | None = None, kind: str = "AMB") -> str:
        """Add a visit of class AMB, EMER or IMP and return its id."""
        name = f"visit-{self._number('Encounter')}"
        self._add(
            "Encounter",
            id=name,
            status="finished",
            **{"class": {"code": kind}},
            subject={"reference": f"Patient/{person}"},
            period={"start": start, "end": end or start},
        )
        return name

    def add_condition(
        self,
        person: str,
        code: str,
        onset: str,
        recorded: str | None = None,
        visit: str | None = None,
    ) -> str:
        """Add a diagnosis; without `recorded` it became known at its visit or with the extract."""
        return self._event(
            "Condition",
            person,
            visit,
            code=_concept(SNOMED, code),
            verificationStatus={"coding": [{"code": "confirmed"}]},
            onsetDateTime=onset,
            recordedDate=recorded,
        )

    def add_drug(self, person: str, code: str, day: str, days: int | None = None) -> str:
        """Add a prescription for `days` days."""
        supply = {"value": days, "code": "d"} if days is not None else None
        return self._event(
            "MedicationRequest",
            person,
            None,
            status="active",
            intent="order",
            medicationCodeableConcept=_concept(RXNORM, code),
            authoredOn=day,
            dispenseRequest={"expectedSupplyDuration": supply} if supply else None,
        )

    def add_measurement(self, person: str, code: str, day: str, value: float, unit: str) -> str:
        """Add a result."""
        return self._event(
            "Observation",
            person,
            None,
            status="final",
            code=_concept(LOINC, code),
            effectiveDateTime=day,
            valueQuantity={"value": value, "unit": unit, "code": unit},
        )

    def add_procedure(self, person: str, code: str, day: str) -> str:
        """Add a procedure."""
        return self._event(
            "Procedure",
            person,
            None,
            status="completed",
            code=_concept(SNOMED, code),
            performedDateTime=day,
        )

    def add(self, resource: str, person: str, **content: Any) -> None:
        """Add any resource about the person, as it is to be written."""
        self._event(resource, person, None, **content)

    def change(self, name: str, **content: Any) -> None:
        """Replace elements of the resource with this id; None takes one away."""
        row = self._find(name)
        row |= content
        for key in [key for key, value in row.items() if value is None]:
            del row[key]

    def change_last(self, resource: str, **content: Any) -> None:
        """Replace elements of the last resource of a type, to give it the id of another one."""
        self.resources[resource][-1] |= content

    def remove(self, name: str) -> None:
        """Forget the resource with this id."""
        row = self._find(name)
        self.resources[row["resourceType"]].remove(row)

    def write(
        self,
        folder: Path,
        as_of: date | None = None,
        kind: str = "full",
        through: date | None = None,
    ) -> None:
        """Write the extract as NDJSON, one file per resource type.

        With `as_of` the delivery says itself when and of which kind it is, in `delivery.toml`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if as_of is not None:
            (folder / "delivery.toml").write_text(
                f'as_of = {as_of}\nextracted_through = {through or as_of}\nkind = "{kind}"\n'
            )
        for resource, rows in self.resources.items():
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"{resource}.ndjson").write_text(text)

    def _event(self, resource: str, person: str, visit: str | None, **content: Any) -> str:
        name = f"{resource}-{self._number(resource)}"
        self._add(
            resource,
            id=name,
            subject={"reference": f"Patient/{person}"},
            encounter={"reference": f"Encounter/{visit}"} if visit else None,
            **content,
        )
        return name

    def _number(self, resource: str) -> int:
        """Count up, also past what was removed: an id is never given twice."""
        number = self.numbers.get(resource, 0)
        self.numbers[resource] = number + 1
        return number

    def _find(self, name: str) -> dict[str, Any]:
        return next(row for rows in self.resources.values() for row in rows if row["id"] == name)

    def _add(self, resource: str, **content: Any) -> None:
        row = {key: value for key, value in content.items() if value is not None}
        self.resources.setdefault(resource, []).append({"resourceType": resource, **row})


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def tiny_site(
    folder: Path, as_of: date, through: date | None = None, source_format: str = "fhir_r4"
) -> SiteConfig:
    """Configuration of a tiny hospital whose extract and vocabulary lie below `folder`."""
    return SiteConfig.model_validate(
        {
            "id": "tiny",
            "name": "Tiny hospital",
            "format": source_format,
            "source": {
                "url": str(folder / "extract"),
                "as_of": as_of,
                "extracted_through": through or as_of,
            },
            "vocabulary": {"source": "folder", "url": str(folder / "vocabulary")},
        }
    )


def ingest(config: SiteConfig, home: Path) -> SitePaths:
    """Pull and read every delivery of the site, and its vocabulary."""
    paths = SitePaths.of(config.id, home)
    deliveries = discover(config)
    for delivery in deliveries:
        read(config, pull(config, delivery, paths), delivery, paths)
    read_vocabulary(config, deliveries, paths)
    return paths
