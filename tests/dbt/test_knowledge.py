"""What became known after an index changes nothing that was decided at it.

Three properties on random tiny hospitals. Records that became known only after a day C are added,
changed and deleted: whoever entered a cohort by C entered it on the same day, with the same
features. So it is when a second full delivery does that, fills in the details of what was known
before, and brings encounters that were missing. And an extract that ends earlier takes answers
away, it never changes one.
"""

import tempfile
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pumasi.compiled import CompiledProject
from tests.hospital import (
    AGALSIDASE,
    ALBUTEROL,
    ASTHMA,
    BLEED,
    BUDESONIDE,
    CELECOXIB,
    COPD,
    CREATININE,
    DICLOFENAC,
    FABRY,
    LIMB_PAIN,
    MONTELUKAST,
    PREDNISONE,
    PROTEINURIA,
    TIA,
    TinyHospital,
    ingest,
    tiny_site,
    write_vocabulary,
)

FIRST_DAY = date(2015, 1, 1)
DAYS = 5 * 365
AS_OF = FIRST_DAY + timedelta(days=DAYS)
PERSONS = 12
# Some are young enough for pain from before 20, some grow too old for a gate.
BORN = ("1970-05-01", "2000-03-01", "1962-01-01")
OUTCOMES = ("has_gi_bleed_365", "gi_bleed_date", "days_to_gi_bleed", "has_died_365")
# Of the marts with many indexes a person: what of a row looks past its index.
PAST_INDEX = {
    "asthma__risk_features": (
        "exacerbations_12m",
        "has_exacerbation_12m",
        "has_acute_exacerbation_12m",
        "has_died_12m",
    ),
    "fabry__screening_features": (
        "has_fabry_5y",
        "has_died_5y",
        "suspicion_date",
        "is_suspected_by_180",
        "is_suspected_by_365",
    ),
}
LATER = (*OUTCOMES, "last_contact_date")
MARTS = (
    "asthma__cohort",
    "gi_bleed__new_users",
    "core__charlson",
    "core__comedication",
    "fabry__cohort",
    *PAST_INDEX,
)
DIAGNOSES = (ASTHMA, ASTHMA, COPD, BLEED, FABRY, PROTEINURIA, TIA, LIMB_PAIN)
DRUGS = (
    CELECOXIB,
    DICLOFENAC,
    MONTELUKAST,
    PREDNISONE,
    ALBUTEROL,
    BUDESONIDE,
    AGALSIDASE,
)


@dataclass(frozen=True)
class Record:
    """A diagnosis or a prescription: when it happened and when it became known."""

    person: int
    code: str
    happened: int
    known: int | None

    def known_day(self) -> int:
        """Day from FIRST_DAY on which it became known; never said means with the extract."""
        return DAYS if self.known is None else self.known


# The change of a detail that features are made of; decision 0011 says what becomes of them.
SUPPLY = ("MedicationRequest", "detail")

days = st.integers(min_value=0, max_value=DAYS - 1)
persons = st.integers(min_value=0, max_value=PERSONS - 1)


@st.composite
def diagnoses(draw: st.DrawFn) -> Record:
    """A diagnosis, recorded on the day or up to 400 days after, or at an unknown time."""
    happened = draw(days)
    delay = draw(st.one_of(st.just(0), st.integers(0, 400), st.none()))
    known = None if delay is None else min(happened + delay, DAYS - 1)
    return Record(draw(persons), draw(st.sampled_from(DIAGNOSES)), happened, known)


@st.composite
def prescriptions(draw: st.DrawFn) -> Record:
    """A prescription, known on its day."""
    day = draw(days)
    return Record(draw(persons), draw(st.sampled_from(DRUGS)), day, day)


records = st.lists(st.one_of(diagnoses(), prescriptions()), min_size=20, max_size=80)


def day(number: int) -> str:
    return str(FIRST_DAY + timedelta(days=number))


def build(
    project: CompiledProject, said: list[Record], through: int = DAYS
) -> dict[str, list[dict[str, Any]]]:
    """Rows of the marts of a hospital with these records, keyed by mart."""
    hospital = TinyHospital()
    for person in range(PERSONS):
        hospital.add_person(f"p{person}", born=BORN[person % len(BORN)])
        for number in range(person, DAYS, 200):
            hospital.add_visit(f"p{person}", day(number))
            hospital.add_measurement(
                f"p{person}", CREATININE, day(number), 0.8 + 0.1 * person, "mg/dL"
            )
    for each in said:
        said_in(hospital, each)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        hospital.write(root / "extract")
        write_vocabulary(root / "vocabulary")
        config = tiny_site(root, AS_OF, FIRST_DAY + timedelta(days=through))
        home = root / "home"
        paths = ingest_with_fixed_key(config, home)
        with project.build(paths) as connection:
            return marts_of(connection)


@dataclass(frozen=True)
class Visited:
    """A diagnosis that only its visit dates, or whose visit says when it was known.

    `happened` is None if only the visit dates it. A late visit comes with the second delivery.
    """

    person: int
    code: str
    happened: int | None
    visit: int
    late: bool

    def known_day(self) -> int:
        """Day from FIRST_DAY on which it was known, judged by the first delivery alone."""
        return DAYS if self.late else max(self.visit, self.happened or 0)


@dataclass(frozen=True)
class Change:
    """What the second delivery does to the record at `at`; `to` is the day that it writes."""

    kind: str
    at: int
    to: int


visited = st.builds(
    Visited, persons, st.sampled_from(DIAGNOSES), st.one_of(st.none(), days), days, st.booleans()
)
changes = st.builds(
    Change,
    st.sampled_from(("detail", "correct", "delete")),
    st.integers(0, 200),
    st.integers(0, DAYS + 300),
)


def two_deliveries(
    said: list[Record],
    visits: list[Visited],
    made: list[Change],
    added: list[Record],
    cut: int,
    *,
    supplies_change: bool,
) -> tuple[TinyHospital, TinyHospital]:
    """One hospital as delivered first, and as delivered a year later."""
    first = TinyHospital()
    names: list[tuple[str, str, int]] = []
    for person in range(PERSONS):
        first.add_person(f"p{person}", born=BORN[person % len(BORN)])
        for number in range(person, DAYS, 200):
            name = first.add_visit(f"p{person}", day(number))
            names.append(("Encounter", name, number))
    for each in said:
        names.append(said_in(first, each))
    late: list[Visited] = []
    for seen in visits:
        name = f"late-{len(late)}"
        if seen.late:
            late.append(seen)
        else:
            name = first.add_visit(f"p{seen.person}", day(seen.visit))
            names.append(("Encounter", name, seen.visit))
        happened = day(seen.visit if seen.happened is None else seen.happened)
        of = first.add_condition(f"p{seen.person}", seen.code, happened, visit=name)
        if seen.happened is None:
            first.change(of, onsetDateTime=None)
        names.append(("Condition", of, seen.known_day()))
    second = deepcopy(first)
    for number, seen in enumerate(late):
        name = second.add_visit(f"p{seen.person}", day(seen.visit))
        second.change(name, id=f"late-{number}")
    for change in made:
        place = change.at % len(names)
        if not supplies_change and (names[place][0], change.kind) == SUPPLY:
            continue
        change_one(second, *names[place], change, cut)
        if change.kind == "delete" and names[place][2] > cut:
            del names[place]
    for each in added:
        if each.known_day() > cut:
            said_in(second, each)
    return first, second


def said_in(hospital: TinyHospital, each: Record) -> tuple[str, str, int]:
    """Add a record; return its resource type, its id and the day on which it was known."""
    person = f"p{each.person}"
    if each.code in DRUGS:
        name = hospital.add_drug(person, each.code, day(each.happened), days=30)
        return ("MedicationRequest", name, each.known_day())
    known = None if each.known is None else day(each.known)
    if each.code == ASTHMA and each.known == each.happened:
        # Asthma that is recorded at once is an emergency: otherwise nobody had an attack.
        hospital.add_visit(person, day(each.happened), kind="EMER")
    name = hospital.add_condition(person, each.code, day(each.happened), known)
    return ("Condition", name, each.known_day())


def change_one(
    hospital: TinyHospital, resource: str, name: str, known: int, change: Change, cut: int
) -> None:
    """Change a detail of any record, or the fact of one that was known only after the cut."""
    to = day(change.to)
    if change.kind == "detail":
        if resource == "Encounter":
            hospital.change(name, length={"value": change.to}, type=[concept(change.to)])
        elif resource == "Condition":
            hospital.change(name, abatementDateTime=to)
        else:
            supply = {"value": change.to, "code": "d"}
            hospital.change(name, dispenseRequest={"expectedSupplyDuration": supply})
    elif known <= cut:
        return
    elif change.kind == "delete":
        hospital.remove(name)
    elif resource == "Encounter":
        hospital.change(name, period={"start": to, "end": to})
    elif resource == "Condition":
        recorded = {"recordedDate": to} if change.at % 2 else {}
        hospital.change(name, onsetDateTime=to, code=concept(change.to), **recorded)
    else:
        hospital.change(name, authoredOn=to)


def concept(number: int) -> dict[str, Any]:
    code = DIAGNOSES[number % len(DIAGNOSES)]
    return {"coding": [{"system": "http://snomed.info/sct", "code": code}]}


def marts_of(connection: duckdb.DuckDBPyConnection) -> dict[str, list[dict[str, Any]]]:
    return {mart: rows(connection, mart) for mart in MARTS}


def deliver(project: CompiledProject, *delivered: TinyHospital) -> dict[str, list[dict[str, Any]]]:
    """Rows of the marts after full deliveries a year apart."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number, hospital in enumerate(delivered):
            as_of = AS_OF + timedelta(days=365 * number)
            hospital.write(root / "extract" / f"delivery-{number}", as_of)
        write_vocabulary(root / "vocabulary")
        paths = ingest_with_fixed_key(tiny_site(root, AS_OF), root / "home")
        with project.build(paths) as connection:
            return marts_of(connection)


def ingest_with_fixed_key(config: Any, home: Path) -> Any:
    """Ingest under a key that is the same for every example, so that persons can be compared."""
    key = home / "sites" / config.id / "keys" / "pseudonym.key"
    key.parent.mkdir(parents=True)
    key.touch(mode=0o600)
    key.write_text("ab" * 32)
    return ingest(config, home)


def rows(connection: duckdb.DuckDBPyConnection, mart: str) -> list[dict[str, Any]]:
    result = connection.execute(f"select * from marts.{mart} order by person_id")
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def decided_by(cut: date, marts: dict[str, list[dict[str, Any]]]) -> set[tuple[Any, ...]]:
    """Everything that was decided up to a day: entries and censorings, and rows of new users."""
    said: set[tuple[Any, ...]] = set()
    for mart in ("asthma__cohort", "fabry__cohort", "core__charlson"):
        for row in marts[mart]:
            for name, value in row.items():
                if name.endswith("_date") and value is not None and value <= cut:
                    said.add((mart, row["person_id"], row.get("category"), name, value))
    for row in marts["gi_bleed__new_users"]:
        if row["index_date"] <= cut:
            known = {k: v for k, v in row.items() if k not in LATER}
            said.add((row["person_id"], *known.items()))
    for row in marts["core__comedication"]:
        if row["first_known_date"] <= cut:
            said.add(("ever exposed", row["person_id"], row["ingredient_concept_id"]))
    for mart, later in PAST_INDEX.items():
        for row in marts[mart]:
            if row["index_date"] <= cut:
                known = {k: v for k, v in row.items() if k not in later}
                said.add((mart, *known.items()))
    return said


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=records, after=records, cut=days)
def test_what_became_known_later_changes_nothing_decided_before(
    fhir_project: CompiledProject, before: list[Record], after: list[Record], cut: int
) -> None:
    known_by_cut = [each for each in before if each.known_day() <= cut]
    known_later = [each for each in after if each.known_day() > cut]
    one = build(fhir_project, before)
    other = build(fhir_project, known_by_cut + known_later)
    last = FIRST_DAY + timedelta(days=cut)
    assert decided_by(last, one) == decided_by(last, other)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    said=records,
    visits=st.lists(visited, min_size=5, max_size=30),
    made=st.lists(changes, min_size=5, max_size=60),
    added=records,
    cut=days,
    supplies_change=st.booleans(),
)
def test_a_second_delivery_changes_nothing_decided_before(
    fhir_project: CompiledProject,
    said: list[Record],
    visits: list[Visited],
    made: list[Change],
    added: list[Record],
    cut: int,
    supplies_change: bool,
) -> None:
    first, second = two_deliveries(said, visits, made, added, cut, supplies_change=supplies_change)
    last = FIRST_DAY + timedelta(days=cut)
    alone, both = deliver(fhir_project, first), deliver(fhir_project, first, second)
    if supplies_change:
        # A supply as it was before its correction is not read: what is made of supplies (attacks,
        # steps, adherence) is known from the correction on, later and never earlier.
        alone["asthma__risk_features"] = both["asthma__risk_features"] = []
    assert decided_by(last, alone) == decided_by(last, both)


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(said=records, through=days)
def test_an_extract_that_ends_earlier_turns_labels_to_null_and_changes_nothing_else(
    fhir_project: CompiledProject, said: list[Record], through: int
) -> None:
    all_of_it, part = build(fhir_project, said), build(fhir_project, said, through)
    for mart, later in PAST_INDEX.items():
        labels = [name for name in later if name.startswith(("has_", "exacerbations"))]
        assert blanked(all_of_it[mart], labels) == blanked(part[mart], labels)
        for one, other in zip(sorted_rows(all_of_it[mart]), sorted_rows(part[mart]), strict=True):
            assert all(other[name] in (None, one[name]) for name in labels)
    whole, cut = all_of_it["gi_bleed__new_users"], part["gi_bleed__new_users"]
    last = FIRST_DAY + timedelta(days=through)
    assert [row["person_id"] for row in whole] == [row["person_id"] for row in cut]
    for one, other in zip(whole, cut, strict=True):
        for name, value in other.items():
            if name in OUTCOMES:
                assert value is None or value == one[name], name
            elif name == "last_contact_date":
                assert value is None or value <= min(one[name], last)
            else:
                assert value == one[name], name


def sorted_rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda row: (row["person_id"], row["index_date"], row.get("gate", "")))


def blanked(found: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    return [row | dict.fromkeys(names) for row in sorted_rows(found)]


def test_random_hospitals_do_have_users_entries_and_labels(fhir_project: CompiledProject) -> None:
    """The properties above would hold on empty marts: this hospital shows that they are not."""
    said = [
        Record(1, ASTHMA, 10, 10),
        Record(1, ASTHMA, 60, 90),
        Record(1, MONTELUKAST, 70, 70),
        Record(2, CELECOXIB, 500, 500),
        Record(2, BLEED, 600, 600),
        Record(3, DICLOFENAC, 500, 500),
        Record(4, DICLOFENAC, DAYS - 100, DAYS - 100),
        Record(1, ASTHMA, 1200, 1200),
        Record(5, PROTEINURIA, 500, 500),
        Record(5, FABRY, 900, 900),
        Record(5, AGALSIDASE, 1000, 1000),
    ]
    marts = build(fhir_project, said)
    (asthma,) = marts["asthma__cohort"]
    assert asthma["any_asthma_date"] == FIRST_DAY + timedelta(days=10)
    assert asthma["korean_claims_date"] == FIRST_DAY + timedelta(days=90)
    labels = sorted(str(row["has_gi_bleed_365"]) for row in marts["gi_bleed__new_users"])
    assert labels == ["False", "None", "True"]
    (fabry,) = marts["fabry__cohort"]
    assert fabry["suspicion_date"] == FIRST_DAY + timedelta(days=900)
    assert fabry["definite_date"] == FIRST_DAY + timedelta(days=1000)
    screened = marts["fabry__screening_features"]
    assert {row["gate"] for row in screened} == {"general", "kidney"}
    (gate,) = [row for row in screened if row["gate"] == "kidney"]
    assert gate["index_date"] == FIRST_DAY + timedelta(days=500)
    assert (gate["had_proteinuria"], gate["is_suspected_by_365"]) == (False, False)
    at_risk = [
        row for row in marts["asthma__risk_features"] if row["person_id"] == asthma["person_id"]
    ]
    assert {row["has_exacerbation_12m"] for row in at_risk} == {True, False, None}
    assert max(row["attacks_12m"] for row in at_risk) == 1
    assert len(at_risk) > 30
