"""Mutants of backups: what is copied in which order, and what a restore compares."""

from tests.gateway.mutants import Mutant

_TESTS = "tests/gateway/venue/test_backup.py"

BACKUP_MUTANTS = (
    Mutant(
        "the copied log may end before what the copied registry knows",
        "venue/backup.py",
        "if least_seq <= end.seq:",
        "if least_seq <= end.seq + 1000:",
        f"{_TESTS}::test_results_that_the_registry_learnt_meanwhile_are_in_the_copied_log",
    ),
    Mutant(
        "a file of the backup before is shared unread",
        "venue/backup.py",
        "if hash_of(source, lambda size_bytes: None) != known.blake3:",
        "if not source.exists():",
        f"{_TESTS}::test_what_the_backup_before_has_is_shared_unless_it_has_changed",
    ),
    Mutant(
        "a restore compares sizes alone",
        "venue/restore.py",
        "None, count) != (file.size_bytes, file.blake3):",
        "None, count)[0] != file.size_bytes:",
        f"{_TESTS}::test_each_damaged_or_missing_file_is_refused_and_nothing_is_made",
    ),
    Mutant(
        "an upgrade begins without its backup",
        "venue/upgrade.py",
        "    backup = take(config, backups, Choice(), progress)\n\n    def show",
        "    backup = None\n\n    def show",
        "tests/gateway/venue/test_upgrade.py::test_a_folder_that_cannot_be_copied_is_not_touched",
    ),
    Mutant(
        "a backup beside a running venue is written at once", "venue/backup.py",
        "copy_file(path, target, size_bytes, self._count, self._pace)",
        "copy_file(path, target, size_bytes, self._count)",
        "tests/gateway/venue/test_backup.py::test_beside_a_running_venue_it_writes_and_removes_a_piece_at_a_time",
    ),
    Mutant(
        "a failed backup cuts the files that it shares with the one before", "venue/backup.py",
        "path.is_file() and path.stat().st_nlink == 1", "path.is_file()",
        "tests/gateway/venue/test_backup.py::test_beside_a_running_venue_it_writes_and_removes_a_piece_at_a_time",
    ),
    Mutant(
        "an archive fills the disk of a running venue", "venue/disk_space.py",
        "config.disk_reserve_bytes if is_same_disk else 0", "0",
        "tests/gateway/commands/test_archive_command.py::test_beside_a_running_venue_it_leaves_half_of_the_reserve",
    ),
)
