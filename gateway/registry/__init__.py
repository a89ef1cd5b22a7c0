"""Who exists: clients, persons, accounts, keys, and the records of evidence.

A SQLite file beside the journal keeps them. What officers and the host record comes in; logins are checked against it.
Intents go out: what the log must be told. The log stays the truth, and the registry notes what it has made of each.
"""
