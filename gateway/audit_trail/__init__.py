"""The audit trail: what was decided, on which figures, and by whom, derived from the journal alone.

Nothing here runs beside an order: the trail is made by replay, offline or behind a running venue.
"""
