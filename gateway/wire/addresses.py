"""Whose address a connection comes from, as far as limits go."""

import ipaddress
from functools import lru_cache

_HOST_BITS = 64
"""Of an IPv6 address, what one subscriber chooses freely."""


@lru_cache(maxsize=10_000)
def address_of(peer: str) -> str:
    """The address that limits count by: an IPv4 address, of an IPv6 one the network of one subscriber.

    >>> address_of("203.0.113.7"), address_of("::ffff:203.0.113.7"), address_of("2001:db8::1:2:3:4")
    ('203.0.113.7', '203.0.113.7', '2001:db8::')
    """
    if ":" not in peer:
        return peer
    try:
        address = ipaddress.IPv6Address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(address) >> _HOST_BITS << _HOST_BITS))
