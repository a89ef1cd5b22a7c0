"""The compiled path of plain orders: from the bytes of a socket to command rows, from events to replies.

A plain order is a limit or market order without a condition, or a cancel: most messages of a venue are one of these.
Frames come in, many at a time; rows of the batch and finished replies go out. The sessions serve everything else.
"""
