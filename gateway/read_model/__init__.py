"""What clients ask about: orders, trades, books, candles, money.

Batches of commands and events come in and are folded here; present state is read from the engine. Views and their
JSON text go out. Nothing here changes the engine or the log, and all of it can be rebuilt from the journal.
"""
