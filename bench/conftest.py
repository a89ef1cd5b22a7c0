"""The size of the benchmarks under pytest."""

import pytest

from bench.measurement import Plan


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--size full` measures at full size."""
    parser.addoption("--size", choices=("small", "full"), default="small", help="size of the benchmarks")


@pytest.fixture(scope="session")
def plan(request: pytest.FixtureRequest) -> Plan:
    """The size that is wanted."""
    return Plan(full=request.config.getoption("--size") == "full")
