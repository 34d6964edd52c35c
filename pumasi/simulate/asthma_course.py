"""The course of asthma, month by month, for all persons at once.

A month is a function of traits, state and that month's random numbers. So the same person can live
the same months again under another drug with the same luck: that is what a potential outcome is
here. Months begin on the person's own visit day; at the visit the doctor decides on what came
before, then the month happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from pumasi.simulate.asthma_access import (
    Known,
    considered,
    drug_probabilities,
    enforcement,
    start_probability,
)
from pumasi.simulate.asthma_rate import (
    ARMS,
    DRUGS,
    log_rate,
    onset_weight,
    probability,
    washout_weight,
)
from pumasi.simulate.asthma_traits import Traits
from pumasi.simulate.columns import YEAR_DAYS, Days, Flags, Floats, Ints, day_number
from pumasi.simulate.parameters import Parameters, parameters
from pumasi.simulate.world import HOSPITALS, World, by_hospital, epidemic, rates_by_hospital

HISTORY = 12
FOLLOW_UP = 12
KINDS = ("ocs_outpatient", "injection_outpatient", "ed", "hospital", "icu")
OCS, INJECTION, ED, HOSPITAL, ICU = range(len(KINDS))
TESTS = ("eosinophils", "feno", "fev1", "ige", "act")
_SPECIALIST = np.array([name in ("haneul", "bada") for name in HOSPITALS])
_LONG_AGO = -1_000
_UNIFORM = (
    "attack", "kind", "day", "injection", "course", "seen", "viral", "step", "ocs", "want",
    "enforced", "drug", "stop", "refill", "saba", "visit", "adverse", "harm",
    *(f"test_{name}" for name in TESTS),
)  # fmt: skip
_NORMAL = ("eos", "feno", "fev1", "pdc", "act", "wbc", *(f"error_{name}" for name in TESTS))

# What happens in a month: name -> array (n, ...).
Month = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Setting:
    """What a month needs besides the persons: numbers, world, calendar.

    `first` holds the first day of each calendar month of the world and of the follow-up beyond its
    end; `months` how many of them begin before the end.
    """

    numbers: Parameters
    world: World
    first: Days
    of_year: Ints
    months: int

    @property
    def horizon(self) -> int:
        """How many months have random numbers: the world's, and a follow-up."""
        return self.months + FOLLOW_UP


def setting_of(world: World, numbers: Parameters) -> Setting:
    """Return the setting of `world`, whose months run from its start to its end."""
    start = world.start.year * 12 + world.start.month - 1
    months = world.end.year * 12 + world.end.month - 1 - start + (world.end.day > 1)
    calendar = start + np.arange(months + FOLLOW_UP + 1)
    first = [day_number(date(int(m) // 12, int(m) % 12 + 1, 1)) for m in calendar]
    return Setting(numbers, world, np.array(first, np.int32), calendar % 12, months)


@dataclass(frozen=True)
class Luck:
    """The random numbers of persons and months: uniform (T, k, n) and standard normal (T, l, n)."""

    uniform: npt.NDArray[np.float32]
    normal: npt.NDArray[np.float32]

    def at(self, month: Ints | int, rows: Ints | None = None) -> dict[str, npt.NDArray[np.float32]]:
        """Return the numbers of one month, or of `rows` each in its own month, by name."""
        if rows is None:
            uniform, normal = self.uniform[month], self.normal[month]
        else:
            uniform, normal = self.uniform[month, :, rows].T, self.normal[month, :, rows].T
        named = dict(zip(_UNIFORM, uniform, strict=True))
        return named | {f"z_{name}": z for name, z in zip(_NORMAL, normal, strict=True)}


def luck_of(setting: Setting, n: int, draw: np.random.Generator, months: int | None = None) -> Luck:
    """Draw the random numbers of `n` persons for `months`, or for the horizon of `setting`."""
    months = setting.horizon if months is None else months
    return Luck(
        draw.random((months, len(_UNIFORM), n), dtype=np.float32),
        draw.standard_normal((months, len(_NORMAL), n), dtype=np.float32),
    )


def place_of(name: str) -> int:
    """Return the place of the uniform number `name` in `Luck.uniform`."""
    return _UNIFORM.index(name)


@dataclass
class State:
    """What the next month remembers; every array has one row per person."""

    alive: Flags
    step: Ints
    attacks: npt.NDArray[np.int8]
    seen: npt.NDArray[np.int8]
    quiet_months: Ints
    last_end: Days
    fev1_loss: Floats
    act: Floats
    ocs_months: Ints
    drug: Ints
    months_on: Ints
    last_drug: Ints
    months_off: Ints
    hypereos: Ints
    # Last value known to the hospital and the month it is from: columns as TESTS, without act.
    recorded: Floats
    recorded_in: Ints

    def copy(self) -> State:
        """Return the same state in arrays of its own."""
        return State(**{field.name: getattr(self, field.name).copy() for field in fields(self)})

    def take(self, rows: Ints) -> State:
        """Return the state of `rows`, in their order."""
        return State(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def stacked(states: list[State]) -> State:
    """Return the rows of `states` one below the other."""
    return State(
        **{f.name: np.concatenate([getattr(s, f.name) for s in states]) for f in fields(State)}
    )


def first_state(traits: Traits) -> State:
    """Return the state in which a course begins: treated as severe as one is, no attack yet."""
    n = len(traits)
    return State(
        alive=np.ones(n, bool),
        step=traits.severity.copy(),
        attacks=np.zeros((n, HISTORY), np.int8),
        seen=np.zeros((n, HISTORY), np.int8),
        quiet_months=np.full(n, HISTORY),
        last_end=np.full(n, _LONG_AGO, np.int32),
        fev1_loss=np.zeros(n),
        act=np.full(n, 22.0),
        ocs_months=np.zeros(n, np.int64),
        drug=np.zeros(n, np.int64),
        months_on=np.zeros(n, np.int64),
        last_drug=np.zeros(n, np.int64),
        months_off=np.full(n, _LONG_AGO * -1),
        hypereos=np.zeros(n, np.int64),
        recorded=np.full((n, len(TESTS) - 1), np.nan),
        recorded_in=np.full((n, len(TESTS) - 1), _LONG_AGO),
    )


@dataclass(frozen=True)
class Assigned:
    """A strategy that someone else sets: `arm` is a place in ARMS per person.

    `first` says that the strategy begins in this month. A drug that is begun is stopped and changed
    as in life, unless `sustained`; arm 0, no biologic, is always kept.
    """

    arm: Ints
    first: bool
    sustained: bool = False


def live_month(
    setting: Setting,
    traits: Traits,
    state: State,
    month: Ints | int,
    luck: dict[str, npt.NDArray[np.float32]],
    assigned: Assigned | None = None,
) -> Month:
    """Let one month happen: change `state` to that of the next, and return what happened.

    `month` counts from the world's first; it may differ by person. Persons before their course, or
    dead, have `active` false and nothing happens to them.
    """
    out: Month = {"day": (setting.first[month] + traits.visit_day).astype(np.int32)}
    out["days"] = setting.first[np.asarray(month) + 1] - setting.first[month]
    out["active"] = state.alive & (out["day"] >= traits.begins) & (out["day"] < traits.death)
    out["age"] = (out["day"] - traits.birth) / YEAR_DAYS
    out["exac"] = _history(setting, state)
    _change_step(setting, traits, state, luck, out)
    _decide_ocs(setting, state, luck, out)
    out.update(_regimen(setting, traits, state))
    _decide_biologic(setting, traits, state, month, luck, out, assigned)
    _feel(setting, traits, state, luck, out)
    _test(setting, traits, state, month, luck, out)
    _risk(setting, traits, state, month, luck, out)
    _attack(setting, traits, state, luck, out)
    _use_care(setting, state, luck, out)
    _remember(setting, state, month, out)
    return out


def _history(setting: Setting, state: State) -> Ints:
    """Return the attacks of the last 12 months that the doctor knows of."""
    known = state.seen if setting.world.assignment == "recorded" else state.attacks
    attacks: Ints = known.sum(axis=1, dtype=np.int64)
    return attacks


def _change_step(setting: Setting, traits: Traits, state: State, luck: Any, out: Month) -> None:
    weights = setting.numbers["step_change"]
    above, below = state.step > traits.severity, state.step < traits.severity
    up = expit(
        weights["up_base"]
        + weights["up_after_exac"] * (state.quiet_months == 0)
        + weights["up_if_act_le_19"] * (state.act <= 19)
        + weights["up_at_specialist_site"] * _SPECIALIST[traits.hospital]
        + weights["up_when_below_severity"] * below
        + weights["up_at_or_above_severity"] * ~below
    )
    stable = (state.quiet_months >= 6) & (state.act >= 20)
    down = expit(weights["down_if_stable_6mo"] + weights["down_at_or_below_severity"] * ~above)
    u = luck["step"]
    change = (u < up).astype(np.int64) - (stable & (u >= 1 - down))
    state.step = np.where(out["active"], np.clip(state.step + change, 1, 5), state.step)
    out["step"] = state.step


def _decide_ocs(setting: Setting, state: State, luck: Any, out: Month) -> None:
    numbers = setting.numbers["ocs_maintenance"]
    on = state.ocs_months > 0
    start = np.where(
        out["exac"] >= 2, numbers["start_month_after_2_exac"], numbers["start_month_step_5"]
    )
    stop = np.where(state.drug > 0, numbers["stop_month_on_biologic"], numbers["stop_month"])
    begins = ~on & (state.step == 5) & (luck["ocs"] < start)
    stays = on & (luck["ocs"] >= stop)
    out["ocs"] = (begins | stays) & out["active"]


def _regimen(setting: Setting, traits: Traits, state: State) -> Month:
    """Return who is on which controller: habits of persons and hospitals, by step of treatment."""
    numbers = setting.numbers["regimen"]
    place = state.step - 1
    ics_share = np.clip(
        rates_by_hospital("ics_uptake", traits.hospital)
        * np.array(numbers["ics_by_step_of_uptake"])[place],
        np.array(numbers["ics_floor_by_step"])[place],
        1.0,
    )
    ics = traits.habit_ics < ics_share
    ltra_share = np.where(
        ics, np.array(numbers["ltra_with_ics_by_step"])[place], numbers["ltra_without_ics"]
    )
    xanthine_share = np.where(ics, numbers["xanthine_with_ics"], numbers["xanthine_without_ics"])
    heavy = np.array(setting.numbers["risk_factor_prevalence"]["saba_ge_3_by_step"])[place]
    return {
        "ics": ics,
        "lama": ics & (traits.habit_lama < np.array(numbers["lama_by_step"])[place]),
        "ltra": traits.habit_ltra < ltra_share,
        "xanthine": traits.habit_xanthine < xanthine_share,
        "mart": ics & (traits.habit_device < numbers["mart_share"]) & (place >= 2) & (place <= 3),
        "saba_heavy": traits.habit_saba < heavy,
    }


def known_of(
    setting: Setting, traits: Traits, state: State, month: Ints | int, out: Month, rows: Ints
) -> Known:
    """Return what the doctors of `rows` know at this month's visit."""
    some = traits.take(rows)
    step = state.step[rows]
    if setting.world.assignment == "recorded":
        past = np.broadcast_to(month, state.step.shape)[rows, None] - state.recorded_in[rows]
        old = past > setting.numbers["testing"]["look_back_months"]
        eos, feno, fev1, ige = np.where(old, np.nan, state.recorded[rows]).T
        # The skin or blood test for allergens is done with the first IgE.
        allergen = some.atopic & (state.recorded_in[rows, 3] > _LONG_AGO)
    else:
        eos, feno, ige = np.exp(some.log_eos), np.exp(some.log_feno), some.ige
        fev1, allergen = some.fev1_pct - state.fev1_loss[rows], some.atopic
    return Known(
        day=out["day"][rows],
        age=out["age"][rows],
        eos=eos,
        feno=feno,
        ige=ige,
        fev1_pct=fev1,
        perennial_allergen=allergen,
        exac=out["exac"][rows],
        ocs_months=state.ocs_months[rows] * out["ocs"][rows],
        ics_high=out["ics"][rows] & (step == 5),
        lama=out["lama"][rows],
        step=step,
        nasal_polyp=some.nasal_polyp,
        atopic_dermatitis=some.atopic_dermatitis,
        late_onset=some.late_onset,
        ses_low=some.ses_low,
        confounder=some.confounder,
        hospital=some.hospital,
    )


def _decide_biologic(
    setting: Setting,
    traits: Traits,
    state: State,
    month: Ints | int,
    luck: Any,
    out: Month,
    assigned: Assigned | None,
) -> None:
    """Stop, keep or start a biologic; an assigned strategy overrides what the doctor would do."""
    numbers = setting.numbers["biologics"]
    quiet = state.quiet_months > 0
    stop = np.where(quiet, 0.0, numbers["stop_after_attack"]) + numbers["stop_month"]
    stops = out["active"] & (state.drug > 0) & (luck["stop"] < stop)
    free = (state.drug == 0) & (state.months_off >= numbers["no_start_months_after_stop"])
    may_start = out["active"] & free & (out["age"] >= 12) & considered(state.step, out["exac"])
    if assigned is not None:
        stops &= not assigned.sustained
        may_start &= (assigned.arm > 0) & (not assigned.sustained)
        if assigned.first:
            may_start[:] = False
    n = len(traits)
    out["starts"] = np.zeros(n, np.int64)
    out["p_start"] = np.zeros(n, np.float32)
    rows = np.flatnonzero(may_start)
    if len(rows):
        known = known_of(setting, traits, state, month, out, rows)
        wanted = start_probability(setting.numbers, setting.world, known)
        mixed, parts, choice = drug_probabilities(setting.numbers, setting.world, known)
        out["p_start"][rows] = wanted * mixed.sum(axis=1)
        enforced = luck["enforced"][rows] < enforcement(setting.numbers, setting.world)
        chosen = np.where(enforced[:, None], parts[1], parts[0])
        bound = np.cumsum(chosen, axis=1)
        drug = 1 + np.sum(luck["drug"][rows, None] * bound[:, -1:] >= bound, axis=1)
        starts = (luck["want"][rows] < wanted) & (bound[:, -1] > 0)
        out["starts"][rows] = np.where(starts, np.minimum(drug, len(DRUGS)), 0)
        if assigned is None:
            facts = _decision(known, wanted, mixed, choice, enforced)
            facts |= {"row": rows, "drug": out["starts"][rows]}
            out.update({f"decision_{name}": values for name, values in facts.items()})
    if assigned is not None and assigned.first:
        out["starts"] = np.where(out["active"], assigned.arm, 0)
    state.last_drug = np.where(stops, state.drug, state.last_drug)
    state.months_off = np.where(stops, 0, state.months_off)
    state.drug = np.where(stops, 0, state.drug)
    state.months_on = np.where(out["starts"] > 0, 0, state.months_on)
    state.drug = np.where(out["starts"] > 0, out["starts"], state.drug)
    hyper = (out["starts"] == ARMS.index("dupilumab")) & (
        luck["adverse"] < setting.numbers["adverse_events"]["dupilumab_hypereos_ge_3000_p"]
    )
    left = np.where(hyper, setting.numbers["adverse_events"]["hypereos_months"], state.hypereos)
    state.hypereos = np.where(state.drug == ARMS.index("dupilumab"), left, 0)
    out["drug"], out["months_on"] = state.drug, state.months_on


def _decision(known: Known, wanted: Floats, mixed: Floats, choice: Flags, enforced: Flags) -> Month:
    """Return what was known where a biologic was thought of, and how likely each drug was.

    `p_drug`, shape (n, 6), is the probability of starting each drug in this month.
    """
    facts: Month = {field.name: getattr(known, field.name) for field in fields(known)}
    facts["enforced"] = enforced
    facts["p_drug"] = wanted[:, None] * mixed
    facts["choice"] = np.where(enforced[:, None], choice[1], choice[0])
    facts["reimbursed"] = choice[1]
    return facts


def _feel(setting: Setting, traits: Traits, state: State, luck: Any, out: Month) -> None:
    """Draw this month's markers, adherence and symptoms."""
    numbers, n = setting.numbers, len(traits)
    spread = numbers["markers"]
    moving = np.sqrt(1 - spread["stable_share"])
    out["eos_free"] = np.exp(traits.log_eos + moving * spread["sigma_log_eos"] * luck["z_eos"])
    out["feno_free"] = np.exp(traits.log_feno + moving * spread["sigma_log_feno"] * luck["z_feno"])
    out["fev1_free"] = np.clip(traits.fev1_pct - state.fev1_loss, 20, None)
    adherence = numbers["adherence"]
    out["pdc"] = np.clip(traits.pdc + adherence["month_sd"] * luck["z_pdc"], 0, 1)
    out["viral"] = luck["viral"] < numbers["risk_factor_prevalence"]["viral_month"]
    weights = numbers["control"]
    free = (
        weights["act_base"]
        + weights["per_severity_step"] * (traits.severity - 1)
        + weights["per_10_fev1_below_80"] * (80 - out["fev1_free"]) / 10
        + weights["attack_last_month"] * (state.quiet_months == 0)
        + weights["viral"] * out["viral"]
        + traits.act_shift
        + weights["month_sd"] * luck["z_act"]
    )
    # The gain of a biologic shows in the score; the rate goes by the score without it.
    out["act_free"] = np.clip(np.round(free), 5, 25)
    gain = weights["on_biologic"] * (state.drug > 0) * onset_weight(numbers, state.months_on)
    out["act"] = np.clip(np.round(free + gain), 5, 25)
    out["on"] = np.where(state.drug > 0, onset_weight(numbers, state.months_on), 0.0)
    left = washout_weight(numbers, state.months_off) * (state.last_drug > 0)
    out["log_rr"] = np.minimum(
        out["on"] * traits.log_rr[np.arange(n), state.drug],
        left * traits.log_rr[np.arange(n), state.last_drug],
    )


def _test(
    setting: Setting, traits: Traits, state: State, month: Ints | int, luck: Any, out: Month
) -> None:
    """Let the doctor order tests at the visit, and measure: what a treatment does shows here."""
    numbers, errors = setting.numbers, setting.numbers["testing"]
    out["eos"], out["feno"] = _measured_markers(setting, traits, state, out)
    gain = out["on"] * traits.fev1_gain[np.arange(len(traits)), state.drug]
    gain = gain + out["lama"] * numbers["controllers_rr"]["lama_fev1_gain_l"]
    out["fev1_pct"] = (
        out["fev1_free"] + 100 * gain / traits.litres + numbers["fev1"]["month_sd"] * luck["z_fev1"]
    )
    values = {
        "eosinophils": out["eos"] * np.exp(errors["eos_cv"] * luck["z_error_eosinophils"]),
        "feno": out["feno"] * np.exp(errors["feno_cv"] * luck["z_error_feno"]),
        "fev1": out["fev1_pct"] + errors["fev1_sd_pct"] * luck["z_error_fev1"],
        "ige": traits.ige * np.exp(errors["ige_cv"] * luck["z_error_ige"]),
    }
    values["fev1"] = np.clip(values["fev1"], 15, 150)
    out["value_wbc"] = errors["wbc_mean"] + errors["wbc_sd"] * luck["z_wbc"] + out["eos"] - 200
    odds = _test_log_odds(setting, traits, state, out)
    for column, name in enumerate(TESTS):
        yearly = expit(odds[name])
        done = out["active"] & (luck[f"test_{name}"] < -np.expm1(np.log1p(-yearly) / 12))
        out[f"done_{name}"] = done
        if name in values:
            out[f"value_{name}"] = values[name]
            state.recorded[:, column] = np.where(done, values[name], state.recorded[:, column])
            state.recorded_in[:, column] = np.where(done, month, state.recorded_in[:, column])


def _test_log_odds(setting: Setting, traits: Traits, state: State, out: Month) -> dict[str, Floats]:
    """Return the log odds that each test is done within 12 months: MNAR-lite, clinical.md 4.1."""
    errors, network = setting.numbers["testing"], parameters("network")
    weights = network["missingness"]
    # A hospital's own rate is that of its usual mix of doctors.
    doctors = setting.numbers["specialists"]
    usual = by_hospital(doctors["pulmonology"], traits.hospital)
    usual = usual + by_hospital(doctors["allergy"], traits.hospital)
    shift = (
        weights["symptom_z"] * (errors["act_z_from"] - state.act) / errors["act_z_sd"]
        + weights["recent_exac"] * (state.quiet_months < 3)
        + weights["specialist"] * ((traits.habit_specialty < usual) - usual)
        + weights["age_z"] * (out["age"] - errors["age_z_from"]) / errors["age_z_sd"]
        + errors["work_up_before_biologic"] * considered(state.step, out["exac"])
    )
    rates = {"eosinophils": "eos_rate", "feno": "feno_rate", "fev1": "pft_rate"}
    rates |= {"ige": "ige_rate", "act": "act_rate"}
    pandemic = _pandemic(setting, out["day"])
    odds = {}
    for name, rate in rates.items():
        share = rates_by_hospital(rate, traits.hospital)
        if name in ("fev1", "feno"):
            share = share * np.where(pandemic, network["temporal_shift"]["pft"], 1.0)
        odds[name] = logit(share) + errors["site_base_shift"][name] + shift
    return odds


def _measured_markers(
    setting: Setting, traits: Traits, state: State, out: Month
) -> tuple[Floats, Floats]:
    """Return eosinophils and FeNO in the body at the visit: drugs and steroids act on them."""
    ways, adverse = setting.numbers["marker_dynamics"], setting.numbers["adverse_events"]
    eos_log, feno_log = np.zeros(len(ARMS)), np.zeros(len(ARMS))
    for drug, key in (("mepolizumab", "anti_il5"), ("reslizumab", "anti_il5"),
                      ("benralizumab", "anti_il5r"), ("tezepelumab", "tezepelumab")):  # fmt: skip
        eos_log[ARMS.index(drug)] = np.log(ways[key])
    feno_log[ARMS.index("dupilumab")] = np.log(ways["feno_on_dupilumab"])
    feno_log[ARMS.index("tezepelumab")] = np.log(ways["feno_on_teze"])
    # At the visit that begins month k a drug has been there for k months.
    on = np.clip(state.months_on, 0, 1) * (state.drug > 0)
    left = washout_weight(setting.numbers, state.months_off - 0.5) * (state.last_drug > 0)
    eos = out["eos_free"] * np.exp(
        np.minimum(on * eos_log[state.drug], left * eos_log[state.last_drug])
    )
    feno = out["feno_free"] * np.exp(
        np.minimum(on * feno_log[state.drug], left * feno_log[state.last_drug])
    )
    years = np.clip(state.months_on / 12, 0, 1)
    peak, late = ways["dupilumab_wk4_peak"], ways["dupilumab_wk52"]
    dupilumab = (state.drug == ARMS.index("dupilumab")) & (state.months_on > 0)
    eos = np.where(dupilumab, eos * (peak + (late - peak) * years), eos)
    eos = np.where((state.hypereos > 0) & dupilumab, adverse["hypereos_value"], eos)
    since = (out["day"] - state.last_end) / ways["recovery_days"]
    dip = ways["on_ocs_multiplier"]
    eos = eos * np.clip(dip + (1 - dip) * since, dip, 1)
    eos = eos * np.where(state.ocs_months > 0, ways["on_ocs_maintenance_multiplier"], 1.0)
    high = out["ics"] & (state.step == 5)
    return eos, feno * np.where(high, ways["feno_on_ics_high"], 1.0)


def _risk(
    setting: Setting, traits: Traits, state: State, month: Ints | int, luck: Any, out: Month
) -> None:
    """Compute the true yearly rate of attacks: without a biologic, and as treated."""
    numbers = setting.numbers
    ratios, controllers = numbers["risk_factors"], numbers["controllers_rr"]
    log_factors = (
        traits.log_fixed
        + np.log(ratios["saba_ge_3"]) * out["saba_heavy"]
        + np.log(ratios["age_ge_65"]) * (out["age"] >= 65)
        + np.log(ratios["act_le_19"]) * (out["act_free"] <= 19)
        + np.log(ratios["viral_infection_month"]) * out["viral"]
    )
    lama = np.where(traits.reversible, controllers["lama_if_reversible"], controllers["lama"])
    ltra = np.where(traits.rhinitis, controllers["ltra_with_rhinitis"], controllers["ltra"])
    log_factors += (
        np.log(lama) * out["lama"]
        + np.log(ltra) * out["ltra"]
        + np.log(controllers["mart"]) * out["mart"]
        + np.log(controllers["ocs_maintenance"]) * out["ocs"]
        + traits.log_step_up * out["ics"] * np.clip(state.step - traits.severity, -2, 2)
    )
    log_factors += np.log(numbers["season"]["multiplier_by_month"])[setting.of_year[month]]
    shift = parameters("network")["temporal_shift"]
    log_factors += np.log(shift["exacerbation"]) * _pandemic(setting, out["day"])
    log_none = log_rate(
        numbers,
        severity=traits.severity,
        eos=out["eos_free"],
        feno=out["feno_free"],
        fev1_pct=out["fev1_free"],
        pdc=out["pdc"] * out["ics"],
        log_factors=log_factors,
    )
    out["rate_none"] = np.exp(log_none)
    out["rate"] = np.exp(log_none + out["log_rr"])


def _pandemic(setting: Setting, day: Days) -> Flags:
    begin, end = epidemic()
    result: Flags = (day >= begin) & (day < end) & setting.world.temporal_shift
    return result


def _attack(setting: Setting, traits: Traits, state: State, luck: Any, out: Month) -> None:
    """Let attacks happen, decide their kind and length, and whether the hospital learns of them."""
    numbers = setting.numbers["attacks"]
    day = out["day"] + (luck["day"] * out["days"]).astype(np.int32)
    attack = out["active"] & (luck["attack"] < probability(out["rate"]))
    # What begins within 14 days after an attack's end still belongs to that attack.
    attack &= (day >= state.last_end + numbers["apart_days"]) & (day < traits.death)
    hospital, ed = luck["kind"] < numbers["hospital"], numbers["hospital"] + numbers["ed"]
    icu = luck["kind"] < numbers["hospital"] * numbers["icu_given_hosp"]
    shares = setting.numbers["recording"]["p_cs_injection_instead_of_ocs"]
    kind = np.where(luck["injection"] < by_hospital(shares, traits.hospital), INJECTION, OCS)
    kind = np.where(luck["kind"] < ed, ED, kind)
    kind = np.where(hospital, np.where(icu, ICU, HOSPITAL), kind)
    out["kind"] = np.where(attack, kind, -1)
    out["attack"] = attack
    out["attack_day"] = day
    out["fatal"] = attack & (luck["kind"] < numbers["hospital"] * numbers["death_given_hosp"])
    low, high = np.array(
        [numbers["ocs_days"], [1, 1], [1, 1], numbers["stay_days"], numbers["icu_stay_days"]]
    ).T
    out["course"] = low[kind] + (luck["course"] * (high - low + 1)[kind]).astype(np.int64)
    # Steroids go on for a week after the emergency room and after a stay.
    out["attack_end"] = (day + out["course"] + 7 * (kind >= ED)).astype(np.int32)
    out["seen"] = attack & _learned(setting, traits, luck, out)


def _learned(setting: Setting, traits: Traits, luck: Any, out: Month) -> Flags:
    """Return of which attacks the person's hospital learns."""
    if setting.world.recording == "perfect":
        return np.ones(len(traits), bool)
    numbers = setting.numbers["recording"]
    mild = by_hospital(numbers["p_ocs_burst_recorded_in_system"], traits.hospital)
    outside = numbers["p_ed_outside"] if setting.world.outside_care else 0.0
    share = np.where(out["kind"] >= ED, 1 - outside, mild)
    if setting.world.recording == "differential":
        more = numbers["differential_multiplier_on_biologic"]
        share = np.where(out["drug"] > 0, np.minimum(share * more, 1.0), share)
    result: Flags = luck["seen"] < share
    return result


def _use_care(setting: Setting, state: State, luck: Any, out: Month) -> None:
    """Decide on refills and visits, and on harms: what the month leaves in records."""
    regimen, adverse = setting.numbers["regimen"], setting.numbers["adverse_events"]
    # Just before an attack people take their inhaler more often.
    rise = setting.numbers["adherence"]["rise_in_attack_month"]
    out["refill"] = out["active"] & (luck["refill"] < out["pdc"] + rise * out["attack"])
    saba = np.where(out["saba_heavy"], regimen["saba_month_heavy"], regimen["saba_month_other"])
    out["saba"] = out["active"] & (luck["saba"] < saba)
    tested = np.logical_or.reduce([out[f"done_{name}"] for name in TESTS])
    idle = luck["visit"] < regimen["visit_month_without_refill"]
    treated = out["ocs"] | (out["drug"] > 0) | out["saba"]
    out["visit"] = out["active"] & (out["refill"] | tested | treated | idle)
    hr = np.where(state.drug == ARMS.index("dupilumab"), adverse["dupilumab_conjunctivitis_hr"], 1)
    eye = 1 - luck["adverse"] < adverse["conjunctivitis_per_year"] / 12 * hr
    out["conjunctivitis"] = out["active"] & eye
    # Of the harms of oral steroids only what comes on top of everyone's risk.
    below = np.zeros(len(eye))
    for name, harm in adverse["ocs_harms"].items():
        above = below + harm["base_per_year"] * (harm["hr"] - 1) / 12
        out[f"harm_{name}"] = out["ocs"] & (luck["harm"] >= below) & (luck["harm"] < above)
        below = above


def _remember(setting: Setting, state: State, month: Ints | int, out: Month) -> None:
    """Change the state to what the next month finds."""
    active, attack = out["active"], out["attack"]
    rows = np.arange(len(active))
    place = np.broadcast_to(month, active.shape) % HISTORY
    state.attacks[rows, place] = attack
    state.seen[rows, place] = out["seen"]
    state.quiet_months = np.where(attack, 0, state.quiet_months + 1)
    state.last_end = np.where(attack, out["attack_end"], state.last_end)
    lungs = setting.numbers["fev1"]
    loss = lungs["annual_decline_pct"] / 12 + lungs["extra_per_severe_exac"] * attack
    state.fev1_loss = state.fev1_loss + loss * active
    state.act = np.where(active, out["act"], state.act)
    state.ocs_months = np.where(out["ocs"], state.ocs_months + 1, 0)
    state.months_on = state.months_on + (state.drug > 0)
    state.months_off = state.months_off + (state.drug == 0)
    state.hypereos = np.maximum(state.hypereos - 1, 0)
    state.alive = state.alive & ~out["fatal"]


@dataclass(frozen=True)
class Course:
    """Everything that happened: arrays of shape (months, n), and the decisions that were picked.

    `decisions` has one row per decision: what was known and how likely each drug was (names as in
    Known, besides `row`, `month`, `drug`, `choice`, `reimbursed`, `enforced`, `p_drug`); `before`
    is the state in which the deciding visit began.
    """

    lived: Month
    decisions: Month
    before: State | None


def started(facts: Month) -> Flags:
    """Pick the decisions by which a biologic was started."""
    result: Flags = facts["drug"] > 0
    return result


def live(
    setting: Setting,
    traits: Traits,
    luck: Luck,
    keep: tuple[str, ...],
    pick: Callable[[Month], Flags] = started,
) -> Course:
    """Live all months of the world; `keep` names what of each month is returned.

    `pick` says which decisions about a biologic to return: it is asked once a month, and gets the
    facts of everybody for whom a doctor thought of one.
    """
    state = first_state(traits)
    lived: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in keep}
    decisions: dict[str, list[npt.NDArray[Any]]] = {}
    before: list[State] = []
    for month in range(setting.months):
        earlier = state.copy()
        out = live_month(setting, traits, state, month, luck.at(month))
        for name in keep:
            values = out[name]
            lived[name].append(values.astype(np.float32) if values.dtype == float else values)
        facts = {key[9:]: value for key, value in out.items() if key.startswith("decision_")}
        picked = np.flatnonzero(pick(facts)) if facts else np.zeros(0, np.int64)
        if len(picked):
            before.append(earlier.take(facts["row"][picked]))
            for name, values in facts.items():
                decisions.setdefault(name, []).append(values[picked])
            decisions.setdefault("month", []).append(np.full(len(picked), month))
    return Course(
        {name: np.stack(values) for name, values in lived.items()},
        {name: np.concatenate(values) for name, values in decisions.items()},
        stacked(before) if before else None,
    )


def follow(
    setting: Setting,
    traits: Traits,
    state: State,
    month: Ints,
    luck: Luck,
    rows: Ints,
    arm: Ints,
    *,
    months: int = FOLLOW_UP,
    sustained: bool = False,
    own_months: bool = False,
) -> dict[str, npt.NDArray[Any]]:
    """Live `months` months under the assigned `arm` from each person's own `month` on.

    `traits`, `state`, `month` and `arm` have one row per person followed; `rows` says whose random
    numbers in `luck` each one has: those of the calendar's months, or with `own_months` those of
    the months since the person's own. Returns arrays of shape (months, n): attack, attack_day,
    fev1_pct, drug, active, and day_count, the days lived of the month.
    """
    state = state.copy()
    kept = ("attack", "attack_day", "fev1_pct", "drug", "active", "day_count")
    lived: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in kept}
    for k in range(months):
        assigned = Assigned(arm, first=k == 0, sustained=sustained)
        numbers = luck.at(np.full(len(rows), k) if own_months else month + k, rows)
        out = live_month(setting, traits, state, month + k, numbers, assigned)
        lived_to = np.where(out["fatal"], out["attack_day"], traits.death) - out["day"]
        out["day_count"] = out["active"] * np.clip(lived_to, 0, out["days"])
        for name in kept:
            lived[name].append(out[name])
    return {name: np.stack(values) for name, values in lived.items()}
