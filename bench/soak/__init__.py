"""A venue under half load for a long time, with crashes and restarts: `python -m bench.soak`.

A real `lionrock serve` in a folder of its own, clients of several kinds over this machine's loopback, and a book of
what each client was told. Figures and a verdict go out: memory, queues, latencies, and whether anything told was lost.
"""
