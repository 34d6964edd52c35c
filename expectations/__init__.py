"""Great Expectations on a candidate: conformance, completeness, plausibility, fitness of marts.

`run` is all that others need. Importing this package doesn't import Great Expectations, which takes
six seconds; running does.
"""

from expectations.categories import categories
from expectations.emptiness import MAY_BE_EMPTY
from expectations.offenders import offenders
from expectations.run import run

__all__ = ["MAY_BE_EMPTY", "categories", "offenders", "run"]
