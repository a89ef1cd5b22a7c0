"""Affiliated market makers: what they owe the market, and what their part in it was. Read from the journal alone."""
