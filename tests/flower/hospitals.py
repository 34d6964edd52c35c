"""Tiny hospitals with what a real task needs, that answer in this process or through Flower."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pumasi import audit
from pumasi.answer.enrolment import read_peers
from pumasi.answer.hospital import Hospital
from pumasi.config import SitePaths
from pumasi.disclosure.approval import Approval, make_steward_key, sign
from pumasi.estimate.glm import Glm
from pumasi.federation.masks import MaskKey
from pumasi.federation.network import InProcess, Run, Transport
from pumasi.federation.queries import Family
from pumasi.federation.query import Kind
from pumasi.learn.gi_bleed_risk import GI_BLEED_RISK as TASK
from tests.release.tiny import NOON, TinySite, passed

NAMES = ("bada", "deul", "haneul", "sup")
FLAGS = [name for name in TASK.features if name.startswith(("is_", "has_", "had_", "used_"))]
NUMBERS = [name for name in TASK.features if name not in FLAGS]
MODEL = Glm(
    Family.BINOMIAL,
    ("age_at_index", "visits_365", "is_female", "used_aspirin"),
    TASK.outcome,
    flags=("is_female", "used_aspirin"),
)


def _mart(seed: int, persons: int) -> str:
    """Columns that look random and are the same each time."""

    def uniform(number: int) -> str:
        return f"(((i + {seed * 1009}) * {7919 + 104 * number} + {number * 31}) % 1009) / 1009.0"

    flags = [f"{uniform(n)} < 0.4 as {name}" for n, name in enumerate(FLAGS, 1)]
    numbers = [
        f"cast(floor(80 * {uniform(n)}) as integer) as {name}" for n, name in enumerate(NUMBERS, 20)
    ]
    return f"""
        create or replace table marts.{TASK.table} as
        select *, age_at_index / 160.0 + 0.2 * used_aspirin::integer > luck as {TASK.outcome}
        from (
            select
                i + {seed * 100_000} as person_id,
                (i * 37) % 100 as split_key,
                i % 45 = 3 as both_drugs_on_index,
                {uniform(99)} as luck,
                {", ".join([*flags, *numbers])}
            from range({persons}) r(i)
        )
    """


class Hospitals:
    """Hospitals below one home, each with an open release, a steward and an approval."""

    def __init__(self, home: Path, network: Path, port: int, names: tuple[str, ...] = NAMES):
        self.home, self.network, self.names = home, network, names
        network.mkdir(parents=True)
        (network / "hub.toml").write_text(
            f'name = "Tiny"\ndescription = "Made up for a test."\nport = {port}\n'
        )
        for number, name in enumerate(names, start=1):
            (network / f"{name}.toml").write_text(
                f'name = "{name}"\ndescription = "Made up."\nformat = "omop_cdm"\nreal = false\n'
                '[source]\nurl = "nowhere"\nkind = "full"\n[vocabulary]\nsource = "delivery"\n'
            )
            site = TinySite(home, name)
            site.build(_mart(number, 300 + 50 * number))
            site.seal(*(passed(check) for check in ("person.person_id_is_unique", *TASK.checks)))
            make_steward_key(home / f"{name}.pem", "secret", site.paths)
            self.approve(name)

    def paths(self, name: str) -> SitePaths:
        return SitePaths.of(name, self.home)

    def approve(self, name: str) -> None:
        approval = Approval(
            id="tiny",
            site=name,
            subject=TASK.name,
            kinds=(Kind.DESCRIPTIVE, Kind.LEARNING),
            expires=date(2999, 12, 31),
            contributors=self.names,
        )
        sign(approval, self.home / f"{name}.pem", "secret", self.paths(name))

    def in_process(self) -> Transport:
        """The same hospitals, with the keys that they enrolled, without Flower."""
        return InProcess({name: self._answering(name) for name in self.names})

    def _answering(self, name: str):  # type: ignore[no-untyped-def]
        paths = self.paths(name)
        hospital = Hospital(
            paths,
            MaskKey.load(paths.mask_key),
            read_peers(paths).public_keys,
            (TASK,),
            self.network,
        )

        def answer(message: bytes) -> bytes:
            sent: list[bytes] = []
            hospital.answer(message, sent.append)
            return sent[0]

        return answer

    def log(self, name: str) -> list[dict[str, object]]:
        return audit.entries(self.paths(name).audit_log)


def run_over(transport: Transport) -> Run:
    return Run(transport, TASK.name)


class Overheard:
    """What was asked, as it was sent."""

    def __init__(self, transport: Transport):
        self.transport = transport
        self.requests: list[bytes] = []

    @property
    def hospitals(self) -> tuple[str, ...]:
        return self.transport.hospitals

    def carry(self, message: bytes) -> Mapping[str, bytes]:
        self.requests.append(message)
        return self.transport.carry(message)


__all__ = ["MODEL", "NAMES", "NOON", "TASK", "Hospitals", "Overheard", "run_over"]
