"""What stays with an asthmatic: severity, markers, co-morbidity, habits, and the hospital's ways.

Endotype, onset and frailty come with the person; the rest is drawn here. Severity, not the step of
treatment, sets the rate of attacks: a step up must not make anyone sicker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pumasi.simulate.asthma_rate import Markers, fev1_gains, log_rate_ratios, step_up_ratio
from pumasi.simulate.columns import YEAR_DAYS, Days, Flags, Floats, Ints, days_of, places_of
from pumasi.simulate.parameters import Parameters
from pumasi.simulate.population import ENDOTYPES
from pumasi.simulate.world import HOSPITALS, World, hospital_parameters

# Months begin for each person on a day of the month of her own: the day of her visits.
VISIT_DAYS = 28


@dataclass(frozen=True)
class Traits:
    """One row per asthmatic, every array of shape (n, ...); none changes in the course of time."""

    person: Ints
    hospital: Ints
    birth: Days
    # First and last day of the course: a patient with asthma; dead.
    begins: Days
    death: Days
    visit_day: Ints
    female: Flags
    ses_low: Flags
    confounder: Floats
    endotype: Ints
    onset: Days
    late_onset: Flags
    atopic: Flags
    rhinitis: Flags
    atopic_dermatitis: Flags
    nasal_polyp: Flags
    gerd: Flags
    depression: Flags
    obese: Flags
    severity: Ints
    # The person's own level over the years, off treatment.
    log_eos: Floats
    log_feno: Floats
    ige: Floats
    fev1_pct: Floats
    litres: Floats
    reversible: Flags
    pdc: Floats
    act_shift: Floats
    # Places in [0, 1) of habits: whoever lies below a probability has the habit.
    habit_ics: Floats
    habit_lama: Floats
    habit_ltra: Floats
    habit_xanthine: Floats
    habit_saba: Floats
    habit_device: Floats
    habit_specialty: Floats
    # Log of everything in the rate that never changes: risk factors, frailty, confounder.
    log_fixed: Floats
    log_rr: Floats
    fev1_gain: Floats
    log_step_up: Floats

    def take(self, rows: npt.NDArray[np.int64]) -> Traits:
        """Return the traits of `rows`, in their order."""
        return Traits(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def __len__(self) -> int:
        return len(self.person)


def traits_of(
    persons: pa.Table,
    numbers: Parameters,
    world: World,
    draw: np.random.Generator,
    severities: Sequence[float] | None = None,
) -> Traits:
    """Return the traits of the asthmatics in `persons`, a table of the life layer, in its order.

    `severities` are the shares of severity 1 to 5 when they are not to be those of the hospitals.
    """
    asthmatics = persons.filter(persons["asthma"])
    n = asthmatics.num_rows
    hospital = places_of(asthmatics["hospital"], HOSPITALS)
    endotype = places_of(asthmatics["endotype"], ENDOTYPES)
    birth, onset = days_of(asthmatics["birth_date"]), days_of(asthmatics["asthma_onset"])
    begins = np.maximum(days_of(asthmatics["entry_date"]), onset)
    female = _flags(asthmatics["female"])
    late = (onset - birth) / YEAR_DAYS >= numbers["markers"]["late_from_age"]
    ill = _comorbidity(numbers, endotype, draw)
    severity = 1 + _pick(draw.random(n), _step_distribution(world, severities)[hospital])
    log_eos, log_feno, ige = _markers(numbers, endotype, draw)
    markers = Markers(np.exp(log_eos), np.exp(log_feno), ige, ill["atopic"], ill["nasal_polyp"])
    obese = np.asarray(asthmatics["bmi"].to_numpy()) >= 30
    confounder = np.asarray(asthmatics["confounder"].to_numpy())
    log_fixed = np.log(np.asarray(asthmatics["frailty"].to_numpy())) + _log_risk(
        numbers["risk_factors"],
        female=female,
        bmi_ge_30=obese,
        current_smoker=_flags(asthmatics["smoker"]),
        rhinitis=ill["rhinitis"],
        crswnp=ill["nasal_polyp"],
        gerd=ill["gerd"],
        depression=ill["depression"],
    )
    if world.unmeasured_confounder:
        log_fixed += numbers["unmeasured_confounder"]["effect_on_log_rate"] * confounder
    age = (begins - birth) / YEAR_DAYS
    lungs, adherence = numbers["fev1"], numbers["adherence"]
    fev1 = (
        np.array(lungs["mean_by_severity"])[severity - 1]
        + draw.standard_normal(n) * (np.array(lungs["sd_by_severity"])[severity - 1])
    )
    return Traits(
        person=np.asarray(asthmatics["person"].to_numpy(), np.int64),
        hospital=hospital,
        birth=birth,
        begins=begins,
        death=days_of(asthmatics["death_date"]),
        visit_day=draw.integers(0, VISIT_DAYS, n),
        female=female,
        ses_low=_flags(asthmatics["ses_low"]),
        confounder=confounder,
        endotype=endotype,
        onset=onset,
        late_onset=late,
        atopic=ill["atopic"],
        rhinitis=ill["rhinitis"],
        atopic_dermatitis=ill["atopic_dermatitis"],
        nasal_polyp=ill["nasal_polyp"],
        gerd=ill["gerd"],
        depression=ill["depression"],
        obese=obese,
        severity=severity,
        log_eos=log_eos,
        log_feno=log_feno,
        ige=ige,
        fev1_pct=np.clip(fev1, 25, 130),
        litres=predicted_litres(lungs, female, age),
        reversible=draw.random(n) < lungs["reversible_share"],
        pdc=draw.beta(adherence["a"], adherence["b"], n),
        act_shift=numbers["control"]["person_sd"] * draw.standard_normal(n),
        habit_ics=draw.random(n),
        habit_lama=draw.random(n),
        habit_ltra=draw.random(n),
        habit_xanthine=draw.random(n),
        habit_saba=draw.random(n),
        habit_device=draw.random(n),
        habit_specialty=draw.random(n),
        log_fixed=log_fixed,
        log_rr=log_rate_ratios(numbers, markers),
        fev1_gain=fev1_gains(numbers, markers),
        log_step_up=np.log(step_up_ratio(numbers, markers)),
    )


def predicted_litres(lungs: Parameters, female: Flags, age: Floats) -> Floats:
    """Return the FEV1 in litres that is 100 % at `age` in years: rough, for gains only."""
    peak, loss = lungs["predicted_litres_at_25"], lungs["predicted_loss_per_year"]
    litres = np.where(female, peak["female"], peak["male"])
    yearly = np.where(female, loss["female"], loss["male"])
    grown = np.clip(age / 18, 0.25, 1.0)
    adult: Floats = np.clip(litres * grown - yearly * np.clip(age - 25, 0, None), 0.8, None)
    return adult


def _comorbidity(
    numbers: Parameters, endotype: Ints, draw: np.random.Generator
) -> dict[str, Flags]:
    """Return who has which companion of asthma: by endotype, or by prevalence."""
    kinds = [numbers["endotypes"][name] for name in ENDOTYPES]
    shares = {"atopic": "atopy", "rhinitis": "AR", "atopic_dermatitis": "AD", "nasal_polyp": "NP"}
    ill = {
        name: draw.random(len(endotype)) < np.array([kind[key] for kind in kinds])[endotype]
        for name, key in shares.items()
    }
    for name in ("gerd", "depression"):
        ill[name] = draw.random(len(endotype)) < numbers["risk_factor_prevalence"][name]
    return ill


def _markers(
    numbers: Parameters, endotype: Ints, draw: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Return the log of eosinophils, the log of FeNO, and IgE: a person's level over the years."""
    kinds = [numbers["endotypes"][name] for name in ENDOTYPES]
    spread = numbers["markers"]
    z, w, v = draw.standard_normal((3, len(endotype)))
    rho, stable = spread["rho_eos_feno"], np.sqrt(spread["stable_share"])
    medians = {
        key: np.log([kind[f"{key}_median"] for kind in kinds])[endotype]
        for key in ("eos", "feno", "ige")
    }
    together = rho * z + np.sqrt(1 - rho**2) * w
    return (
        medians["eos"] + stable * spread["sigma_log_eos"] * z,
        medians["feno"] + stable * spread["sigma_log_feno"] * together,
        np.exp(medians["ige"] + spread["sigma_log_ige"] * v),
    )


def _log_risk(ratios: Parameters, **has: Flags) -> Floats:
    """Return the sum of the log rate ratios of the risk factors that each person has."""
    total: Floats = np.sum([np.log(ratios[name]) * flags for name, flags in has.items()], axis=0)
    return total


def _step_distribution(world: World, severities: Sequence[float] | None) -> Floats:
    """Return the cumulative mix of severities, shape (4, 5): one row per hospital."""
    mix = np.array([hospital_parameters(name)["asthma_step_dist"] for name in HOSPITALS])
    if severities is not None:
        mix = np.broadcast_to(np.asarray(severities), mix.shape)
    elif not world.covariate_shift:
        mix = np.broadcast_to(mix.mean(axis=0), mix.shape)
    return np.cumsum(mix / mix.sum(axis=1, keepdims=True), axis=1)


def _pick(place: Floats, cumulative: Floats) -> Ints:
    """Return the place of each draw in its row of cumulative probabilities."""
    picked: Ints = np.sum(place[:, None] >= cumulative[:, :-1], axis=1)
    return picked


def _flags(column: pa.ChunkedArray) -> Flags:
    return np.asarray(column.to_numpy(), dtype=np.bool_)
