"""Broken builds that the matrix has to find: one rule of the product is left out each, in the process of the story."""

from tests.simulation.broken import Break

BREAKS = {
    broken.name: broken
    for broken in (
        Break("rename before sync", "engine.disk", "write_atomically", "_disk.sync(descriptor)", "pass"),
        Break(
            "answer before durable",
            "gateway.venue.sequencer",
            "Sequencer.release",
            "durable_seq = self.engine.durable_seq",
            "durable_seq = self.engine.last_seq",
        ),
    )
}
