"""A second delivery is built for the persons that it changes; the release is a full build's."""

import json

import pytest

from orchestration.site.builds import TRANSFORMED
from pumasi.release import latest_release
from tests.hospital import BLEED, TinyHospital
from tests.orchestration.conftest import Ward, hospital_of_61

pytestmark = pytest.mark.slow


def changed_persons(ward: Ward) -> int | None:
    said: int | None = json.loads((ward.paths.root / TRANSFORMED).read_text())["changed_persons"]
    return said


@pytest.mark.parametrize("through", ["2019-06-30", "2019-07-31"])
def test_an_incremental_delivery_gives_the_release_of_a_full_build(
    built: Ward, through: str
) -> None:
    ward = built
    assert changed_persons(ward) is None
    more = TinyHospital(numbers=dict(hospital_of_61().numbers))
    for person in ("p1", "p2"):
        more.add_condition(person, BLEED, "2012-03-01", "2012-03-01")
    more.write(ward.root / "extract" / "second", kind="incremental")
    (ward.root / "extract" / "second" / "delivery.toml").write_text(
        f'as_of = 2019-07-31\nextracted_through = {through}\nkind = "incremental"\n'
    )
    ward.build()
    assert changed_persons(ward) == 2
    assert not (ward.paths.root / "delta").exists()
    added = latest_release(ward.paths)
    assert added is not None
    # Nothing new came: all is built anew.
    ward.build()
    assert changed_persons(ward) is None
    full = latest_release(ward.paths)
    assert full is not None
    assert full.id == added.id
    assert full.seal.number == added.seal.number + 1
    assert full.outcomes == added.outcomes
