"""An ordered map from an integer key in [0, 2^30) to a slot: a radix-64 bitmap trie that grows upwards.

A ladder keeps its first entry in its own direction (lowest or highest key first), the path used last, and only as
many floors as its largest key needs. Every operation touches at most five nodes; a swing of any width costs nothing,
because no window has to be moved.
"""

import numpy as np

from engine.codes import NIL
from engine.kernels import inlined, kernel, rare
from engine.row_access import child_at, follower_at, ladder_at, node_at
from engine.units import highest_bit, lowest_bit

NODES_PER_INSERT = 5
"""The most nodes that one insertion can take."""


@inlined
def _with_bit(word, bit):
    return word | (np.int64(1) << np.int64(bit))


@inlined
def _without_bit(word, bit):
    return word & ~(np.int64(1) << np.int64(bit))


@inlined
def _beyond(word, bit, direction):
    """The bits of a word that come after `bit` in the direction."""
    if direction > 0:
        return word & (np.int64(-2) << np.int64(bit))
    return word & ~(np.int64(-1) << np.int64(bit))


@inlined
def _foremost(word, direction):
    return lowest_bit(word) if direction > 0 else highest_bit(word)


@inlined
def _take_node(s, parent, index):
    slot = s.nodes_free_slot
    if slot != NIL:
        s.nodes_free_slot = node_at(s, slot).parent
    else:
        slot = s.nodes_used
        s.nodes_used += 1
    s.nodes_live += 1
    node = node_at(s, slot)
    node.bitmap = 0
    node.parent = parent
    node.index = index
    return slot


@inlined
def _give_node(s, slot):
    node_at(s, slot).parent = s.nodes_free_slot
    s.nodes_free_slot = slot
    s.nodes_live -= 1


@kernel
def reset(s, ladder_slot, direction):
    """Make an empty ladder: direction +1 has its lowest key first, -1 its highest."""
    ladder = ladder_at(s, ladder_slot)
    ladder.root = NIL
    ladder.height = 0
    ladder.first_slot = NIL
    ladder.first_key = NIL
    ladder.direction = direction
    ladder.leaf_node = NIL
    ladder.leaf_prefix = NIL
    ladder.entries = 0
    follower_at(s, ladder_slot).call = 0


@inlined
def at(s, leaf, key):
    """The slot at a key of a leaf, NIL where there is none."""
    node = node_at(s, leaf)
    if (node.bitmap >> (key & 63)) & 1 == 0:
        return NIL
    return child_at(node, key & 63).slot


@inlined
def find(s, ladder_slot, key):
    """The slot at a key, NIL where there is none; changes nothing."""
    ladder = ladder_at(s, ladder_slot)
    node = ladder.leaf_node
    if ladder.leaf_prefix != key >> 6:
        node = ladder.root
        shift = 6 * (ladder.height - 1)
        if node == NIL or key >> (shift + 6) != 0:
            return NIL
        while shift > 0:
            bit = (key >> shift) & 63
            if (node_at(s, node).bitmap >> bit) & 1 == 0:
                return NIL
            node = child_at(node_at(s, node), bit).slot
            shift -= 6
    return at(s, node, key)


@rare
def _raise_root(s, ladder_row, key):
    """Add floors until the key is within reach."""
    if ladder_row.root == NIL:
        ladder_row.height = 1
        while key >> (6 * ladder_row.height) != 0:
            ladder_row.height += 1
        ladder_row.root = _take_node(s, NIL, 0)
    while key >> (6 * ladder_row.height) != 0:
        below = ladder_row.root
        ladder_row.root = _take_node(s, NIL, 0)
        node_at(s, ladder_row.root).bitmap = 1
        child_at(node_at(s, ladder_row.root), 0).slot = below
        node_at(s, below).parent = ladder_row.root
        node_at(s, below).index = 0
        ladder_row.height += 1


@kernel
def _leaf_for(s, ladder_row, key):
    """The leaf that holds a key, made if it is missing."""
    if ladder_row.root == NIL or key >> (6 * ladder_row.height) != 0:
        _raise_root(s, ladder_row, key)
    node = np.int64(ladder_row.root)
    shift = np.int64(6 * (ladder_row.height - 1))
    while shift > 0:
        bit = (key >> shift) & 63
        row = node_at(s, node)
        if (row.bitmap >> bit) & 1:
            node = np.int64(child_at(row, bit).slot)
        else:
            below = _take_node(s, node, bit)
            row.bitmap = _with_bit(row.bitmap, bit)
            child_at(row, bit).slot = below
            node = below
        shift -= 6
    return node


@inlined
def leaf_for(s, ladder_slot, key):
    """The leaf of a key, made if missing; the caller checks that nodes are free, and puts the key into a new leaf."""
    ladder_row = ladder_at(s, ladder_slot)
    if ladder_row.leaf_prefix == key >> 6:
        return np.int64(ladder_row.leaf_node)
    return _leaf_for(s, ladder_row, key)


@inlined
def insert(s, ladder_slot, leaf, key, slot):
    """Put a slot at a key that holds none, in its leaf."""
    ladder = ladder_at(s, ladder_slot)
    ladder.leaf_node = leaf
    ladder.leaf_prefix = key >> 6
    node = node_at(s, leaf)
    node.bitmap = _with_bit(node.bitmap, key & 63)
    child_at(node, key & 63).slot = slot
    ladder.entries += 1
    follower = follower_at(s, ladder_slot)
    if ladder.first_slot == NIL or (key - ladder.first_key) * ladder.direction < 0:
        follower.call = s.recent.call
        follower.slot = ladder.first_slot
        follower.key = ladder.first_key
        ladder.first_slot = slot
        ladder.first_key = key
    elif follower.slot == NIL or (key - follower.key) * ladder.direction < 0:
        follower.slot = slot
        follower.key = key


@kernel
def after(s, ladder_slot, leaf, key):
    """The slot that follows a key in the ladder's direction, NIL at the end."""
    direction = ladder_at(s, ladder_slot).direction
    node, index, shift = np.int64(leaf), np.int64(key & 63), 0
    rest = _beyond(node_at(s, node).bitmap, index, direction)
    while rest == 0:
        index = np.int64(node_at(s, node).index)
        node = np.int64(node_at(s, node).parent)
        if node == NIL:
            return NIL
        shift += 6
        rest = _beyond(node_at(s, node).bitmap, index, direction)
    slot = np.int64(child_at(node_at(s, node), _foremost(rest, direction)).slot)
    while shift > 0:
        slot = np.int64(child_at(node_at(s, slot), _foremost(node_at(s, slot).bitmap, direction)).slot)
        shift -= 6
    return slot


@inlined
def knows_follower(s, ladder_slot):
    """Whether the entry behind the first is known: it was the first one before, or was inserted since."""
    return follower_at(s, ladder_slot).call == s.recent.call


@inlined
def forget_follower(s, ladder_slot):
    """Forget which entry is behind the first."""
    follower_at(s, ladder_slot).call = 0


@inlined
def first_below(s, ladder_slot, node, floors):
    """The first slot in the ladder's direction below a node that stands so many floors above its leaves."""
    direction = ladder_at(s, ladder_slot).direction
    slot = np.int64(child_at(node_at(s, node), _foremost(node_at(s, node).bitmap, direction)).slot)
    while floors > 0:
        slot = np.int64(child_at(node_at(s, slot), _foremost(node_at(s, slot).bitmap, direction)).slot)
        floors -= 1
    return slot


@inlined
def remove(s, ladder_slot, leaf, key):
    """Take a key out; the caller sets the first entry afterwards when this was it.

    Returns the lowest node on the key's path that is left, NIL when none is, and its floors above the leaves.
    """
    ladder = ladder_at(s, ladder_slot)
    ladder.entries -= 1
    node, floors = np.int64(leaf), np.int64(0)
    left = _without_bit(node_at(s, node).bitmap, key & 63)
    node_at(s, node).bitmap = left
    while left == 0:
        if node == ladder.leaf_node:
            ladder.leaf_node = NIL
            ladder.leaf_prefix = NIL
        bit, above = np.int64(node_at(s, node).index), np.int64(node_at(s, node).parent)
        _give_node(s, node)
        node = above
        if node == NIL:
            ladder.root = NIL
            ladder.height = 0
            break
        floors += 1
        left = _without_bit(node_at(s, node).bitmap, bit)
        node_at(s, node).bitmap = left
    return node, floors
