"""Text that stays one line of a log and of a terminal, whatever is quoted in it."""

from unicodedata import category


def plain(text: str) -> str:
    """The text with its control characters escaped: those that end a line, move the cursor or reverse the writing."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or category(letter) == "Zs" else letter.encode("unicode_escape").decode()
        for letter in text
    )
