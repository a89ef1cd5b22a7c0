"""What a replay leads to, written for the tools that researchers use: Parquet, CSV as Tardis has it, DBN, hftbacktest.

`book_changes` follows the engine's events; the writers only put its rows into their formats.
"""
