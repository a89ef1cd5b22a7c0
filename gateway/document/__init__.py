"""The protocol as a document, with a worked call of each method.

The OpenRPC document is made here from the message types and from answers that real sessions give to the examples.
The table of methods and fixed sample rows come in. One JSON text goes out, served at `/openrpc.json`.
"""
