"""The queries of a characterisation: each adds rows of one analysis to the table `characterised`.

Counts only, set by set. Nothing depends on the order of rows: there is no sum of floating-point
numbers, and a value counts as itself rounded to three significant digits, which is how precise a
laboratory writes it. Quantiles and histograms of any width follow from the counts of the values.
"""

from __future__ import annotations

from pumasi.quality.catalogue.database import Cdm
from pumasi.quality.characterisation.events import EventTable

# Newest complete months whose values are counted apart, so that a change is not lost in the record.
RECENT_MONTHS = 3
# Days of a stay from here on are one group.
LONGEST_STAY = 365
# A source code of fewer persons may be a slip that names somebody.
SMALLEST_CELL = 10
# Bars of a histogram between percentiles 2.5 and 97.5, where reference intervals end.
BARS = 24

CREATE = """
    create or replace temp table characterised (
        analysis varchar, cdm_table varchar, concept_id bigint, unit_concept_id bigint,
        source_code varchar, month date, lower double, upper double, records bigint, persons bigint
    )
"""


def _day(cdm: Cdm, table: str, field: str) -> str:
    """The field as a day; null where it holds none, as a text loaded from a file may."""
    return f"try_cast({cdm.column(table, field)} as date)"


def _concept(cdm: Cdm, table: str, field: str) -> str:
    """The concept, or the unit; what is none, or no number, counts as concept 0."""
    return f"coalesce(try_cast({cdm.column(table, field)} as bigint), 0)"


def _month(day: str) -> str:
    return f"date_trunc('month', {day})::date"


def persons(cdm: Cdm) -> str:
    """Persons by year of birth and sex; nulls are groups of their own."""
    return f"""
        select 'persons_by_birth_year_and_sex' as analysis, 'person' as cdm_table,
            {_concept(cdm, "person", "gender_concept_id")} as concept_id,
            try_cast({cdm.column("person", "year_of_birth")} as integer) as lower, lower as upper,
            count(*) as records, count(distinct {cdm.column("person", "person_id")}) as persons
        from {cdm.relation("person")} as t group by all
    """


def _periods(cdm: Cdm) -> str:
    start = _day(cdm, "observation_period", "observation_period_start_date")
    end = _day(cdm, "observation_period", "observation_period_end_date")
    return f"""
        select {cdm.column("observation_period", "person_id")} as person_id,
            {start} as begins, {end} as ends
        from {cdm.relation("observation_period")} as t
    """


def last_complete_month(cdm: Cdm) -> str:
    """The last month that the record covers to its end, by the latest end of an observation."""
    return f"""
        select 'last_complete_month' as analysis, 'observation_period' as cdm_table,
            (date_trunc('month', max(ends) + 1) - interval 1 month)::date as month,
            count(*) as records, count(distinct person_id) as persons
        from ({_periods(cdm)}) having max(ends) is not null
    """


def observation_length(cdm: Cdm) -> str:
    """Observation periods by whole years of length."""
    return f"""
        select 'observation_years' as analysis, 'observation_period' as cdm_table,
            floor((ends - begins) / 365.25) as lower, lower + 1 as upper,
            count(*) as records, count(distinct person_id) as persons
        from ({_periods(cdm)}) where ends >= begins group by all
    """


def persons_observed(cdm: Cdm) -> str:
    """Persons observed on a day of the month: who came in, less who left, summed up to it.

    Months of one person that periods share are counted once: a period counts from the month after
    the last one that an earlier period reaches.
    """
    return f"""
        with spans as (
            select person_id, {_month("begins")} as first, {_month("ends")} as last
            from ({_periods(cdm)}) where ends >= begins
        ), apart as (
            select last, greatest(
                first,
                coalesce(max(last) over (
                    partition by person_id order by first, last
                    rows between unbounded preceding and 1 preceding
                ) + interval 1 month, first)
            )::date as first
            from spans
        ), steps as (
            select first as month, count(*) as step from apart where first <= last group by all
            union all
            select (last + interval 1 month)::date, -count(*) from apart
            where first <= last group by all
        ), months as (
            select unnest(generate_series(min(month), max(month), interval 1 month))::date as month
            from steps
        ), net as (
            select month, coalesce(sum(step), 0) as step
            from months left join steps using (month) group by all
        )
        select 'persons_observed' as analysis, 'observation_period' as cdm_table, month,
            sum(step) over (order by month)::bigint as records, records as persons
        from net qualify records > 0
    """


def collect_events(cdm: Cdm, table: EventTable) -> str:
    """The temp table `counted`: one row per concept, month and person, with its records.

    The table is read once; a missing concept counts as concept 0, and the month is null where the
    day is not known.
    """
    return f"""
        create or replace temp table counted as
        select {_concept(cdm, table.name, table.concept)} as concept_id,
            {_month(_day(cdm, table.name, table.date))} as month,
            {cdm.column(table.name, "person_id")} as person_id, count(*) as n
        from {cdm.relation(table.name)} as t group by all
    """


def table_size(table: EventTable) -> str:
    """Rows and persons of the table; a table without rows is said, with zeros."""
    return f"""
        select 'records' as analysis, '{table.name}' as cdm_table,
            coalesce(sum(n), 0)::bigint as records, count(*) as persons
        from (select person_id, sum(n) as n from counted group by all)
    """


def by_month(table: EventTable) -> str:
    """Records by month."""
    return _by(table, "records_by_month", "month")


def by_concept(table: EventTable) -> str:
    """Records by concept."""
    return _by(table, "records_by_concept", "concept_id")


def tests_by_month(table: EventTable) -> str:
    """Results of every test by month: what shows that one fell silent."""
    return f"""
        select 'records_by_concept_and_month' as analysis, '{table.name}' as cdm_table, concept_id,
            month, sum(n)::bigint as records, count(*) as persons
        from counted where concept_id <> 0 and month is not null group by all
    """


def _by(table: EventTable, analysis: str, stratum: str) -> str:
    return f"""
        select '{analysis}' as analysis, '{table.name}' as cdm_table, {stratum},
            sum(n)::bigint as records, count(*) as persons
        from (select {stratum}, person_id, sum(n) as n from counted group by all) group by all
    """


def by_person(cdm: Cdm, table: EventTable) -> str:
    """Persons by their number of records, in groups that double: 0, 1, 2 to 3, 4 to 7 and so on."""
    return f"""
        with each as (
            select person_id, sum(n) as n from counted group by all
        ), everybody as (
            select distinct {cdm.column("person", "person_id")} as person_id
            from {cdm.relation("person")} as t
        ), grouped as (
            select coalesce(n, 0) as n,
                case when n is null then 0 else pow(2, floor(log2(n))) end as lower
            from everybody left join each using (person_id)
        )
        select 'records_per_person' as analysis, '{table.name}' as cdm_table, lower,
            greatest(2 * lower, 1) as upper, sum(n)::bigint as records, count(*) as persons
        from grouped group by all
    """


def source_codes(cdm: Cdm, table: EventTable) -> str:
    """Codes without a concept, of at least 10 persons and as long as a code; most rows first."""
    code = f"{cdm.column(table.name, str(table.source))}::varchar"
    return f"""
        select 'unmapped_codes' as analysis, '{table.name}' as cdm_table, {code} as source_code,
            count(*) as records,
            count(distinct {cdm.column(table.name, "person_id")}) as persons
        from {cdm.relation(table.name)} as t
        where {_concept(cdm, table.name, table.concept)} = 0
            and length({code}) between 1 and 50
        group by all having persons >= {SMALLEST_CELL}
    """


def stays(cdm: Cdm) -> str:
    """Visits by concept and nights; null where the end is unknown or before the start."""
    start = _day(cdm, "visit_occurrence", "visit_start_date")
    end = _day(cdm, "visit_occurrence", "visit_end_date")
    return f"""
        select 'length_of_stay' as analysis, 'visit_occurrence' as cdm_table,
            {_concept(cdm, "visit_occurrence", "visit_concept_id")} as concept_id,
            case when {end} >= {start} then least({end} - {start}, {LONGEST_STAY}) end as lower,
            lower as upper, count(*) as records,
            count(distinct {cdm.column("visit_occurrence", "person_id")}) as persons
        from {cdm.relation("visit_occurrence")} as t group by all
    """


def collect_values(cdm: Cdm) -> str:
    """The temp table `measured`: one row per test, unit, value and person, with its results.

    What has no value, no concept, or a value that is no number is not in it. A missing unit counts
    as concept 0.
    """
    unit = (
        _concept(cdm, "measurement", "unit_concept_id")
        if cdm.has("measurement", "unit_concept_id")
        else "0"
    )
    day = _day(cdm, "measurement", "measurement_date")
    return f"""
        create or replace temp table measured as
        with results as (
            select {_concept(cdm, "measurement", "measurement_concept_id")} as concept_id,
                {unit} as unit_concept_id,
                {cdm.column("measurement", "person_id")} as person_id,
                try_cast({cdm.column("measurement", "value_as_number")} as double) as number,
                coalesce({_month(day)} >= (
                    select month - interval {RECENT_MONTHS - 1} month from characterised
                    where analysis = 'last_complete_month'
                ), false) as is_recent
            from {cdm.relation("measurement")} as t
        )
        select concept_id, unit_concept_id, person_id,
            case when number = 0 then 0
                else round(number, 2 - floor(log10(abs(number)))::integer) end as value,
            count(*) as records, count(*) filter (where is_recent) as recent
        from results where concept_id <> 0 and isfinite(number) group by all
    """


VALUES = """
    select 'values' as analysis, 'measurement' as cdm_table, concept_id, unit_concept_id,
        value as lower, value as upper, sum(records)::bigint as records, count(*) as persons
    from measured group by all
    union all by name
    select 'recent_values' as analysis, 'measurement' as cdm_table, concept_id, unit_concept_id,
        value as lower, value as upper, sum(recent)::bigint as records, count(*) as persons
    from measured where recent > 0 group by all
"""
TESTS = """
    select 'tests' as analysis, 'measurement' as cdm_table, concept_id, unit_concept_id,
        sum(records)::bigint as records, count(*) as persons
    from (
        select concept_id, unit_concept_id, person_id, sum(records) as records
        from measured group by all
    ) group by all
"""
# Bars of equal width between the percentiles; what is beyond them is in the outermost two.
HISTOGRAM = f"""
    with counts as (
        select concept_id, unit_concept_id, lower as value, records,
            sum(records) over (partition by concept_id, unit_concept_id order by lower) as up_to,
            sum(records) over (partition by concept_id, unit_concept_id) as total
        from characterised where analysis = 'values'
    ), ranges as (
        select concept_id, unit_concept_id,
            min(value) filter (where up_to >= 0.025 * total) as first,
            min(value) filter (where up_to >= 0.975 * total) as last
        from counts group by all
    ), barred as (
        select concept_id, unit_concept_id, person_id, first, (last - first) / {BARS} as width,
            case when last > first
                then least(greatest(floor((value - first) / width), 0), {BARS - 1})
                else 0 end as bar,
            sum(records) as records
        from measured inner join ranges using (concept_id, unit_concept_id) group by all
    )
    select 'value_histogram' as analysis, 'measurement' as cdm_table, concept_id, unit_concept_id,
        first + bar * width as lower, first + (bar + 1) * width as upper,
        sum(records)::bigint as records, count(*) as persons
    from barred group by all
"""


def named(cdm: Cdm) -> str:
    """The characterisation with names of concepts and units, in an order of its own."""
    if not cdm.has("concept", "concept_id", "concept_name"):
        names = "select null::bigint as id, null::varchar as name"
    else:
        names = f"""
            select {cdm.column("concept", "concept_id")} as id,
                min({cdm.column("concept", "concept_name")}) as name
            from {cdm.relation("concept")} as t group by all
        """
    return f"""
        with names as ({names})
        select analysis, cdm_table, concept_id, concepts.name as concept_name, unit_concept_id,
            units.name as unit_name, source_code, month, lower, upper, records, persons
        from characterised
        left join names as concepts on concepts.id = concept_id
        left join names as units on units.id = unit_concept_id
        order by all
    """
