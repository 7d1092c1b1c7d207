"""Merkle trees: what is in one can be proved, growth is told from change."""

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.merkle import (
    consistency_path,
    inclusion_path,
    is_consistent,
    is_included,
    leaf,
    merkle_root,
    node,
)


def digests(count):
    return [blake3(bytes([n % 256, n // 256])).hexdigest() for n in range(count)]


SIZES = st.integers(1, 70)


def naive_root(leaves):
    """RFC 6962, section 2.1, to the letter."""
    if len(leaves) == 1:
        return leaf(leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node(naive_root(leaves[:split]), naive_root(leaves[split:]))


@given(SIZES)
def test_the_root_is_that_of_the_recursive_definition(size) -> None:
    assert merkle_root(digests(size)) == naive_root(digests(size))


@given(SIZES, st.data())
def test_every_leaf_is_included_at_its_place_and_at_no_other(size, data) -> None:
    leaves = digests(size)
    index = data.draw(st.integers(0, size - 1))
    path, root = inclusion_path(leaves, index), merkle_root(leaves)
    assert is_included(leaves[index], index, size, path, root)
    other = data.draw(st.integers(0, size))
    if other != index:
        assert not is_included(leaves[index], other, size, path, root)
    assert not is_included(blake3(b"no leaf").hexdigest(), index, size, path, root)
    assert not is_included(leaves[index], index, size, (*path, root), root)
    assert not is_included(leaves[index], index, size, path[:-1], root) or not path


@given(SIZES, st.data())
def test_a_tree_that_grew_is_consistent_and_one_that_changed_is_not(size, data) -> None:
    leaves = digests(size)
    old = data.draw(st.integers(1, size))
    roots = (merkle_root(leaves[:old]), merkle_root(leaves))
    path = consistency_path(leaves, old)
    assert is_consistent((old, size), roots, path)
    changed = data.draw(st.integers(0, old - 1))
    forged = [*leaves[:changed], blake3(b"forged").hexdigest(), *leaves[changed + 1 :]]
    told = consistency_path(forged, old)
    assert not is_consistent((old, size), (roots[0], merkle_root(forged)), told)
    assert not is_consistent((old, size), (roots[0], merkle_root(forged)), path)
    if path:
        assert not is_consistent((old, size), roots, path[:-1])
        assert not is_consistent((old, size), roots, (*path, path[0]))


def test_an_empty_tree_and_a_place_outside_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one leaf"):
        merkle_root([])
    with pytest.raises(IndexError):
        inclusion_path(digests(2), 2)
    with pytest.raises(ValueError, match="does not begin with one of 3"):
        consistency_path(digests(2), 3)
