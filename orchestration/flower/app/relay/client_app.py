"""What Flower runs at a hospital: bytes go to the hospital's own process, and its reply goes back.

The hub ships this file, so it is trusted with nothing: no release, no key, no log. It knows one
thing, the Unix socket on which `pumasi site answer` listens, from the node's own configuration.
"""

from __future__ import annotations

import socket

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from .frames import FrameError, read_frame, write_frame

app = ClientApp()


@app.query()
def relay(message: Message, context: Context) -> Message:
    """Hand one message on and bring the reply, or a word for why there is none."""
    request = message.content["request"]["bytes"]
    reply = ConfigRecord({"failed": "no_request"})
    if isinstance(request, bytes):
        reply = ask(str(context.node_config["socket"]), request, message.metadata.ttl)
    return Message(RecordDict({"reply": reply}), reply_to=message)


def ask(path: str, request: bytes, seconds: float) -> ConfigRecord:
    """The reply of the hospital's process in `bytes`; else `failed` says why."""
    try:
        with socket.socket(socket.AF_UNIX) as hospital:
            hospital.settimeout(seconds)
            hospital.connect(path)
            write_frame(hospital, request, seconds)
            reply = read_frame(hospital, seconds)
    except TimeoutError:
        return ConfigRecord({"failed": "too_slow"})
    except (OSError, FrameError):
        return ConfigRecord({"failed": "not_answering"})
    return ConfigRecord({"bytes": reply} if reply else {"failed": "not_answering"})
