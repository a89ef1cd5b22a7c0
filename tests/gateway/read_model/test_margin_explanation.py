"""The method behind `lionrock explain`: the exchange answers what the journal alone says at the same sequence."""

import json

from gateway import cli
from tests.gateway.live import BTC, market, play


def test_the_method_says_what_the_journal_says(tmp_path, capsys):
    answers = []

    async def story():
        async with market(tmp_path) as (_, (alice, bob)):
            heard = []
            await alice.subscribe(f"liquidations.{BTC}", heard.extend)
            await alice.buy(BTC, "0.5", price="19999")
            answers.append(await alice.call("venue/explain_account"))
            await bob.sell(BTC, "0.2", price="19999")
            await alice.sell(BTC, "0.1", price="20100", reduce_only=True)
            answers.append(await alice.call("venue/explain_account"))
            answers.append(await bob.call("venue/explain_account"))
            assert heard == []

    play(story())
    first, then, other = answers
    assert [len(answer["orders"]) for answer in answers] == [1, 2, 0]
    assert first["positions"][0]["size_lots"] == 0 and then["positions"][0]["size_lots"] > 0
    assert then["positions"][0]["size_lots"] == -other["positions"][0]["size_lots"]
    for answer in answers:
        command = ["explain", str(answer["account_slot"]), "--data", str(tmp_path), "--until", str(answer["seq"])]
        assert cli.main([*command, "--json"]) == 0
        told = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert told == json.loads(json.dumps(answer, default=float)), answer["seq"]
