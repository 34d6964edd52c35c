"""What a hospital's tables hold, as one table of counts: the ground of drift and of the scorecard.

Inside the hospital only: a stratum may be a single person.
"""

from pumasi.quality.characterisation.characterise import (
    FILE,
    cdm_of_files,
    characterise,
    read_characterisation,
    write_characterisation,
)
from pumasi.quality.characterisation.events import EVENT_TABLES
from pumasi.quality.characterisation.queries import SMALLEST_CELL

__all__ = [
    "EVENT_TABLES",
    "FILE",
    "SMALLEST_CELL",
    "cdm_of_files",
    "characterise",
    "read_characterisation",
    "write_characterisation",
]
