"""The command line: every command that the overview names exists and explains itself."""

import importlib

import pytest

from gateway import cli


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module(f"gateway.commands.{name}")
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"lionrock {name}" in text
    assert "examples:" in text


def test_overview_and_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in cli.COMMANDS)
    assert cli.main([]) == cli.USAGE_ERROR
    assert cli.main(["nonsense"]) == cli.USAGE_ERROR
    assert "nonsense" in capsys.readouterr().err
