"""The Python client and what is built on it.

Here live the asyncio client, its copy of a book, and the demo's traders. Answers and pushes of a venue come in over a
websocket; calls and command rows go out. It uses the public protocol alone.
"""

from gateway.client.client import Client, Disconnected, RpcError

__all__ = ["Client", "Disconnected", "RpcError"]
