"""Ways to follow order lives wrongly: see `mutants_of_checks`."""

from tests.mutants_of_checks import CheckMutant

SCENES = "tests/recordings/test_order_lives.py"

LIFE_MUTANTS = (
    CheckMutant(
        "a level taken out of turn is left as price-time priority leaves it",
        "recordings/order_follower.py",
        "        if not is_equal:\n            _correct(f, out, ladder, side, worst)\n",
        "",
        f"{SCENES}::test_an_order_taken_out_of_turn_is_told_and_its_level_entered_again",
    ),
    CheckMutant(
        "an order enters a book that waits to be uncrossed",
        "recordings/order_follower.py",
        "    if f.markets[order.contract].held or crosses(f, order.contract, order.side, order.price_ticks):\n",
        "    if crosses(f, order.contract, order.side, order.price_ticks):\n",
        f"{SCENES}::test_orders_that_cross_wait_until_the_book_is_uncrossed",
    ),
)
