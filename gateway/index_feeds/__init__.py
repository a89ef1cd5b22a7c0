"""Prices of other venues, from which the engine computes its index.

One adapter for each source keeps that source's book; the scripted one makes prices for demos and tests. Messages of the
sources come in. INDEX_PRICE rows for the sequencer go out: a price of one source for one contract.
"""
