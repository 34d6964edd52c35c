"""The truth is read by tests of methods and by nothing that runs in a hospital or at the hub."""

import pyarrow.compute as pc
import pytest

from pumasi.config.paths import project_root
from pumasi.simulate import read_truth, simulate
from pumasi.simulate.world import World
from tests.simulate.lives import crowd

SIMULATOR = project_root() / "pumasi" / "simulate"
PIPELINE = ("pumasi", "expectations", "orchestration", "dbt_project/models", "dbt_project/macros")


def test_no_pipeline_code_names_the_folder_of_the_truth() -> None:
    texts = [
        file
        for package in PIPELINE
        for file in (project_root() / package).rglob("*")
        if file.suffix in (".py", ".sql", ".yml") and SIMULATOR not in file.parents
    ]
    assert len(texts) > 200
    naming = [file.name for file in texts if "simulation/truth" in file.read_text(encoding="utf-8")]
    assert naming == []
    # The command that writes it is the only one that knows where it lies.
    knowing = [file.name for file in texts if '"truth"' in file.read_text(encoding="utf-8")]
    assert knowing == ["cli.py"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("truth")
    world = World(scale=0.005, absent_hospitals=("sup", "deul"))
    simulate(world, folder / "deliveries", folder / "truth", lives=crowd)
    return folder / "truth"


def test_the_truth_has_what_the_record_has_not(folder: object) -> None:
    persons = read_truth(folder, "life_persons")  # type: ignore[arg-type]
    assert persons.num_rows == 100 + 70
    assert pc.sum(persons["asthma"]).as_py() == 34 + 24
    attacks = read_truth(folder, "life_attacks")  # type: ignore[arg-type]
    recorded = read_truth(folder, "record_drugs")  # type: ignore[arg-type]
    bursts = recorded.filter(pc.equal(recorded["term"], "prednisolone"))
    assert 0 < bursts.num_rows < attacks.num_rows


def test_the_record_is_kept_in_concept_ids_with_the_hospital_that_wrote_it(folder: object) -> None:
    conditions = read_truth(folder, "record_conditions")  # type: ignore[arg-type]
    assert set(conditions["hospital"].to_pylist()) == {"haneul", "bada"}
    assert {317009, 320128} <= set(conditions["concept_id"].to_pylist())
    assert {"event_date", "recorded_date", "from_date", "to_date"} <= set(conditions.column_names)
