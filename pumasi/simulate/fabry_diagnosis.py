"""How carriers come to be known: doctors who see signs, wrong names first, families, then drugs.

A manifestation that leads to a visit is seen some time after it begins. From then on each year may
bring the diagnosis, with a hazard that grows with the organ systems seen, the gates passed, the
awareness of the hospital, and the years: enzyme and gene tests spread slowly. A diagnosis may bring
that of relatives. Drugs are given by what is true at the diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pumasi.simulate.columns import (
    NEVER,
    YEAR_DAYS,
    Days,
    Flags,
    Floats,
    Ints,
    day_number,
)
from pumasi.simulate.fabry import (
    AGES,
    STRATEGIES,
    Course,
    Nature,
    by_group,
    course,
    crossing,
    manifestations,
    nature_of,
    value_at,
)
from pumasi.simulate.parameters import parameters
from pumasi.simulate.population import People
from pumasi.simulate.world import World, hospital_parameters

# No age, and no day either: what has not happened by the end of a life.
_NO_ONE = -1


@dataclass(frozen=True)
class Carriers:
    """The carriers of a chunk, one entry each; ages in years, infinity for never.

    `row` is the place in the chunk. `seen` has the shape of `nature.onset`: when a manifestation
    first led to a visit. `natural` is the course that nobody treats, `lived` the one that came.
    `misdiagnosis` is a place in `misdiagnoses()`. `propensity` is the true probability of starting
    a drug within a year of the diagnosis, `propensity_drug` (drugs, carriers) that of each, if any.
    """

    row: Ints
    birth: Days
    entry: Floats
    end: Floats
    amenable: Flags
    nature: Nature
    natural: Course
    lived: Course
    seen: Floats
    symptom: Floats
    suspicion: Floats
    diagnosis: Floats
    misdiagnosed: Floats
    misdiagnosis: Ints
    start: Floats
    drug: Ints
    acei: Floats
    propensity: Floats
    propensity_drug: Floats

    @property
    def stop(self) -> Floats:
        """Return the age at death or at the end of records."""
        first: Floats = np.minimum(self.lived.death, self.end)
        return first

    @property
    def time_zero(self) -> Floats:
        """Return the age at the first drug, or else at the diagnosis."""
        zero: Floats = np.where(np.isfinite(self.start), self.start, self.diagnosis)
        return zero

    def day(self, age: Floats) -> Days:
        """Return the day of an age of each carrier, NEVER for infinity."""
        return day_of(self.birth, age)

    def potential(self, strategy: int) -> Course:
        """Return the course had each started `strategy` at time zero, with the same numbers."""
        return course(
            self.nature,
            drug=strategy,
            start=self.time_zero,
            amenable=self.amenable,
            acei=self.acei,
            survived_to=self.entry,
        )


def day_of(birth: Days, age: Floats) -> Days:
    """Return the day of an age in years after `birth`, NEVER for infinity."""
    days = birth + np.minimum(age, 200.0) * YEAR_DAYS
    found: Days = np.where(np.isfinite(age), days, NEVER).astype(np.int32)
    return found


def misdiagnoses() -> tuple[str, ...]:
    """Return the kinds of wrong diagnoses."""
    return tuple(parameters("fabry")["diagnosis_process"]["misdx_mix"])


def carriers_of(draw: np.random.Generator, people: People, hospital: str, world: World) -> Carriers:
    """Return the carriers among `people`, patients of `hospital`, with their whole lives."""
    row = np.flatnonzero(people.carrier)
    birth, entry = people.birth[row], (people.entry - people.birth)[row] / YEAR_DAYS
    end = (day_number(world.end) - birth) / YEAR_DAYS
    nature = nature_of(draw, people.group[row])
    natural = course(nature, survived_to=entry)
    seen = _seen(draw, nature)
    symptom = nature.onset.min(axis=0)
    own = _own_diagnosis(draw, nature, natural, seen, birth, entry, hospital)
    diagnosis = _with_relatives(draw, own, birth, people.family[row])
    # Nobody is diagnosed after death, or after the end of what is simulated.
    known = diagnosis < np.minimum(natural.death, end)
    diagnosis = np.where(known, diagnosis, np.inf)
    lag = 14 + draw.standard_exponential(len(row)) * _process()["suspicion_to_diagnosis_days"]
    suspicion = np.maximum(diagnosis - lag / YEAR_DAYS, diagnosis / 2)
    misdiagnosed, kind = _misdiagnosed(draw, symptom, suspicion, np.minimum(natural.death, end))
    start, drug, propensity, of_drug = _treated(
        draw, nature, natural, diagnosis, birth, people.amenable[row], hospital
    )
    acei = _acei(draw, nature, natural, diagnosis)
    lived = course(
        nature,
        drug=drug,
        start=start,
        amenable=people.amenable[row],
        acei=acei,
        survived_to=entry,
    )
    started = start < np.minimum(lived.death, end)
    return Carriers(
        row=row,
        birth=birth,
        entry=entry,
        end=end,
        amenable=people.amenable[row],
        nature=nature,
        natural=natural,
        lived=lived,
        seen=seen,
        symptom=symptom,
        suspicion=np.where(np.isfinite(diagnosis), suspicion, np.inf),
        diagnosis=diagnosis,
        misdiagnosed=misdiagnosed,
        misdiagnosis=np.where(np.isfinite(misdiagnosed), kind, _NO_ONE),
        start=np.where(started, start, np.inf),
        drug=np.where(started, drug, 0),
        acei=acei,
        propensity=propensity,
        propensity_drug=of_drug,
    )


def _process() -> dict[str, Any]:
    block: dict[str, Any] = parameters("fabry")["diagnosis_process"]
    return block


def _seen(draw: np.random.Generator, nature: Nature) -> Floats:
    """Return the age at which each manifestation first leads to a visit."""
    blocks = parameters("fabry")["manifestations"]
    seek = np.array([blocks[name]["seek"] for name in manifestations()])[:, None]
    lag = draw.standard_exponential(nature.onset.shape) * _process()["visit_lag_years"]
    sought = draw.random(nature.onset.shape) < seek
    seen: Floats = np.where(sought, nature.onset + lag, np.inf)
    return seen


def _own_diagnosis(
    draw: np.random.Generator,
    nature: Nature,
    natural: Course,
    seen: Floats,
    birth: Days,
    entry: Floats,
    hospital: str,
) -> Floats:
    """Return the age at diagnosis by a doctor's own suspicion, infinity for never."""
    names, gates = manifestations(), _process()["gates"]
    systems = [
        np.min([seen[names.index(name)] for name in members], axis=0)
        for members in _process()["organ_systems"].values()
    ]
    lvh = seen[names.index("lvh")]
    kidney = np.minimum(seen[names.index("proteinuria")], crossing(-natural.egfr, -60.0))
    stroke = np.where(nature.of("tia_stroke") < 55, seen[names.index("tia_stroke")], np.inf)
    pain = np.where(
        nature.of("neuropathic_pain") < 25, seen[names.index("neuropathic_pain")], np.inf
    )
    aware = hospital_parameters(hospital)["fabry_awareness"]
    elsewhere, by_year = _process()["elsewhere_awareness"], _process()["awareness_by_year"]
    # A test of the enzyme misses those whose activity is normal, most of them women.
    low = nature.alpha_gal < parameters("fabry")["labs"]["alpha_gal_leuk_nmol_h_mg"]["cutoff"]
    found = np.where(low, 1.0, _process()["gene_first"])
    variance = _process()["access_gamma_variance"]
    found = found * draw.gamma(1 / variance, variance, len(birth)) * _process()["hazard_scale"]
    # Women were long held to pass the disease on without having it; some are never considered.
    considered = draw.random(len(birth)) < _process()["women_considered"]
    found = np.where(nature.female & ~considered, 0.0, found)
    year_of_birth = 1970 + birth / YEAR_DAYS
    hazard = np.zeros((AGES, len(birth)))
    for age in range(AGES - 1):
        count = np.sum([system <= age for system in systems], axis=0)
        gate = np.where(lvh <= age, gates["lvh"], 1.0)
        gate *= np.where(kidney <= age, gates["kidney"], 1.0)
        gate *= np.where(stroke <= age, gates["stroke_before_55"], 1.0)
        gate *= np.where(pain <= age, gates["pain_before_25"], 1.0)
        awareness = np.where(age >= entry, aware, elsewhere)
        awareness = awareness * np.interp(year_of_birth + age, by_year["years"], by_year["factor"])
        # Without a sign that a doctor has seen there is nothing to suspect.
        rate = np.where(count > 0, awareness * (1 + count) * gate * found, 0.0)
        hazard[age + 1] = hazard[age] + rate
    return crossing(hazard, draw.standard_exponential(len(birth)))


def _with_relatives(draw: np.random.Generator, own: Floats, birth: Days, family: Ints) -> Floats:
    """Return the age at diagnosis when the first of a family to be diagnosed leads to others."""
    block = _process()
    rows = len(own)
    triggers, finds = draw.random(rows), draw.random(rows)
    lag = draw.standard_exponential(rows) * block["relative_lag_years"]
    if not rows:
        return own
    _, first, member = np.unique(family, return_index=True, return_inverse=True)
    day = np.where(np.isfinite(own), birth + np.minimum(own, 200) * YEAR_DAYS, np.inf)
    index = np.full(len(first), np.inf)
    np.minimum.at(index, member, day)
    found = (triggers[first] < block["family_cascade"]["p_index_triggers"])[member]
    found &= finds < block["relative_found"]
    found &= day > index[member]
    # A child that is not yet born is found when it is one year old.
    later = np.maximum(index[member] + lag * YEAR_DAYS, birth + YEAR_DAYS)
    age: Floats = np.where(found, np.minimum(own, (later - birth) / YEAR_DAYS), own)
    return age


def _misdiagnosed(
    draw: np.random.Generator, symptom: Floats, suspicion: Floats, end: Floats
) -> tuple[Floats, Ints]:
    """Return the age at a wrong diagnosis between symptom and suspicion, and its kind."""
    block = _process()
    wait = draw.standard_exponential(len(symptom)) / block["misdiagnosis_per_year"]
    mix = np.array(list(block["misdx_mix"].values()))
    kind = draw.choice(len(mix), len(symptom), p=mix / mix.sum())
    age = symptom + wait
    happens = age < np.minimum(np.where(np.isnan(suspicion), np.inf, suspicion), end)
    return np.where(happens, age, np.inf), np.asarray(kind, np.int64)


def _treated(
    draw: np.random.Generator,
    nature: Nature,
    natural: Course,
    diagnosis: Floats,
    birth: Days,
    amenable: Flags,
    hospital: str,
) -> tuple[Floats, Ints, Floats, Floats]:
    """Return age at the first drug, the drug, and the probabilities that decided on both."""
    block = parameters("fabry")["treatment_assignment"]
    rows, known = len(diagnosis), np.isfinite(diagnosis)
    at = np.where(known, diagnosis, 0.0)
    events = np.minimum.reduce([natural.eskd, natural.mace, natural.stroke])
    terms = block["logit_terms_added"]
    share = by_group(block["p_start_within_1y_of_dx"], nature.group)
    logit = np.log(share / (1 - share)) - by_group(block["logit_centre"], nature.group)
    logit += terms["proteinuria"] * (nature.of("proteinuria") <= at)
    logit += terms["lvh"] * (nature.of("lvh") <= at)
    logit += terms["prior_event"] * (events <= at)
    logit += terms["pain"] * (nature.of("neuropathic_pain") <= at)
    logit += terms["age_gt_65"] * (at > 65)
    logit += terms["eskd"] * (natural.eskd <= at)
    propensity = np.where(known, 1 / (1 + np.exp(-logit)), np.nan)
    first_year = draw.random(rows) < np.nan_to_num(propensity)
    later = draw.random(rows) < block["p_later"]
    soon = draw.standard_exponential(rows) * block["start_lag_days"] / YEAR_DAYS
    years = np.where(
        first_year, np.minimum(soon, 0.95), 1 + draw.random(rows) * block["later_years"]
    )
    start = np.where(known & (first_year | later), at + years, np.inf)
    earliest = min(_day(text) for text in block["available_from"].values())
    start = np.maximum(start, (earliest + 1 - birth) / YEAR_DAYS)
    weights = _drug_weights(draw, nature, amenable, start, birth, hospital)
    place = (weights.cumsum(axis=0) < draw.random(rows)).sum(axis=0)
    names = [STRATEGIES.index(name) for name in block["drugs"]]
    drug = np.array(names)[np.minimum(place, len(names) - 1)]
    return start, np.where(np.isfinite(start), drug, 0), propensity, weights


def _drug_weights(
    draw: np.random.Generator,
    nature: Nature,
    amenable: Flags,
    start: Floats,
    birth: Days,
    hospital: str,
) -> Floats:
    """Return the probability of each drug given treatment, shape (drugs, carriers)."""
    block = parameters("fabry")["treatment_assignment"]
    terms, drugs = block["choice_logit"], block["drugs"]
    rows = len(start)
    antibody = draw.random(rows) < block["p_antibody"]
    classic = np.isin(nature.group, (0, 2))
    day = np.where(np.isfinite(start), birth + np.minimum(start, 200) * YEAR_DAYS, np.inf)
    added: dict[str, npt.NDArray[np.floating]] = {
        "agalsidase_beta": terms["beta_if_classic"] * classic
        + terms["beta_if_site_H1"] * (hospital == "haneul"),
        "agalsidase_alfa": terms["alfa_if_antibody_or_irr"] * antibody,
        "migalastat": terms["migalastat_if_amenable"] * np.ones(rows),
    }
    weight = np.array([np.log(drugs[name]) + added[name] for name in drugs])
    weight = np.exp(weight)
    for place, name in enumerate(drugs):
        weight[place] *= day >= _day(block["available_from"][name])
        if name == "migalastat":
            weight[place] *= amenable
    normalised: Floats = weight / weight.sum(axis=0)
    return normalised


def _acei(draw: np.random.Generator, nature: Nature, natural: Course, diagnosis: Floats) -> Floats:
    """Return the age from which an ACE inhibitor is taken: after diagnosis, with proteinuria."""
    share = parameters("fabry")["treatment_assignment"]["p_acei_if_proteinuria"]
    given = draw.random(len(diagnosis)) < share
    onset = np.maximum(diagnosis, nature.of("proteinuria"))
    row = np.arange(len(diagnosis))
    heavy = value_at(natural.upcr, np.where(np.isfinite(onset), onset, 0.0), row) > 0.5
    age: Floats = np.where(given & heavy & np.isfinite(onset), onset, np.inf)
    return age


def _day(text: str) -> int:
    return int(np.datetime64(text, "D").astype(np.int64))
