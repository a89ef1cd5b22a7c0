"""What officers do: proposals, approval by a second person, evidence, and the directives of each change.

Requests of officers come in, from the command line or over the wire. Each is checked and recorded in the
registry. A decided change becomes intents, which the venue takes from the registry and writes into the log.
"""
