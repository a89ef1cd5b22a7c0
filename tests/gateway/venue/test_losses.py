"""A venue does not start on a log that is shorter than what its folder shows; going on is a decision that is kept."""

import json
import shutil

import numpy as np
import pytest

from engine import host
from engine.codes import CommandKind
from gateway import cli, clock
from gateway.audit_trail.verify_registry import check_registry
from gateway.registry.registry import Intent, Registry, RegistryError
from gateway.venue.losses import LEAVE, REPEAT, AcceptedLoss
from gateway.venue.venue import Venue
from tests.gateway.live import config_of, set_up

DEPOSIT_MICROS = 7_000_000


def stopped(folder):
    """A venue that ran with two traders and was stopped; then it ran again, and alice paid in once more."""
    config = config_of(folder / "venue", durability="fsync", segment_bytes=1 << 16)
    config.registry.parent.mkdir(parents=True)
    set_up(config)
    run(config)
    copy(config, folder / "first")
    registry = Registry(config.registry)
    registry.add_intents([deposit(0)], clock.wall_ns())
    registry.create_account("carol", clock.wall_ns())
    registry.close()
    run(config)
    copy(config, folder / "last")
    return config


def deposit(account_slot):
    return Intent(CommandKind.DEPOSIT, account_slot=account_slot, amount_micros=DEPOSIT_MICROS, note="wire 12")


def run(config, accepted=None):
    """Start, take what the registry wants, stop: the log's end, the cash of each account, what was lost."""
    venue = Venue(config, accepted=accepted)
    venue.start()
    state = venue.engine.root[0]
    cash = state["accounts"]["cash_micros"][: int(state["accounts_used"])].tolist()
    found = venue.engine.last_seq, cash, venue.accepted
    venue.close()
    return found


def copy(config, target):
    shutil.copytree(config.data, target)


def put_back(source, config):
    shutil.rmtree(config.data)
    shutil.copytree(source, config.data)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("losses")
    config = stopped(folder)
    return config, folder


@pytest.fixture
def venue(made):
    """Its settings, in the state of the last stop."""
    config, folder = made
    put_back(folder / "last", config)
    return config


def go_back(made, *names):
    """Put back some files as they were at the first stop."""
    config, folder = made
    for name in names:
        target = config.registry.parent / name
        for path in config.registry.parent.glob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in (folder / "first").glob(name):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, config.registry.parent / path.name)
    return target


def end_of(folder):
    reader = host.JournalReader(folder)
    for _ in reader.batches():
        pass
    return reader.last_seq


def lose_all(made):
    config, _ = made
    shutil.rmtree(config.journal)


SHOWS = {
    "the tip": (),
    "the read model": ("journal.tip",),
    "the registry": ("journal.tip", "projection-*"),
}


@pytest.mark.parametrize("what", SHOWS)
def test_each_witness_alone_stops_a_start(made, venue, what):
    """The journal is of an earlier day; so are all the files that would show it but one."""
    before, after = end_of(made[1] / "first" / "journal"), end_of(venue.journal)
    assert before < after
    go_back(made, "journal", *SHOWS[what])
    with pytest.raises(host.LossError, match=rf"ends at sequence {before}, but {what} .* shows that it had") as refused:
        run(venue)
    assert f"--accept-loss {before} --reason TEXT" in str(refused.value)
    registry = Registry(venue.registry)
    assert not registry.pending_intents(), "nothing is done again"
    registry.close()


def test_a_folder_without_its_journal_is_not_a_new_venue(made, venue):
    after = end_of(venue.journal)
    lose_all(made)
    with pytest.raises(host.LossError, match=rf"is missing or empty, but .* shows that it had {after}"):
        run(venue)
    (venue.registry.parent / "journal.tip").unlink()
    with pytest.raises(host.LossError, match="is missing or empty, but the r"):
        run(venue)
    assert not list(venue.journal.glob("journal-*"))


def test_payments_of_the_missing_part_wait_for_a_word(made, venue):
    before = end_of(made[1] / "first" / "journal")
    go_back(made, "journal")
    accepted = AcceptedLoss(before, "the disk is lost")
    paid = rf"change \d+ DEPOSIT account alice {DEPOSIT_MICROS:,} millionths"
    line = f"has 1 payments: {paid}; add --lost-payments repeat"
    with pytest.raises(RegistryError, match=line):
        run(venue, accepted)
    with pytest.raises(host.LossError, match=f"--accept-loss {before + 1}: .* ends at sequence {before}"):
        run(venue, AcceptedLoss(before + 1, "a guess", LEAVE))
    with pytest.raises(host.LossError, match="shows that it had"):
        run(venue)


@pytest.mark.parametrize("money", [REPEAT, LEAVE])
def test_going_on_is_kept_and_payments_are_entered_once_or_not_at_all(made, venue, money, capsys):
    before = end_of(made[1] / "first" / "journal")
    go_back(made, "journal")
    _, cash, lines = run(venue, AcceptedLoss(before, "the disk is lost", money))
    is_again = money == REPEAT
    assert len(cash) == 3, "carol's account is opened again: the registry has it"
    assert cash[0] - cash[1] == DEPOSIT_MICROS * is_again
    [line] = [line for line in lines if "DEPOSIT" in line]
    assert line.startswith("done again: " if is_again else "left out: ") and "account alice" in line
    assert run(venue)[1] == cash, "the next start has nothing to say"
    registry = Registry(venue.registry)
    [change] = registry.all("SELECT kind, params, reason, state FROM changes WHERE kind = 'accept_loss'")
    registry.close()
    params = json.loads(change[1])
    assert change[2:] == ("the disk is lost", "done") and params["accepted_seq"] == before
    assert len(params["left"]) == (not is_again) and params["done_again"]
    assert any("lost-after" in path for path in params["set_aside"])
    assert list(venue.registry.parent.glob(f"lost-after-{before}-1/*"))
    checked = check_registry(venue.journal, venue.registry, lambda done, total: None)
    assert not checked.problems and checked.left_out == (not is_again)
    assert f"after sequence {before} was lost, and accepted: the disk is lost" in checked.accepted_losses[0]
    rows = np.concatenate([rows.copy() for rows in host.JournalReader(venue.journal).batches()])
    assert (rows["kind"][rows["seq"] > before] == CommandKind.ATTEST).any(), "the log vouches for it"
    assert cli.main(["verify", venue.data]) == 0
    assert "everything is whole" in capsys.readouterr().out


def test_another_venues_journal_is_refused(made, venue, tmp_path):
    other = config_of(tmp_path / "other", durability="fsync")
    other.registry.parent.mkdir(parents=True)
    set_up(other, ("dave", "erin", "frank", "grace"))
    run(other)
    assert end_of(other.journal) != end_of(venue.journal)
    shutil.rmtree(venue.journal)
    shutil.copytree(other.journal, venue.journal)
    with pytest.raises(
        host.LossError, match=r"is not the one that the (tip|registry) .* was made from|shows that it had"
    ):
        run(venue)
    shutil.copy(other.registry.parent / "journal.tip", venue.registry.parent / "journal.tip")
    with pytest.raises((host.LossError, RegistryError)):
        run(venue)


def test_verify_says_that_a_journal_is_shorter_than_its_tip(made, venue, capsys):
    go_back(made, "journal")
    assert cli.main(["verify", venue.data]) == 1
    assert "shows that it had" in capsys.readouterr().out


def test_the_words_of_an_accepted_loss(venue, capsys):
    for words, said in (
        (["--accept-loss", "5"], "--accept-loss: say why with --reason TEXT"),
        (["--reason", "x"], "--reason and --lost-payments: they belong to --accept-loss SEQ"),
        (["--accept-loss", "5", "--reason", " "], "--accept-loss: say why"),
    ):
        with pytest.raises(SystemExit) as end:
            cli.main(["serve", "--data", venue.data, *words])
        assert end.value.code == 2 and said in capsys.readouterr().err
