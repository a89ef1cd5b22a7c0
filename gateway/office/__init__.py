"""What officers do: proposals, the second person, evidence and what each change becomes.

Requests of officers come in, from the command line or over the wire. Each is checked and recorded in the
registry; once it is decided, it becomes intents. The venue takes these from the registry and puts them into the log.
"""
