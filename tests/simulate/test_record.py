"""What hospitals write down of lives: what they can know, and how they get it wrong."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pumasi.simulate.record import Record, record
from pumasi.simulate.terms import kcd_concepts, terms, units
from pumasi.simulate.world import Chunk, World
from tests.simulate.lives import DAY, crowd, life_of

PERSONS = 600
EVENTS = ("conditions", "drugs", "procedures", "measurements", "observations")


@pytest.fixture(scope="module")
def written() -> Record:
    """Of 600 persons of haneul, every fourth of whom is at bada too."""
    chunk, world = Chunk("haneul", 0, PERSONS), World()
    return record(crowd(chunk, world, second="bada"), chunk, world)


def of(hospital: str, world: World) -> Record:
    chunk = Chunk(hospital, 1, PERSONS)
    return record(crowd(chunk, world), chunk, world)


def where(table: pa.Table, column: str, value: object) -> pa.Table:
    return table.filter(pc.equal(table[column], value))


def test_nothing_is_known_before_it_happens(written: Record) -> None:
    for name in EVENTS:
        table = written.tables()[name]
        early = pc.sum(pc.less(table["recorded_date"], table["event_date"])).as_py() or 0
        in_the_future = pc.sum(pc.greater(table["event_date"], table["recorded_date"])).as_py() or 0
        # Only a slip of the pen lies after the day on which it was written: 1 in 10,000.
        assert early == in_the_future
        assert early <= max(6, 0.0005 * table.num_rows), name


def test_every_row_belongs_to_a_visit_of_the_same_hospital_and_person(written: Record) -> None:
    visits = set(
        zip(
            *(written.visits[c].to_pylist() for c in ("visit_id", "hospital", "person")),
            strict=True,
        )
    )
    for name in EVENTS:
        table = written.tables()[name]
        rows = zip(*(table[c].to_pylist() for c in ("visit_id", "hospital", "person")), strict=True)
        assert set(rows) <= visits, name


def test_a_scanned_letter_has_no_value_in_any_column() -> None:
    def of_gene_test(hospital: str) -> list[dict[str, object]]:
        chunk = Chunk(hospital, 0, 1)
        person = {"person": chunk.first_person, "hospital": hospital, "female": True}
        tested = {"person": chunk.first_person, "date": DAY, "test": "gla_test", "done": True}
        life = life_of(
            persons=[person | {"birth_date": DAY - timedelta(9000)}],
            tests=[tested | {"value_term": "pathogenic"}],
        )
        found = record(life, chunk, World(recording="perfect")).measurements
        return found.select(["value", "value_term", "value_concept_id"]).to_pylist()

    said = {"value": None, "value_term": "pathogenic", "value_concept_id": 2000000101}
    assert of_gene_test("haneul") == [said]
    assert of_gene_test("sup") == [dict.fromkeys(said)]


def test_no_day_is_seen_by_two_hospitals(written: Record) -> None:
    days = written.visits.group_by(["person", "event_date"]).aggregate([("hospital", "count")])
    assert pc.max(days["hospital_count"]).as_py() == 1
    assert set(written.visits["hospital"].to_pylist()) == {"haneul", "bada"}


def test_row_ids_are_unique_but_for_corrected_rows(written: Record) -> None:
    for name in EVENTS:
        table = written.tables()[name]
        current = table.filter(pc.is_null(table["to_date"]))
        assert pc.count_distinct(current["row_id"]).as_py() == current.num_rows, name


def test_doubled_and_corrected_rows_are_as_many_as_they_should_be(written: Record) -> None:
    table = written.conditions
    corrected = pc.sum(pc.greater(table["from_date"], table["recorded_date"])).as_py()
    assert 0.005 < corrected / table.num_rows < 0.015
    same = table.group_by(["visit_id", "term", "from_date"]).aggregate([("row_id", "count")])
    doubled = pc.sum(pc.greater(same["row_id_count"], 1)).as_py()
    assert 0.001 < doubled / table.num_rows < 0.006


def test_a_correction_takes_the_place_of_what_it_corrects(written: Record) -> None:
    table = written.drugs
    second = table.filter(pc.greater(table["from_date"], table["recorded_date"]))
    first = table.filter(pc.is_in(table["row_id"], second["row_id"]))
    first = first.filter(pc.is_valid(first["to_date"]))
    paired = first.join(second, "row_id", right_suffix="_after").to_pylist()
    assert len(paired) == second.num_rows > 20
    for row in paired:
        assert row["to_date"] == row["from_date_after"] > row["recorded_date"]
        assert row["event_date_after"] < row["event_date"]


def test_eosinophils_of_haneul_are_percent_of_white_cells_on_the_same_day(written: Record) -> None:
    table = where(where(written.measurements, "hospital", "haneul"), "term", "eosinophils_percent")
    assert not where(
        where(written.measurements, "hospital", "haneul"), "term", "eosinophils"
    ).num_rows
    assert set(table["unit"].to_pylist()) == {"%"}
    cells = where(written.measurements, "term", "wbc")
    assert set(table["visit_id"].to_pylist()) <= set(cells["visit_id"].to_pylist())
    # Life says about 300 per uL.
    joined = table.join(cells, "visit_id", right_suffix="_wbc")
    absolute = pc.multiply(pc.multiply(joined["value"], joined["value_wbc"]), 10)
    assert 270 < pc.approximate_median(absolute).as_py() < 330


def test_bada_reports_ratios_and_nanomoles() -> None:
    measured = of("bada", World()).measurements
    ratio = where(measured, "term", "fev1_fvc")
    assert set(ratio["unit"].to_pylist()) == {"{ratio}"}
    assert 0.65 < pc.approximate_median(ratio["value"]).as_py() < 0.77
    lyso = where(measured, "term", "lyso_gb3")
    assert set(lyso["unit"].to_pylist()) == {"nmol/L"}
    assert 12.0 < pc.approximate_median(lyso["value"]).as_py() < 13.4  # 10 ng/mL times 1.27


@pytest.mark.parametrize("hospital", ["sup", "deul"])
def test_smaller_hospitals_have_no_feno_and_no_lyso_gb3(hospital: str) -> None:
    tests = set(of(hospital, World()).measurements["term"].to_pylist())
    assert not tests & {"feno", "lyso_gb3"}
    assert {"feno", "lyso_gb3"} <= set(
        of(hospital, World(missing_blocks=False)).measurements["term"].to_pylist()
    )


def test_asthma_is_ruled_out_under_its_code_in_the_share_of_the_hospital(written: Record) -> None:
    coded = where(where(written.conditions, "hospital", "haneul"), "concept_id", 317009)
    ruled_out = set(where(coded, "role", "ruleout")["person"].to_pylist())
    share = len(ruled_out) / pc.count_distinct(coded["person"]).as_py()
    assert 0.07 < share < 0.18  # 0.12
    sick = {person for person in coded["person"].to_pylist() if (person % 1_000_000_000) % 3 == 0}
    assert not ruled_out & sick


def test_codes_are_as_vague_and_as_wrong_as_the_hospital(written: Record) -> None:
    asthma = where(where(written.conditions, "hospital", "haneul"), "term", "asthma")
    asthma = asthma.filter(pc.not_equal(asthma["role"], "ruleout"))
    vague = pc.mean(pc.cast(pc.equal(asthma["kcd"], "J45.9"), pa.float64())).as_py()
    assert 0.40 < vague < 0.52  # 0.45, and some of the wrong fourth digits
    # I10 has no fourth digit that could be wrong.
    assert set(where(written.conditions, "term", "hypertension")["kcd"].to_pylist()) == {"I10"}


def test_care_elsewhere_is_written_nowhere() -> None:
    inside = of("haneul", World(outside_care=False, shared_patients=0.0))
    outside = of("haneul", World())
    assert outside.drugs.num_rows < 0.72 * inside.drugs.num_rows  # 40 % of refills


def test_attacks_are_recorded_in_the_share_of_the_hospital() -> None:
    def bursts(world: World) -> int:
        return where(of("haneul", world).drugs, "term", "prednisolone").num_rows

    assert 0.45 < bursts(World()) / bursts(World(recording="perfect")) < 0.80


def test_perfect_recording_writes_everything_once_and_on_the_day() -> None:
    world = World.identifiable()
    chunk = Chunk("bada", 0, PERSONS)
    life = crowd(chunk, world)
    written = record(life, chunk, world)
    for name in EVENTS:
        table = written.tables()[name]
        assert pc.all(pc.equal(table["event_date"], table["recorded_date"])).as_py() in (True, None)
        assert pc.sum(pc.is_valid(table["to_date"])).as_py() in (0, None), name
    # Each of the 40 refills of each, but for those after a death.
    alive = life.treatments.join(life.persons.select(["person", "death_date"]), "person")
    alive = alive.filter(
        pc.or_kleene(
            pc.is_null(alive["death_date"]), pc.less_equal(alive["start_date"], alive["death_date"])
        )
    )
    refills = pc.is_in(written.drugs["term"], pa.array(["budesonide_formoterol", "amlodipine"]))
    assert pc.sum(refills).as_py() == alive.num_rows
    assert "ruleout" not in written.conditions["role"].to_pylist()


def test_differential_recording_sees_more_of_those_on_a_biologic() -> None:
    chunk = Chunk("haneul", 0, 1000)
    first = chunk.first_person
    persons = [
        {"person": first + n, "hospital": "haneul", "birth_date": DAY.replace(year=1970),
         "female": True, "asthma": True, "entry_date": DAY}
        for n in range(1000)
    ]  # fmt: skip
    attack = DAY + timedelta(days=20)
    attacks = [
        {"person": first + n, "date": attack, "kind": "ocs_outpatient", "days": 7, "fatal": False}
        for n in range(1000)
    ]
    treated = [
        {"person": first + n, "drug": "dupilumab", "start_date": DAY, "days_supply": 28,
         "quantity": 1.0, "dose": 21.4, "route": "subcutaneous"}
        for n in range(0, 1000, 2)
    ]  # fmt: skip
    life = life_of(persons=persons, attacks=attacks, treatments=treated)

    def seen(world: World) -> tuple[float, float]:
        drugs = where(record(life, chunk, world).drugs, "term", "prednisolone")
        people = {person - first for person in drugs["person"].to_pylist()}
        return len([n for n in people if n % 2 == 0]) / 500, len([n for n in people if n % 2]) / 500

    on, off = seen(World(recording="differential"))
    assert 0.74 < on < 0.86 and 0.54 < off < 0.66  # 0.60 + 0.40 * 0.5, and 0.60
    on, off = seen(World(recording="non_differential"))
    assert 0.54 < on < 0.66 and 0.54 < off < 0.66


def test_the_same_seed_gives_the_same_record() -> None:
    first, again = of("sup", World()), of("sup", World())
    for name, table in first.tables().items():
        assert table.equals(again.tables()[name]), name
    assert not first.visits.equals(of("sup", World(seed=1)).visits)


def test_a_wrong_code_is_not_read_as_what_was_meant() -> None:
    known = dict(zip(*(kcd_concepts()[c].to_pylist() for c in ("code", "concept_id")), strict=True))
    assert known["E75.2"] == 2000000212  # other sphingolipidosis, not Fabry disease
    assert {known[code] for code in ("J45.0", "J45.1", "J45.8", "J45.9")} == {317009}
    assert "Z99.9" not in known


def test_every_term_has_one_row_and_a_source() -> None:
    rows = terms().to_pylist()
    assert len({(row["kind"], row["term"]) for row in rows}) == len(rows)
    assert len({row["local_code"] for row in rows}) == len(rows)
    for row in rows:
        assert row["source"] and row["verification"] in ("V", "W", "local"), row["term"]
        assert (row["concept_id"] >= 2_000_000_000) == (row["verification"] == "local"), row["term"]
    tests = [row for row in rows if row["kind"] == "test" and row["unit"]]
    assert {row["unit"] for row in tests} <= set(units()["unit"].to_pylist())
