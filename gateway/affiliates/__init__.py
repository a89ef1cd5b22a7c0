"""Affiliated market makers: what they owe the market, and what their part in it was.

A journal comes in, and is read for one Hong Kong day. A report goes out: quotes kept, share of the volume, trades with
clients, and the gain of the fills some seconds later.
"""
