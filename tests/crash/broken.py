"""Broken builds that the matrix has to find: one rule of the product is left out each, in the process of the story."""

from tests.simulation.broken import Break

BREAKS = {
    broken.name: broken
    for broken in (
        Break("rename before sync", "engine.disk", "write_atomically", "_disk.sync(descriptor)", "pass"),
        Break(
            "tip before record",
            "engine.journal.writer",
            "Journal._write_pending",
            "self._taken_seq = batches[-1][2]",
            "self._taken_seq = batches[-1][2]; self._durable_tip = self._durable_tip._replace(seq=self._taken_seq); "
            "self.keep_tip()",
        ),
        Break(
            "answer before durable",
            "gateway.venue.sequencer",
            "Sequencer.release",
            "durable_seq = self.engine.durable_seq",
            "durable_seq = self.engine.last_seq",
        ),
        Break(
            "segment removed before its archive is written",
            "engine.journal.retention",
            "archive_segment",
            "    archive = archive or write_archive(source, folder, following, pace)\n    disk.remove(source)\n",
            "    kept = disk.read(source)\n    disk.remove(source)\n    disk.current().sync_folder(directory)\n"
            "    disk.write_atomically(source, [kept])\n"
            "    archive = archive or write_archive(source, folder, following, pace)\n    disk.remove(source)\n",
        ),
    )
}
