"""`python -m benchmarks.redteam`: attacks on what leaves hospitals, with the defences on and off.

Each attack is run as an attacker at the hub would, who follows the messages and knows all but what
is guessed at. The positive control is the same attack without the defence: it must succeed, or the
attack shows nothing. Areas are AUROC of the attacker's score, with the upper limit of its 95 %
interval; 0.5 is guessing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from scipy.special import expit
from scipy.stats import norm

from benchmarks.report import as_markdown, as_rich
from pumasi.answer.holding import Holding, holdings
from pumasi.auroc import auroc
from pumasi.disclosure.differencing import Persons, tells_of_few
from pumasi.estimate.glm import Glm, fit_glm
from pumasi.federation.cells import LIMITS
from pumasi.federation.fixed_point import decode
from pumasi.federation.messages import VERDICTS, Mode, Reply, Request, all_parts
from pumasi.federation.network import InProcess, Run
from pumasi.federation.queries import Family, Fit, GlmStep, Moments
from pumasi.federation.query import Query, unflatten
from pumasi.federation.rows import Design, Floats, Keys, Rows

NAMES = ("bada", "deul", "haneul", "sup")
FEATURES = tuple(f"x{j}" for j in range(32))
TRIALS = 1000
SMALL, LARGE = 8, 700
SIZES = {"bada": SMALL, "deul": LARGE, "haneul": LARGE // 2, "sup": LARGE // 4}
# Models that an attacker fits to persons of the same population.
SHADOWS = 32
# The smallest that tasks of the network choose from, and a weaker one.
PENALTY, WEAK_PENALTY = 1.0, 0.1


@dataclass(frozen=True)
class Attack:
    """An attack and what it found, in words: without the defence, and with it."""

    name: str
    without: str
    with_defence: str
    held: bool


def rows_of(n: int, cases: int, rng: np.random.Generator, first: int = 0) -> Rows:
    """Persons with 32 independent features, of whom the first `cases` have the outcome."""
    person = np.arange(first, first + n)
    columns = {name: rng.normal(size=n) for name in FEATURES}
    return Rows(
        person, person % 100, person * 0, {**columns, "y": (np.arange(n) < cases).astype(float)}
    )


def seen(holding: Holding, query: Query, mode: Mode, run: str) -> dict[str, Floats] | str:
    """What the hub reads of a hospital's reply, taken for an addend; or the code of a refusal."""
    request = Request.of(run, 1, "attack", mode, NAMES, [query])
    reply = Reply.from_bytes(holding.answer(request.to_bytes()), holding.name, request)
    if reply.refusal:
        return reply.refusal
    parts, words = all_parts([query]), reply.opened(request.length([query]))
    entries, verdicts = words[: -len(VERDICTS)], words[-len(VERDICTS) :]
    if mode is Mode.CLEAR and verdicts.any():
        return VERDICTS[int(verdicts.argmax())]
    return unflatten(parts, decode(entries, parts))


def area(inside: list[float], outside: list[float]) -> tuple[float, float]:
    """AUROC of the attacker's scores and its upper limit."""
    outcome = np.repeat([True, False], [len(inside), len(outside)])
    found = auroc(outcome, np.array([*inside, *outside]))
    return found.estimate, found.upper if np.isfinite(found.upper) else found.estimate


def case_count(rng: np.random.Generator) -> Attack:
    """Does a hospital of 40 persons have two cases, or none? Read from its message."""
    query = GlmStep(
        family=Family.BINOMIAL,
        design=Design(terms=("1",)),
        outcome="y",
        fits=(Fit(coefficients=(0.0,)),),
    )
    scores: dict[tuple[Mode, int], list[float]] = {}
    for trial in range(TRIALS):
        for cases in (0, 2):
            others = {name: rows_of(50, 20, rng) for name in NAMES[1:]}
            held = holdings({"bada": rows_of(40, cases, rng), **others})["bada"]
            for mode in (Mode.CLEAR, Mode.MASKED):
                said = seen(held, query, mode, f"{trial}-{cases}")
                score = float(said["cases"]) if isinstance(said, dict) else 0.0
                scores.setdefault((mode, cases), []).append(score)
    off = area(scores[Mode.CLEAR, 2], scores[Mode.CLEAR, 0])
    on = area(scores[Mode.MASKED, 2], scores[Mode.MASKED, 0])
    return _by_area("cases of a small hospital, from its message", off, on)


def membership(rng: np.random.Generator) -> Attack:
    """Was a person, all of whose features are known, among those who were summed?

    The score is the product of the person with the sums (Homer et al., PLoS Genetics
    2008;4:e1000167, for independent features of mean 0). Without the defence: the addend of a
    hospital of 8 persons; with it, the sum over four hospitals.
    """
    query = Moments(design=Design(terms=FEATURES))
    scores: dict[tuple[str, bool], list[float]] = {}
    for trial in range(TRIALS):
        rows = {name: rows_of(n, 0, rng) for name, n in SIZES.items()}
        small, held = rows["bada"], holdings(rows)
        said = {name: seen(each, query, Mode.CLEAR, str(trial)) for name, each in held.items()}
        sums = {name: each["sums"] for name, each in said.items() if isinstance(each, dict)}
        member = np.array([small.column(name)[0] for name in FEATURES])
        for inside, person in ((True, member), (False, rng.normal(size=len(FEATURES)))):
            scores.setdefault(("alone", inside), []).append(float(person @ sums["bada"]))
            everybody = np.sum(list(sums.values()), axis=0)
            scores.setdefault(("all", inside), []).append(float(person @ everybody))
    off = area(scores["alone", True], scores["alone", False])
    on = area(scores["all", True], scores["all", False])
    return _by_area("membership of a known person, from sums", off, on)


def model_membership(rng: np.random.Generator) -> Attack:
    """Was a person, all of whose features are known, among those whom a model was learned from?

    The attacker has the coefficients that the hub's file of the model holds, and attacks by
    likelihood ratio (`Shadows`). Without the defence: the model of a hospital of 8 persons with
    a weak penalty, which no rule lets out; with it, the ridge model of four hospitals.
    """
    alone = Shadows(SMALL, WEAK_PENALTY, rng)
    network = Shadows(sum(SIZES.values()), PENALTY, rng)
    scores: dict[tuple[str, bool], list[float]] = {}
    for _ in range(TRIALS):
        rows = {name: rows_of(n, n // 2, rng) for name, n in SIZES.items()}
        x, y = with_intercept(rows["bada"])
        own = ridge(x[None], y[None], WEAK_PENALTY)[0]
        released = network_model(rows)
        number = int(rng.integers(SMALL))
        stranger = np.append(1.0, rng.normal(size=len(FEATURES))), float(rng.integers(2))
        for inside, (of, outcome) in ((True, (x[number], y[number])), (False, stranger)):
            score = alone.score(own, of, outcome)
            scores.setdefault(("alone", inside), []).append(score)
            score = network.score(released, of, outcome)
            scores.setdefault(("network", inside), []).append(score)
    off = area(scores["alone", True], scores["alone", False])
    on = area(scores["network", True], scores["network", False])
    return _by_area("membership of a known person, from a model", off, on)


def network_model(rows: Mapping[str, Rows]) -> Floats:
    """The coefficients that a network of these hospitals learns, the intercept first."""
    answering = {name: each.answer for name, each in holdings(rows).items()}
    model = Glm(Family.BINOMIAL, FEATURES, "y", penalties=(PENALTY,))
    return fit_glm(Run(InProcess(answering), "attack"), model).coefficients


class Shadows:
    """The likelihood ratio attack on models (LiRA; Carlini et al., IEEE S&P 2022, section V).

    Models of other persons of the population, each fitted without the person in question and with,
    say how the person's log-odds of the true outcome are distributed; both are taken as normal.

    Args:
        n: how many persons the attacked model was learned from.
        penalty: of the attacked model.
        rng: of the persons.
    """

    def __init__(self, n: int, penalty: float, rng: np.random.Generator) -> None:
        drawn = [with_intercept(rows_of(n, n // 2, rng)) for _ in range(SHADOWS)]
        self.x, self.y = (np.array(each) for each in zip(*drawn, strict=True))
        self.penalty = penalty
        self.without = ridge(self.x, self.y, penalty)

    def score(self, coefficients: Floats, x: Floats, outcome: float) -> float:
        """Log of how much likelier the model is with the person than without."""
        side = 2 * outcome - 1
        with_x = np.concatenate([self.x, np.tile(x, (SHADOWS, 1, 1))], axis=1)
        with_y = np.concatenate([self.y, np.full((SHADOWS, 1), outcome)], axis=1)
        with_person = ridge(with_x, with_y, self.penalty, self.without)
        inside, outside = side * with_person @ x, side * self.without @ x
        seen_here = side * coefficients @ x
        inside_density = norm.logpdf(seen_here, inside.mean(), inside.std())
        return float(inside_density - norm.logpdf(seen_here, outside.mean(), outside.std()))


def with_intercept(rows: Rows) -> tuple[Floats, Floats]:
    """The matrix of the features, the intercept first, and the outcome."""
    return Design(terms=("1", *FEATURES)).matrix(rows), rows.column("y")


def ridge(x: Floats, y: Floats, penalty: float, start: Floats | None = None) -> Floats:
    """Ridge logistic models, shape (k, q), of x, shape (k, n, q), and y, shape (k, n).

    By the bound X'X / 4 of the information (Boehning and Lindsay, Annals of the Institute of
    Statistical Mathematics 1988;40:641-663): every step is uphill, whatever separates. Features
    have variance 1 in the population: they are not standardised again.
    """
    at = np.zeros((x.shape[0], x.shape[2])) if start is None else start
    penalties = penalty * np.diag([0.0, *[1.0] * (x.shape[2] - 1)])
    inverse = np.linalg.inv(x.swapaxes(1, 2) @ x / 4 + penalties)
    while True:
        p = expit((x @ at[:, :, None])[:, :, 0])
        gradient = ((y - p)[:, None, :] @ x)[:, 0] - at @ penalties
        if np.abs(gradient).max() < 1e-5:
            return at
        at = at + (inverse @ gradient[:, :, None])[:, :, 0]


def aimed(rng: np.random.Generator) -> Attack:
    """Coefficients that give one person all the weight: the information is that of the person."""
    found, refused = 0, 0
    for trial in range(100):
        rows = rows_of(400, 100, rng)
        victim = int(rng.integers(400))
        x = np.array([rows.column(name)[victim] for name in FEATURES])
        # log-odds 0 for the victim, and far below for everybody whose product with x is smaller.
        steep = 40 * x / (x @ x)
        query = GlmStep(
            family=Family.BINOMIAL,
            design=Design(terms=("1", *FEATURES)),
            outcome="y",
            fits=(Fit(coefficients=(-40.0, *map(float, steep))),),
        )
        held = holdings({"bada": rows, **{name: rows_of(50, 20, rng) for name in NAMES[1:]}})[
            "bada"
        ]
        refused += seen(held, query, Mode.CLEAR, str(trial)) == "aimed_at_few_persons"
        information = query.compute(rows)["information"][0]
        # Row by row the lower triangle: after the intercept's own entry, those of x with it.
        q = len(FEATURES) + 1
        with_intercept = np.array([information[j * (j + 1) // 2] for j in range(1, q)])
        guess = with_intercept / information[0]
        found += bool(np.abs(guess - x).max() < 0.05 * np.abs(x).max())
    return Attack(
        "a person's features, from an aimed information",
        f"found for {found} of 100",
        f"refused for {refused} of 100",
        found >= 90 and refused == 100,
    )


def differencing(rng: np.random.Generator) -> Attack:
    """Two sums of which one lacks a person: neighbouring keys, the next release, a withdrawal."""
    query = Moments(design=Design(terms=FEATURES))
    found, refused, tried = 0, 0, 0
    for trial in range(100):
        rows = rows_of(400, 0, rng)
        without = rows.where(rows.person != trial)
        changed = Rows(
            rows.person,
            rows.split_key,
            rows.hospital,
            {**rows.columns, "x0": rows.column("x0") + (rows.person == trial)},
        )
        few = Keys(first=1).chosen(rows)
        for other in (without, changed, few):
            tried += 1
            difference = query.compute(rows)["sums"] - query.compute(other)["sums"]
            of = np.setdiff1d(rows.person, other.person)
            truth = sum(
                (np.array([rows.column(name)[p] for name in FEATURES]) for p in of),
                np.array([-1.0] + [0.0] * 31) if not len(of) else np.zeros(32),
            )
            found += bool(np.abs(difference - truth).max() < 1e-6)
            earlier = Persons.of("attack", rows)
            refused += tells_of_few(Persons.of("attack", other), [earlier], LIMITS.persons)
    return Attack(
        "one to four persons' features, from two sums that differ in them",
        f"found for {found} of {tried}",
        f"refused for {refused} of {tried}",
        found == tried == refused,
    )


def _by_area(name: str, off: tuple[float, float], on: tuple[float, float]) -> Attack:
    return Attack(
        name,
        f"AUROC {off[0]:.3f}",
        f"AUROC {on[0]:.3f}, at most {on[1]:.3f}",
        off[0] >= 0.9 and on[1] <= 0.6,
    )


ATTACKS: tuple[Callable[[np.random.Generator], Attack], ...] = (
    case_count,
    membership,
    model_membership,
    aimed,
    differencing,
)


def main(
    seed: Annotated[int, typer.Option(help="Of the simulated persons.")] = 1,
    markdown: Annotated[Path | None, typer.Option(help="Write the table here as well.")] = None,
) -> None:
    """Attack what leaves hospitals; rc 1 if a defence does not hold, or a control fails.

    The models of the third attack take most of ten minutes of one core.
    """
    console, found = Console(width=150), []
    for number, attack in enumerate(ATTACKS, 1):
        found.append(attack(np.random.default_rng(seed)))
        console.print(f"{number} of {len(ATTACKS)}: {found[-1].name}")
    rows = [["attack", "without the defence", "with it", "held"]]
    rows += [[a.name, a.without, a.with_defence, "yes" if a.held else "NO"] for a in found]
    console.print(as_rich(rows))
    if markdown:
        markdown.write_text(as_markdown(rows) + "\n")
    raise typer.Exit(0 if all(attack.held for attack in found) else 1)


if __name__ == "__main__":
    typer.run(main)
