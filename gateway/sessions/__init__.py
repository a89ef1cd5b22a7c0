"""Clients' sessions without any I/O.

Messages of one connection come in, with the time. Actions go out: reply, submit command rows, subscribe, close.
The methods of the protocol, its JSON-RPC and binary forms, the rate limits and the check of unusual orders live here.
"""
