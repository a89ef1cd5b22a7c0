"""Which standbys of a venue there are: they are asked, and answer. No stream keeps that."""

import asyncio
from contextlib import suppress

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from gateway.cluster.messages import MessageError, Present, nodes_subject, unpack_present

ASK_SECONDS = 0.3
"""How long a standby may take to answer."""


async def present_nodes(client: Client, venue: str) -> list[Present]:
    """The standbys that answer within ASK_SECONDS, the most advanced first. NatsError, OSError."""
    found: dict[str, Present] = {}

    async def receive(message: Msg) -> None:
        with suppress(MessageError):
            present = unpack_present(message.data)
            found[present.process] = present

    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, cb=receive)
    try:
        await client.publish(nodes_subject(venue), b"", inbox)
        await asyncio.sleep(ASK_SECONDS)
    finally:
        with suppress(NatsError, OSError):
            await subscription.unsubscribe()
    return sorted(found.values(), key=lambda present: (-present.stream_seq, present.node))
