"""Deterministic simulation: a whole venue on a virtual clock, a virtual disk and a virtual network, from one integer."""
