"""The marts say what the record says, person by person: by rules written anew from the sources.

Nothing here is taken from the models. Rows are those that stand in a hospital's record at the end,
in concept ids; the definitions are those of the clinical fact sheet (1.8.3 and 2.2), with the
choices of decision 0012. What a format can't say is a rule with a name: `KNOWN`, `SAYS_ROUTE`, and
beside the drugs those about supplies and doubled rows.
"""

import hmac
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from hashlib import md5
from typing import Any, NamedTuple
from uuid import UUID

import duckdb
import pyarrow as pa
import pytest

from pumasi.simulate import cuts
from tests.simulate.conftest import WORLD, Network

pytestmark = pytest.mark.slow

HOSPITALS = ("haneul", "bada", "sup", "deul")
LAST = cuts(WORLD)[-1].through

# J45 and J46. A diagnosis to be ruled out is told apart only where KCD's type of diagnosis is.
ASTHMA = (317009, 2000000207)
ASTHMA_DRUGS = (
    1154343, 939259, 1149380, 40142910, 40144020, 43532281, 792484, 1106776, 44785907, 1154161,
    2000000302, 1237049, 1105775, 2000000303, 1110942, 35606631, 35603983, 792993, 1593467, 702498,
)  # fmt: skip
SYSTEMIC_STEROIDS = (1550557, 1551099, 1506270, 1518254)
FABRY = {
    "fabry_disease": (4042934, 2000000212),
    "fabry_therapy": (1525746, 36878851, 35200267, 2000000301),
    "fabry_enzyme_test": (2000000002, 2000000003),
    "fabry_lyso_gb3_test": (2000000001,),
    "fabry_gla_test": (2000000004,),
    "genetics_visit": (2000000401,),
}
INJECTED = ("intravenous", "subcutaneous", "intramuscular")

# The day of writing: stated; else the day of an order or a result; else that of the visit.
WRITTEN, ITSELF, VISIT = "each.recorded_date", "each.event_date", "visit.event_date"
KNOWN = {
    "haneul": {"conditions": WRITTEN, "drugs": WRITTEN, "measurements": WRITTEN,
               "observations": WRITTEN},
    "bada": {"conditions": VISIT, "drugs": VISIT, "measurements": VISIT, "observations": VISIT},
    "sup": {"conditions": WRITTEN, "drugs": ITSELF, "measurements": WRITTEN,
            "observations": ITSELF},
    "deul": {"conditions": VISIT, "drugs": ITSELF, "measurements": ITSELF,
             "observations": ITSELF},
}  # fmt: skip
# The other one hands drugs over as ingredients, without a route.
SAYS_ROUTE = ("haneul", "bada", "sup")


class Given(NamedTuple):
    """A systemic steroid given to a person, and for how many days if that is said."""

    person: int
    start: date
    known: date
    days: int | None
    route: str | None


class Seen(NamedTuple):
    """What an exacerbation is seen by."""

    start: date
    end: date
    kind: str


def pseudonym(hospital: str, person: int, key: bytes) -> int:
    """HMAC-SHA-256 of the identifier that the hospital writes, its first 63 bits."""
    written = {
        "haneul": f"H{person}",
        "bada": f"{person}",
        "sup": f"p{person}",
        "deul": str(UUID(md5(f"patient {person}".encode(), usedforsecurity=False).hexdigest())),
    }[hospital]
    digest = hmac.new(key, f"person:{written}".encode(), "sha256").digest()
    return int.from_bytes(digest[:8], "big") >> 1


@pytest.fixture(params=HOSPITALS)
def hospital(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def recorded(network: Network, hospital: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The rows of the hospital that stand at the end, each with its person's id and known day."""
    tables = network.record.tables()
    key = network.ways(hospital).key
    with duckdb.connect() as connection:
        connection.register("persons_of_all", tables["persons"])
        persons = connection.sql(
            f"select person from persons_of_all where hospital = '{hospital}' order by 1"
        ).fetchall()
        ids = [pseudonym(hospital, person, key) for (person,) in persons]
        people = pa.table({"person": [p for (p,) in persons], "person_id": ids})
        connection.register("people", people)
        for name in ("visits", *KNOWN[hospital]):
            known = KNOWN[hospital].get(name, ITSELF)
            connection.register(f"all_{name}", tables[name])
            connection.execute(
                f"create table {name} as select people.person_id, each.*, "
                f"greatest(each.event_date, {known}) as known_date "
                f"from all_{name} as each inner join people using (person) "
                f"inner join {'all_visits' if name == 'visits' else 'visits'} as visit "
                "on each.visit_id = visit.visit_id "
                f"where each.hospital = '{hospital}' and each.from_date <= date '{LAST}' "
                f"and coalesce(each.to_date > date '{LAST}', true)"
            )
        asked = "role <> 'ruleout'" if hospital == "haneul" else "true"
        connection.execute(
            f"create view asthma as from conditions where concept_id in {ASTHMA} and {asked}"
        )
        yield connection


def mart(network: Network, hospital: str, query: str) -> list[tuple[Any, ...]]:
    return network.ways(hospital).files.sql(query).fetchall()


def test_any_asthma_and_korean_claims_asthma_hold_from_the_day_on_which_they_are_known(
    network: Network, hospital: str, recorded: duckdb.DuckDBPyConnection
) -> None:
    recorded.execute(f"create view fills as from drugs where concept_id in {ASTHMA_DRUGS};")
    expected = recorded.sql(
        """
        with pairs as (
            select one.person_id, one.event_date as first, two.event_date as last,
                greatest(one.known_date, two.known_date) as known_date
            from asthma as one inner join asthma as two
                on one.person_id = two.person_id
                and two.event_date between one.event_date + 1 and one.event_date + 365
        ),
        claims as (
            select pairs.person_id, min(greatest(pairs.known_date, fills.known_date)) as day
            from pairs inner join fills
                on pairs.person_id = fills.person_id
                and greatest(pairs.last, fills.event_date)
                    - least(pairs.first, fills.event_date) <= 365
            group by all
        )
        select asthma.person_id, min(asthma.known_date), max(claims.day)
        from asthma left join claims on asthma.person_id = claims.person_id
        group by all
        """
    ).fetchall()
    found = mart(
        network,
        hospital,
        "select person_id, any_asthma_date, korean_claims_date from marts.asthma__cohort",
    )
    assert sorted(found) == sorted(expected)
    assert len(found) >= 10
    assert sum(row[2] is not None for row in found) >= 3


def test_exacerbations_are_the_attacks_that_were_written_down(
    network: Network, hospital: str, recorded: duckdb.DuckDBPyConnection
) -> None:
    seen = acute_visits(recorded)
    for person, each in steroids_in_attacks(given(recorded, hospital), diagnoses(recorded)):
        seen[person].append(each)
    expected = {
        (person, gap, *episode)
        for person, pieces in seen.items()
        for gap in (7, 14)
        for episode in episodes(sorted(pieces), gap)
    }
    found = mart(
        network,
        hospital,
        """
        select person_id, gap_days, episode_start_date, episode_end_date, oral_steroid_count,
            injection_count, emergency_visit_count, hospital_stay_count
        from marts.asthma__exacerbations
        """,
    )
    assert set(found) == expected
    assert len(found) == len(expected) >= 5
    oral = sum(row[4] for row in found)
    assert oral > 20 if hospital in SAYS_ROUTE else oral == 0


def diagnoses(recorded: duckdb.DuckDBPyConnection) -> dict[int, list[tuple[date, date]]]:
    """Day and known day of every diagnosis of asthma, by person."""
    found = defaultdict(list)
    for person, day, known in recorded.sql(
        "select person_id, event_date, known_date from asthma"
    ).fetchall():
        found[person].append((day, known))
    return found


def acute_visits(recorded: duckdb.DuckDBPyConnection) -> dict[int, list[Seen]]:
    """Emergency visits and hospital stays at which, or in whose days, asthma was diagnosed."""
    found = defaultdict(list)
    for person, start, end, kind in recorded.sql(
        """
        select person_id, event_date, end_date,
            if(kind = 'emergency', 'emergency_visit', 'hospital_stay')
        from visits where kind <> 'outpatient' and exists (
            select 1 from asthma where asthma.visit_id = visits.visit_id
                or (asthma.person_id = visits.person_id
                    and asthma.event_date between visits.event_date and visits.end_date))
        """
    ).fetchall():
        found[person].append(Seen(start, end, kind))
    return found


def given(recorded: duckdb.DuckDBPyConnection, hospital: str) -> list[Given]:
    """Systemic steroids of persons with asthma, as the hospital's format tells of them."""
    rows = recorded.sql(
        f"""
        select person_id, event_date, known_date, days_supply, route from drugs
        where concept_id in {SYSTEMIC_STEROIDS} and person_id in (select person_id from asthma)
        """
    ).fetchall()
    if hospital not in SAYS_ROUTE:
        return [Given(*row[:4], None) for row in rows]
    return [Given(*row[:4], "injection" if row[4] in INJECTED else row[4]) for row in rows]


def steroids_in_attacks(
    every: Sequence[Given], known_asthma: dict[int, list[tuple[date, date]]]
) -> Iterator[tuple[int, Seen]]:
    """Injections, and tablets for three days or more that are not maintenance, in known asthma."""
    short: dict[int, list[Given]] = defaultdict(list)
    for each in every:
        if each.route == "oral" and each.days and each.days < 28:
            short[each.person].append(each)
    for each in every:
        if not any(
            day <= each.start and known <= each.known for day, known in known_asthma[each.person]
        ):
            continue
        if each.route == "injection":
            yield each.person, Seen(each.start, each.start, "injection")
        elif each.route == "oral" and 3 <= (each.days or 0) < 28:
            longest: Counter[date] = Counter()
            for other in short[each.person]:
                before = (each.start - other.start).days
                if 0 < before <= 56 and other.known <= each.known:
                    longest[other.start] = max(longest[other.start], other.days or 0)
            if longest.total() < 28:
                end = each.start + timedelta(days=(each.days or 1) - 1)
                yield each.person, Seen(each.start, end, "oral_steroid")


def episodes(pieces: Sequence[Seen], gap: int) -> Iterator[tuple[Any, ...]]:
    """First and last day of each run of pieces less than `gap` days apart, and its counts."""
    runs: list[list[Seen]] = []
    reached = date.min
    for piece in pieces:
        if not runs or (piece.start - reached).days >= gap:
            runs.append([])
        runs[-1].append(piece)
        reached = max(reached, piece.end)
    for run in runs:
        kinds = Counter(piece.kind for piece in run)
        names = ("oral_steroid", "injection", "emergency_visit", "hospital_stay")
        yield run[0].start, max(piece.end for piece in run), *(kinds[name] for name in names)


def test_fabry_evidence_is_what_was_coded_given_and_tested(
    network: Network, hospital: str, recorded: duckdb.DuckDBPyConnection
) -> None:
    every = " union all ".join(
        f"select person_id, concept_id, event_date, known_date from {table}"
        for table in ("conditions", "drugs", "measurements", "observations")
    )
    expected = [
        row
        for kind, concepts in FABRY.items()
        for row in recorded.sql(
            f"select person_id, '{kind}', event_date, min(known_date) from ({every}) "
            f"where concept_id in {concepts} group by all"
        ).fetchall()
    ]
    found = mart(
        network,
        hospital,
        "select person_id, kind, event_date, evidence_date from marts.fabry__evidence "
        f"where kind in {tuple(FABRY)}",
    )
    assert sorted(found) == sorted(expected)
    # One carrier is known to sup, the other hospitals know more.
    assert len({row[0] for row in found}) >= (1 if hospital == "sup" else 3)
    assert {"fabry_disease"} <= {row[1] for row in found}


def test_drug_exposures_are_the_orders_and_administrations_of_the_record(
    network: Network, hospital: str, recorded: duckdb.DuckDBPyConnection
) -> None:
    days = "greatest(days_supply, 1)"
    if hospital == "sup":  # what a nurse gave is told without a supply
        days = f"case when route in {INJECTED} then 1 else {days} end"
    rows = recorded.sql(
        f"""
        select person_id, concept_id, event_date, event_date + {days}::integer - 1, visit_id,
            coalesce(code, local_code)
        from drugs
        """
    ).fetchall()
    told = [row[:4] for row in rows]
    if hospital == "deul":  # rows have no numbers: one that is written twice is the same row
        told = [row[:4] for row in set(rows)]
        assert 20 < len(rows) - len(told) < 0.02 * len(rows)
    found = mart(
        network,
        hospital,
        "select person_id, drug_concept_id, drug_exposure_start_date, drug_exposure_end_date "
        "from omop.drug_exposure",
    )
    assert Counter(found) == Counter(told)
    assert len(found) > 2000
