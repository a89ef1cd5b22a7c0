"""Deterministic simulation: a whole venue on a virtual clock, disk and network, from one integer."""
