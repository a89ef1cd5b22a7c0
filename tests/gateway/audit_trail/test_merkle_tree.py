"""Trees of any size: roots as RFC 6962 defines them, and paths that lead to them and to nothing else."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit_trail.merkle_tree import is_included, path_of, root_of


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    half = 1
    while 2 * half < len(leaves):
        half *= 2
    return sha256(b"\x01" + defined_root(leaves[:half]) + defined_root(leaves[half:])).digest()


LEAVES = st.lists(st.binary(max_size=40), max_size=40)


def test_the_roots_that_certificate_transparency_publishes() -> None:
    """The test vectors of the reference implementation of RFC 6962."""
    inputs = [b"", b"\x00", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"]
    assert root_of(inputs[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert root_of(inputs).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(LEAVES)
def test_a_root_is_the_one_that_the_rfc_defines(leaves: list[bytes]) -> None:
    assert root_of(leaves) == defined_root(leaves)


@given(LEAVES.filter(bool), st.data())
def test_a_path_leads_to_the_root_from_its_own_leaf_and_place_alone(leaves: list[bytes], data: st.DataObject) -> None:
    index, size, root = data.draw(st.integers(0, len(leaves) - 1)), len(leaves), root_of(leaves)
    path = path_of(leaves, index)
    assert is_included(leaves[index], index, size, path, root)
    other = data.draw(st.integers(-1, size))
    if other not in range(size) or leaves[other] != leaves[index]:
        assert not is_included(leaves[index], other, size, path, root)
    assert not is_included(leaves[index] + b"x", index, size, path, root)
    assert not is_included(leaves[index], index, size, [*path, b"\x00" * 32], root)
    if path:
        assert not is_included(leaves[index], index, size, path[:-1], root)
        place = data.draw(st.integers(0, len(path) - 1))
        changed = [*path[:place], bytes([path[place][0] ^ 1]) + path[place][1:], *path[place + 1 :]]
        assert not is_included(leaves[index], index, size, changed, root)


def test_there_is_no_path_of_a_leaf_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no leaf 2 among 2"):
        path_of([b"a", b"b"], 2)
