#!/usr/bin/env bash
# One gain above 100 % and no loss: quantstats takes returns for prices, and an account that never fell has a drawdown of 87 %.
#
# Version:    quantstats 0.0.86, pandas 3.1.1.
# Source:     quantstats/utils.py, _prepare_returns and _prepare_prices: a series without a negative value and with one above 1
#             (in the second: of 1 or more) is prices. Project ranaroussi/quantstats, issue 7, tells of this for daily returns
#             of 100 % and was closed as mended; pull request 541 is about another guess from the size of the numbers.
# Guess:      Its functions take returns; 0.5, 1.5 and 0.2 make 4.5 times the account and have no drawdown.
# Behaviour:  comp() says 350 % gained, but the drawdown is 87 %, CAGR below zero and the best period 200 %: these work on the
#             changes from 0.5 to 1.5 to 0.2. With a loss of 1 % somewhere, or a best gain of 99 %, all are right. Nothing is
#             said.
# For us:     Leverage makes such returns in a day, and a backtest without a loss is the one that is shown around. Give it the
#             equity curve, which is prices and is read as prices.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check quantstats==0.0.86 numpy==2.4.6 pandas==3.1.1 scipy==1.17.1 \
    matplotlib==3.11.2 seaborn==0.13.2 yfinance==1.7.0 tabulate==0.10.0 2>/dev/null

cat >"$work/expected" <<'END'
returns                 gained   drawdown  CAGR below zero  best
0.5 0.99 0.2            258 %         0 %            False    99 %
0.5 1.5 0.2             350 %       -87 %             True   200 %
as an equity curve      350 %         0 %            False   150 %
0.5 1.5 0.2 -0.01       346 %        -1 %            False   150 %
END

cat >"$work/probe.py" <<'END'
import warnings

warnings.simplefilter("ignore")
import pandas as pd
import quantstats


def series(values):
    return pd.Series(values, pd.date_range("2026-01-01", periods=len(values), freq="D"))


def show(title, data):
    stats = quantstats.stats
    gained = stats.comp(data) if title[0].isdigit() else data.iloc[-1] / data.iloc[0] - 1
    best = stats.best(data)
    text = f"{gained:>9.0%} {stats.max_drawdown(data):>10.0%}".replace("%", " %").replace("-0 ", "0 ")
    print(f"{title:18} {text} {stats.cagr(data) < 0!s:>16} {best * 100:>5.0f} %")


print("returns                 gained   drawdown  CAGR below zero  best")
show("0.5 0.99 0.2", series([0.5, 0.99, 0.2]))
show("0.5 1.5 0.2", series([0.5, 1.5, 0.2]))
show("as an equity curve", series([1000.0, 1500.0, 3750.0, 4500.0]))
show("0.5 1.5 0.2 -0.01", series([0.5, 1.5, 0.2, -0.01]))
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
