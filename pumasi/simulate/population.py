"""The persons of a chunk: who they are before anything happens to them.

A person becomes a patient of the hospital at an age drawn from the ages of its patients; carriers
of Fabry disease are chosen among those with weights that follow their survival, since nobody
enters a hospital after death. Death itself is decided later: `death_date` is null here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import ndtr, ndtri

from pumasi.simulate.columns import (
    NEVER,
    YEAR_DAYS,
    Days,
    Flags,
    Floats,
    Ints,
    day_number,
    days_of,
    places_of,
    table_of,
    words,
)
from pumasi.simulate.parameters import Parameters, parameters
from pumasi.simulate.world import HOSPITALS, Chunk, World

CARRIERS = ("classic_M", "late_M", "classic_F", "late_F")
DECOYS = ("decoy_M", "decoy_F")
GROUPS = CARRIERS + DECOYS
ENDOTYPES = ("T2_allergic", "T2_late_eosinophilic", "T2_low")


@dataclass(frozen=True)
class People:
    """The table `persons` as arrays, one entry per person: what the parts of a life compute with.

    `birth`, `entry` and `death` are days, `group` is a place in GROUPS.
    """

    person: Ints
    female: Flags
    birth: Days
    entry: Days
    death: Days
    bmi: Floats
    smoker: Flags
    asthma: Flags
    amenable: Flags
    family: Ints
    group: Ints
    variant: pa.DictionaryArray
    frailty: Floats

    @classmethod
    def of(cls, persons: pa.Table) -> People:
        """Return the arrays of the table `persons`."""
        return cls(
            person=persons["person"].to_numpy(),
            female=persons["female"].to_numpy(),
            birth=days_of(persons["birth_date"]),
            entry=days_of(persons["entry_date"]),
            death=days_of(persons["death_date"]),
            bmi=persons["bmi"].to_numpy(),
            smoker=persons["smoker"].to_numpy(),
            asthma=persons["asthma"].to_numpy(),
            amenable=persons["amenable"].fill_null(False).to_numpy(),
            family=persons["family"].fill_null(-1).to_numpy(),
            group=places_of(persons["fabry_group"], GROUPS),
            variant=persons["variant"].combine_chunks(),
            frailty=persons["frailty"].to_numpy(),
        )

    @property
    def carrier(self) -> Flags:
        """Who carries a pathogenic variant; a decoy doesn't."""
        found: Flags = (self.group >= 0) & (self.group < len(CARRIERS))
        return found


def persons_of(chunk: Chunk, world: World) -> pa.Table:
    """Return the table `persons` of `chunk`: one row per person, by id.

    Nobody has died yet. The same chunk of the same world gives the same bytes.
    """
    draw = world.generator(chunk, "population")
    numbers = parameters("population")
    person = chunk.first_person + np.arange(chunk.persons, dtype=np.int64)
    female = draw.random(chunk.persons) < numbers["persons"]["female"]
    age = _ages_at_entry(draw, numbers["ages"], chunk.persons)
    entry = _entries(draw, numbers["persons"], world, chunk.persons)
    # A person is born at least one day before being a patient.
    birth = np.minimum(entry - 1, (entry - age * YEAR_DAYS).astype(np.int32))
    group = _fabry_groups(draw, numbers["fabry"], world.fabry_carriers(chunk.hospital), female, age)
    first = _first_of_family(draw, numbers["fabry"], group)
    variant, names, amenable = _variants(draw, numbers["variants"], group)
    age_at_end = (day_number(world.end) - birth) / YEAR_DAYS
    asthma, endotype, onset = _asthma(draw, numbers, world, chunk, female, age_at_end)
    return table_of(
        "persons",
        {
            "person": person,
            "hospital": words(np.full(chunk.persons, HOSPITALS.index(chunk.hospital)), HOSPITALS),
            "second_hospital": words(_second_hospitals(draw, world, chunk), HOSPITALS),
            "birth_date": birth,
            "female": female,
            "entry_date": entry,
            "death_date": np.full(chunk.persons, NEVER),
            **_traits(draw, numbers["persons"], female, age),
            "confounder": draw.standard_normal(chunk.persons),
            "family": pa.array(person[first], mask=(group < 0) | (group >= len(CARRIERS))),
            "fabry_group": words(group, GROUPS),
            "variant": words(variant[first], names),
            "amenable": pa.array(amenable[first], mask=group < 0),
            "asthma": asthma,
            "endotype": words(np.where(asthma, endotype, -1), ENDOTYPES),
            "asthma_onset": np.where(asthma, birth + onset * YEAR_DAYS, NEVER),
        },
    )


def onset_ages(
    draw: np.random.Generator,
    median: npt.ArrayLike,
    sigma: npt.ArrayLike,
    rows: int,
    *,
    low: float = 0.0,
    high: npt.ArrayLike = np.inf,
) -> Floats:
    """Return `rows` ages at onset in years, lognormal and truncated to [`low`, `high`].

    `median` is that of the whole lognormal, in years; `sigma` the standard deviation of its log.
    """
    centre, spread = np.log(median), np.asarray(sigma, dtype=np.float64)
    with np.errstate(divide="ignore"):
        lower = ndtr((np.log(low) - centre) / spread)
        upper = ndtr((np.log(high) - centre) / spread)
    place = lower + draw.random(rows) * (upper - lower)
    ages: Floats = np.clip(np.exp(centre + spread * ndtri(place)), low, high)
    return ages


def _ages_at_entry(draw: np.random.Generator, ages: Parameters, rows: int) -> Floats:
    band = draw.choice(len(ages["share"]), rows, p=ages["share"])
    low, high = np.array(ages["from"], float)[band], np.array(ages["to"], float)[band]
    years: Floats = low + draw.random(rows) * (high - low)
    return years


def _entries(draw: np.random.Generator, shares: Parameters, world: World, rows: int) -> Days:
    """Return the day on which each becomes a patient: the first day, or a later one."""
    start = day_number(world.start)
    last = day_number(world.end) - shares["last_entry_before_end_days"]
    later = draw.integers(start, max(start + 1, last), rows)
    before = draw.random(rows) < shares["entered_before_start"]
    entry: Days = np.where(before, start, later).astype(np.int32)
    return entry


def _traits(
    draw: np.random.Generator, shares: Parameters, female: Flags, age: Floats
) -> dict[str, npt.NDArray[np.generic]]:
    rows, adult = len(age), age >= 18
    z = draw.standard_normal(rows)
    bmi = np.where(
        adult,
        shares["bmi_mean"] + shares["bmi_sd"] * z,
        shares["bmi_child_mean"] + shares["bmi_child_sd"] * z,
    )
    smoking = np.where(female, shares["smoker_female"], shares["smoker_male"])
    variance = shares["frailty_gamma_variance"]
    return {
        "bmi": np.round(np.clip(bmi, 12.0, 50.0), 1),
        "smoker": (draw.random(rows) < smoking) & adult,
        "ses_low": draw.random(rows) < shares["ses_low"],
        "frailty": draw.gamma(1 / variance, variance, rows),
    }


def _second_hospitals(draw: np.random.Generator, world: World, chunk: Chunk) -> Ints:
    """Return the place of the second hospital, -1 for most."""
    others = [HOSPITALS.index(name) for name in world.hospitals if name != chunk.hospital]
    shared = draw.random(chunk.persons) < world.shared_patients
    if not others:
        return np.full(chunk.persons, -1, np.int64)
    other = np.array(others)[draw.integers(0, len(others), chunk.persons)]
    return np.where(shared, other, -1)


def _fabry_groups(
    draw: np.random.Generator, shares: Parameters, carriers: float, female: Flags, age: Floats
) -> Ints:
    """Return the place in GROUPS of each person, -1 for those without a variant."""
    of_women = shares["female_to_male"] / (1 + shares["female_to_male"])
    classic = shares["classic_share"]
    expected = {
        "classic_M": carriers * (1 - of_women) * classic["M"],
        "late_M": carriers * (1 - of_women) * (1 - classic["M"]),
        "classic_F": carriers * of_women * classic["F"],
        "late_F": carriers * of_women * (1 - classic["F"]),
        "decoy_M": shares["decoy_per_100k"] / 100_000 * 0.5,
        "decoy_F": shares["decoy_per_100k"] / 100_000 * 0.5,
    }
    medians = parameters("fabry")["mortality"]["median_survival_untreated"]
    group = np.full(len(age), -1, np.int64)
    for place, name in enumerate(GROUPS):
        weight = ((female == name.endswith("F")) & (group < 0)).astype(np.float64)
        if name in medians:
            weight *= survival(age, medians[name])
        size = min(draw.binomial(len(age), expected[name]), int(np.count_nonzero(weight)))
        if size:
            group[draw.choice(len(age), size, replace=False, p=weight / weight.sum())] = place
    return group


def survival(age: npt.ArrayLike, median: float) -> Floats:
    """Return the share alive at `age` (years) when half are dead at `median`: Gompertz."""
    growth = parameters("fabry")["mortality"]["gompertz_growth_per_year"]
    alive: Floats = 0.5 ** (np.expm1(growth * np.asarray(age, float)) / np.expm1(growth * median))
    return alive


def _variants(
    draw: np.random.Generator, shares: Parameters, group: Ints
) -> tuple[Ints, tuple[str, ...], Flags]:
    """Return each person's place in the names of variants, these, and who can take migalastat."""
    names = tuple(dict.fromkeys(v for kind in ("classic", "late", "decoy") for v in shares[kind]))
    variant = np.full(len(group), -1, np.int64)
    for place, name in enumerate(GROUPS):
        of_kind = shares[name.split("_")[0]]
        rows = np.flatnonzero(group == place)
        weights = np.array(list(of_kind.values()))
        drawn = draw.choice(len(of_kind), len(rows), p=weights / weights.sum())
        variant[rows] = np.array([names.index(v) for v in of_kind])[drawn]
    probability = np.array([shares["amenable"].get(name, 0.0) for name in names] + [0.0])
    return variant, names, draw.random(len(group)) < probability[variant]


def _first_of_family(draw: np.random.Generator, shares: Parameters, group: Ints) -> Ints:
    """Return the row of the first member of each one's family, one's own row without a family.

    A family are carriers of one hospital who have the first member's variant.
    """
    first = np.arange(len(group))
    for kind in ("classic", "late"):
        places = [place for place, name in enumerate(CARRIERS) if name.startswith(kind)]
        rows = draw.permutation(np.flatnonzero(np.isin(group, places)))
        if len(rows):
            begins = draw.random(len(rows)) < 1 / shares["family_size_mean"]
            begins[0] = True
            first[rows] = rows[np.flatnonzero(begins)[np.cumsum(begins) - 1]]
    return first


def _asthma(
    draw: np.random.Generator,
    numbers: Parameters,
    world: World,
    chunk: Chunk,
    female: Flags,
    age_at_end: Floats,
) -> tuple[Flags, Ints, Floats]:
    """Return who has asthma before the end of records, which endotype, and the age at onset."""
    rates, onset = numbers["asthma"], numbers["asthma_onset"]
    enrichment = rates["hospital_enrichment"]
    mean = float(np.mean(list(enrichment.values())))
    factor = enrichment[chunk.hospital] if world.covariate_shift else mean
    of_women, of_girls = rates["female_share_adult"], 1 - rates["male_share_child"]
    adult = age_at_end >= 18
    sex = np.where(adult, of_women, of_girls)
    risk = np.where(adult, rates["adult"], rates["child"]) * 2 * np.where(female, sex, 1 - sex)
    asthma = draw.random(len(female)) < risk * factor
    weights = [numbers["endotypes"][name] for name in ENDOTYPES]
    endotype = draw.choice(len(ENDOTYPES), len(female), p=weights)
    early = np.array([onset["child_share"][name] for name in ENDOTYPES])[endotype]
    # Who isn't grown up by the end can only have the childhood kind.
    child = (draw.random(len(female)) < early) | ~adult
    years = onset_ages(
        draw,
        np.where(child, onset["child_median"], onset["adult_median"]),
        np.where(child, onset["child_sigma"], onset["adult_sigma"]),
        len(female),
        high=np.maximum(age_at_end, 0.5),
    )
    return asthma, np.asarray(endotype, np.int64), years
