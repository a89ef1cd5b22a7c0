"""Loads one module from another text, in this process and in those that it starts, without touching any file of it."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from pathlib import Path


class _Loader(importlib.machinery.SourceFileLoader):
    """Reads the broken text, and neither reads nor writes bytecode."""

    def __init__(self, name, path, text_path):
        super().__init__(name, path)
        self._text_path = text_path

    def path_stats(self, path):
        raise OSError("a broken module has no bytecode")

    def get_data(self, path):
        return Path(self._text_path).read_bytes()


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name, path, text_path):
        self._name, self._path, self._text_path = name, path, text_path

    def find_spec(self, fullname, path, target=None):
        if fullname != self._name:
            return None
        loader = _Loader(fullname, self._path, self._text_path)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


def install(name, path, text_path):
    """From now on `name`, whose file is at `path`, is what the text at `text_path` says."""
    sys.meta_path.insert(0, _Finder(name, path, text_path))
