"""What clients ask about: orders, trades, books, candles, money.

Batches of commands and events come in and are folded here; what is alive is read from the engine's state. Views go out,
and their JSON text. Nothing here changes the engine or the log, and all of it can be made again from the journal.
"""
