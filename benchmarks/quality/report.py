"""The table of faults: which check finds which size, how surely, and what fails without a fault."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from scipy.stats import beta

from benchmarks.quality.cases import CLEAN, Result
from benchmarks.quality.catalogue import Fault

Rows = list[list[str]]
# What is asked of a check, and the fewest hospitals that tell it from less.
SURELY = 0.95
ENOUGH = 20


@dataclass(frozen=True)
class Found:
    """Of one size of a fault: how many hospitals had it, and in how many it was caught."""

    size: float
    caught: int
    of: int

    @property
    def always(self) -> bool:
        """Whether it was caught in each."""
        return self.caught == self.of > 0


def found(fault: Fault, results: Iterable[Result]) -> dict[str, Found]:
    """What was found of each size, by its name; sizes of which nothing was run are not in it."""
    ended: dict[str, list[str]] = defaultdict(list)
    for result in results:
        if (result.fault, result.definition) == (fault.id, fault.definition):
            ended[result.size_name].append(result.ended)
    sizes = {}
    for name, size in fault.sizes.items():
        run = [each for each in ended[name] if each != "impossible"]
        if run:
            sizes[name] = Found(size, run.count("caught"), len(run))
    return sizes


def surely(sizes: Iterable[Found]) -> Found | None:
    """The smallest size caught in 95 of 100 hospitals, as were all above it; None if none was.

    What fewer than 20 hospitals had is passed over, since they can't tell 95 of 100 from less.
    """
    smallest = None
    for each in sorted(sizes, key=lambda one: -one.size):
        if each.caught < SURELY * each.of:
            break
        if each.of >= ENOUGH:
            smallest = each
    return smallest


def lower_bound(caught: int, of: int) -> float:
    """Exact one-sided 95 % lower bound (Clopper-Pearson) of the probability to catch.

    0.95 is reached with 59 of 59.
    """
    return float(beta.ppf(0.05, caught, of - caught + 1)) if caught else 0.0


def fault_rows(faults: Sequence[Fault], results: Sequence[Result]) -> Rows:
    """One row per fault, header first."""
    header = [
        "fault", "hospital", "what is done", "found by", "gross", "promised", "half",
        "caught with 95 % from", "at least",
    ]  # fmt: skip
    return [header] + [_row(fault, found(fault, results)) for fault in faults]


def _row(fault: Fault, sizes: dict[str, Found]) -> list[str]:
    smallest = surely(sizes.values())
    return [
        f"{fault.id}{' *' if fault.frozen else ''}",
        fault.hospital,
        fault.what + (" (second delivery)" if fault.delivery == "second" else ""),
        f"`{fault.check}`" if fault.check else f"no check; needed: {fault.wanted}",
        *(_count(fault, sizes.get(name)) for name in ("gross", "promised", "half")),
        _size(fault, smallest.size) if smallest else _never(fault, sizes),
        f"{lower_bound(smallest.caught, smallest.of):.2f}" if smallest else "",
    ]


def _never(fault: Fault, sizes: dict[str, Found]) -> str:
    if not fault.check:
        return "never"
    return "no size" if any(each.of >= ENOUGH for each in sizes.values()) else "too few run"


def _count(fault: Fault, each: Found | None) -> str:
    return f"{_size(fault, each.size)}: {each.caught} of {each.of}" if each else "-"


def _size(fault: Fault, size: float) -> str:
    if fault.unit == "share":
        return f"{size:.3g}" if size < 0.001 else f"{size:.1%}"
    return f"{size:g} {fault.unit.removesuffix('s') if size == 1 else fault.unit}"


def broken_promises(faults: Sequence[Fault], results: Sequence[Result]) -> list[Fault]:
    """Faults whose gross or promised size was not caught wherever it was."""
    return [
        fault
        for fault in faults
        if any(not each.always for name, each in found(fault, results).items() if name != "half")
    ]


def false_alarms(
    results: Sequence[Result], declared: Collection[tuple[str, str]]
) -> Counter[tuple[str, str]]:
    """How often each check failed in clean hospitals, by hospital and check, undeclared ones."""
    alarms: Counter[tuple[str, str]] = Counter()
    for result in results:
        if result.fault == CLEAN:
            names = result.checks if result.ended == "built" else [f"({result.ended})"]
            alarms.update((result.hospital, name) for name in names)
    return Counter({key: n for key, n in alarms.items() if not _is_declared(key, declared)})


def _is_declared(key: tuple[str, str], declared: Collection[tuple[str, str]]) -> bool:
    hospital, check = key
    return (hospital, check) in declared or ("all", check) in declared


def alarm_rows(results: Sequence[Result], declared: Collection[tuple[str, str]]) -> Rows:
    """One row per hospital and check that failed where nothing was wrong, header first."""
    built = Counter(result.hospital for result in results if result.fault == CLEAN)
    alarms = false_alarms(results, declared)
    header = ["hospital", "check", "failed in", "of clean hospitals"]
    return [header] + [
        [hospital, f"`{check}`", str(n), str(built[hospital])]
        for (hospital, check), n in sorted(alarms.items())
    ]
