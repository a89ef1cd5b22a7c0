"""The venue: the one place where its parts are put together, and the single writer of its log.

Command rows come in from sessions, timers, index feeds and the registry. The sequencer stamps them and has the engine
apply them as one batch. Each answer goes out when the journal says that everything it can have seen is durable.
"""
