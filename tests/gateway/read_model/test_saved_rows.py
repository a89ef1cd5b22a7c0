"""A file of the read model is used as it was written, or not at all."""

import numpy as np
import pytest

from engine import disk
from gateway.read_model import saved_rows
from gateway.read_model.event_fold import LEG_ROW, ORDER_ROW
from gateway.read_model.saved_rows import SavedRows, SavedRowsError


def written(path):
    legs = np.zeros(3, LEG_ROW)
    legs["trade_id"] = 1, 2, 3
    saved_rows.write(path, {"legs": legs, "none": legs[:0], "numbers": np.arange(5)})
    return legs


def test_what_was_written_is_read(tmp_path):
    legs = written(tmp_path / "kept.rows")
    saved = SavedRows(tmp_path / "kept.rows")
    assert (saved.array("legs", LEG_ROW) == legs).all() and len(saved.array("none", LEG_ROW)) == 0
    assert saved.array("numbers", np.int64).tolist() == [0, 1, 2, 3, 4]
    assert (tmp_path / "kept.rows").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["kept.rows"]


def test_every_changed_or_missing_byte_is_noticed(tmp_path):
    path = tmp_path / "kept.rows"
    written(path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in (0, 7):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            with pytest.raises(SavedRowsError, match=r"kept.rows: .*; delete it: the venue makes it again"):
                SavedRows(path)
    for size in (*range(0, len(whole), 7), len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(SavedRowsError):
            SavedRows(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(SavedRowsError):
        SavedRows(path)
    with pytest.raises(SavedRowsError, match="cannot be read"):
        SavedRows(tmp_path / "other.rows")


def test_an_array_of_another_layout_or_version_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "kept.rows"
    written(path)
    for name, dtype in (("legs", ORDER_ROW), ("orders", ORDER_ROW), ("numbers", np.uint64)):
        with pytest.raises(SavedRowsError, match=f"its part '{name}' is missing or of another layout"):
            SavedRows(path).array(name, dtype)
    monkeypatch.setattr(saved_rows, "VERSION", saved_rows.VERSION + 1)
    with pytest.raises(SavedRowsError, match=f"layout {saved_rows.VERSION - 1}, this version reads"):
        SavedRows(path)


def test_a_disk_that_fails_leaves_the_file_that_was_there(tmp_path):
    class Full(disk.SystemDisk):
        def sync(self, descriptor):
            raise OSError(28, "No space left on device")

    path = tmp_path / "kept.rows"
    legs = written(path)
    with disk.use(Full()), pytest.raises(OSError):
        saved_rows.write(path, {})
    assert (SavedRows(path).array("legs", LEG_ROW) == legs).all()
