"""Affiliated market makers: their obligations and their share of the market, computed from the journal alone."""
