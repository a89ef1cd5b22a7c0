"""The audit trail: what was decided, on which figures, and by whom, derived from the journal alone.

A journal comes in, and is replayed; nothing here runs beside an order. Records go out, each hash-chained to the one
before it: exported, verified again, or explained to a person.
"""
