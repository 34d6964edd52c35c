"""What Flower runs at the hub: hands messages of the process that estimates to the nodes.

One Flower run carries all exchanges of one run of Pumasi, since a run takes seconds to begin. The
process that estimates listens on a Unix socket; when it closes, or is killed, this program ends
with the exchange that goes on.
"""

from __future__ import annotations

import json
import socket
import time
from base64 import b64encode
from collections.abc import Mapping

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

from .frames import read_frame, write_frame

app = ServerApp()
# Seconds between two looks for replies; `Grid.send_and_receive` takes three.
POLL = 0.2
# Seconds of one call to the SuperLink from which on it stood still, and may have lost its nodes.
STOOD_STILL = 10.0


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Carry messages until the process that estimates has no more."""
    with socket.socket(socket.AF_UNIX) as hub:
        hub.connect(str(context.run_config["socket"]))
        said = json.loads(read_frame(hub) or b"{}")
        nodes = [int(node) for node in said["nodes"]]
        while (request := read_frame(hub)) is not None:
            found = exchange(grid, nodes, request, float(said["seconds"]))
            try:
                write_frame(hub, json.dumps(found).encode())
            except OSError:
                return


def exchange(
    grid: Grid, nodes: list[int], request: bytes, seconds: float
) -> dict[str, dict[str, str]]:
    """By node the replies in base64, and why there is none of those that said so; of the hub, too.

    `hub` says for how many seconds the SuperLink `stood_still`, if it did.
    """
    end = time.monotonic() + seconds
    record = RecordDict({"request": ConfigRecord({"bytes": request})})
    messages = [
        Message(record, dst_node_id=node, message_type="query", ttl=seconds) for node in nodes
    ]
    # Flower gives None for what it could not send, and nothing at all if it was too much.
    asked = time.monotonic()
    sent = [*grid.push_messages(messages), *([None] * len(nodes))][: len(nodes)]
    longest = time.monotonic() - asked
    waiting = {number: node for number, node in zip(sent, nodes, strict=True) if number}
    failed = {str(node): "not_sent" for node in nodes if node not in waiting.values()}
    replies: dict[str, str] = {}
    # Also when the process that estimates is gone meanwhile: a node whose run ends between its
    # taking a message and its starting the relay would keep a relay that waits for ever.
    while waiting and time.monotonic() < end:
        time.sleep(POLL)
        asked = time.monotonic()
        pulled = list(grid.pull_messages(list(waiting)))
        longest = max(longest, time.monotonic() - asked)
        for message in pulled:
            node = str(waiting.pop(message.metadata.reply_to_message_id))
            if message.has_error():
                failed[node] = f"flower_error_{message.error.code}"
            else:
                _sort(message.content["reply"], node, replies, failed)
    hub = {"stood_still": f"{longest:.0f}"} if longest >= STOOD_STILL else {}
    return {"replies": replies, "failed": failed, "hub": hub}


def _sort(
    reply: Mapping[str, object], node: str, replies: dict[str, str], failed: dict[str, str]
) -> None:
    content = reply.get("bytes")
    if isinstance(content, bytes):
        replies[node] = b64encode(content).decode()
    else:
        failed[node] = str(reply.get("failed", "no_reply"))
