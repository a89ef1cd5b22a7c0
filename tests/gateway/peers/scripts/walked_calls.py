"""What the scripts of small clients share: one call after the other, and one line about each."""

import json


def say(call, error=None):
    """One line for each call: its name, and what went wrong in it."""
    print(json.dumps({"call": call, "error": error}), flush=True)


async def call(client, name, *arguments, **options):
    """Call a method by name: its answer, or None when it failed; either way one line."""
    try:
        found = await getattr(client, name)(*arguments, **options)
    except Exception as error:
        say(name, f"{type(error).__name__}: {error}")
        return None
    say(name)
    return found
