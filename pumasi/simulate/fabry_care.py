"""What the care of carriers consists of: signs shown to doctors, tests, drugs, and the truth.

A manifestation that leads to a visit leads to more, each of which may or may not give it its right
name. Tests are taken at visits, also at those that have other reasons. Once the disease has a name
there are follow-ups, and infusions every other week. Decoys, who carry a harmless variant, and
patients with a sign of the disease are tested too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import ndtr

from pumasi.simulate.background import Morbidity
from pumasi.simulate.care import KINDS, SPECIALTIES, Visits
from pumasi.simulate.columns import (
    NEVER,
    YEAR_DAYS,
    Days,
    Flags,
    Floats,
    Ints,
    day_number,
    places_of,
    table_of,
    words,
    words_of,
)
from pumasi.simulate.fabry import (
    STRATEGIES,
    Course,
    by_group,
    crossing,
    lysogb3_of,
    manifestations,
    untreated_slope,
    value_at,
)
from pumasi.simulate.fabry_diagnosis import Carriers, day_of, misdiagnoses
from pumasi.simulate.kidney import creatinine_of
from pumasi.simulate.parameters import parameters
from pumasi.simulate.population import CARRIERS, GROUPS, People
from pumasi.simulate.world import World, hospital_parameters

# Truth is told of this many years after time zero.
SLOPE_YEARS, MASS_YEARS = 5.0, 1.5


@dataclass(frozen=True)
class FabryLife:
    """Tables of the carriers, decoys and tested persons of a chunk, as in `Life`."""

    onsets: pa.Table
    events: pa.Table
    visits: pa.Table
    treatments: pa.Table
    tests: pa.Table
    fabry: pa.Table
    fabry_years: pa.Table


@dataclass(frozen=True)
class _Rows:
    """Something dated of carriers: the place among the carriers, the day, and a word."""

    who: Ints
    day: Days
    word: npt.NDArray[np.str_]

    def where(self, chosen: Flags) -> _Rows:
        return _Rows(self.who[chosen], self.day[chosen], self.word[chosen])


def fabry_life(
    draw: np.random.Generator,
    people: People,
    morbidity: Morbidity,
    visits: Visits,
    carriers: Carriers,
    hospital: str,
    world: World,
) -> FabryLife:
    """Return what happens to the `carriers` among `people`, and to those who are tested as well.

    `visits` are the ordinary visits of all; carriers have some of their tests there.
    """
    signs, recognised, names = _signs(draw, carriers)
    follow_ups, infusions = _follow_ups(carriers), _infusions(draw, carriers)
    tables = _visits(draw, people, carriers, signs, follow_ups, infusions)
    own = np.concatenate(
        [_of_carriers(visits, carriers, people), _contacts(tables, carriers, people)]
    )
    tested = _others_tested(draw, people, morbidity, hospital, world)
    return FabryLife(
        onsets=_onsets(draw, people, carriers, recognised, names),
        events=_events(draw, people, carriers, names),
        visits=tables,
        treatments=_treatments(draw, people, carriers, signs, infusions),
        tests=_tests(draw, people, carriers, own, follow_ups, tested, hospital, world),
        fabry=_truth(people, carriers, tested),
        fabry_years=_years(people, carriers, world),
    )


def _records() -> dict[str, Any]:
    block: dict[str, Any] = parameters("fabry")["records"]
    return block


def _in_window(carriers: Carriers, who: Ints, day: Days) -> Flags:
    """Return which days lie from entry until death or the end of records."""
    entry = carriers.day(carriers.entry)[who]
    inside: Flags = (day >= entry) & (day < carriers.day(carriers.stop)[who])
    return inside


def _signs(
    draw: np.random.Generator, carriers: Carriers
) -> tuple[_Rows, Days, npt.NDArray[np.str_]]:
    """Return visits for manifestations over whole lives, days of recognition, and right names.

    Recognition and names have the shape (manifestations, carriers). A sign's word is what the
    doctor called it; the specialty follows from the manifestation, which stands before a colon.
    """
    blocks, process = (
        parameters("fabry")["manifestations"],
        parameters("fabry")["diagnosis_process"],
    )
    count = len(carriers.row)
    names = np.empty((len(manifestations()), count), dtype="<U40")
    recognised = np.full(names.shape, NEVER, np.int32)
    who, days, called = [], [], []
    for place, name in enumerate(manifestations()):
        terms = _records()["terms"][name]
        names[place] = _chosen(draw, terms["right"], count)
        if name == "tia_stroke":
            stroke = draw.random(count) < _records()["stroke_share_of_tia_stroke"]
            names[place] = np.where(stroke, "stroke", "tia")
        seen = carriers.seen[place]
        if name == "tia_stroke":
            # The event that came, which a drug may have put off; who was seen, was seen at once.
            seen = np.where(np.isfinite(seen), carriers.lived.stroke, np.inf)
        sought = np.flatnonzero(seen < carriers.stop)
        years = (carriers.stop - seen)[sought]
        more = draw.poisson(process["revisits_per_year"] * years)
        again = np.repeat(sought, more)
        age = np.concatenate(
            [seen[sought], seen[again] + draw.random(len(again)) * (carriers.stop - seen)[again]]
        )
        visitor = np.concatenate([sought, again])
        day = day_of(carriers.birth[visitor], age)
        right = draw.random(len(visitor)) < blocks[name]["code"]
        np.minimum.at(recognised[place], visitor[right], day[right])
        vague = _chosen(draw, terms["vague"], len(visitor))
        who.append(visitor)
        days.append(day)
        said = np.where(right, names[place][visitor], vague)
        called.append(np.char.add(f"{name}:", said) if len(said) else said)
    signs = _Rows(np.concatenate(who), np.concatenate(days), np.concatenate(called))
    return signs.where(_in_window(carriers, signs.who, signs.day)), recognised, names


def _chosen(draw: np.random.Generator, terms: Sequence[str], rows: int) -> npt.NDArray[np.str_]:
    return np.array(terms, dtype="<U40")[draw.integers(0, len(terms), rows)]


def _follow_ups(carriers: Carriers) -> _Rows:
    """Return the visits twice a year from the diagnosis on."""
    step = _records()["follow_up_days"]
    return _regular(carriers, carriers.diagnosis, step, step, "fabry")


def _infusions(draw: np.random.Generator, carriers: Carriers) -> _Rows:
    """Return the days of infusions, or of dispensing capsules every four weeks, by drug."""
    every = np.where(carriers.drug == STRATEGIES.index("migalastat"), 28, 14)
    names = np.array(STRATEGIES, dtype="<U40")
    found = []
    for step in (14, 28):
        start = np.where(every == step, carriers.start, np.inf)
        rows = _regular(carriers, start, step, 0, "")
        rows = _Rows(rows.who, rows.day, names[carriers.drug[rows.who]])
        found.append(rows)
    rows = _Rows(*(np.concatenate([getattr(r, f) for r in found]) for f in ("who", "day", "word")))
    share = parameters("fabry")["treatment_assignment"]["p_infusion_given"]
    return rows.where(draw.random(len(rows.who)) < share)


def _regular(carriers: Carriers, start: Floats, step: int, first: int, name: str) -> _Rows:
    """Return a row every `step` days, from `first` days after the age `start`, in the window."""
    begin = carriers.day(start)
    stop = carriers.day(carriers.stop)
    # Before entry nothing is written: begin with the first step that can be.
    entry = carriers.day(carriers.entry)
    skipped = np.maximum(0, -(-(entry - begin - first) // step))
    begin = np.where(begin < NEVER, begin + first + step * skipped, NEVER)
    count = np.where(begin < stop, -(-(stop - begin) // step), 0)
    who = np.repeat(np.arange(len(begin)), count)
    place = np.arange(len(who)) - np.repeat(np.cumsum(count) - count, count)
    day = (begin[who] + step * place).astype(np.int32)
    return _Rows(who, day, _all(name, len(who)))


def _visits(
    draw: np.random.Generator,
    people: People,
    carriers: Carriers,
    signs: _Rows,
    follow_ups: _Rows,
    infusions: _Rows,
) -> pa.Table:
    count = len(carriers.row)
    home = _chosen(draw, ("nephrology", "cardiology", "genetics"), count)
    everyone = np.arange(count)
    terms = _records()["terms"]
    part = np.char.partition(signs.word, ":") if len(signs.who) else np.empty((0, 3), "<U40")
    of_sign = np.array([terms[name]["specialty"] for name in part[:, 0]], dtype="<U40")
    fabry = _all("fabry", len(infusions.who))
    rows: list[tuple[Ints, Days, Any, Any, str, int]] = [
        (signs.who, signs.day, of_sign, part[:, 2], "outpatient", 0),
        (follow_ups.who, follow_ups.day, home[follow_ups.who], follow_ups.word, "outpatient", 0),
        (infusions.who, infusions.day, home[infusions.who], fabry, "outpatient", 0),
    ]
    nothing = _all("", count)
    genetics = _all("genetics", count)
    named = _all("fabry", count)
    rows += [
        (everyone, carriers.day(carriers.suspicion), home, nothing, "outpatient", 0),
        (everyone, carriers.day(carriers.diagnosis), genetics, named, "outpatient", 0),
    ]
    wrong = np.array(_wrong_terms(), dtype="<U40")[carriers.misdiagnosis]
    general = _all("rheumatology", count)
    rows.append((everyone, carriers.day(carriers.misdiagnosed), general, wrong, "outpatient", 0))
    heart, mix = _all("cardiology", count), _mace_terms(draw, count)
    rows += [
        (everyone, carriers.day(carriers.lived.mace), heart, mix, "inpatient", 7),
        (
            everyone,
            carriers.day(carriers.lived.eskd),
            _all("nephrology", count),
            _all("eskd", count),
            "inpatient",
            9,
        ),
    ]
    who = np.concatenate([r[0] for r in rows])
    day = np.concatenate([r[1] for r in rows])
    specialty = np.concatenate([r[2] for r in rows])
    reason = np.concatenate([r[3] for r in rows])
    kind = np.concatenate([np.full(len(r[0]), KINDS.index(r[4])) for r in rows])
    days = np.concatenate([np.full(len(r[0]), r[5], np.int16) for r in rows])
    keep = np.flatnonzero(_in_window(carriers, who, day))
    keep = keep[np.lexsort((reason[keep], day[keep], who[keep]))]
    return table_of(
        "visits",
        {
            "person": people.person[carriers.row[who[keep]]],
            "date": day[keep],
            "kind": words(kind[keep], KINDS),
            "days": days[keep],
            "specialty": words(
                [SPECIALTIES.index(name) for name in specialty[keep].tolist()], SPECIALTIES
            ),
            "reason": words_of(reason[keep]),
        },
    )


def _wrong_terms() -> list[str]:
    terms = parameters("fabry")["diagnosis_process"]["misdx_terms"]
    return [*(terms[kind] for kind in misdiagnoses()), ""]


def _mace_terms(draw: np.random.Generator, count: int) -> npt.NDArray[np.str_]:
    mix = parameters("fabry")["heart"]["mace_mix"]
    shares = np.array(list(mix.values()))
    return draw.choice(np.array(list(mix), dtype="<U40"), count, p=shares / shares.sum())


def _onsets(
    draw: np.random.Generator,
    people: People,
    carriers: Carriers,
    recognised: Days,
    names: npt.NDArray[np.str_],
) -> pa.Table:
    """Return manifestations, kidney failure, the disease by its name, and wrong names."""
    records, count = _records(), len(carriers.row)
    everyone = np.arange(count)
    stop = carriers.day(carriers.stop)
    rows: list[tuple[npt.NDArray[np.str_], Days, Days, str]] = []
    for place, name in enumerate(manifestations()):
        age = carriers.lived.stroke if name == "tia_stroke" else carriers.nature.onset[place]
        rows.append((names[place], carriers.day(age), recognised[place], ""))
    ckd = crossing(-carriers.lived.egfr, -60.0)
    seen = draw.random(count) < records["ckd_recognised"]
    lag = draw.standard_exponential(count) * records["ckd_lag_years"]
    rows.append(
        (
            _all("ckd", count),
            carriers.day(ckd),
            carriers.day(np.where(seen, ckd + lag, np.inf)),
            "",
        )
    )
    eskd = carriers.day(carriers.lived.eskd)
    rows.append((_all("eskd", count), eskd, eskd, ""))
    # A carrier has the disease from birth; its onset is the first sign, or the diagnosis.
    begin = np.minimum(carriers.symptom, carriers.diagnosis)
    rows.append((_all("fabry", count), carriers.day(begin), carriers.day(carriers.diagnosis), ""))
    wrong = carriers.day(carriers.misdiagnosed)
    wrong_term = np.array(_wrong_terms(), dtype="<U40")[carriers.misdiagnosis]
    rows.append((wrong_term, wrong, wrong, "misdiagnosis"))
    who = np.tile(everyone, len(rows))
    term = np.concatenate([r[0] for r in rows])
    onset = np.concatenate([r[1] for r in rows])
    known = np.concatenate([r[2] for r in rows])
    note = np.repeat([0 if r[3] else -1 for r in rows], count)
    known = np.where(known < stop[who], np.maximum(known, onset), NEVER)
    keep = np.flatnonzero(onset < stop[who])
    keep = keep[np.lexsort((onset[keep], who[keep]))]
    return table_of(
        "onsets",
        {
            "person": people.person[carriers.row[who[keep]]],
            "condition": words_of(term[keep]),
            "onset_date": onset[keep],
            "recognised_date": known[keep],
            "note": words(note[keep], ("misdiagnosis",)),
        },
    )


def _all(name: str, count: int) -> npt.NDArray[np.str_]:
    return np.full(count, name, dtype="<U40")


def _events(
    draw: np.random.Generator,
    people: People,
    carriers: Carriers,
    names: npt.NDArray[np.str_],
) -> pa.Table:
    """Return strokes, major cardiac events and the start of dialysis within the window."""
    count = len(carriers.row)
    stroke = names[manifestations().index("tia_stroke")]
    term = np.concatenate([stroke, _mace_terms(draw, count), _all("dialysis_start", count)])
    lived = carriers.lived
    day = np.concatenate([carriers.day(age) for age in (lived.stroke, lived.mace, lived.eskd)])
    who = np.tile(np.arange(count), 3)
    keep = np.flatnonzero(_in_window(carriers, who, day))
    keep = keep[np.lexsort((day[keep], who[keep]))]
    return table_of(
        "events",
        {
            "person": people.person[carriers.row[who[keep]]],
            "event": words_of(term[keep]),
            "date": day[keep],
        },
    )


def _treatments(
    draw: np.random.Generator,
    people: People,
    carriers: Carriers,
    signs: _Rows,
    infusions: _Rows,
) -> pa.Table:
    """Return infusions and capsules, ACE inhibitors, and drugs against pain."""
    doses = {"agalsidase_beta": 1.0, "agalsidase_alfa": 0.2}
    weights = parameters("fabry")["treatment_assignment"]["weight_kg"]
    count = len(carriers.row)
    kilograms = by_group(weights, carriers.nature.group) + draw.normal(0, weights["sd"], count)
    kilograms = np.maximum(kilograms, 30.0)
    # Milligrams of an infusion by weight; a capsule of migalastat is one size.
    each = np.array([doses.get(name, 0.0) for name in infusions.word.tolist()])
    amount = np.round(each * kilograms[infusions.who], 1)
    oral = infusions.word == "migalastat"
    length = np.where(oral, 28, 14)
    amount = np.where(oral, 123.0 * 14, amount)
    ace = _regular(carriers, carriers.acei, 84, 0, "enalapril")
    pain = signs.where(np.char.startswith(signs.word, "neuropathic_pain:"))
    options = _records()["terms"]["neuropathic_pain"]["drugs"]
    shares = np.array([option[1] for option in options])
    choice = draw.choice(len(options), count, p=shares / shares.sum())[pain.who]
    against = np.array([option[0] for option in options], dtype="<U40")[choice]
    against_dose = np.array([option[2] for option in options], float)[choice]
    who = np.concatenate([infusions.who, ace.who, pain.who])
    drug = np.concatenate([infusions.word, ace.word, against])
    day = np.concatenate([infusions.day, ace.day, pain.day])
    supply = np.concatenate([length, np.full(len(ace.who), 84), np.full(len(pain.who), 90)])
    daily = np.concatenate([amount / length, np.full(len(ace.who), 10.0), against_dose])
    capsules = np.where(oral, 14.0, amount)
    quantity = np.concatenate(
        [capsules, np.full(len(ace.who), 84.0), np.full(len(pain.who), 180.0)]
    )
    by_vein = np.concatenate([~oral, np.zeros(len(ace.who) + len(pain.who), np.bool_)])
    order = np.lexsort((drug, day, who))
    return table_of(
        "treatments",
        {
            "person": people.person[carriers.row[who[order]]],
            "drug": words_of(drug[order]),
            "start_date": day[order],
            "days_supply": supply[order].astype(np.int16),
            "quantity": quantity[order],
            "dose": daily[order],
            "route": words(by_vein[order].astype(np.int16), ("oral", "intravenous")),
        },
    )


# -- tests -----------------------------------------------------------------------------------------

_Contacts = npt.NDArray[np.int64]


def _place_among(carriers: Carriers, people: People) -> Ints:
    """Return each person's place among the carriers, -1 for who is none."""
    place = np.full(len(people.person), -1, np.int64)
    place[carriers.row] = np.arange(len(carriers.row))
    return place


def _of_carriers(visits: Visits, carriers: Carriers, people: People) -> _Contacts:
    """Return carrier, day and specialty of the ordinary visits of carriers, shape (rows, 3)."""
    place = _place_among(carriers, people)
    at = np.flatnonzero(place[visits.row] >= 0)
    return np.stack([place[visits.row[at]], visits.day[at], visits.specialty[at]], axis=1)


def _contacts(table: pa.Table, carriers: Carriers, people: People) -> _Contacts:
    """Return carrier, day and specialty of the rows of a table of visits of carriers."""
    place = _place_among(carriers, people)
    # Ids of a chunk have no gap.
    row = table["person"].to_numpy() - people.person[:1]
    days = table["date"].cast(pa.int32()).to_numpy()
    specialty = places_of(table["specialty"], SPECIALTIES)
    return np.stack([place[row], days, specialty], axis=1).astype(np.int64)


@dataclass(frozen=True)
class _Tested:
    """Persons without the disease who are tested for it: their row, the day, and decoys' group."""

    row: Ints
    day: Days
    group: Ints


def _others_tested(
    draw: np.random.Generator, people: People, morbidity: Morbidity, hospital: str, world: World
) -> _Tested:
    """Return who is tested because of a sign of the disease, or by chance, and doesn't have it."""
    records = _records()
    aware = hospital_parameters(hospital)["fabry_awareness"]
    share = min(0.5, aware * records["unaffected_tested_per_awareness"])
    recognised = dict(zip(morbidity.names, morbidity.recognised, strict=True))
    young = day_of(people.birth, np.full(len(people.birth), 55.0))
    strokes = np.minimum(recognised["stroke"], recognised["tia"])
    signs = [recognised["lvh"], recognised["hcm"], np.where(strokes < young, strokes, NEVER)]
    kidney = np.minimum(recognised["ckd"], recognised["proteinuria"])
    diabetes = morbidity.of("diabetes")
    signs.append(np.where((kidney < young) & (diabetes > kidney), kidney, NEVER))
    day = np.min(signs, axis=0)
    decoy = people.group >= len(CARRIERS)
    by_chance = people.entry + (draw.random(len(day)) * 3 * YEAR_DAYS).astype(np.int32)
    day = np.where(decoy, np.minimum(day, by_chance), day)
    day = day + (14 + draw.standard_exponential(len(day)) * 60).astype(np.int32)
    stop = np.minimum(people.death, day_number(world.end))
    chosen = draw.random(len(day)) < share
    row = np.flatnonzero(
        chosen & ~people.carrier & (day >= people.entry) & (day + 30 < stop) & (day < NEVER)
    )
    return _Tested(row, day[row].astype(np.int32), people.group[row])


@dataclass(frozen=True)
class _Results:
    """Results of one test: rows of the chunk, days, values, words, and whether it was done."""

    test: str
    row: Ints
    day: Days
    value: Floats
    word: str | None
    done: bool


def _tests(
    draw: np.random.Generator,
    people: People,
    carriers: Carriers,
    contacts: _Contacts,
    follow_ups: _Rows,
    tested: _Tested,
    hospital: str,
    world: World,
) -> pa.Table:
    results = _ordinary_tests(draw, people, carriers, contacts, follow_ups)
    results += _assays(draw, people, carriers, follow_ups, _assays_done(hospital, world))
    results += _assays_of_others(draw, people, tested, _assays_done(hospital, world))
    names = sorted({result.test for result in results})
    values = ("pathogenic", "uncertain_significance", "benign")
    row = np.concatenate([result.row for result in results])
    day = np.concatenate([result.day for result in results])
    test = np.concatenate([np.full(len(r.row), names.index(r.test)) for r in results])
    value = np.concatenate([result.value for result in results])
    found = np.concatenate(
        [np.full(len(r.row), -1 if r.word is None else values.index(r.word)) for r in results]
    )
    done = np.concatenate([np.full(len(r.row), r.done) for r in results])
    order = np.lexsort((test, day, row))
    return table_of(
        "tests",
        {
            "person": people.person[row[order]],
            "date": day[order],
            "test": words(test[order], names),
            "value": pa.array(value[order], mask=np.isnan(value[order])),
            "value_term": words(found[order], values),
            "done": done[order],
        },
    )


def _assays_done(hospital: str, world: World) -> bool:
    """Return whether results of enzyme, substrate and gene come as values: tertiary hospitals."""
    tertiary = str(hospital_parameters(hospital)["type"]).startswith("tertiary")
    return tertiary or not world.missing_blocks


def _ordinary_tests(
    draw: np.random.Generator,
    people: People,
    carriers: Carriers,
    contacts: _Contacts,
    follow_ups: _Rows,
) -> list[_Results]:
    """Return labs, hearts and conduction at visits: by the visit, cardiology, and follow-up."""
    records = _records()
    heart = contacts[contacts[:, 2] == SPECIALTIES.index("cardiology")]
    regular = np.stack([follow_ups.who, follow_ups.day], axis=1).astype(np.int64)
    asked: dict[str, list[_Contacts]] = {}
    for rows, shares in (
        (contacts[:, :2], records["tests_per_visit"]),
        (heart[:, :2], records["tests_at_cardiology"]),
        (regular, records["tests_at_follow_up"]),
    ):
        for test, share in shares.items():
            if test != "lyso_gb3":
                asked.setdefault(test, []).append(rows[draw.random(len(rows)) < share])
    results = []
    own = draw.standard_normal(len(carriers.row))
    for test, parts in asked.items():
        once = np.unique(np.concatenate(parts), axis=0)
        who, day = once[:, 0], once[:, 1].astype(np.int32)
        value = _value(draw, test, people, carriers, who, day, own)
        results.append(_Results(test, carriers.row[who], day, value, None, True))
    return results


def _value(
    draw: np.random.Generator,
    test: str,
    people: People,
    carriers: Carriers,
    who: Ints,
    day: Days,
    own: Floats,
) -> Floats:
    """Return what a test of carriers shows on its day, with the noise of the laboratory."""
    records, heart = _records(), parameters("fabry")["heart"]
    age = (day - carriers.birth[who]) / YEAR_DAYS
    female = people.female[carriers.row[who]]
    noise = np.exp(draw.standard_normal(len(who)) * records["noise_log_sd"].get(test, 0.0))
    egfr = value_at(carriers.lived.egfr, age, who)
    upcr = value_at(carriers.lived.upcr, age, who) * 1000
    mass = value_at(carriers.lived.lvmi, age, who)
    above = mass - carriers.nature.lvmi_base[who]
    wall = heart["wall_base_mm"] + above / heart["g_m2_per_mm"]
    pr = records["pr_ms"]
    share = by_group(heart["short_pr_before_30"], carriers.nature.group)[who]
    # A short interval is a trait of the person, and of the young.
    short = (_uniform(own)[who] < share) & (age < 40)
    values = {
        "creatinine": np.round(creatinine_of(np.maximum(egfr, 5), age, female) * noise, 2),
        "upcr": np.round(upcr * noise, 0),
        "acr": np.round(0.6 * upcr * noise, 0),
        "nt_probnp": np.round(
            np.exp(4.0 + 0.02 * above + 0.7 * (egfr < 45) + 0.4 * own[who]) * noise, 0
        ),
        "lvmi": np.round(mass * noise, 0),
        "wall_thickness": np.round(wall + draw.normal(0, 0.4, len(who)), 1),
        "pr_interval": np.round(
            np.where(short, pr["short"], pr["mean"]) + pr["sd"] / 2 * draw.standard_normal(len(who))
        ),
    }
    chosen: Floats = values[test]
    return chosen


def _uniform(normal: Floats) -> Floats:
    place: Floats = ndtr(normal)
    return place


def _assays(
    draw: np.random.Generator,
    people: People,
    carriers: Carriers,
    follow_ups: _Rows,
    done: bool,
) -> list[_Results]:
    """Return enzyme and substrate at suspicion, the gene at diagnosis, substrate at follow-ups."""
    count = len(carriers.row)
    row, everyone = carriers.row, np.arange(count)
    suspicion, diagnosis = carriers.day(carriers.suspicion), carriers.day(carriers.diagnosis)
    substrate = lysogb3_of(draw, carriers.nature.group)
    dried = draw.random(count) < 0.3
    ranges = parameters("fabry")["labs"]["alpha_gal_dbs_umol_h_L"]
    high = np.where(carriers.nature.female, ranges["affected_F"][1], ranges["affected_M"][1])
    # The dried spot follows the activity in leukocytes, within the range of the affected.
    spot = high * np.minimum(carriers.nature.alpha_gal / 60, 1.0)
    inside = _in_window(carriers, everyone, suspicion)
    named = _in_window(carriers, everyone, diagnosis)
    share = _records()["tests_at_follow_up"]["lyso_gb3"]
    later = follow_ups.where(draw.random(len(follow_ups.who)) < share)
    age = (later.day - carriers.birth[later.who]) / YEAR_DAYS
    noise = np.exp(draw.standard_normal(len(later.who)) * _records()["noise_log_sd"]["lyso_gb3"])
    fallen = np.round(substrate[later.who] * _substrate_left(carriers, later.who, age) * noise, 2)
    leukocyte = inside & ~dried
    return [
        _Results(
            "alpha_gal_leukocyte",
            row[leukocyte],
            suspicion[leukocyte],
            np.round(carriers.nature.alpha_gal[leukocyte], 1),
            None,
            done,
        ),
        _Results(
            "alpha_gal_dbs",
            row[inside & dried],
            suspicion[inside & dried],
            np.round(spot[inside & dried], 2),
            None,
            done,
        ),
        _Results(
            "lyso_gb3", row[inside], suspicion[inside], np.round(substrate[inside], 2), None, done
        ),
        _Results(
            "gla_test",
            row[named],
            diagnosis[named],
            np.full(named.sum(), np.nan),
            "pathogenic",
            done,
        ),
        _Results("lyso_gb3", row[later.who], later.day, fallen, None, done),
    ]


def _substrate_left(carriers: Carriers, who: Ints, age: Floats) -> Floats:
    """Return the share of lyso-Gb3 left at an age: it falls over the first half year of a drug."""
    ratios = parameters("fabry")["true_effects"]["lyso_gb3_ratio_after_6mo"]
    classic = carriers.nature.group[who] == CARRIERS.index("classic_M")
    ratio = np.where(classic, ratios["classic_M"], ratios["others"])
    part = np.clip((age - carriers.start[who]) / 0.5, 0.0, 1.0)
    left: Floats = 1 + part * (ratio - 1)
    return left


def _assays_of_others(
    draw: np.random.Generator, people: People, tested: _Tested, done: bool
) -> list[_Results]:
    """Return the tests of persons without the disease; a decoy's gene is harmless or uncertain."""
    labs = parameters("fabry")["labs"]
    enzyme, substrate = labs["alpha_gal_leuk_nmol_h_mg"], labs["lyso_gb3_ng_ml"]["unaffected"]
    low = tested.group == GROUPS.index("decoy_M")
    median = np.where(
        low, enzyme["decoy_M"]["lognorm_median"], enzyme["unaffected"]["lognorm_median"]
    )
    sigma = np.where(low, enzyme["decoy_M"]["sigma"], enzyme["unaffected"]["sigma"])
    activity = median * np.exp(draw.standard_normal(len(median)) * sigma)
    residue = np.maximum(draw.normal(substrate["mean"], substrate["sd"], len(median)), 0.1)
    # The gene is read where the enzyme is low, and in women.
    read = (activity < enzyme["cutoff"]) | people.female[tested.row]
    decoy = tested.group >= len(CARRIERS)
    uncertain = draw.random(len(median)) < 0.3
    later = (tested.day + 21).astype(np.int32)
    results = [
        _Results("alpha_gal_leukocyte", tested.row, tested.day, np.round(activity, 1), None, done),
        _Results("lyso_gb3", tested.row[read], later[read], np.round(residue[read], 2), None, done),
    ]
    for name, chosen in (
        ("uncertain_significance", decoy & uncertain & read),
        ("benign", read & ~(decoy & uncertain)),
    ):
        nothing = np.full(np.count_nonzero(chosen), np.nan)
        results.append(_Results("gla_test", tested.row[chosen], later[chosen], nothing, name, done))
    return results


# -- truth -----------------------------------------------------------------------------------------


def _truth(people: People, carriers: Carriers, tested: _Tested) -> pa.Table:
    """Return the table `fabry`: one row per carrier or decoy, with potential outcomes."""
    decoys = np.flatnonzero(people.group >= len(CARRIERS))
    rows = np.concatenate([carriers.row, decoys])
    order = np.argsort(rows)
    known = np.isfinite(carriers.diagnosis)
    place = np.full(len(people.person), NEVER, np.int32)
    place[tested.row] = tested.day
    suspicion = np.concatenate([carriers.day(carriers.suspicion), place[decoys]])
    zero = carriers.time_zero
    at = np.where(np.isfinite(zero), zero, carriers.stop)
    upcr = value_at(carriers.natural.upcr, at, np.arange(len(at)))
    slope = untreated_slope(carriers.nature, upcr)
    never = np.full(len(decoys), NEVER, np.int32)

    def both(values: npt.ArrayLike, of_decoys: npt.ArrayLike) -> Any:
        return np.concatenate([values, of_decoys])[order]

    def number(values: Floats) -> pa.Array:
        every = both(values, np.full(len(decoys), np.nan))
        return pa.array(every, mask=np.isnan(every))

    columns: dict[str, object] = {
        "person": people.person[rows[order]],
        "group": words(people.group[rows[order]], GROUPS),
        "variant": people.variant.take(pa.array(rows[order])),
        "symptom_onset": both(carriers.day(carriers.symptom), never),
        "suspicion_date": suspicion[order],
        "diagnosis_date": both(carriers.day(carriers.diagnosis), never),
        "misdiagnosis": words(
            both(carriers.misdiagnosis, np.full(len(decoys), -1)), misdiagnoses()
        ),
        "undiagnosed": both(~known, np.zeros(len(decoys), np.bool_)),
        "egfr_slope_untreated": number(slope),
        "treated_from": both(carriers.day(carriers.start), never),
        "drug": words(
            both(np.where(carriers.drug == 0, -1, carriers.drug), np.full(len(decoys), -1)),
            STRATEGIES,
        ),
        "time_zero": both(carriers.day(zero), never),
        "propensity_treated": number(carriers.propensity),
    }
    for place_of, drug in enumerate(parameters("fabry")["treatment_assignment"]["drugs"]):
        of_drug = np.where(known, carriers.propensity_drug[place_of], np.nan)
        columns[f"propensity_{drug}"] = number(of_drug)
    for strategy, name in enumerate(STRATEGIES):
        columns |= _potential(carriers, carriers.potential(strategy), name, number, both, never)
    return table_of("fabry", columns)


def _potential(
    carriers: Carriers, course: Course, name: str, number: Any, both: Any, never: Days
) -> dict[str, object]:
    """Return outcomes had each carrier taken `name` from time zero, null without a time zero.

    The slope is that of the five years from then on and the change of LVMI that of 18 months, as if
    nobody died before; the composite is the first of ESKD, MACE, stroke and death after time zero.
    """
    zero, who = carriers.time_zero, np.arange(len(carriers.row))
    known = np.isfinite(zero)
    at = np.where(known, zero, 0.0)
    slope = value_at(course.egfr, at + SLOPE_YEARS, who) - value_at(course.egfr, at, who)
    mass = value_at(course.lvmi, at + MASS_YEARS, who) - value_at(course.lvmi, at, who)
    ages = (course.eskd, course.mace, course.stroke, course.death)
    first = np.min([np.where(age > zero, age, np.inf) for age in ages], axis=0)
    death = np.where(known, course.death, np.inf)
    return {
        f"egfr_slope__{name}": number(np.where(known, slope / SLOPE_YEARS, np.nan)),
        f"lvmi_change__{name}": number(np.where(known, mass, np.nan)),
        f"composite_date__{name}": both(carriers.day(np.where(known, first, np.inf)), never),
        f"death_date__{name}": both(carriers.day(death), never),
    }


def _years(people: People, carriers: Carriers, world: World) -> pa.Table:
    """Return the true state of each carrier on the first of January of each year of records."""
    start, end = world.start.year, world.end.year
    firsts = [
        int(np.datetime64(f"{year}-01-01").astype(np.int64)) for year in range(start, end + 1)
    ]
    count = len(carriers.row)
    who = np.repeat(np.arange(count), len(firsts))
    year = np.tile(np.arange(start, end + 1), count)
    day = np.tile(np.array(firsts, np.int32), count)
    inside = _in_window(carriers, who, day)
    who, year, day = who[inside], year[inside], day[inside]
    age = (day - carriers.birth[who]) / YEAR_DAYS
    return table_of(
        "fabry_years",
        {
            "person": people.person[carriers.row[who]],
            "year": year.astype(np.int16),
            "egfr": value_at(carriers.lived.egfr, age, who),
            "egfr_untreated": value_at(carriers.natural.egfr, age, who),
            "upcr": value_at(carriers.lived.upcr, age, who) * 1000,
            "lvmi": value_at(carriers.lived.lvmi, age, who),
            "lvmi_untreated": value_at(carriers.natural.lvmi, age, who),
            "treated": age >= carriers.start[who],
        },
    )
