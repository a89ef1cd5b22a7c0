"""Whose address a connection comes from."""

import pytest

from gateway.wire.addresses import address_of


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_limits_count_by_subscriber(peer, address):
    assert address_of(peer) == address
