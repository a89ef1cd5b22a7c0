"""What the operator of a running venue asks it: whether it serves, whether it may trade, and its figures.

The venue and its connections come in, looked at when somebody asks. Pages go out, as JSON and in Prometheus' text
format. Nothing here changes anything, and nothing is computed before it is asked for.
"""
