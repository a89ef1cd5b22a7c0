"""The `lionrock` command line: one module for each subcommand.

A subcommand's module has `add_parser` and `run`, and `gateway/cli.py` imports it when it is asked for. Arguments and
what the user types come in. Tables, JSON or one line of error go out, with an exit code; other rooms do the work.
"""
