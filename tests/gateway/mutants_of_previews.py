"""Ways to break what a page is told before it sends an order, and while it holds a position, as in `mutants`."""

from tests.gateway.mutants import Mutant

FIGURES = "tests/gateway/sessions/test_preview_figures.py"

PREVIEW_MUTANTS = (
    Mutant(
        "slippage of a sell has the sign of a buy", "read_model/render_preview.py",
        "paid - wanted if side == Side.BUY else wanted - paid", "paid - wanted", FIGURES,
    ),
    Mutant(
        "a preview's cost leaves out what profit and fees took", "read_model/render_preview.py",
        "seen.before.free_micros - played.pool.free_micros",
        "played.pool.requirement_micros - seen.before.requirement_micros", FIGURES,
    ),
    Mutant(
        "nobody's money is told anew at a mark tick", "market_data/hub.py",
        "            topic.marked()\n", "            pass\n",
        "tests/gateway/market_data/test_following_the_mark.py::test_profit_margin_and_roe_move_with_the_mark",
    ),
    Mutant(
        "a preview finds what others hide", "read_model/order_previews.py",
        "command, now_ns, shown_only=True", "command, now_ns",
        "tests/gateway/sessions/test_preview.py::test_what_others_hide_is_not_told",
    ),
    Mutant(
        "a preview of an amendment finds what others hide", "read_model/order_previews.py",
        "contract_slot, now_ns, shown_only=True", "contract_slot, now_ns",
        "tests/gateway/sessions/test_preview.py::test_an_amendment_does_not_tell_what_others_hide",
    ),
    Mutant(
        "what is filled counts again in the value of an amended order", "sessions/methods/preview.py",
        "max(amount_lots - view.filled_lots, 0)", "amount_lots",
        "tests/gateway/sessions/test_preview.py::test_a_part_that_is_filled_counts_no_more",
    ),
    Mutant(
        "lights are looked up at each trade", "read_model/account_views.py",
        "size_lots > 0\n", "size_lots\n", "tests/gateway/read_model/test_lights.py",
    ),
    Mutant(
        "a preview tells of a legal freeze", "sessions/methods/preview.py",
        "Reason(shown(seen.played.reason))", "seen.played.reason",
        f"{FIGURES}::test_a_freeze_by_law_is_told_as_any_other_restriction",
    ),
)  # fmt: skip
