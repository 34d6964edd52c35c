"""`python -m benchmarks.linkage`: what persons in two hospitals do to intervals and test AUROC.

Nobody may link persons of two hospitals, so a person in both counts twice in a sum, and may learn
at one and test at the other. The simulator knows who is whom. Networks are simulated with more and
more shared persons and taken straight to the marts; the rows of the asthma model are then analysed
as the hospitals have them ("apart") and with the true persons ("linked"). In the simulator every
visit is at one hospital. The other extreme are persons whose whole record is at both: some, and
everybody, which is the control, where both effects must be large.

Sums over hospitals are exact, so one fit of all rows stands for the exchange over the network; a
test holds them to each other (`tests/benchmarks/test_linkage.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, TypeVar

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy.stats import norm
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.stats.sandwich_covariance import cov_cluster
from statsmodels.stats.weightstats import DescrStatsW

from benchmarks.report import as_markdown, as_rich
from pumasi.answer.holding import holdings
from pumasi.answer.task_rows import task_rows
from pumasi.auroc import auroc
from pumasi.errors import EstimationError
from pumasi.estimate.glm import fit_glm
from pumasi.federation.cells import Limits
from pumasi.federation.network import InProcess, Run
from pumasi.federation.rows import Design, Floats, Rows
from pumasi.learn.network_model import NetworkTask
from pumasi.learn.task import TESTING
from pumasi.learn.tasks import NETWORK_TASKS
from pumasi.simulate.direct import Workshop, hospital_marts, network_record, workshop
from pumasi.simulate.run import cuts
from pumasi.simulate.world import HOSPITALS, World

[PLAN] = [plan for plan in NETWORK_TASKS if plan.task.name == "asthma_exacerbation"]
SHARES = [World().shared_patients, 0.2, 0.99]
SAME_RECORD = [World().shared_patients, 0.2, 1.0]
# All rows in one place, which only simulated hospitals can be.
POOL = Limits(contributors=1)
WIDTH = float(norm.ppf(0.975))
Step = TypeVar("Step")


@dataclass(frozen=True)
class Fit:
    """A logistic regression, and its standard errors in three ways; each of shape (terms,).

    Args:
        coefficients: of the terms, the intercept first.
        by_row: as if every row were a person's only one; what the page of a model shows.
        apart: sandwich by person within a hospital; what hospitals can tell together.
        linked: sandwich by person, whichever hospital; nobody outside a simulation has it.
    """

    coefficients: Floats
    by_row: Floats
    apart: Floats
    linked: Floats


def one_mart(made_with: Workshop, name: str) -> Workshop:
    """What makes only the mart `name` and what it is made of; the others would take time."""
    needed = made_with.project.needed({name})
    models = tuple(model for model in made_with.project.models if model.name in needed)
    return replace(made_with, project=replace(made_with.project, models=models))


def simulated(made_with: Workshop, world: World, plan: NetworkTask = PLAN) -> Rows:
    """Rows of the task at all hospitals of `world`; `person` is the true one of the simulator."""
    written = network_record(world)
    held = []
    for hospital in world.hospitals:
        with hospital_marts(made_with, written, hospital, cuts(world)[-1]) as connection:
            rows = task_rows(plan.task, connection.table(f"marts.{plan.task.table}"))
            people = connection.sql("select person_id, person from people order by 1").fetchnumpy()
        place = np.searchsorted(people["person_id"], rows.person)
        held.append(replace(rows, person=np.asarray(people["person"][place], dtype=np.int64)))
    return replace(Rows.together(held), person=np.concatenate([rows.person for rows in held]))


def pooled(networks: Sequence[Rows]) -> Rows:
    """The persons of several networks as of one; persons of two networks are never the same."""
    hospital = np.concatenate([rows.hospital for rows in networks])
    return replace(Rows.together(networks), hospital=hospital)


def copied(rows: Rows, share: float, rng: np.random.Generator) -> Rows:
    """A share of the persons are patients of a second hospital too, which has the same record."""
    person = _numbered(rows.person[:, None])
    both = rows.where((rng.random(person.max() + 1) < share)[person])
    twice = Rows.together([rows, both])
    return replace(
        twice,
        person=np.concatenate([rows.person, both.person]),
        hospital=np.concatenate([rows.hospital, both.hospital + len(HOSPITALS)]),
    )


def apart(rows: Rows) -> Rows:
    """The rows as hospitals have them: a person of two hospitals is two persons."""
    return replace(rows, person=_numbered(np.column_stack([rows.hospital, rows.person])))


def in_two(rows: Rows) -> tuple[float, float]:
    """Share of persons, and of persons as hospitals count them, who have rows at two hospitals."""
    pairs = np.unique(np.column_stack([rows.person, rows.hospital]), axis=0)
    hospitals = np.unique(pairs[:, 0], return_counts=True)[1]
    shared = hospitals > 1
    return float(shared.mean()), float(hospitals[shared].sum() / hospitals.sum())


# -- intervals ---------------------------------------------------------------------------------


def fitted(rows: Rows, plan: NetworkTask = PLAN) -> Fit:
    """Logistic regression without penalty, of all rows.

    The sandwich by person is that of Liang and Zeger, Biometrika 1986;73:13-22, without a factor
    for small samples, as in `pumasi.estimate.glm`.

    Raises:
        EstimationError: there is no maximum, as when the outcome is separated.
    """
    matrix = Design(terms=("1", *plan.terms)).matrix(rows)
    found = GLM(rows.column(plan.task.outcome), matrix, family=Binomial()).fit()
    if not found.converged:
        raise EstimationError("the logistic regression did not converge: take more persons")
    sandwich = [
        np.sqrt(np.diag(cov_cluster(found, person, use_correction=False)))
        for person in (apart(rows).person, rows.person)
    ]
    return Fit(np.asarray(found.params), np.asarray(found.bse), *sandwich)


def resampled(rows: Rows, persons: int, rng: np.random.Generator) -> Rows:
    """So many persons, drawn with replacement, each with all rows at all hospitals.

    Who is drawn twice is two persons: the rows are the population from which networks are drawn.
    """
    order = np.argsort(rows.person, kind="stable")
    _, first, count = np.unique(rows.person[order], return_index=True, return_counts=True)
    drawn = rng.integers(0, len(first), persons)
    row = np.concatenate([order[first[d] : first[d] + count[d]] for d in drawn])
    return Rows(
        person=np.repeat(np.arange(persons), count[drawn]),
        split_key=rows.split_key[row],
        hospital=rows.hospital[row],
        columns={name: values[row] for name, values in rows.columns.items()},
    )


def ratios(fits: Sequence[Fit]) -> Floats:
    """Standard error linked : apart of every term, mean over the fits, shape (terms,)."""
    return np.asarray(np.mean([fit.linked / fit.apart for fit in fits], axis=0))


def reported_to_true(fits: Sequence[Fit], kind: str) -> float:
    """Mean standard error : standard deviation of the coefficients over fits; median of terms."""
    deviation = np.std([fit.coefficients for fit in fits], axis=0, ddof=1)
    reported = np.mean([getattr(fit, kind) for fit in fits], axis=0)
    return float(np.median(reported / deviation))


def coverage(fits: Sequence[Fit], truth: Floats, kind: str) -> Floats:
    """Share of the terms of each fit whose 95 % interval holds `truth`, shape (fits,)."""
    return np.array(
        [np.mean(np.abs(fit.coefficients - truth) <= WIDTH * getattr(fit, kind)) for fit in fits]
    )


# -- test AUROC --------------------------------------------------------------------------------


def splits(rows: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """The rows with split keys of each hospital's own, and with one key for every true person.

    At the first of a person's hospitals both keys are the same, so that the two differ only by who
    is shared. A keyed hash is as good as a draw.
    """
    person, unlinked = _numbered(rows.person[:, None]), apart(rows).person
    one = rng.integers(0, 100, person.max() + 1)[person]
    own = rng.integers(0, 100, unlinked.max() + 1)[unlinked]
    first = np.full(person.max() + 1, rows.hospital.max())
    np.minimum.at(first, person, rows.hospital)
    own = np.where(rows.hospital == first[person], one, own)
    return replace(apart(rows), split_key=own), replace(apart(rows), split_key=one)


def area(rows: Rows, plan: NetworkTask = PLAN) -> float:
    """Test AUROC of the network's model: ridge, its penalty chosen among the learning persons."""
    answering = {"pool": holdings({"pool": rows}, POOL)["pool"].answer}
    found = fit_glm(Run(InProcess(answering), "linkage", masked=False, limits=POOL), plan.ridge)
    test = TESTING.chosen(rows)
    log_odds = Design(terms=found.terms).matrix(test) @ found.coefficients
    return auroc(test.column(plan.task.outcome) == 1, log_odds).estimate


def areas(
    networks: Iterable[Rows], repeats: int, rng: np.random.Generator, plan: NetworkTask = PLAN
) -> Floats:
    """Mean test AUROC of each network over `repeats` splits: own, by person; (networks, 2)."""
    return np.array(
        [
            np.mean(
                [[area(each, plan) for each in splits(rows, rng)] for _ in range(repeats)], axis=0
            )
            for rows in networks
        ]
    )


# -- tables ------------------------------------------------------------------------------------


def errors_row(name: str, rows: Rows, fits: Sequence[Fit]) -> list[str]:
    """A line of the table of standard errors.

    The rule: a person of two hospitals adds (a + b)(a + b)' to the middle of the sandwich, at most
    twice the aa' + bb' that the two add apart. If persons of two hospitals are a share q of those
    whom the hospitals count, and no more influential than others, variances are at most 1 + q times
    as large.
    """
    of_persons, of_counted = in_two(rows)
    ratio = ratios(fits)
    return [
        name,
        f"{100 * of_persons:.1f} %",
        f"{np.median(ratio):.3f}",
        f"{ratio.min():.3f} to {ratio.max():.3f}",
        f"{np.sqrt(1 + of_counted):.3f}",
    ]


def coverage_row(name: str, fits: Sequence[Fit], truth: Floats) -> list[str]:
    """A line of the table of coverage."""
    return [
        name,
        *(f"{reported_to_true(fits, kind):.3f}" for kind in KINDS),
        *(_interval(100 * coverage(fits, truth, kind), 1) for kind in KINDS),
    ]


def areas_row(name: str, found: Floats) -> list[str]:
    """A line of the table of areas."""
    own, by_person = found.mean(axis=0)
    return [name, f"{own:.4f}", f"{by_person:.4f}", _interval(found[:, 0] - found[:, 1], 4)]


def _interval(values: Floats, digits: int) -> str:
    """Mean with its 95 % interval by Student's t."""
    found = DescrStatsW(values)
    low, high = found.tconfint_mean()
    return f"{found.mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _numbered(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of each row of `keys` among those that differ, from 0."""
    return np.asarray(np.unique(keys, axis=0, return_inverse=True)[1], dtype=np.int64).ravel()


KINDS = ("by_row", "apart", "linked")
WHO = "patients of two hospitals"
ERRORS = [
    WHO,
    "of the model's persons",
    "standard error linked : apart, median of terms",
    "smallest to largest",
    "by the rule",
]
COVERAGE = [
    WHO,
    *(f"standard error : true one, {kind.replace('_', ' ')}" for kind in KINDS),
    *(f"coverage in %, {kind.replace('_', ' ')}" for kind in KINDS),
]
AREAS = [WHO, "test AUROC, hospitals' own splits", "split by person", "difference"]


def simulated_networks(
    shares: Sequence[float], networks: int, scale: float, seed: int
) -> dict[float, list[Rows]]:
    """Networks by the share of persons with a second hospital; the same seeds for each."""
    found = {}
    with TemporaryDirectory(prefix="pumasi-bench-") as folder:
        made_with = one_mart(workshop(Path(folder)), PLAN.task.table)
        for share in shares:
            worlds = [
                World(scale=scale, seed=seed + number, shared_patients=share)
                for number in range(networks)
            ]
            found[share] = [
                simulated(made_with, world)
                for world in _tracked(worlds, f"networks, {share:.0%} shared")
            ]
    return found


def main(
    networks: Annotated[int, typer.Option(help="Simulated networks a share, each a seed.")] = 8,
    scale: Annotated[
        float, typer.Option(help="Of a network, 1: the demo's size; from 0.1 on.")
    ] = 0.25,
    share: Annotated[list[float], typer.Option(help="Of persons with a second hospital.")] = SHARES,
    same_record: Annotated[
        list[float], typer.Option(help="Share of persons whose record is at a second hospital too.")
    ] = SAME_RECORD,
    persons: Annotated[int, typer.Option(help="Of the model, in a resampled network.")] = 2400,
    resamples: Annotated[int, typer.Option(help="Networks drawn from all, for coverage.")] = 200,
    repeats: Annotated[int, typer.Option(help="Pairs of splits of each network.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the first network and of all draws.")] = 1,
    markdown: Annotated[Path | None, typer.Option(help="Write the tables here as well.")] = None,
) -> None:
    """Measure what persons in two hospitals do to intervals and to the test AUROC."""
    rng = np.random.default_rng(seed)
    found = simulated_networks([0.0, *share], networks, scale, seed)
    every = {f"{each:.0%}": held for each, held in found.items()}
    for each in same_record:
        every[f"{each:.0%}, same record"] = [copied(rows, each, rng) for rows in found[0.0]]
    tables = [[ERRORS], [COVERAGE], [AREAS]]
    for name, held in every.items():
        rows = pooled(held)
        fits = [
            fitted(resampled(rows, persons, rng))
            for _ in _tracked(range(resamples), f"intervals, {name}")
        ]
        tables[0].append(errors_row(name, rows, fits))
        tables[1].append(coverage_row(name, fits, fitted(rows).coefficients))
        tables[2].append(areas_row(name, areas(_tracked(held, f"areas, {name}"), repeats, rng)))
    for table in tables:
        Console(width=150).print(as_rich(table))
    if markdown:
        markdown.write_text("\n\n".join(as_markdown(table) for table in tables) + "\n")


def _tracked(steps: Sequence[Step], what: str) -> Iterable[Step]:
    """The steps, with their progress on the error stream."""
    return track(steps, what, console=Console(stderr=True))


if __name__ == "__main__":
    typer.run(main)
