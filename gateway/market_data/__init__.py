"""What a venue says unasked: its public channels and those of an account.

The hub knows who reads which channel. Each batch of events comes in, as the read model has folded it.
Websocket frames go out to the readers, encoded once for all of them.
"""
