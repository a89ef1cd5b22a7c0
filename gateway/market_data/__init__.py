"""The channels that clients subscribe to: public ones, and those of an account.

The hub knows the readers of each channel. Each batch of events comes in, as the read model has folded it.
Websocket frames go out to the readers, encoded once for all of them.
"""
