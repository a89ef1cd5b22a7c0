"""The gateway: bytes to commands, events to bytes. It holds no rule."""
