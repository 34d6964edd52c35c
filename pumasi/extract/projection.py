"""From source text to typed, pseudonymised columns: SQL expressions, one rule per kind of column.

The relation read from has `line_no bigint` and one varchar (or struct) expression per source
column. The result has the contract's columns, `values_nulled` (how many source values of the row
had to be dropped), `is_misread` (whether a day, time or number was among them: a word that nobody
listed is dropped on purpose) and `reason` (null, or why the row goes to quarantine; never a value).
"""

from collections.abc import Iterator, Mapping, Sequence

from pumasi.extract.contract import IDENTIFIERS, Column, Kind, is_code, sql_type

# What programs write where a value is missing, in lower case.
NULL_TOKENS = ("\\n", "null", "(null)", "<null>")
# These too, but in codes and words they may mean something: NA is sodium, Namibia, not applicable.
MISSING_TOKENS = ("na", "n/a", "nan", "none", "<na>")
# What can be read or not; other kinds are admitted or not.
MEASURED = (Kind.DATE, Kind.TIMESTAMP, Kind.YEAR, Kind.MONTH, Kind.INTEGER, Kind.DOUBLE)
# One byte a row; more values than this are hardly ever lost of one.
MOST_COUNTED = 255


def select_rows(
    columns: Sequence[Column],
    sources: Mapping[str, str],
    relation: str,
    values: Mapping[str, Sequence[str]],
    *,
    delivery_id: str,
    file_no: str,
    unreadable: str = "null",
    where: str = "true",
) -> str:
    """SELECT that turns the rows of `relation` into rows of a raw table.

    Args:
        columns: the contract.
        sources: per column name, the SQL expression of its source; a column without one is null.
        relation: SQL of the relation in parentheses or a table function.
        values: per column name, strings that the site admits besides the contract's.
        delivery_id: identity of the delivery.
        file_no: SQL of the index of the file in the manifest.
        unreadable: SQL of a reason that holds for the whole row, null if it can be read.
        where: SQL condition on rows of `relation`.
    """
    texts = [f"{source_text(c, sources.get(c.name))} as s{i}" for i, c in enumerate(columns)]
    outs = [f"{_typed(c, f's{i}', values)} as v{i}" for i, c in enumerate(columns)]
    named = [f'v{i} as "{c.name}"' for i, c in enumerate(columns)]
    reasons = [_reason(c, i) for i, c in enumerate(columns) if c.required]
    return f"""
        select
            '{delivery_id}' as delivery_id,
            ({file_no})::integer as file_no,
            line_no,
            {", ".join(named)},
            ({_nulled(columns, sources)})::utinyint as values_nulled,
            {_misread(columns, sources)} as is_misread,
            coalesce({unreadable}, {", ".join([*reasons, "null::varchar"])}) as reason
        from (select *, {", ".join(outs)} from (
            select *, {", ".join(texts)} from {relation} where {where}
        ))
    """


def source_text(column: Column, source: str | None) -> str:
    """SQL of the column as text (a structure as it is), trimmed, null where there is none."""
    if source is None:
        return "null::varchar" if not column.sql_type else f"null::{column.sql_type}"
    if column.kind is Kind.STRUCTURE:
        return f"({source})"
    text = f"nullif(trim(({source})::varchar), '')"
    if column.kind is not Kind.TEXT:
        text = f"case when lower({text}) not in ({_nulls(column)}) then {text} end"
    if column.compact:
        return f"regexp_replace({text}, '^(\\d{{4}})(\\d{{2}})(\\d{{2}})$', '\\1-\\2-\\3')"
    if column.kind not in IDENTIFIERS:
        return text
    # 10204.0 is what a number column with gaps makes of 10204.
    return f"regexp_replace({text}, '^([0-9]+)\\.0+$', '\\1')"


def _nulls(column: Column) -> str:
    words = column.kind in (Kind.CODE, Kind.VALUE)
    tokens = NULL_TOKENS if words else (*NULL_TOKENS, *MISSING_TOKENS)
    return ", ".join(f"'{token}'" for token in tokens)


def _typed(column: Column, text: str, values: Mapping[str, Sequence[str]]) -> str:
    # DuckDB alone would take `infinity`, `epoch` and 2020-1-5 too.
    starts_with_day = f"regexp_matches({text}, '^\\d{{4}}-\\d{{2}}-\\d{{2}}(\\D|$)')"
    day = f"case when {starts_with_day} then try_cast(left({text}, 10) as date) end"
    match column.kind:
        case Kind.PERSON | Kind.VISIT | Kind.EVENT | Kind.PLACE:
            return f"pseudonym('{column.domain}', {text})"
        case Kind.SPLIT:
            return f"(pseudonym('{column.domain}', {text}) % 100)::integer"
        case Kind.DATE:
            return day
        case Kind.YEAR:
            return f"year({_day_or_its_beginning(text, day)})::integer"
        case Kind.MONTH:
            year_alone = f"regexp_full_match({text}, '\\d{{4}}')"
            month = f"month({_day_or_its_beginning(text, day)})::integer"
            return f"case when not {year_alone} then {month} end"
        case Kind.TIMESTAMP:
            time = f"try_cast(replace(left({text}, 19), 'T', ' ') as timestamp)"
            return f"case when {starts_with_day} then {time} end"
        case Kind.INTEGER:
            # Through double for 3.0; a fraction is not an integer and is dropped, not rounded.
            number = f"try_cast({text} as double)"
            return f"case when {number} = trunc({number}) then try_cast({number} as integer) end"
        case Kind.DOUBLE:
            number = f"try_cast({text} as double)"
            return f"case when isfinite({number}) then {number} end"
        case Kind.CODE:
            return f"case when {is_code(text)} then {text} end"
        case Kind.VALUE:
            return f"case when {text} in ({_listed(column, values)}) then {text} end"
        case Kind.TEXT:
            return text
        case Kind.STRUCTURE:
            return f"{text}::{sql_type(column)}"


def _day_or_its_beginning(text: str, day: str) -> str:
    """SQL of the day; of a year or month alone, which FHIR allows for a birth date, its first."""
    beginning = f"regexp_extract({text}, '^\\d{{4}}(-\\d{{2}})?$') || '-01-01'"
    return f"coalesce({day}, try_cast(left({beginning}, 10) as date))"


def _listed(column: Column, values: Mapping[str, Sequence[str]]) -> str:
    listed = sorted({*column.values, *values.get(column.name, ())})
    return ", ".join("'" + value.replace("'", "''") + "'" for value in listed) or "null"


def _reason(column: Column, index: int) -> str:
    wanted = {Kind.DATE: "a date", Kind.INTEGER: "an integer", Kind.TIMESTAMP: "a time"}
    what = wanted.get(column.kind, f"an admitted {column.kind.value}")
    refused = f"s{index} is null and {column.offered} > 0 then '{column.refusal}' when "
    return (
        f"case when {refused if column.refusal else ''}"
        f"s{index} is null then '{column.name} is missing' "
        f"when v{index} is null then '{column.name} is not {what}' end"
    )


def _nulled(columns: Sequence[Column], sources: Mapping[str, str]) -> str:
    """Count of source values of which no column could take anything."""
    counts = [f"({lost})::integer" for lost, _ in _lost(columns, sources)]
    counts += [_left_out(c, f"s{i}") for i, c in enumerate(columns) if c.offered]
    return f"least({' + '.join(counts) or '0'}, {MOST_COUNTED})"


def _misread(columns: Sequence[Column], sources: Mapping[str, str]) -> str:
    """Whether a value that is a day, a time or a number by contract can't be read as one."""
    measured = [
        f"({lost})"
        for lost, places in _lost(columns, sources)
        if all(columns[i].kind in MEASURED for i in places)
    ]
    return f"({' or '.join(measured) or 'false'})"


def _lost(
    columns: Sequence[Column], sources: Mapping[str, str]
) -> Iterator[tuple[str, Sequence[int]]]:
    """SQL condition that no column could take anything of a source, and the columns' positions."""
    taken: dict[str, list[int]] = {}
    for index, column in enumerate(columns):
        source = sources.get(column.name)
        if source is not None and column.kind is not Kind.STRUCTURE:
            taken.setdefault(source, []).append(index)
    for places in taken.values():
        nulls = " and ".join(f"v{i} is null" for i in places)
        yield f"s{places[0]} is not null and {nulls}", places


def _left_out(column: Column, text: str) -> str:
    """Count of what the source offers and the column's expression leaves out."""
    structure = column.kind is Kind.STRUCTURE
    taken = f"coalesce(len({text}), 0)" if structure else f"({text} is not null)::integer"
    return f"greatest(coalesce({column.offered}, 0) - {taken}, 0)"
