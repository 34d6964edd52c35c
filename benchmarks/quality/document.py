"""`docs/validation/seeded-faults.md`, written from the results of a run."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality.cases import CLEAN, PERSONS, Result
from benchmarks.quality.catalogue import Fault
from benchmarks.quality.report import Rows, broken_promises
from benchmarks.report import as_markdown
from pumasi.config import project_root

DOCUMENT = Path("docs/validation/seeded-faults.md")
_TEXT = """\
# Seeded faults: what the checks find

{faults} faults, put one by one into the extract of a simulated hospital of {persons:,} patients,
which is then read, transformed and checked as every delivery is. `make bench-quality` runs all
sizes and hospitals; what stands here is of the {cases:,} cases in
[{results}]({results}), and a size that was not run is a dash.
Who runs it again with the same code goes on from there.

How to read it:

- **gross, promised, half**: size of the fault, and in how many hospitals (one per seed) the check
  that names it failed. *Promised* is the smallest size that the check promises to find: just above
  what it allows, or one row where it allows nothing. Half of that it does not promise; half of one
  row or one file there is none.
- **Caught with 95 % from**: the smallest size caught in 95 of 100 hospitals, as was each above it;
  sizes that fewer than 20 hospitals had can't tell, and are left out. **At least** is the exact
  lower bound (95 %, Clopper-Pearson) of the probability to catch that size: 20 of 20 hospitals show
  0.86, and 59 of 59 would show 0.95.
- **\\*** was written after the thresholds were frozen
  ([decision 0043](../decisions/0043-seeded-faults.md)).
- **No check**: nothing names the fault, whatever its size: what is to be built.

{broken}

{table}

## Where nothing is wrong

{clean} clean hospitals, {first} after one delivery and {second} after two ({seeds}). A check of
severity error or warn that failed in one of them is a false alarm, unless
`benchmarks/quality/declared.csv` accepts it and says why. {alarms}
"""


def write_document(
    faults: Sequence[Fault], results: Sequence[Result], table: Rows, alarms: Rows, kept: Path
) -> Path:
    """Write the page, and the results behind it (the file `kept`); return the page's path."""
    broken = [fault.id for fault in broken_promises(faults, results) if fault.check]
    clean = [result for result in results if result.fault == CLEAN]
    seeds = sorted({int(result.seed) for result in clean})
    text = _TEXT.format(
        faults=len(faults),
        persons=PERSONS,
        broken=f"Promises that were not kept: {', '.join(broken)}."
        if broken
        else "Every promise was kept.",
        table=as_markdown(table),
        cases=len(results),
        results=published(kept).name,
        clean=len(clean),
        first=sum(result.delivery == "first" for result in clean),
        second=sum(result.delivery == "second" for result in clean),
        seeds=f"{len(seeds)} seeds, {seeds[0]} to {seeds[-1]}" if seeds else "none was run",
        alarms=_alarms(alarms),
    )
    file = project_root() / DOCUMENT
    file.write_text(text, encoding="utf-8")
    shutil.copyfile(kept, published(kept))
    return file


def published(kept: Path) -> Path:
    """Where the results behind the table lie in the project, for whoever runs more cases of it."""
    return project_root() / DOCUMENT.parent / f"seeded-faults-{kept.name}"


def _alarms(rows: Rows) -> str:
    if len(rows) == 1:
        return "None failed."
    per = Counter(row[0] for row in rows[1:])
    said = ", ".join(f"{n} at {hospital}" for hospital, n in sorted(per.items()))
    return f"Checks that did: {said}.\n\n{as_markdown(rows)}"
