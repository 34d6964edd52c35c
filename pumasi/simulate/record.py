"""Record: what the hospitals wrote down of the lives of a chunk.

Whatever happens to a person on one day is one *contact*. A contact is seen by the person's
hospital, by a second one, or by none in the network, and what is not seen is written nowhere. Of a
seen contact diagnoses are coded with some probability, results are reported in the hospital's unit,
and everything is written down on the day itself or later, is sometimes wrong, written twice, or
corrected. A row says which day it is about (`event_date`), which day of writing it states
(`recorded_date`), and from when until when this version of it stood in the hospital's database
(`from_date`, `to_date`): a delivery is what stood there on its day.

Numbers are those of `parameters/recording.json`; with perfect recording every probability is one,
every error and delay is zero, and only the units differ between hospitals.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from pumasi.simulate.life import Life
from pumasi.simulate.parameters import Parameters, parameters
from pumasi.simulate.terms import kcd_concepts, routes, terms, units
from pumasi.simulate.world import HOSPITALS, Chunk, World, hospital_parameters

# Room for the rows of one chunk in each table: row ids are unique in the network.
_ROWS_OF_A_CHUNK = 20_000_000
_CHUNKS_OF_A_HOSPITAL = 100_000
# What is injected is given here: no refill, which could be had anywhere.
_INJECTED = ("intravenous", "subcutaneous", "intramuscular")
_STATES_ONSET = ("sup",)
_NEVER = np.int32(1_000_000)
_NOT_SEEN = pa.schema(
    [("person", pa.int64()), ("date", pa.date32()), ("seen", pa.bool_())]
).empty_table()


def one_thread() -> duckdb.DuckDBPyConnection:
    """Return a connection that gives rows in the same order each time, and shows no bar."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set enable_progress_bar = false")
    return connection


@dataclass(frozen=True)
class Record:
    """What was written down of one chunk, by all hospitals; `hospital` says by which.

    All tables but `persons` have `row_id`, `person`, `visit_id`, `event_date`, `recorded_date`,
    `from_date`, `to_date` (null: still there) and, but for visits and deaths, `term` and
    `concept_id`: what a reader of the codes that were written makes of them.
    """

    persons: pa.Table
    visits: pa.Table
    conditions: pa.Table
    drugs: pa.Table
    procedures: pa.Table
    measurements: pa.Table
    observations: pa.Table
    deaths: pa.Table

    def tables(self) -> dict[str, pa.Table]:
        """Return the tables by name, in a fixed order."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def record(life: Life, chunk: Chunk, world: World) -> Record:
    """Return what the hospitals wrote down of the lives of `chunk`.

    The same life, chunk and world give the same rows in the same order.
    """
    with one_thread() as connection:
        return _Writing(connection, life, chunk, world).run()


class _Writing:
    """One chunk being written down: the steps in turn, each of which leaves a table."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, life: Life, chunk: Chunk, world: World
    ) -> None:
        self.connection = connection
        self.chunk = chunk
        self.world = world
        self.numbers = parameters("recording")
        self.perfect = world.recording == "perfect"
        self.last = world.end - timedelta(days=1)
        place = HOSPITALS.index(chunk.hospital) * _CHUNKS_OF_A_HOSPITAL + chunk.number
        self.first_row = place * _ROWS_OF_A_CHUNK
        for name, table in life.tables().items():
            connection.register(name, table if table.num_columns else _NOT_SEEN)
        connection.register("terms", terms())
        connection.register("units", units())
        connection.register("routes", routes())
        connection.register("kcd_concepts", kcd_concepts())
        connection.register("traits", _traits(world, self.numbers))

    def run(self) -> Record:
        self._contacts()
        self._visits()
        self._conditions()
        self._drugs()
        self._measurements()
        self._procedures()
        self._observations()
        self._persons()
        return Record(
            persons=self._arrow("select * from written_persons order by hospital, person"),
            visits=self._versions("visits", "written_visits"),
            conditions=self._versions("conditions", "written_conditions"),
            drugs=self._versions("drugs", "written_drugs"),
            procedures=self._versions("procedures", "written_procedures"),
            measurements=self._versions("measurements", "written_measurements"),
            observations=self._versions("observations", "written_observations"),
            deaths=self._arrow("select * from written_deaths order by hospital, person"),
        )

    # -- what one day is ---------------------------------------------------------------------------

    def _contacts(self) -> None:
        """One row per person and day on which something reached a doctor, seen or not."""
        self._keep(
            "days",
            f"""
            with happened as (
                select person, date, kind, days, specialty, reason, 1 as source,
                    false as refill, false as tested, null as attack from visits
                union all
                select person, date, case kind
                        when 'ed' then 'emergency' when 'hospital' then 'inpatient'
                        when 'icu' then 'inpatient' else 'outpatient' end,
                    case when kind in ('hospital', 'icu') then days else 0 end,
                    'pulmonology', 'asthma', 2, false, false, kind from attacks
                union all
                select person, start_date, 'outpatient', 0, null, null, 4,
                    coalesce(route, '') not in {_INJECTED}, false, null
                from treatments
                union all
                select person, date, 'outpatient', 0, null, null, 4, false, true, null
                from tests where done
                union all
                select person, recognised_date, 'outpatient', 0, null, condition, 3,
                    false, false, null
                from onsets where recognised_date is not null
                union all
                select person, date, 'outpatient', 0, null, event, 3, false, false, null
                from events where event in (select term from terms)
            ),
            ranked as (
                select *, case kind when 'inpatient' then 3 when 'emergency' then 2 else 1 end as r
                from happened
            )
            select
                ranked.person, ranked.date,
                persons.hospital as home, persons.second_hospital as second,
                max(r) as rank, max(coalesce(days, 0)) as days,
                coalesce(arg_min(specialty, source) filter (specialty is not null), 'general')
                    as specialty,
                arg_min(reason, source) filter (reason is not null) as reason,
                bool_or(refill) as refill, bool_or(tested) as tested, max(attack) as attack,
                bool_or(source < 4) as meant
            from ranked inner join persons on ranked.person = persons.person
            where ranked.date between date '{self.world.start}' and least(
                date '{self.last}', coalesce(persons.death_date, date '{self.last}'))
                and ranked.date >= persons.birth_date
            group by all
            order by ranked.person, ranked.date
            """,
            draws=3,
        )
        attacks, shared = self.numbers["attacks"], self.numbers["shared"]
        missed = attacks["seen_of_missed_if_on_biologic"]
        if self.world.recording != "differential":
            missed = 0.0
        self._table(
            "contacts",
            f"""
            with biologics as (
                select treatments.person, start_date, start_date + days_supply + 30 as until
                from treatments where drug in ('omalizumab', 'mepolizumab', 'reslizumab',
                    'benralizumab', 'dupilumab', 'tezepelumab')
            ),
            treated as (
                select distinct days.person, days.date from days
                inner join biologics on days.person = biologics.person
                    and days.date between biologics.start_date and biologics.until
                where days.attack is not null
            ),
            -- Life says which attacks the hospital knows of where that decided about treatment.
            known as (
                select person, date, bool_or(seen) as seen from attacks_seen group by all
            ),
            likely as (
                select days.*, treated.person is not null and known.person is null as on_biologic,
                    case when known.person is not null then known.seen::double
                    when attack in ('ocs_outpatient', 'injection_outpatient')
                        then {1.0 if self.perfect else "traits.recorded_ocs"}
                    when rank = 2 then {1 - self._outside(attacks["emergency_outside"])}
                    when rank = 3 then {1 - self._outside(attacks["inpatient_outside"])}
                    when refill and not tested then 1 - traits.outside_care
                    else 1.0 end
                    * case when second is null or rank > 1 or attack is not null then 1.0
                        else {1 - shared["ordinary_visit_elsewhere"]} end as p
                from days
                inner join traits on days.home = traits.hospital
                left join treated on days.person = treated.person and days.date = treated.date
                left join known on days.person = known.person and days.date = known.date
            ),
            seen as (
                select *, case
                    when u0 < p + case when on_biologic then (1 - p) * {missed} else 0 end
                        then home
                    when second is not null and u1 < {shared["missed_care_elsewhere"]}
                        then second end as hospital
                from likely
            )
            select *, row_number() over (order by person, date) - 1 + {self.first_row} as visit_id
            from seen where hospital is not null
            """,
        )

    def _outside(self, share: float) -> float:
        return share if self.world.outside_care and not self.perfect else 0.0

    def _visits(self) -> None:
        self._table(
            "written_visits",
            f"""
            select hospital, visit_id as row_id, person, visit_id, date as event_date,
                least(date + case when rank = 3 then greatest(days, 1) else 0 end,
                    date '{self.last}') as end_date,
                case rank when 3 then 'inpatient' when 2 then 'emergency' else 'outpatient' end
                    as kind,
                specialty, date as recorded_date, u2 as u_kept
            from contacts
            """,
        )

    # -- diagnoses ---------------------------------------------------------------------------------

    def _conditions(self) -> None:
        coding = self.numbers["coding"]
        self._specialties()
        self._keep("codable", self._codable(), draws=6)
        probabilities = {
            name: self._probability(coding[name])
            for name in (
                "reason",
                "first",
                "symptom",
                "chronic_own_specialty",
                "chronic_elsewhere",
                "event",
                "e752_given_diagnosis",
            )
        }
        if self.perfect:
            probabilities["chronic_elsewhere"] = coding["chronic_elsewhere"]
        symptoms = ", ".join(f"'{each}'" for each in coding["symptoms"])
        p = probabilities
        self._table(
            "coded",
            f"""
            select *, case
                when why = 'attack' then {self._probability(self.numbers["attacks"]["coded"])}
                when why = 'ruleout' then 1.0
                when term in ({symptoms}) then {p["symptom"]}
                when why = 'reason' then {p["reason"]}
                when why = 'event' then {p["event"]}
                when term = 'fabry' and first then {p["e752_given_diagnosis"]}
                when first then {p["first"]}
                when own then {p["chronic_own_specialty"]}
                else {p["chronic_elsewhere"]} end as p
            from codable
            """,
        )
        j46 = 0.0 if self.perfect else self.numbers["attacks"]["j46_if_emergency_or_inpatient"]
        wrong = 0.0 if self.perfect else coding["wrong_fourth_digit"]
        self._table(
            "written_conditions",
            f"""
            with named as (
                select coded.* exclude (term), case
                        when why = 'attack' and rank > 1 and u1 < {j46} then 'status_asthmaticus'
                        else term end as term
                from coded where u0 < p
            ),
            coded_as as (
                select named.*, terms.code, terms.local_code, terms.concept_id as meant_id, case
                    when named.term <> 'asthma' then terms.kcd
                    when why = 'ruleout' or u2 < traits.j459_share then 'J45.9'
                    when endotype = 'T2_allergic' then 'J45.0'
                    when u3 < 0.5 then 'J45.1' else 'J45.8' end as right_kcd,
                    traits.states_onset, traits.uses_kcd
                from named
                inner join terms on named.term = terms.term and terms.kind = 'condition'
                inner join traits on named.hospital = traits.hospital
            ),
            written as (
                select *, case
                    when u4 >= {wrong} or length(right_kcd) < 5 then right_kcd
                    when right_kcd like '%.8' then left(right_kcd, 4) || '9'
                    else left(right_kcd, 4) || '8' end as kcd
                from coded_as
            )
            select hospital, row_number() over (order by visit_id, written.term) - 1
                    + {self.first_row} as row_id,
                person, visit_id, written.term,
                case when uses_kcd then coalesce(kcd_concepts.concept_id, 0) else meant_id end
                    as concept_id,
                kcd, written.code, local_code,
                case when why = 'ruleout' then 'ruleout'
                    when row_number() over (
                        partition by visit_id
                        order by why = 'ruleout', why not in ('attack', 'reason', 'event'), u5
                    ) = 1 then 'main' else 'sub' end as role,
                case when states_onset and first and onset_date is not null
                    then least(onset_date, date) else date end as event_date,
                date + {self._lag("u5")} as recorded_date, u5 as u_kept
            from written left join kcd_concepts on written.kcd = kcd_concepts.code
            """,
        )

    def _codable(self) -> str:
        """SELECT of what could be coded at each seen contact: one row per contact and term."""
        return f"""
            with known as (
                select person, condition as term, onset_date, recognised_date from onsets
                where recognised_date is not null
                union all
                select person, 'fabry', symptom_onset, diagnosis_date from fabry
                where diagnosis_date is not null and person not in (
                    select person from onsets where condition = 'fabry')
            ),
            chronic as (
                select contacts.visit_id, known.term, 'chronic' as why, 3 as priority,
                    known.onset_date, own.term is not null as own,
                    row_number() over (
                        partition by contacts.hospital, known.person, known.term
                        order by contacts.date) = 1 as first
                from known
                inner join contacts on known.person = contacts.person
                    and contacts.date >= known.recognised_date
                left join specialties as own
                    on known.term = own.term and contacts.specialty = own.specialty
            ),
            every as (
                select visit_id, 'asthma' as term, 'attack' as why, 1 as priority,
                    null::date as onset_date, true as own, false as first
                from contacts where attack is not null
                union all
                select visit_id, reason, 'reason', 2, null, true, false from contacts
                where reason in (select term from terms where kind = 'condition')
                union all
                select contacts.visit_id, events.event, 'event', 2, null, true, false
                from events inner join contacts
                    on events.person = contacts.person and events.date = contacts.date
                where events.event in (select term from terms where kind = 'condition')
                union all
                select * from chronic
                union all
                {self._ruleouts()}
            ),
            -- What is coded of a contact for two reasons is coded once.
            once as (
                select visit_id, term, arg_min(why, priority) as why, max(onset_date) as onset_date,
                    bool_or(own) as own, bool_or(first) as first
                from every group by all
            )
            select once.*, contacts.hospital, contacts.person, contacts.date, contacts.rank,
                persons.endotype
            from once
            inner join contacts on once.visit_id = contacts.visit_id
            inner join persons on contacts.person = persons.person
            order by once.visit_id, once.term
        """

    def _ruleouts(self) -> str:
        """SELECT of the contacts at which asthma is coded to pay for ruling it out.

        Of all persons with a code of asthma the hospital's share has none: the number of them
        follows from the number of persons with asthma, and each is coded once.
        """
        if self.perfect or not self.world.concept_shift:
            return "select visit_id, null, null, 4, null, false, false from contacts where false"
        return """
            select arg_min(contacts.visit_id, contacts.u2), 'asthma', 'ruleout', 4, null, false,
                false
            from contacts
            inner join persons on contacts.person = persons.person
            inner join traits on contacts.hospital = traits.hospital
            inner join (
                select contacts.hospital, count(distinct person) filter (asthma) as sick,
                    greatest(count(distinct person) filter (not asthma), 1) as well
                from contacts inner join persons using (person)
                group by contacts.hospital
            ) as sizes on contacts.hospital = sizes.hospital
            where not persons.asthma and contacts.rank = 1
            group by contacts.hospital, contacts.person, ruleout, sick, well
            having min(contacts.u2) < 1 - pow(
                1 - least(ruleout / (1 - ruleout) * sick / well, 0.9), 1.0 / count(*))
        """

    def _specialties(self) -> None:
        pairs = [
            (specialty, term)
            for specialty, listed in self.numbers["specialties"].items()
            if specialty != "src"
            for term in listed
        ]
        self.connection.register(
            "specialties",
            pa.table({"specialty": [a for a, _ in pairs], "term": [b for _, b in pairs]}),
        )

    # -- drugs -------------------------------------------------------------------------------------

    def _drugs(self) -> None:
        steroids = self.numbers["steroids"]
        tablets = f"{steroids['ocs_mg_per_day']} / {steroids['tablet_mg']}"
        self._keep(
            "given",
            f"""
            with bursts as (
                select attacks.person, attacks.date, attacks.kind,
                    greatest(coalesce(attacks.days, 0), 0) as days
                from attacks left join treatments
                    on attacks.person = treatments.person and attacks.date = treatments.start_date
                    and treatments.drug in ('prednisolone', 'methylprednisolone_injection')
                where treatments.person is null
            ),
            every as (
                select person, drug as term, start_date as date, days_supply, quantity, dose, route
                from treatments
                union all
                select person, 'prednisolone', date,
                    case when days > 0 and kind = 'ocs_outpatient' then days
                        else {steroids["ocs_days"]} end as supply,
                    {tablets} * supply, {steroids["ocs_mg_per_day"]}, 'oral'
                from bursts where kind <> 'injection_outpatient'
                union all
                select person, 'methylprednisolone_injection', date, 1, 1,
                    {steroids["injection_mg"]}, 'intravenous'
                from bursts where kind <> 'ocs_outpatient'
            )
            select contacts.hospital, every.person, contacts.visit_id, every.term, every.date,
                every.days_supply, every.quantity, every.dose, every.route
            from every
            inner join contacts on every.person = contacts.person and every.date = contacts.date
            order by contacts.visit_id, every.term, every.days_supply, every.quantity
            """,
            draws=1,
        )
        self._table(
            "written_drugs",
            f"""
            select given.hospital, row_number() over () - 1 + {self.first_row} as row_id,
                given.person, given.visit_id, given.term, terms.concept_id,
                terms.code, terms.local_code,
                given.days_supply::integer as days_supply, round(given.quantity, 2) as quantity,
                given.dose, given.route, coalesce(routes.concept_id, 0) as route_id,
                given.date as event_date, given.date as recorded_date, given.u0 as u_kept
            from given
            inner join terms on given.term = terms.term and terms.kind = 'drug'
            left join routes on given.route = routes.route
            order by given.visit_id, given.term, given.days_supply, given.quantity
            """,
        )

    # -- results -----------------------------------------------------------------------------------

    def _measurements(self) -> None:
        self._missing_blocks()
        self._keep(
            "results",
            """
            select contacts.hospital, tests.person, contacts.visit_id, contacts.date,
                tests.test as term, tests.value, tests.value_term
            from tests
            inner join contacts on tests.person = contacts.person and tests.date = contacts.date
            left join not_reported on tests.test = not_reported.term
                and contacts.hospital = not_reported.hospital and not_reported.missing
            where tests.done and not_reported.term is null
            qualify row_number() over (
                partition by contacts.visit_id, tests.test order by tests.value) = 1
            order by contacts.visit_id, tests.test
            """,
            draws=4,
        )
        self._white_cells()
        factors = self.numbers["units"]
        gross = "1.0" if self._errors("gross_units") == 0 else "coalesce(test_rules.gross, 10)"
        self.connection.register("test_rules", _test_rules(self.numbers))
        self._table(
            "written_measurements",
            f"""
            with shifted as (
                select counted.* exclude (value), case
                    when counted.term = 'eosinophils' then value * exp(traits.eos_shift)
                    when counted.term = 'creatinine' then value * traits.creatinine_factor
                    else value end as value,
                    traits.eos_as_percent, traits.ratio, traits.lyso_in_nmol
                from counted inner join traits on counted.hospital = traits.hospital
            ),
            reported as (
                select shifted.* exclude (term, value), case
                        when term = 'eosinophils' and eos_as_percent then 'eosinophils_percent'
                        else term end as term,
                    case
                        when term = 'eosinophils' and eos_as_percent then value / wbc / 10
                        when term = 'fev1_fvc' and ratio and value > 2 then value / 100
                        when term = 'fev1_fvc' and not ratio and value <= 2 then value * 100
                        when term = 'lyso_gb3' and lyso_in_nmol
                            then value * {factors["lyso_gb3_nmol_per_ng"]}
                        else value end as value,
                    case
                        when term = 'eosinophils' and eos_as_percent then '%'
                        when term = 'fev1_fvc' and ratio then '{{ratio}}'
                        when term = 'lyso_gb3' and lyso_in_nmol then 'nmol/L' end as own_unit
                from shifted
            )
            select reported.hospital,
                row_number() over (order by visit_id, reported.term) - 1 + {self.first_row}
                    as row_id,
                reported.person, reported.visit_id, reported.term, terms.concept_id,
                terms.code, terms.local_code,
                case when not coalesce(silent.without_value, false) then round(
                    value * case when u0 < {self._errors("gross_units")} then {gross}
                        else 1.0 end,
                    coalesce(test_rules.digits, 1)) end as value,
                case when not coalesce(silent.without_value, false) then value_term end
                    as value_term,
                case when not coalesce(silent.without_value, false) then meaning.concept_id end
                    as value_concept_id,
                coalesce(own_unit, terms.unit) as unit, coalesce(units.concept_id, 0) as unit_id,
                reported.date as event_date,
                reported.date + {self._result_lag()} as recorded_date, u2 as u_kept
            from reported
            inner join terms on reported.term = terms.term and terms.kind = 'test'
            left join terms as meaning
                on reported.value_term = meaning.term and meaning.kind = 'value'
            left join units on coalesce(own_unit, terms.unit) = units.unit
            left join test_rules on reported.term = test_rules.term
            left join not_reported as silent on reported.term = silent.term
                and reported.hospital = silent.hospital and silent.without_value
            """,
        )

    def _white_cells(self) -> None:
        """Give each eosinophil count its white cells: in percent it means nothing without them."""
        numbers = self.numbers["units"]
        self._table(
            "counted",
            f"""
            with cells as (
                select visit_id, max(value) as wbc from results where term = 'wbc' group by all
            ),
            paired as (
                select results.*, coalesce(cells.wbc, greatest(round(
                    {numbers["wbc_mean"]} + {numbers["wbc_sd"]}
                    * (u1 + u2 + u3 - 1.5) * 2, 2), 2.5)) as wbc, cells.wbc is null as made
                from results left join cells on results.visit_id = cells.visit_id
            )
            select hospital, person, visit_id, date, term, value, value_term, u0, u2, u3, wbc
            from paired
            union all
            select hospital, person, visit_id, date, 'wbc', wbc, null, u3, u1, u0, wbc
            from paired inner join traits using (hospital)
            where term = 'eosinophils' and made and eos_as_percent
            """,
        )

    def _missing_blocks(self) -> None:
        found = self.numbers["not_reported"] if self.world.missing_blocks else {}
        rows = [
            (hospital, term, kind == "missing", kind == "without_value")
            for kind in ("missing", "without_value")
            for hospital, listed in found.get(kind, {}).items()
            for term in listed
        ]
        columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
        types = (pa.string(), pa.string(), pa.bool_(), pa.bool_())
        arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
        names = ["hospital", "term", "missing", "without_value"]
        self.connection.register("not_reported", pa.table(arrays, names))

    # -- procedures, observations, persons ---------------------------------------------------------

    def _procedures(self) -> None:
        rules = self.numbers["procedures"]
        self.connection.register(
            "procedure_rules",
            pa.table(
                {
                    "cause": [
                        c for kind in ("of_tests", "of_events", "of_drugs") for c in rules[kind]
                    ],
                    "procedure": [
                        p
                        for kind in ("of_tests", "of_events", "of_drugs")
                        for p in rules[kind].values()
                    ],
                }
            ),
        )
        self._keep(
            "done_procedures",
            """
            with causes as (
                select visit_id, term as cause from results
                union all
                select visit_id, term from given
                union all
                select contacts.visit_id, events.event from events inner join contacts
                    on events.person = contacts.person and events.date = contacts.date
            )
            select distinct contacts.hospital, contacts.person, contacts.visit_id, contacts.date,
                procedure as term
            from causes
            inner join procedure_rules on causes.cause = procedure_rules.cause
            inner join contacts on causes.visit_id = contacts.visit_id
            order by contacts.visit_id, procedure
            """,
            draws=1,
        )
        self._plain("written_procedures", "done_procedures", "procedure")

    def _observations(self) -> None:
        """Clinical genetics visits: the department tells of them, in every format."""
        self._keep(
            "noted",
            """
            select hospital, person, visit_id, date, 'genetics_visit' as term from contacts
            where specialty = 'genetics' order by visit_id
            """,
            draws=1,
        )
        self._plain("written_observations", "noted", "observation")

    def _plain(self, name: str, source: str, kind: str) -> None:
        self._table(
            name,
            f"""
            select {source}.hospital,
                row_number() over (order by visit_id, {source}.term) - 1 + {self.first_row}
                    as row_id,
                {source}.person, {source}.visit_id, {source}.term, terms.concept_id,
                terms.code, terms.local_code,
                {source}.date as event_date, {source}.date as recorded_date, u0 as u_kept
            from {source}
            inner join terms on {source}.term = terms.term and terms.kind = '{kind}'
            """,
        )

    def _persons(self) -> None:
        """Who has been at the hospital, and of whom it knows the death."""
        deaths = self.numbers["deaths"]
        share = self._probability(deaths["known_to_hospital"])
        after = 0 if self.perfect else deaths["known_after_days"]
        self._keep(
            "patients",
            """
            select contacts.hospital, persons.person, persons.birth_date, persons.female,
                min(contacts.date) as registered_date, persons.death_date,
                coalesce(max(contacts.date) = persons.death_date, false) as died_here
            from contacts inner join persons on contacts.person = persons.person
            group by contacts.hospital, persons.person, persons.birth_date, persons.female,
                persons.death_date
            order by contacts.hospital, persons.person
            """,
            draws=2,
        )
        self._table(
            "written_deaths",
            f"""
            select hospital, person, death_date as event_date,
                death_date + case when died_here then 0
                    else (u1 * {after})::integer end as recorded_date,
                recorded_date as from_date, null::date as to_date
            from patients
            where death_date <= date '{self.last}' and (died_here or u0 < {share})
            """,
        )
        self._table(
            "written_persons",
            """
            select patients.hospital, patients.person, patients.birth_date, patients.female,
                patients.registered_date, written_deaths.event_date as death_date,
                written_deaths.recorded_date as death_recorded_date
            from patients left join written_deaths on patients.person = written_deaths.person
                and patients.hospital = written_deaths.hospital
            """,
        )

    # -- versions of a row -------------------------------------------------------------------------

    def _versions(self, name: str, table: str) -> pa.Table:
        """Rows of `table` with their errors, as the versions that stood in the database.

        One draw decides what befalls a row: written twice, dated in the future, corrected later,
        removed later, or nothing. A visit is never changed: other rows hang on it.
        """
        found = self._arrow(f"select * from {table} order by row_id")
        columns = {each: found[each] for each in found.column_names if each != "u_kept"}
        rows = found.num_rows
        base = pa.table(columns)
        recorded = _numbers(base["recorded_date"])
        start, end = recorded.copy(), np.full(rows, _NEVER, np.int32)
        if name == "visits":
            return _with_days(base, from_date=start, to_date=end)
        draw = self.world.generator(self.chunk, f"record:versions:{name}")
        fate, much = draw.random(rows), draw.random((2, rows))
        shares = [
            self._errors(each) for each in ("doubled_rows", "future_dates", "corrected", "vanished")
        ]
        bounds = np.cumsum(shares)
        doubled, future, corrected, vanished = (
            (fate >= low) & (fate < high)
            for low, high in zip([0.0, *bounds[:-1]], bounds, strict=True)
        )
        numbers = self.numbers["errors"]
        event = _numbers(base["event_date"])
        low, high = numbers["corrected_after_days"]
        changed = recorded + (low + much[0] * (high - low)).astype(np.int32)
        event = event + np.where(future, numbers["future_days"], 0).astype(np.int32)
        end = np.where(corrected | vanished, changed, end).astype(np.int32)
        first = _with_days(base, event_date=event, from_date=start, to_date=end)
        low, high = numbers["backdated_days"]
        earlier = event - (low + much[1] * (high - low)).astype(np.int32)
        births = self._births(base["person"])
        second = _with_days(
            base,
            event_date=np.maximum(earlier, births),
            from_date=changed,
            to_date=np.full(rows, _NEVER, np.int32),
        ).filter(pa.array(corrected))
        again = first.filter(pa.array(doubled))
        ids = pa.array(self.first_row + rows + np.arange(again.num_rows), pa.int64())
        again = again.set_column(again.schema.get_field_index("row_id"), "row_id", ids)
        return pa.concat_tables([first, second, again]).combine_chunks()

    def _births(self, person: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int32]]:
        known = self._arrow("select person, birth_date from persons order by person")
        place = np.searchsorted(known["person"].to_numpy(), person.to_numpy())
        births: np.ndarray[Any, np.dtype[np.int32]] = _numbers(known["birth_date"])[place]
        return births

    # -- tools -------------------------------------------------------------------------------------

    def _probability(self, share: float) -> float:
        return 1.0 if self.perfect else share

    def _errors(self, name: str) -> float:
        """Share of rows with the error; none where recording is perfect or the world has none."""
        allowed = {"doubled_rows": self.world.duplicate_rows, "gross_units": self.world.unit_errors}
        if self.perfect or not allowed.get(name, True):
            return 0.0
        return float(self.numbers["errors"][name])

    def _lag(self, draw: str) -> str:
        """SQL: days from a contact to the writing, 0 for most, exponential for the late ones."""
        if self.perfect:
            return "0"
        share, mean = self.numbers["delays"]["late_share"], self.numbers["delays"]["late_mean_days"]
        return (
            f"case when {draw} < {share} "
            f"then 1 + (-ln(1 - {draw} / {share * 1.000001}) * {mean})::integer else 0 end"
        )

    def _result_lag(self) -> str:
        """SQL: days from the specimen to the report."""
        if self.perfect:
            return "0"
        delays = self.numbers["delays"]
        slow = " ".join(
            f"when reported.term = '{term}' then {days}"
            for term, days in delays["slow_tests_days"].items()
        )
        return f"case {slow} when u3 < {delays['result_next_day']} then 1 else 0 end"

    def _arrow(self, query: str) -> pa.Table:
        return self.connection.sql(query).to_arrow_table()

    def _table(self, name: str, query: str) -> None:
        self.connection.execute(f"create or replace temp table {name} as {query}")

    def _keep(self, name: str, query: str, *, draws: int) -> None:
        """Keep the rows of an ordered query, each with uniform numbers u0, u1, …."""
        found = self._arrow(query)
        draw = self.world.generator(self.chunk, f"record:{name}")
        for number in range(draws):
            found = found.append_column(f"u{number}", pa.array(draw.random(found.num_rows)))
        self.connection.register(name, found)


def _numbers(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int32]]:
    days = column.cast(pa.date32()).cast(pa.int32())
    return np.asarray(days.fill_null(int(_NEVER)).to_numpy(), np.int32)


def _with_days(table: pa.Table, **columns: np.ndarray[Any, np.dtype[np.int32]]) -> pa.Table:
    """Return `table` with columns of days, null where a day never comes."""
    for name, days in columns.items():
        array = pa.array(days, mask=days >= _NEVER).cast(pa.date32())
        place = table.schema.get_field_index(name)
        if place < 0:
            table = table.append_column(name, array)
        else:
            table = table.set_column(place, name, array)
    return table


def _test_rules(numbers: Parameters) -> pa.Table:
    """Return decimals and the factor of a gross error, one row per test."""
    digits, gross = numbers["units"]["digits"], numbers["units"]["gross_factor"]
    found = sorted({*digits, *gross})
    return pa.table(
        {
            "term": found,
            "digits": pa.array([digits.get(term) for term in found], pa.int32()),
            "gross": pa.array([gross.get(term) for term in found], pa.float64()),
        }
    )


def _traits(world: World, numbers: Parameters) -> pa.Table:
    """Return what makes the hospitals write differently, one row each."""
    noise = parameters("network")["unit_noise"]
    perfect = world.recording == "perfect"
    rows = []
    for name in HOSPITALS:
        rates = hospital_parameters(name)
        rows.append(
            {
                "hospital": name,
                "recorded_ocs": numbers["attacks"]["recorded_ocs"][name],
                "outside_care": rates["outside_care"] if world.outside_care else 0.0,
                "ruleout": rates["ruleout_dx_rate"],
                "j459_share": rates["j459_share"],
                "eos_shift": 0.0 if perfect else rates["lab_shift_eos_log"],
                # eGFR falls with creatinine to the power of 1.2.
                "creatinine_factor": 1.0
                if perfect
                else (1 + rates["egfr_bias_pct"] / 100) ** (-1 / 1.2),
                "eos_as_percent": name in noise["eos_reported_as_percent"],
                "ratio": name in noise["fev1_fvc_as_ratio"],
                "lyso_in_nmol": name in noise["lyso_gb3_nmol_per_L"],
                "states_onset": name in _STATES_ONSET,
                "uses_kcd": name in ("haneul", "bada"),
            }
        )
    return pa.Table.from_pylist(rows)
