"""The source formats: one module each, data only."""

from pumasi.extract.contract import Format
from pumasi.extract.formats.fhir_r4 import FHIR_R4
from pumasi.extract.formats.hospital_csv import HOSPITAL_CSV
from pumasi.extract.formats.omop_cdm import OMOP_CDM
from pumasi.extract.formats.synthea_csv import SYNTHEA_CSV

FORMATS: dict[str, Format] = {
    each.name: each for each in (OMOP_CDM, FHIR_R4, SYNTHEA_CSV, HOSPITAL_CSV)
}
