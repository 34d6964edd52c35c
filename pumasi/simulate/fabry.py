"""Fabry disease as nature has it: manifestations, kidney, heart, brain and death of carriers.

Whatever a carrier draws is drawn once, as `Nature`; a `course` then is a function of it, of the age
at which a drug is started and of the drug. So the courses of one person under no drug and under
each drug share their random numbers: the differences between them are the effects. Time is age in
whole years, an event's age is interpolated in its year; an event that never comes has age infinity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from pumasi.simulate.columns import Flags, Floats, Ints
from pumasi.simulate.parameters import Parameters, parameters
from pumasi.simulate.population import CARRIERS
from pumasi.simulate.schemas import FABRY_DRUGS

AGES = 101
STRATEGIES = ("none", *FABRY_DRUGS)
_YOUNGEST, _OLDEST = 2.0, 85.0
_ESKD = 15.0
# Filtration on dialysis: what is left, of no meaning but low.
_DIALYSIS = 8.0


@dataclass(frozen=True)
class Nature:
    """What the carriers of a chunk drew, one entry each; ages in years.

    `onset` has shape (manifestations, carriers). `stroke` holds the median, the spread, the share
    ever and the survival drawn of the first stroke or TIA; `mace_left` and `death_left` are the
    cumulative hazards at which the event comes.
    """

    group: Ints
    female: Flags
    z: Floats
    onset: Floats
    stroke: tuple[Floats, Floats, Floats, Floats]
    egfr_at_20: Floats
    slope_deviation: Floats
    slope_start: Floats
    upcr_before: Floats
    upcr_at_onset: Floats
    lvmi_base: Floats
    alpha_gal: Floats
    mace_left: Floats
    death_left: Floats

    def of(self, manifestation: str) -> Floats:
        """Return the ages at onset of one manifestation."""
        ages: Floats = self.onset[manifestations().index(manifestation)]
        return ages


@dataclass(frozen=True)
class Course:
    """A life of each carrier: yearly values, shape (AGES, carriers), and ages at events.

    eGFR in mL/min/1.73 m2, UPCR in g/g, LVMI in g/m2, at each birthday. `death_hazard` is the
    cumulative hazard of death.
    """

    egfr: Floats
    upcr: Floats
    lvmi: Floats
    death_hazard: Floats
    eskd: Floats
    mace: Floats
    stroke: Floats
    death: Floats


def manifestations() -> tuple[str, ...]:
    """Return the names of the manifestations, in the order of the parameters."""
    return tuple(name for name in parameters("fabry")["manifestations"] if name != "src")


def by_group(values: Mapping[str, float], group: Ints) -> Floats:
    """Return the value of each carrier's group; a name of a sex stands for both its groups."""
    of_group = [values[name] if name in values else values[name[-1]] for name in CARRIERS]
    return np.array(of_group, np.float64)[group]


def nature_of(draw: np.random.Generator, group: Ints) -> Nature:
    """Return what carriers of the groups (places in CARRIERS) draw."""
    blocks, rows = parameters("fabry"), len(group)
    female = group >= CARRIERS.index("classic_F")
    z = draw.standard_normal(rows) * np.where(female, 1.5, 1.0)
    shift = np.exp(-blocks["organ_frailty"]["shared_log_sd"] * z)
    names = manifestations()
    onset = np.full((len(names), rows), np.inf)
    stroke = None
    for place, name in enumerate(names):
        timing = _timing(blocks["manifestations"][name], group, shift)
        survival = draw.random(rows)
        onset[place] = _age_at(survival, *timing)
        if name == "tia_stroke":
            stroke = (*timing, survival)
    if stroke is None:
        raise ValueError("the manifestations of Fabry disease lack tia_stroke")
    kidney, heart = blocks["kidney"], blocks["heart"]
    upcr = kidney["upcr"]
    at_20 = kidney["egfr_at_20"]
    return Nature(
        group=group,
        female=female,
        z=z,
        onset=onset,
        stroke=stroke,
        egfr_at_20=np.clip(draw.normal(at_20["mean"], at_20["sd"], rows), 75, 150),
        slope_deviation=draw.standard_normal(rows) * by_group(kidney["slope_sd"], group),
        slope_start=by_group(kidney["slope_start_age"], group) * shift,
        upcr_before=upcr["before_median"] * np.exp(draw.normal(0, upcr["before_sigma"], rows)),
        upcr_at_onset=upcr["at_onset_median"]
        * np.exp(draw.normal(0, upcr["at_onset_sigma"], rows)),
        lvmi_base=by_group(heart["lvmi_base"], group) + draw.normal(0, heart["lvmi_base_sd"], rows),
        alpha_gal=_alpha_gal(draw, group),
        mace_left=draw.standard_exponential(rows),
        death_left=draw.standard_exponential(rows),
    )


def course(
    nature: Nature,
    *,
    drug: npt.ArrayLike = 0,
    start: npt.ArrayLike = np.inf,
    amenable: npt.ArrayLike = False,
    acei: npt.ArrayLike = np.inf,
    survived_to: npt.ArrayLike = 0.0,
) -> Course:
    """Return the lives of the carriers when each starts its `drug` at age `start`.

    `drug` is a place in STRATEGIES, `acei` the age from which an ACE inhibitor is taken. Everyone
    is known to have lived to the age `survived_to`: death is drawn from then on. Migalastat does
    nothing in those who are not `amenable`.
    """
    rows = len(nature.group)
    drug = np.broadcast_to(np.asarray(drug), rows)
    start = np.where(drug == 0, np.inf, np.broadcast_to(np.asarray(start, float), rows))
    start = np.where(
        (drug == STRATEGIES.index("migalastat")) & ~np.asarray(amenable), np.inf, start
    )
    acei = np.broadcast_to(np.asarray(acei, float), rows)
    egfr, upcr, lvmi = (np.empty((AGES, rows)) for _ in range(3))
    mace_hazard, death_hazard = np.zeros((AGES, rows)), np.zeros((AGES, rows))
    egfr[0], lvmi[0], upcr[0] = nature.egfr_at_20, nature.lvmi_base, nature.upcr_before
    upcr[:] = _upcr(nature)
    gain, ratio = np.zeros(rows), np.ones(rows)
    started = np.zeros(rows, np.bool_)
    mace_rate, death_rate = _mace_rates(nature), _death_rates(nature)
    for age in range(AGES - 1):
        treated = np.clip(age + 1 - start, 0.0, 1.0)
        new = (treated > 0) & ~started
        gain = np.where(new, _slope_gain(nature, drug, start, upcr[age], egfr[age]), gain)
        ratio = np.where(new, _event_ratio(start, upcr[age], egfr[age]), ratio)
        started |= new
        slope = _slopes(nature, age, upcr[age], treated * gain, (acei <= age))
        on_dialysis = egfr[age] < _ESKD
        egfr[age + 1] = np.where(on_dialysis, _DIALYSIS, np.maximum(egfr[age] + slope, _DIALYSIS))
        lvmi[age + 1] = lvmi[age] + _growth(nature, age, lvmi[age], drug, start, treated)
        effect = 1 + treated * (ratio - 1)
        mace_hazard[age + 1] = mace_hazard[age] + mace_rate[age] * effect
        after_mace = mace_hazard[age] >= nature.mace_left
        death_hazard[age + 1] = death_hazard[age] + death_rate[age] * _death_factor(
            on_dialysis, after_mace, effect
        )
    alive_at = _interpolated(death_hazard, survived_to)
    return Course(
        egfr=egfr,
        upcr=upcr,
        lvmi=lvmi,
        death_hazard=death_hazard,
        eskd=crossing(-egfr, -_ESKD),
        mace=crossing(mace_hazard, nature.mace_left),
        stroke=_stroke(nature, start),
        death=crossing(death_hazard, nature.death_left + alive_at),
    )


def crossing(values: Floats, threshold: Floats | float) -> Floats:
    """Return the age at which rising yearly `values` reach `threshold`, infinity if they don't."""
    above = values >= threshold
    year = np.argmax(above, axis=0)
    row = np.arange(values.shape[1])
    before = values[np.maximum(year - 1, 0), row]
    step = values[year, row] - before
    part = np.divide(threshold - before, step, out=np.ones(len(row)), where=step > 0)
    age = np.where(year > 0, year - 1 + part, 0.0)
    reached: Floats = np.where(above.any(axis=0), age, np.inf)
    return reached


def value_at(values: Floats, age: Floats, row: Ints) -> Floats:
    """Return yearly `values` of the carriers `row` at their ages, linear between birthdays."""
    age = np.clip(age, 0, AGES - 1.001)
    year = age.astype(np.int64)
    part = age - year
    found: Floats = values[year, row] * (1 - part) + values[year + 1, row] * part
    return found


def untreated_slope(nature: Nature, upcr: Floats) -> Floats:
    """Return the change of filtration a year that goes with `upcr` (g/g), without drugs."""
    cells = parameters("fabry")["kidney"]["slope_untreated_ml_y"]
    bands = np.array([list(cells[name].values()) for name in CARRIERS])
    band = (upcr >= 0.5).astype(np.int64) + (upcr >= 1.5)
    slope = bands[nature.group, band] + nature.slope_deviation
    limited: Floats = np.minimum(slope, parameters("fabry")["kidney"]["slope_max"])
    return limited


def lysogb3_of(draw: np.random.Generator, group: Ints) -> Floats:
    """Return an untreated lyso-Gb3 (ng/mL) of each carrier: lognormal by the group's moments."""
    block = parameters("fabry")["labs"]["lyso_gb3_ng_ml"]
    mean = by_group({name: block[name]["mean"] for name in CARRIERS}, group)
    sd = by_group({name: block[name]["sd"] for name in CARRIERS}, group)
    variance = np.log1p((sd / mean) ** 2)
    value: Floats = mean * np.exp(draw.normal(0, np.sqrt(variance)) - variance / 2)
    return value


def _alpha_gal(draw: np.random.Generator, group: Ints) -> Floats:
    """Return the activity of alpha-Gal A in leukocytes (nmol/h/mg protein) of each carrier."""
    block = parameters("fabry")["labs"]["alpha_gal_leuk_nmol_h_mg"]
    median = by_group({name: block[name]["lognorm_median"] for name in CARRIERS}, group)
    sigma = by_group({name: block[name]["sigma"] for name in CARRIERS}, group)
    activity: Floats = median * np.exp(draw.standard_normal(len(group)) * sigma)
    return activity


def _timing(block: Parameters, group: Ints, shift: Floats) -> tuple[Floats, Floats, Floats]:
    """Return median (shifted by frailty), spread, and share ever, by each carrier's group.

    The parameter `p` is the share by the age of 70 over all frailties: the share ever is larger by
    what comes later.
    """
    median = by_group({name: block[name]["median"] for name in CARRIERS}, group)
    sigma = by_group({name: block[name]["sigma"] for name in CARRIERS}, group)
    by_70 = {name: block[name]["p"] / _before_70(block[name], name) for name in CARRIERS}
    return median * shift, sigma, np.minimum(by_group(by_70, group), 0.99)


def _before_70(block: Parameters, name: str) -> float:
    """Return the share of onsets in a group that come before 70, by quadrature over frailty."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    spread = parameters("fabry")["organ_frailty"]["shared_log_sd"]
    z = nodes * (1.5 if name.endswith("F") else 1.0)
    median = np.full(len(z), float(block["median"])) * np.exp(-spread * z)
    sigma = np.full(len(z), float(block["sigma"]))
    early = 1 - _share_without(np.full(len(z), 70.0), median, sigma, np.ones(len(z)))
    return float((weights * early).sum() / weights.sum())


def _age_at(survival: Floats, median: Floats, sigma: Floats, ever: Floats) -> Floats:
    """Return the age at which the share without the event has fallen to `survival`."""
    place = (1 - survival) / ever
    low, high = ndtr(np.log(_YOUNGEST / median) / sigma), ndtr(np.log(_OLDEST / median) / sigma)
    with np.errstate(over="ignore", invalid="ignore"):
        age = median * np.exp(sigma * ndtri(low + np.minimum(place, 1.0) * (high - low)))
    never: Floats = np.where(place >= 1, np.inf, np.clip(age, _YOUNGEST, _OLDEST))
    return never


def _share_without(age: Floats, median: Floats, sigma: Floats, ever: Floats) -> Floats:
    low, high = ndtr(np.log(_YOUNGEST / median) / sigma), ndtr(np.log(_OLDEST / median) / sigma)
    with np.errstate(divide="ignore"):
        place = (ndtr(np.log(np.maximum(age, 1e-9) / median) / sigma) - low) / (high - low)
    without: Floats = 1 - ever * np.clip(place, 0.0, 1.0)
    return without


def _stroke(nature: Nature, start: Floats) -> Floats:
    """Return the age at the first stroke or TIA, whose hazard is lower from `start` on."""
    median, sigma, ever, survival = nature.stroke
    ratio = parameters("fabry")["true_effects"]["ert_stroke_hr"]
    age = nature.of("tia_stroke")
    at_start = np.log(_share_without(start, median, sigma, ever))
    with np.errstate(invalid="ignore"):
        later = np.exp(at_start + (np.log(survival) - at_start) / ratio)
    moved: Floats = np.where(age > start, _age_at(later, median, sigma, ever), age)
    return moved


def _upcr(nature: Nature) -> Floats:
    """Return UPCR (g/g) at each birthday: it rises from the onset of proteinuria on."""
    kidney = parameters("fabry")["kidney"]
    since = np.arange(AGES)[:, None] - nature.of("proteinuria")
    growth = kidney["upcr_log_growth_per_y_after_onset"]
    ill = nature.upcr_at_onset * np.exp(growth * np.maximum(since, 0))
    values: Floats = np.where(since >= 0, np.maximum(ill, nature.upcr_before), nature.upcr_before)
    capped: Floats = np.minimum(values, kidney["upcr"]["max"])
    return capped


def _slopes(nature: Nature, age: int, upcr: Floats, gain: Floats, acei: Flags) -> Floats:
    """Return the change of filtration in the year after a birthday, by drug gains."""
    effects = parameters("fabry")["true_effects"]
    natural = np.where(age >= nature.slope_start, untreated_slope(nature, upcr), 0.0)
    gain = gain + np.where(acei & (upcr > 0.5), effects["acei_arb_slope_gain_if_upcr_gt_0.5"], 0.0)
    # A drug slows a loss down to the limit, and never makes a slope worse.
    changed: Floats = np.maximum(natural, np.minimum(natural + gain, -0.3))
    return changed


def _slope_gain(nature: Nature, drug: Ints, start: Floats, upcr: Floats, egfr: Floats) -> Floats:
    """Return what a drug begun at `start` adds to the slope a year, by the state at its start."""
    effects = parameters("fabry")["true_effects"]
    block = effects["ert_egfr_slope_gain_ml_y"]
    gain = np.full(len(start), float(block["base"]))
    gain *= np.where(upcr < 0.5, block["x_upcr_lt_0.5"], 1.0)
    gain *= np.where(upcr > 1.0, block["x_upcr_gt_1.0"], 1.0)
    gain *= np.where(start < 30, block["x_age_start_lt_30"], 1.0)
    gain *= np.where(egfr < 45, block["x_egfr_lt_45"], 1.0)
    gain *= np.where(nature.female, block["x_female"], 1.0)
    # The gain is that of agalsidase beta; the others by their ratio or difference to it.
    factor = np.ones(len(STRATEGIES))
    factor[STRATEGIES.index("none")] = 0.0
    factor[STRATEGIES.index("agalsidase_alfa")] = 1 / effects["beta_vs_alfa_egfr_gain_ratio"]
    factor[STRATEGIES.index("migalastat")] = effects["migalastat_vs_ert_egfr_gain_ratio"]
    extra = effects["pegunigalsidase_vs_beta_slope_diff"]
    pegunigalsidase = drug == STRATEGIES.index("pegunigalsidase")
    total: Floats = gain * factor[drug] + np.where(pegunigalsidase, extra, 0.0)
    return total


def _event_ratio(start: Floats, upcr: Floats, egfr: Floats) -> Floats:
    effects = parameters("fabry")["true_effects"]
    ratio, early, late = effects["ert_hr_composite_event"], effects["early"], effects["late"]
    is_early = (start < early["age_lt"]) & (upcr < early["upcr_lt"]) & (egfr >= early["egfr_ge"])
    is_late = (start > late["age_gt"]) | (egfr < late["egfr_lt"])
    chosen: Floats = np.where(
        is_early,
        ratio["early_start"],
        np.where(is_late, ratio["late_start"], ratio["overall"]),
    )
    return chosen


def _growth(
    nature: Nature, age: int, lvmi: Floats, drug: Ints, start: Floats, treated: Floats
) -> Floats:
    """Return the change of LVMI in the year after a birthday.

    It rises to the limit of LVH over the years before the onset, and grows from then on; a drug
    puts its own rate in the place of growth, and takes nobody below the mass of health.
    """
    heart, effects = parameters("fabry")["heart"], parameters("fabry")["true_effects"]
    onset, ramp = nature.of("lvh"), heart["ramp_years"]
    limit = by_group(heart["lvmi_at_onset"], nature.group)
    rising = (age >= onset - ramp) & (age < onset)
    natural = np.where(rising, np.maximum(limit - nature.lvmi_base, 0) / ramp, 0.0)
    grown = by_group(heart["lvmi_growth_g_m2_y_after_onset"], nature.group)
    natural = np.where(age >= onset, grown, natural)
    rates = effects["ert_lvmi_change_g_m2_y"]
    young = (start < 30) & ~nature.female
    rate = np.where(young, rates["start_lt_30_M"], rates["start_30_50"])
    rate = np.where(start > 50, rates["start_gt_50_or_fibrosis"], rate)
    migalastat = (drug == STRATEGIES.index("migalastat")) & (age < start + 1.5)
    rate = np.where(migalastat, effects["migalastat_lvmi_first_18mo"] / 1.5, rate)
    rate = np.minimum(rate, natural)
    change = (1 - treated) * natural + treated * np.where(natural > 0, rate, 0.0)
    floored: Floats = np.maximum(change, np.minimum(nature.lvmi_base - lvmi, 0.0))
    return floored


def _mace_rates(nature: Nature) -> Floats:
    """Return the hazard of a major cardiac event in each year of age, shape (AGES, carriers)."""
    heart = parameters("fabry")["heart"]
    age = np.arange(AGES)[:, None]
    rate = by_group(heart["mace_per_1000py_untreated"], nature.group) / 1000
    reference = by_group(heart["mace_reference_age"], nature.group)
    hazard = rate * np.exp(heart["mace_growth_per_year"] * (age - reference))
    hazards: Floats = np.where(age >= heart["mace_from_age"], hazard, 0.0)
    return hazards


def _death_rates(nature: Nature) -> Floats:
    """Return the hazard of death in each year of age before what events add: Gompertz."""
    block = parameters("fabry")["mortality"]
    growth = block["gompertz_growth_per_year"]
    median = by_group(block["median_survival_untreated"], nature.group)
    factor = by_group(block["baseline_factor"], nature.group)
    age = np.arange(AGES)[:, None]
    year = np.exp(growth * age) * np.expm1(growth) / growth
    hazards: Floats = factor * np.log(2) * growth / np.expm1(growth * median) * year
    return hazards


def _death_factor(on_dialysis: Flags, after_mace: Flags, effect: Floats) -> Floats:
    block = parameters("fabry")["mortality"]
    share = parameters("fabry")["true_effects"]["death_share_of_effect"]
    factor = np.where(on_dialysis, block["eskd_hr"], 1.0)
    factor = factor * np.where(after_mace, block["mace_hr"], 1.0)
    lowered: Floats = factor * (1 + share * (effect - 1))
    return lowered


def _interpolated(values: Floats, age: npt.ArrayLike) -> Floats:
    rows = values.shape[1]
    ages = np.broadcast_to(np.asarray(age, np.float64), rows)
    return value_at(values, ages, np.arange(rows))
