"""How things look outside: numbers, names, errors and rows as clients see them.

The engine's integers and codes come in, or the text that a client sent. Text, bytes and views go out.
Nothing here keeps a state. This room imports nothing from the gateway's other rooms.
"""
