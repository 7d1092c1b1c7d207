"""Merkle trees as RFC 6962 and RFC 9162 have them, over BLAKE3: roots, and proofs about them.

Leaves and nodes are hexadecimal digests. 0x00 stands before a leaf and 0x01 before a node, so that
no leaf can be taken for a node. An inclusion proof shows that a leaf is in the tree of a root; a
consistency proof that a tree begins with all of an older one.

Source: B. Laurie, E. Messeri, R. Stradling, Certificate Transparency Version 2.0, RFC 9162 (2021),
sections 2.1.3 and 2.1.4.
"""

from collections.abc import Sequence

from blake3 import blake3


def leaf(digest: str) -> str:
    """Return the hash of a leaf."""
    return blake3(b"\x00" + bytes.fromhex(digest)).hexdigest()


def node(left: str, right: str) -> str:
    """Return the hash of a node."""
    return blake3(b"\x01" + bytes.fromhex(left) + bytes.fromhex(right)).hexdigest()


def merkle_root(digests: Sequence[str]) -> str:
    """Return the root of the tree over digests.

    Raises:
        ValueError: there are none, or one is not hexadecimal.
    """
    if not digests:
        raise ValueError("a tree has at least one leaf")
    level = [leaf(digest) for digest in digests]
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def inclusion_path(digests: Sequence[str], index: int) -> tuple[str, ...]:
    """Return the hashes that lead from the leaf at `index` to the root, from below.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(digests):
        raise IndexError(index)
    level, path = [leaf(digest) for digest in digests], []
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            path.append(level[beside])
        level, index = _parents(level), index // 2
    return tuple(path)


def is_included(digest: str, index: int, size: int, path: Sequence[str], root: str) -> bool:
    """Return whether a leaf is at `index` of the tree of `size` leaves with this root."""
    if not 0 <= index < size:
        return False
    found, last, left = leaf(digest), size - 1, list(path)
    while last > 0:
        if index % 2 or index < last:  # it has a neighbour; an odd last one goes up alone
            if not left:
                return False
            beside = left.pop(0)
            found = node(beside, found) if index % 2 else node(found, beside)
        index, last = index // 2, last // 2
    return not left and found == root


def consistency_path(digests: Sequence[str], size: int) -> tuple[str, ...]:
    """Return the hashes that show that the tree begins with the one of its first `size` leaves.

    Raises:
        ValueError: `size` is not between 1 and the number of leaves.
    """
    if not 1 <= size <= len(digests):
        raise ValueError(f"a tree of {len(digests)} leaves does not begin with one of {size}")
    return tuple(_consistency([leaf(digest) for digest in digests], size, is_whole=True))


def is_consistent(sizes: tuple[int, int], roots: tuple[str, str], path: Sequence[str]) -> bool:
    """Return whether the tree of the second size and root begins with that of the first."""
    (old, new), (old_root, new_root) = sizes, roots
    if not 1 <= old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    left = list(path)
    if old & (old - 1) == 0:  # the old tree is a node of the new one
        left.insert(0, old_root)
    if not left:
        return False
    at, last = old - 1, new - 1
    while at % 2:
        at, last = at // 2, last // 2
    made_old = made_new = left.pop(0)
    for beside in left:
        if last == 0:
            return False
        if at % 2 or at == last:
            made_old, made_new = node(beside, made_old), node(beside, made_new)
            while at % 2 == 0 and at:
                at, last = at // 2, last // 2
        else:
            made_new = node(made_new, beside)
        at, last = at // 2, last // 2
    return last == 0 and (made_old, made_new) == (old_root, new_root)


def _parents(level: list[str]) -> list[str]:
    paired = [node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return paired + (level[-1:] if len(level) % 2 else [])


def _consistency(hashes: list[str], size: int, *, is_whole: bool) -> list[str]:
    if size == len(hashes):
        return [] if is_whole else [_top(hashes)]
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    if size <= split:
        return [
            *_consistency(hashes[:split], size, is_whole=is_whole), _top(hashes[split:]),
        ]  # fmt: skip
    return [*_consistency(hashes[split:], size - split, is_whole=False), _top(hashes[:split])]


def _top(hashes: list[str]) -> str:
    while len(hashes) > 1:
        hashes = _parents(hashes)
    return hashes[0]
