"""Lionrock's engine: a deterministic exchange core, a pure function of its command log."""
