"""The audit trail: what was decided, on which figures, and by whom, derived from the journal alone.

No order waits for it: the trail is made by replay, offline or beside a running venue.
"""
