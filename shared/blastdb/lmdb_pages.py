"""A reader of LMDB files: finds a small table in a large file by reading single pages, without opening the file in LMDB.

It reads format version 1, as 64-bit little-endian machines write it (`mdb.c` of LMDB 0.9). All pages have one size. Pages 0
and 1 are meta pages; the one with the higher transaction is valid. A page begins with its number, its flags and the ends of
its free space; the offsets of its nodes follow. A database is a B+ tree. Named databases are records of 48 bytes in the main
database.
"""

from collections.abc import Generator
from struct import Struct
from typing import NamedTuple

from shared.blastdb.reading import Reading, Span

FIRST_READ_BYTES = 64 * 1024
"""Covers both meta pages at any page size. In a file of 4 KiB pages it covers 14 more pages, which hold the small tables."""

_READS = 64
"""No small table needs this many reads; a file that asks for more is damaged."""

_MAGIC, _FORMAT = 0xBEEFC0DE, 1
_PAGE_SIZES = frozenset(2**power for power in range(9, 16))
_PAGE_HEAD = Struct("<Q2xHHH")  # number, flags, end of the offsets, start of the nodes
_META = Struct("<II16x48s48sQQ")  # magic, format; free and main tree; last page, transaction
_TREE = Struct("<IHH24xQQ")  # page size (of the free tree), flags, depth; entries, root
_NODE = Struct("<HHHH")  # size of data or number of page in two (three) parts, flags; size of key
_BRANCH, _LEAF, _META_PAGE = 0x01, 0x02, 0x08
_BIG_DATA, _TREE_DATA, _DUPLICATES = 0x01, 0x02, 0x04
_MAX_DEPTH = 8
_NO_PAGE = 2**64 - 1


class LmdbError(ValueError):
    """The bytes are not a readable LMDB file, or the file is damaged. The message is a clause that says how."""


class Tree(NamedTuple):
    """One database's tree. `root` is the number of its root page."""

    depth: int
    entries: int
    root: int


class Record(NamedTuple):
    """One record; `tree` is set when the record describes a named database."""

    key: bytes
    value: bytes
    tree: Tree | None


class LmdbFile:
    """One file of a known size, with its pages read so far. Its methods are readers; drive them one after the other."""

    def __init__(self, size_bytes: int) -> None:
        self._size = size_bytes
        self._page_size = 0
        self._pages: dict[int, bytes] = {}
        self._seen: set[int] = set()
        self._reads = 0

    def main(self) -> Reading[Tree]:
        """The main database of the latest transaction.

        Raises:
            LmdbError: the file is not an LMDB file that this module can read.
        """
        content = yield from self._read(0, min(self._size, FIRST_READ_BYTES))
        first = _meta(content)
        self._page_size = first.page_size
        if len(content) < 2 * self._page_size:
            raise LmdbError("it ends before its second page")
        second = _meta(content[self._page_size :])
        self._keep(0, content)
        return second.main if second.transaction > first.transaction else first.main

    def entries(self, tree: Tree, limit: int) -> Reading[list[Record]]:
        """All records of a database, in the order of its keys.

        Raises:
            LmdbError: the tree is damaged, or has more records than the limit.
        """
        if tree.entries > limit:
            raise LmdbError(f"a table counts {tree.entries} records where at most {limit} make sense")
        found: list[Record] = []
        if tree.root != _NO_PAGE:
            yield from self._descend(tree.root, tree.depth, found, limit)
        if len(found) != tree.entries:
            raise LmdbError(f"a table counts {tree.entries} records and has {len(found)}")
        return found

    def _descend(self, number: int, depth: int, found: list[Record], limit: int) -> Generator[Span, bytes]:
        if not 0 < depth <= _MAX_DEPTH:
            raise LmdbError("a table's depth makes no sense")
        page = yield from self._page(number)
        if depth == 1:
            found += (_entry(page, at) for at in _nodes(page, _LEAF))
            if len(found) > limit:
                raise LmdbError("a table has more records than make sense")
            return
        for at in _nodes(page, _BRANCH):
            low, middle, high, _ = _NODE.unpack_from(page, at)
            yield from self._descend(low | middle << 16 | high << 32, depth - 1, found, limit)

    def _page(self, number: int) -> Reading[bytes]:
        # A page belongs to one place of one tree, so it can come up only once.
        if number in self._seen:
            raise LmdbError("its pages go round in circles")
        self._seen.add(number)
        if number not in self._pages:
            yield from self._read_around(number)
        page = self._pages[number]
        if _PAGE_HEAD.unpack_from(page)[0] != number:
            raise LmdbError(f"page {number} has another page's number")
        return page

    def _read_around(self, number: int) -> Generator[Span, bytes]:
        # LMDB writes the pages of one transaction side by side, leaves before their root.
        if (number + 1) * self._page_size > self._size:
            raise LmdbError(f"it ends before its page {number}")
        first = max(number - FIRST_READ_BYTES // self._page_size // 2, 0)
        start = first * self._page_size
        self._keep(first, (yield from self._read(start, min(self._size - start, FIRST_READ_BYTES))))

    def _keep(self, number: int, content: bytes) -> None:
        size = self._page_size
        whole = len(content) // size
        self._pages |= {number + index: content[index * size : (index + 1) * size] for index in range(whole)}

    def _read(self, offset: int, size_bytes: int) -> Reading[bytes]:
        self._reads += 1
        if self._reads > _READS:
            raise LmdbError("it takes too many reads")
        content = yield Span(offset, size_bytes)
        if len(content) != size_bytes:
            raise LmdbError(f"it ends at {offset + len(content)} bytes of {self._size}")
        return content


class _Meta(NamedTuple):
    page_size: int
    main: Tree
    transaction: int


def _meta(page: bytes) -> _Meta:
    if len(page) < _PAGE_HEAD.size + _META.size:
        raise LmdbError("it is too short")
    magic, version, free, main, _, transaction = _META.unpack_from(page, _PAGE_HEAD.size)
    page_size = _TREE.unpack(free)[0]
    if magic != _MAGIC or not _PAGE_HEAD.unpack_from(page)[1] & _META_PAGE:
        raise LmdbError("it is not an LMDB file of a 64-bit little-endian machine")
    if version != _FORMAT:
        raise LmdbError(f"its format version is {version}, not {_FORMAT}")
    if page_size not in _PAGE_SIZES:
        raise LmdbError("its page size makes no sense")
    return _Meta(page_size, _tree(main), transaction)


def _tree(record: bytes) -> Tree:
    _, _, depth, entries, root = _TREE.unpack(record)
    return Tree(depth, entries, root)


def _nodes(page: bytes, kind: int) -> list[int]:
    """The offsets of a page's nodes. Each leaves room for the node's own head."""
    _, flags, lower, upper = _PAGE_HEAD.unpack_from(page)
    if not flags & kind or not _PAGE_HEAD.size <= lower <= upper <= len(page):
        raise LmdbError("a page is of another kind than its place in the table")
    offsets = [int.from_bytes(page[at : at + 2], "little") for at in range(_PAGE_HEAD.size, lower - 1, 2)]
    if any(not upper <= at <= len(page) - _NODE.size for at in offsets):
        raise LmdbError("a record lies outside its page")
    return offsets


def _entry(page: bytes, at: int) -> Record:
    low, high, flags, key_size = _NODE.unpack_from(page, at)
    start = at + _NODE.size + key_size
    end = start + (low | high << 16)
    if flags & (_BIG_DATA | _DUPLICATES) and not flags & _TREE_DATA:
        raise LmdbError("a record is of a kind that no volume table has")
    if end > len(page):
        raise LmdbError("a record lies outside its page")
    value = page[start:end]
    is_tree = bool(flags & _TREE_DATA)
    if is_tree and len(value) != _TREE.size:
        raise LmdbError("a named table's record has another size")
    return Record(page[at + _NODE.size : start], value, _tree(value) if is_tree else None)
