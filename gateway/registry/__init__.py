"""Who exists: clients, persons, accounts, keys, and the records of evidence.

A SQLite file beside the journal keeps them. What officers and the host record comes in; logins are checked against it.
Intents go out, which the venue writes into the log. The log is the truth; the registry notes the result of each intent.
"""
