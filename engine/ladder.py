"""An ordered map from an integer key in [0, 2^30) to a slot: a radix-64 bitmap trie that grows upwards.

A ladder keeps its first entry in its own direction (lowest or highest key first), the leaf used last, and only as
many floors as its largest key needs. For the length of a call the node above the leaves that was used last is
remembered, too. Every operation touches at most five nodes; a swing of any width costs nothing, because no window has
to be moved.
"""

import numpy as np

from engine.codes import NIL
from engine.kernels import apart, inlined, kernel, rare
from engine.row_access import branch_at, child_at, follower_at, ladder_at, node_at
from engine.units import highest_bit, lowest_bit, unlikely

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
def use_leaf(s, ladder_slot, leaf, key):
    """Remember the leaf of a key as the one used last."""
    ladder_row = ladder_at(s, ladder_slot)
    ladder_row.leaf_node = leaf
    ladder_row.leaf_prefix = key >> 6


@inlined
def at(s, leaf, key):
    """The slot at a key of a leaf, NIL where there is none; the other nodes have children in the same way."""
    node = node_at(s, leaf)
    if (node.bitmap >> (key & 63)) & 1 == 0:
        return np.int64(NIL)
    return np.int64(child_at(node, key & 63).slot)


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


@inlined
def _child_for(s, node, bit):
    """A node's child, made if it is missing."""
    row = node_at(s, node)
    if (row.bitmap >> bit) & 1:
        return np.int64(child_at(row, bit).slot)
    below = _take_node(s, node, bit)
    row.bitmap = _with_bit(row.bitmap, bit)
    child_at(row, bit).slot = below
    return np.int64(below)


@apart
def _leaf_for(s, ladder_slot, key):
    """The leaf that holds a key, made if it is missing. Remembers the node above it."""
    ladder_row = ladder_at(s, ladder_slot)
    if ladder_row.root == NIL or key >> (6 * ladder_row.height) != 0:
        _raise_root(s, ladder_row, key)
    node = np.int64(ladder_row.root)
    shift = np.int64(6 * (ladder_row.height - 1))
    while shift > 0:
        if shift == 6:
            branch = branch_at(s, ladder_slot)
            branch.path = s.recent.call | (key >> 12)
            branch.node = node
        node = _child_for(s, node, (key >> shift) & 63)
        shift -= 6
    return node


@inlined
def leaf_for(s, ladder_slot, key):
    """The leaf of a key, made if missing; the caller checks that nodes are free, and puts the key into a new leaf."""
    ladder_row = ladder_at(s, ladder_slot)
    if ladder_row.leaf_prefix == key >> 6:
        return np.int64(ladder_row.leaf_node)
    branch = branch_at(s, ladder_slot)
    if branch.path == s.recent.call | (key >> 12):
        return _child_for(s, branch.node, (key >> 6) & 63)
    return _leaf_for(s, ladder_slot, key)


@inlined
def _descend(s, node, shift, key):
    """(The lowest node on a key's path that exists, how many bits of the key stand below it)."""
    while shift > 0 and (node_at(s, node).bitmap >> ((key >> shift) & 63)) & 1:
        node = np.int64(child_at(node_at(s, node), (key >> shift) & 63).slot)
        shift -= 6
    return node, shift


@inlined
def reach(s, ladder_slot, key):
    """`_descend` from as far down as is known; (NIL, bits) where the ladder is empty. Changes nothing."""
    ladder_row, branch = ladder_at(s, ladder_slot), branch_at(s, ladder_slot)
    if ladder_row.leaf_prefix == key >> 6:
        return np.int64(ladder_row.leaf_node), np.int64(0)
    if branch.path == s.recent.call | (key >> 12):
        return _descend(s, np.int64(branch.node), np.int64(6), key)
    height = np.int64(max(ladder_row.height, 1))
    while key >> (6 * height) != 0:
        height += 1
    if ladder_row.root == NIL or height > ladder_row.height:
        return np.int64(NIL), 6 * height
    return _descend(s, np.int64(ladder_row.root), 6 * (height - 1), key)


@inlined
def pass_by(s, ladder_slot, node, shift, key, slot):
    """Leave the rows as `insert` and `remove` of a slot would, at a key that holds none, and return its leaf.

    `node` and `shift` are what `reach` says. NIL: it takes nodes that were never used; what is written by then is of
    no account, since `leaf_for` writes the same.
    """
    ladder_row = ladder_at(s, ladder_slot)
    if node != NIL and shift == 0:
        use_leaf(s, ladder_slot, node, key)
    elif node != NIL and shift == 6:  # most often: the leaf alone is missing
        leaf = np.int64(s.nodes_free_slot)
        if leaf == NIL:
            return np.int64(NIL)
        bit = (key >> 6) & 63
        child_at(node_at(s, node), bit).slot = leaf
        node_at(s, leaf).index = bit
        ladder_row.leaf_node = NIL
        ladder_row.leaf_prefix = NIL
        node = leaf
    else:
        free = np.int64(s.nodes_free_slot)
        if node == NIL and ladder_row.root != NIL:
            return np.int64(NIL)
        while shift > 0:
            if free == NIL:
                return np.int64(NIL)
            bit = np.int64(0)
            if node != NIL:
                bit = (key >> shift) & 63
                child_at(node_at(s, node), bit).slot = free
            node_at(s, free).index = bit
            node = free
            free = np.int64(node_at(s, free).parent)
            shift -= 6
        ladder_row.leaf_node = NIL
        ladder_row.leaf_prefix = NIL
    child_at(node_at(s, node), key & 63).slot = slot
    return node


@inlined
def insert(s, ladder_slot, leaf, key, slot):
    """Put a slot at a key that holds none, in its leaf."""
    ladder = ladder_at(s, ladder_slot)
    use_leaf(s, ladder_slot, leaf, key)
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


@rare
def _lower(s, ladder_slot, node):
    """Give back a node above the leaves, which has no children left, and those above it that it leaves without one.

    Returns the lowest node that is left and its floors above the leaves. NIL: the ladder had only a leaf, or is empty.
    """
    branch_at(s, ladder_slot).path = 0
    floors = np.int64(1)
    while node != NIL:
        bit, above = np.int64(node_at(s, node).index), np.int64(node_at(s, node).parent)
        _give_node(s, node)
        node = above
        if node != NIL:
            floors += 1
            row = node_at(s, node)
            row.bitmap = _without_bit(row.bitmap, bit)
            if row.bitmap != 0:
                return node, floors
    ladder_row = ladder_at(s, ladder_slot)
    ladder_row.root = NIL
    ladder_row.height = 0
    return np.int64(NIL), floors


@inlined
def remove(s, ladder_slot, leaf, key):
    """Take a key out; the caller sets the first entry afterwards when this was it.

    Returns the lowest node on the key's path that is left, NIL when none is, and its floors above the leaves.
    """
    ladder = ladder_at(s, ladder_slot)
    ladder.entries -= 1
    row = node_at(s, leaf)
    row.bitmap = _without_bit(row.bitmap, key & 63)
    if row.bitmap != 0:
        return np.int64(leaf), np.int64(0)
    if leaf == ladder.leaf_node:
        ladder.leaf_node = NIL
        ladder.leaf_prefix = NIL
    bit, above = np.int64(row.index), np.int64(row.parent)
    _give_node(s, leaf)
    if not unlikely(above == NIL):
        row = node_at(s, above)
        row.bitmap = _without_bit(row.bitmap, bit)
        if not unlikely(row.bitmap == 0):
            return above, np.int64(1)
    return _lower(s, ladder_slot, above)
