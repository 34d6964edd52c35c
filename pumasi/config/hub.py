"""What the coordinator's configuration file, hub.toml of the network folder, may say.

A network folder of a single hospital has none: then there is no hub, and the workspace names none.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pumasi.config.site import Text


def _is_host(text: str) -> str:
    # It becomes a name in a certificate, and stands before `:port` in the hub's address.
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", text):
        raise ValueError(
            "wants a name of letters a to z, digits, - and ., or an IPv4 address, such as "
            "hub.example.org; without https:// and without the port, which is a setting of its own"
        )
    return text


Host = Annotated[Text, AfterValidator(_is_host)]


class HubConfig(BaseModel):
    """The coordinator of a network: it holds no row of a person and no hospital's secrets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Text = Field(description="the network's name, for people")
    description: Text = Field(description="one sentence on who is in it and what for")
    host: Host = Field(
        default="127.0.0.1", description="name or address under which hospitals reach the hub"
    )
    port: int = Field(
        default=9092, ge=1, le=65535, description="port on which the hub waits for their nodes"
    )
