"""The compiled path of plain orders: from the bytes of a socket to command rows, from events to replies.

A plain order is a limit or market order without a condition, or a cancel: most of what a venue hears. Frames come in
many at a time, and rows of the batch and finished replies go out. What is not plain is left to the sessions.
"""
