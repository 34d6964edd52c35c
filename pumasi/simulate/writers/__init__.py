"""How each hospital writes its record down as files: one module per format, data only.

A module says for each file which query over the views `persons`, `visits`, `conditions`, `drugs`,
`procedures`, `measurements`, `observations` and `deaths` makes its rows. DuckDB writes them; no row
passes through Python.
"""

from pumasi.simulate.writers.delivery import Cut, Writer, define_views, write_about, write_part
from pumasi.simulate.writers.fhir_r4 import FHIR_R4
from pumasi.simulate.writers.hospital_csv import HOSPITAL_CSV
from pumasi.simulate.writers.omop_cdm import OMOP_CDM
from pumasi.simulate.writers.synthea_csv import SYNTHEA_CSV

WRITERS: dict[str, Writer] = {
    "haneul": HOSPITAL_CSV,
    "bada": OMOP_CDM,
    "sup": FHIR_R4,
    "deul": SYNTHEA_CSV,
}

__all__ = ["WRITERS", "Cut", "Writer", "define_views", "write_about", "write_part"]
