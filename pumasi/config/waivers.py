"""What a hospital's file of waivers, `<id>.waivers.toml` of the network folder, may say, as types.

It is a file of its own because another person writes it: who accepts a defect for a time is not who
sets up the extract, and a release is opened without the settings of its source.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator

from pumasi.config.site import Day, Dotted, Text

WAIVERS_SUFFIX = ".waivers.toml"


class Waiver(BaseModel):
    """One failing check that a named role accepts: up to which share, why, and until when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: Dotted = Field(description='a check, such as "person.gender_is_known"')
    limit: Annotated[float, Strict(), Field(gt=0, le=1)] = Field(
        description="the share that may violate it meanwhile, such as 0.05"
    )
    responsible: Text = Field(description="who answers for it, as the hospital writes the role")
    reason: Text = Field(description="why it is accepted, in a sentence")
    until: Day = Field(description="the last day on which it holds, such as 2024-12-31")


class Waivers(BaseModel):
    """Every waiver of a hospital. A day ends by the clock of `timezone`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: Text = "UTC"
    waivers: tuple[Waiver, ...] = ()

    def day(self, at: datetime) -> date:
        """The hospital's date at an aware datetime."""
        return at.astimezone(ZoneInfo(self.timezone)).date()

    @model_validator(mode="after")
    def _timezone_is_one(self) -> Self:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"timezone: got {self.timezone}, wants a name such as Asia/Seoul"
            ) from None
        return self

    @model_validator(mode="after")
    def _one_waiver_per_check(self) -> Self:
        checks = [waiver.check for waiver in self.waivers]
        twice = sorted({check for check in checks if checks.count(check) > 1})
        if twice:
            raise ValueError(
                f"waivers: got several for {', '.join(twice)}, wants one waiver per check"
            )
        return self
