"""The dbt project compiled once for the tiny hospital, and its vocabulary."""

from pathlib import Path

import pytest

from pumasi.compiled import CompiledProject, compile_project


@pytest.fixture(scope="session")
def fhir_project(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    """The project's models for a FHIR site, ready to be run."""
    home: Path = tmp_path_factory.mktemp("compiled")
    return compile_project("fhir_r4", home)


@pytest.fixture(scope="session")
def hospital_project(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    """The project's models for a site of a hospital's CSV files, ready to be run."""
    home: Path = tmp_path_factory.mktemp("compiled_hospital")
    return compile_project("hospital_csv", home)


@pytest.fixture(scope="session")
def synthea_project(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    """The project's models for a site of Synthea files, ready to be run."""
    home: Path = tmp_path_factory.mktemp("compiled_synthea")
    return compile_project("synthea_csv", home)


@pytest.fixture(scope="session")
def omop_project(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    """The project's models for a site of OMOP tables, ready to be run."""
    home: Path = tmp_path_factory.mktemp("compiled_omop")
    return compile_project("omop_cdm", home)
