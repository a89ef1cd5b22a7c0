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
        ("port = 1.0", {}, "port: 1.0 must be of type int, from 0 to 65535"),
        ("port = '1'", {}, "port: '1' must be of type int"),
        ("port = -1", {}, "port: -1 must be from 0 to 65535"),
        ("port = 1" + 300 * "0", {}, "port: 10{59}... must be from 0 to 65535"),
        ("port = 0x" + 5000 * "f", {}, "port: a number of thousands of digits must be from 0 to 65535"),
        ("port = " + 3000 * "[", {}, "its arrays nest too deeply"),
        ('"a\\nb" = 1', {}, r"a\\nb: no such setting"),
        ('"' + 5000 * "x" + '" = 1', {}, "x{60}...: no such setting"),
        ('host = "' + 5000 * "x" + '"\nport = "x"', {}, "port: 'x' must be"),
        ('host = "a\\nb"', {}, r"host: 'a\\nb' has characters that no text shows"),
        ("", {"LIONROCK_DATA": "a\x1b[2J"}, "data: 'a.x1b.2J' has characters that no text shows"),
        ("", {"LIONROCK_DATA": "a\udcff"}, "data: 'a.udcff' has characters that no text shows"),
        ("", {"LIONROCK_TESTNET": "x" * 5000}, "LIONROCK_TESTNET: 'x{60}': say true or false"),
        ("port = 1" + 5000 * "0", {}, "config: "),
        ("testnet = 1", {}, "testnet: 1 must be of type bool"),
        ("host = 5", {}, "host: 5 must be of type str"),
        ("durability = 5", {}, "durability: 5; choose from fsync, os, none"),
        ("[surveillance]\nstep_s = 0", {}, "surveillance.step_s: 0 must be from 1 to 3600"),
        ("[surveillance]\nwash_trades = 2.0", {}, "wash_trades: 2.0 must be of type int, from 1 to 1000000000"),
        ("[surveillance]\nstep = 1", {}, "surveillance.step: no such setting"),
        ("[affiliates]\npresence_percent = 101", {}, "affiliates.presence_percent: 101 must be from 0 to 100"),
        ("affiliates = 5", {}, r"affiliates: it must be a table: write \[affiliates\]"),
        ("port = 70000", {}, "port: 70000 must be from 0 to 65535"),
        ("batch_rows = 1", {}, "batch_rows: 1 must be from 2 to 65536"),
        ("port = ", {}, "config: "),
        ("durability = 'maybe'", {}, "durability: 'maybe'; choose from fsync, os, none"),
        ("tls_key = 'k.pem'", {}, "give both or neither"),
        ("", {"LIONROCK_PORT": "abc"}, "LIONROCK_PORT: 'abc' is not a whole number"),
        ("", {"LIONROCK_PORT": "1.0"}, "LIONROCK_PORT: '1.0' is not a whole number"),
        ("", {"LIONROCK_PORT": "+1"}, "LIONROCK_PORT: '\\+1' is not a whole number"),
        ("", {"LIONROCK_PORT": "1" * 5000}, "LIONROCK_PORT: '1{19}' is not a whole number of at most 18 digits"),
        ("", {"LIONROCK_PORT": "70000"}, "port: 70000 must be from 0 to 65535"),
        ("", {"LIONROCK_SURVEILLANCE_STEP_S": "0"}, "surveillance.step_s: 0 must be from 1 to 3600"),
        ("", {"LIONROCK_AFFILIATES_SIZE_MICROS": "x"}, "LIONROCK_AFFILIATES_SIZE_MICROS: 'x' is not a whole number"),
        ("", {"LIONROCK_TESTNET": "perhaps"}, "LIONROCK_TESTNET: 'perhaps'"),
        ("[cluster]\nservers = 'nats://a'", {}, r"cluster\.venue: ''; 1 to 32 of the characters"),
        ("[cluster]\nservers = 'nats://a'\nvenue = 'a.b'", {}, r"cluster\.venue: 'a\.b'"),
        ("[cluster]\nservers = 'a:1'\nvenue = 'a'", {}, r"cluster\.servers: 'a:1'; write nats://HOST:PORT"),
        ("[cluster]\nacknowledge = 'none'", {}, r"cluster\.acknowledge: 'none'; choose from replicated, local"),
        ("", {"LIONROCK_CLUSTER_REPLICAS": "9"}, r"cluster\.replicas: 9 must be from 1 to 5"),
    ],
)
def test_bad_settings_are_named(tmp_path, text, environment, word):
    path = tmp_path / "l.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=word) as caught:
        config.load(str(path), environment, {})
    assert len(str(caught.value).splitlines()) == 1 or "config:" in str(caught.value)


def test_the_tables_come_from_the_file_then_the_environment(tmp_path):
    path = tmp_path / "l.toml"
    path.write_text("[surveillance]\nstep_s = 1\nwash_trades = 7\n[affiliates]\nspread_ppb = 5\n")
    environment = {"LIONROCK_SURVEILLANCE_STEP_S": "3600", "LIONROCK_AFFILIATES_PRESENCE_PERCENT": "0"}
    loaded = config.load(str(path), environment, {})
    assert (loaded.surveillance.step_s, loaded.surveillance.wash_trades) == (3600, 7)
    assert (loaded.affiliates.spread_ppb, loaded.affiliates.presence_percent) == (5, 0)


def test_every_setting_says_what_it_means_and_every_number_has_bounds_that_hold_its_default():
    for kind in (Config, *config.TABLES.values()):
        for name, wanted in config._TYPES[kind].items():
            if name in config.TABLES:
                continue
            notes = wanted.__metadata__
            default = getattr(kind(), name)
            assert [note.description for note in notes if note.description], name
            if type(default) is int:
                assert [note.ge <= default <= note.le for note in notes if note.ge is not None] == [True], name


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
    assert not loaded.cluster.is_on
    args = parser.parse_args(["--cluster", "nats://a:1, nats://b:2", "--venue", "hk", "--node", "n-1"])
    cluster = config.from_args(args).cluster
    assert (cluster.server_list, cluster.venue, cluster.node_name) == (["nats://a:1", "nats://b:2"], "hk", "n-1")
    assert [str(path) for path in (loaded.journal, loaded.registry)] == ["d/journal", "d/registry.db"]
