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
            "released_seq = self._released_to.seq",
            "released_seq = self.engine.last_seq",
        ),
        Break(
            "tip before record",
            "engine.journal.writer",
            "Journal._write",
            "self._writer.write(groups[0], self._written_seq, os.RWF_DSYNC)",
            "self._writer.write(groups[0], self._written_seq); self._durable_tip = self._writer.tip(); "
            "self._write_tip(); self._writer.sync()",
        ),
        Break(
            "segment removed before its archive",
            "engine.journal.retention",
            "archive_segment",
            "archive = archive or write_archive(source, folder, following, pace)\n    disk.remove(source, pace)\n",
            "import shutil, tempfile; aside = Path(shutil.copy(source, tempfile.mkdtemp()))\n"
            "    disk.remove(source); disk.current().sync_folder(directory)\n"
            "    archive = archive or write_archive(aside, folder, following, pace); shutil.rmtree(aside.parent)\n",
        ),
    )
}
