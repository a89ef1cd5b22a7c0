"""The replicated log: its messages, the publisher against real servers, and a primary that is fenced."""
