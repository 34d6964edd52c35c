"""Validation of phenotypes: what the marts say of a hospital's patients against their lives.

Not against what was recorded: a phenotype is as good as it finds who is ill. Of every definition,
and of every outcome, sensitivity, specificity and positive predictive value per hospital, which is
what a reviewer asks for first. `python -m pumasi.simulate.validation [scale]` prints the table of
`docs/validation/phenotypes.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
from scipy.stats import binomtest

from pumasi.simulate.direct import Workshop, hospital_marts, workshop
from pumasi.simulate.life import Life, live
from pumasi.simulate.record import Record, record
from pumasi.simulate.run import cuts
from pumasi.simulate.world import World

# An episode of the mart and an attack of the life are the same if they begin this near.
DAYS_APART = 14
LIFE_TABLES = ("persons", "onsets", "events", "attacks", "fabry")


@dataclass(frozen=True)
class Phenotype:
    """A definition and what it is to find; both are SELECTs of the persons that have it.

    `found` is of `person_id`, from the marts; `true` of the life's `person`, who need not be a
    patient of the hospital; `among`, if not all patients, of those `person_id` to whom it applies.
    """

    name: str
    truth: str
    found: str
    true: str
    among: str = "select person_id from people"


_ASTHMA = "select person from persons where asthma and asthma_onset <= through()"
_CARRIER = "select person from persons where fabry_group not like 'decoy%'"
_DIAGNOSED = "select person from fabry where diagnosis_date <= through()"
_WITH_ASTHMA = f"select person_id from people where person in ({_ASTHMA})"
_DIALYSIS = "select person from onsets where condition = 'eskd' and onset_date <= through()"


def _asthma(name: str, column: str) -> Phenotype:
    found = f"select person_id from marts.asthma__cohort where {column} is not null"
    return Phenotype(name, "asthma", found, _ASTHMA)


def _fabry(name: str, column: str, truth: str, true: str) -> Phenotype:
    found = f"select person_id from marts.fabry__cohort where {column} is not null"
    return Phenotype(name, truth, found, true)


PHENOTYPES = (
    _asthma("asthma: any diagnosis", "any_asthma_date"),
    _asthma("asthma: two diagnoses (Korean claims)", "korean_claims_date"),
    _asthma("asthma: persistent", "persistent_date"),
    _asthma("asthma: PL 334", "pl_334_date"),
    _asthma("asthma: PL 27", "pl_27_date"),
    _asthma("asthma: base cohort", "base_cohort_date"),
    Phenotype(
        "asthma: any severe exacerbation",
        "any attack since the first visit, of persons with asthma",
        "select person_id from marts.asthma__exacerbations where gap_days = 14",
        "select person from attacks inner join people using (person) "
        "where date between first_day and through()",
        _WITH_ASTHMA,
    ),
    _fabry("Fabry: possible", "possible_date", "carriers, diagnosed or not", _CARRIER),
    _fabry("Fabry: possible", "possible_date", "carriers who are diagnosed", _DIAGNOSED),
    _fabry("Fabry: probable", "probable_date", "carriers who are diagnosed", _DIAGNOSED),
    _fabry("Fabry: definite", "definite_date", "carriers, diagnosed or not", _CARRIER),
    _fabry("Fabry: definite", "definite_date", "carriers who are diagnosed", _DIAGNOSED),
    Phenotype(
        "end-stage kidney disease",
        "end-stage kidney disease, of persons with a kidney value",
        "select person_id from marts.fabry__kidney_course where eskd_date is not null",
        _DIALYSIS,
        "select person_id from marts.fabry__kidney_course",
    ),
    Phenotype(
        "bleed within 365 days of celecoxib",
        "a gastrointestinal bleed in these days, of new users who are observed for them",
        "select person_id from marts.gi_bleed__new_users where has_gi_bleed_365",
        "select people.person from marts.gi_bleed__new_users "
        "inner join people using (person_id) "
        "inner join events on people.person = events.person and event = 'gi_bleed' "
        "and date > index_date and date <= index_date + 365",
        "select person_id from marts.gi_bleed__new_users where has_gi_bleed_365 is not null",
    ),
)


@dataclass(frozen=True)
class Counts:
    """Of one definition at one hospital: persons, or attacks and the episodes found of them.

    Of `true` ones `true_found` were found, of `found` ones `found_true` are true. `well` have
    nothing, of whom `well_not_found` were not found; both None where that can't be counted.
    """

    hospital: str
    phenotype: str
    truth: str
    true: int
    true_found: int
    found: int
    found_true: int
    well: int | None = None
    well_not_found: int | None = None


def validate(world: World, made_with: Workshop) -> Iterator[Counts]:
    """Yield the counts of every phenotype at every hospital of `world`, by hospital."""
    lives, records = [], []
    for chunk in world.chunks():
        lives.append(live(chunk, world))
        records.append(record(lives[-1], chunk, world).tables())
    written = Record(**{name: pa.concat_tables([r[name] for r in records]) for name in records[0]})
    cut = cuts(world)[-1]
    for hospital in world.hospitals:
        with hospital_marts(made_with, written, hospital, cut) as connection:
            connection.execute(f"create macro through() as date '{cut.through}'")
            _register(connection, lives)
            for phenotype in PHENOTYPES:
                yield _of_persons(connection, hospital, phenotype)
            for name, kinds in ATTACKS.items():
                yield _of_attacks(connection, hospital, name, kinds)


def _register(connection: duckdb.DuckDBPyConnection, lives: Sequence[Life]) -> None:
    """Define the tables of the life, and `people` with the first day of each patient."""
    connection.execute(
        "create or replace temp table people as select people.*, "
        "known.registered_date as first_day from people inner join known using (person)"
    )
    connection.execute("drop view temp.persons")
    for name in LIFE_TABLES:
        connection.register(name, pa.concat_tables([life.tables()[name] for life in lives]))


def _of_persons(
    connection: duckdb.DuckDBPyConnection, hospital: str, phenotype: Phenotype
) -> Counts:
    counted = connection.execute(
        f"""
        with judged as (
            select people.person in ({phenotype.true}) as is_true,
                people.person_id in ({phenotype.found}) as is_found
            from people where people.person_id in ({phenotype.among})
        )
        select count(*) filter (is_true), count(*) filter (is_true and is_found),
            count(*) filter (is_found), count(*) filter (is_true and is_found),
            count(*) filter (not is_true), count(*) filter (not is_true and not is_found)
        from judged
        """
    ).fetchall()[0]
    return Counts(hospital, phenotype.name, phenotype.truth, *counted)


# What counts as an attack of the life.
ATTACKS = {
    "every attack": ("ocs_outpatient", "injection_outpatient", "ed", "hospital", "icu"),
    "attacks at an emergency department or in hospital": ("ed", "hospital", "icu"),
}


def _of_attacks(
    connection: duckdb.DuckDBPyConnection, hospital: str, name: str, kinds: Sequence[str]
) -> Counts:
    """Count attacks since the first visit, and episodes, by whether the other is near.

    An episode is right if an attack of any kind is near.
    """
    near = f"abs(attacks.date - episodes.episode_start_date) <= {DAYS_APART}"
    episodes = (
        "select people.person, episode_start_date from marts.asthma__exacerbations "
        "inner join people using (person_id) where gap_days = 14"
    )
    true, true_found = connection.execute(
        f"""
        with episodes as ({episodes}),
        wanted as (
            select person, date, exists (
                select 1 from episodes where episodes.person = attacks.person and {near}
            ) as is_found
            from attacks inner join people using (person)
            where date between first_day and through() and kind in {tuple(kinds)}
        )
        select count(*), count(*) filter (is_found) from wanted
        """
    ).fetchall()[0]
    every, right = connection.execute(
        f"""
        with episodes as ({episodes})
        select count(*), count(*) filter (exists (
            select 1 from attacks where episodes.person = attacks.person and {near}))
        from episodes
        """
    ).fetchall()[0]
    phenotype = "asthma: episodes of exacerbation"
    return Counts(hospital, phenotype, name, true, true_found, every, right)


def as_markdown(found: Sequence[Counts]) -> str:
    """Return the table for the documents, one row per phenotype and hospital."""
    lines = [
        "| phenotype | truth | hospital | true | found | sensitivity | specificity | PPV |",
        "|---|---|---|---|---|---|---|---|",
    ]
    order = {(each.phenotype, each.truth): place for place, each in reversed([*enumerate(found)])}
    for each in sorted(found, key=lambda each: order[each.phenotype, each.truth]):
        lines.append(
            f"| {each.phenotype} | {each.truth} | {each.hospital} | {each.true} | {each.found} "
            f"| {_share(each.true_found, each.true)} | {_share(each.well_not_found, each.well)} "
            f"| {_share(each.found_true, each.found)} |"
        )
    return "\n".join(lines) + "\n"


def _share(part: int | None, whole: int | None) -> str:
    """A share with its 95 % interval (Wilson), or a dash where there is nothing to take it of."""
    if not whole or part is None:
        return "-"
    interval = binomtest(part, whole).proportion_ci(method="wilson")
    return f"{part / whole:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def main(arguments: Sequence[str]) -> None:
    """Print the table for the demo preset at the scale that the first argument says, or 1."""
    world = World(scale=float(arguments[0]) if arguments else 1.0)
    with TemporaryDirectory() as folder:
        sys.stdout.write(as_markdown(list(validate(world, workshop(Path(folder))))))


if __name__ == "__main__":
    main(sys.argv[1:])
