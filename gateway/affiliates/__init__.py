"""Affiliated market makers: their obligations and their share of the market.

A journal comes in, and is read for one Hong Kong day. A report goes out: quotes kept, share of the volume, trades with
clients, and the gain of the fills some seconds later.
"""
