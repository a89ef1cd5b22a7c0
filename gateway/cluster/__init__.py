"""The replicated log: what goes through the cluster's stream, and the process that publishes it.

The stream decides who may write: each message names the stream's last sequence that it expects.
"""
