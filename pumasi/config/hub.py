"""What the coordinator's configuration file, hub.toml of the network folder, may say.

A network folder of a single hospital has none: then there is no hub, and the workspace names none.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pumasi.config.site import Text


class HubConfig(BaseModel):
    """The coordinator of a network: it holds no row of a person and no hospital's secrets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Text = Field(description="the network's name, for people")
    description: Text = Field(description="one sentence on who is in it and what for")
