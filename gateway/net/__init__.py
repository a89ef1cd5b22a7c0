"""The venue's only sockets.

One port serves HTTP until a connection asks for a websocket. Bytes of clients come in, and are passed to sessions and
to the compiled path of plain orders. The bytes that these answer go out, one write for each connection and turn.
"""
