"""Configuration: who wins, what is refused, and that what is printed can be read again."""

import argparse

import pytest

from gateway import config
from gateway.config import Config, ConfigError


def test_file_then_environment_then_flags(tmp_path):
    path = tmp_path / "l.toml"
    path.write_text('port = 1\nhost = "0.0.0.0"\ndurability = "os"\n')
    environment = {"LIONROCK_PORT": "2", "LIONROCK_TESTNET": "true"}
    loaded = config.load(str(path), environment, {"durability": "none", "host": None})
    assert (loaded.port, loaded.host, loaded.durability, loaded.testnet) == (2, "0.0.0.0", "none", True)
    assert config.load(None, {}, {}) == Config()


def test_what_is_printed_is_read_again(tmp_path):
    wanted = config.load(None, {}, {"data": 'a "b" \\c', "port": 0, "testnet": True})
    path = tmp_path / "l.toml"
    path.write_text(config.to_toml(wanted))
    assert config.load(str(path), {}, {}) == wanted


@pytest.mark.parametrize(
    "text, environment, word",
    [
        ("prot = 1", {}, "prot: no such setting"),
        ("port = 'x'", {}, "port: 'x' must be of type int"),
        ("port = true", {}, "port: True must be of type int"),
        ("port = 70000", {}, "port: 70000 must be from 0 to 65535"),
        ("batch_rows = 1", {}, "batch_rows: 1 must be from 2 to 65536"),
        ("port = ", {}, "config: "),
        ("durability = 'maybe'", {}, "durability: 'maybe'; choose from fsync, os, none"),
        ("tls_key = 'k.pem'", {}, "give both or neither"),
        ("", {"LIONROCK_PORT": "abc"}, "LIONROCK_PORT: 'abc' is not a whole number"),
        ("", {"LIONROCK_TESTNET": "perhaps"}, "LIONROCK_TESTNET: 'perhaps'"),
    ],
)
def test_bad_settings_are_named(tmp_path, text, environment, word):
    path = tmp_path / "l.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=word) as caught:
        config.load(str(path), environment, {})
    assert len(str(caught.value).splitlines()) == 1 or "config:" in str(caught.value)


def test_a_missing_file_is_named():
    with pytest.raises(ConfigError, match=r"no\.toml: No such file"):
        config.load("no.toml", {}, {})


def test_flags(monkeypatch):
    parser = argparse.ArgumentParser()
    config.add_flags(parser)
    monkeypatch.setenv("LIONROCK_HOST", "10.0.0.1")
    args = parser.parse_args(["--port", "9", "--testnet", "--data", "d"])
    loaded = config.from_args(args)
    assert (loaded.port, loaded.testnet, loaded.host) == (9, True, "10.0.0.1")
    assert [str(path) for path in (loaded.journal, loaded.registry)] == ["d/journal", "d/registry.db"]
