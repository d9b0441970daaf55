"""Volume tables as makeblastdb writes them into `.ndb` and `.pdb`: LMDB files of a few pages.

Checked against makeblastdb's own and opened by BLAST in tests/domain/test_volume_table.py.
"""

from struct import pack

PAGE = 4096
_NO_PAGE = 2**64 - 1
_BRANCH, _LEAF, _META = 1, 2, 8
_INTEGER_KEYS = 8


class _Pages:
    """Pages one after the other; 0 and 1 are the meta pages, which come last."""

    def __init__(self, page_size):
        self.size = page_size
        self.pages = []

    def add(self, kind, nodes):
        number = 2 + len(self.pages)
        offsets, body, at = b"", b"", self.size
        for node in nodes:
            at -= len(node)
            offsets, body = offsets + pack("<H", at), node + body
        head = pack("<Q2xHHH", number, kind, 16 + len(offsets), at) + offsets
        self.pages.append(head.ljust(at, b"\0") + body)
        return number

    def tree(self, records, flags=_INTEGER_KEYS, tree_data=0):
        """A tree of these records in as many leaves as they need; returns its record of 48 bytes."""
        leaves, room = [[]], self.size - 16
        for key, value in records:
            node = pack("<HHHH", len(value), 0, tree_data, len(key)) + key + value
            node += b"\0" * (len(node) % 2)
            if room < len(node) + 2:
                leaves.append([])
                room = self.size - 16
            leaves[-1].append((key, node))
            room -= len(node) + 2
        numbers = [self.add(_LEAF, [node for _, node in leaf]) for leaf in leaves]
        root, depth = numbers[0], 1
        if len(numbers) > 1:
            keys = [b"", *(leaf[0][0] for leaf in leaves[1:])]
            branches = [pack("<IHH", number, 0, len(key)) + key for key, number in zip(keys, numbers, strict=True)]
            root, depth = self.add(_BRANCH, branches), 2
        return pack("<IHHQQQQQ", 0, flags, depth, depth - 1, len(numbers), 0, len(records), root)

    def file(self, main, transaction):
        free = pack("<IHHQQQQQ", self.size, _INTEGER_KEYS, 0, 0, 0, 0, 0, _NO_PAGE)
        empty = pack("<IHHQQQQQ", 0, 0, 0, 0, 0, 0, 0, _NO_PAGE)

        def meta(number, tree, written):
            head = pack("<Q2xHHH", number, _META, 0, 0) + pack("<IIQQ", 0xBEEFC0DE, 1, 0, 10_485_760)
            return (head + free + tree + pack("<QQ", 1 + len(self.pages), written)).ljust(self.size, b"\0")

        latest = transaction % 2
        metas = [
            meta(number, main if number == latest else empty, transaction if number == latest else transaction - 1)
            for number in (0, 1)
        ]
        return b"".join([*metas, *self.pages])


def volume_table_file(volumes, *, page_size=PAGE, before=0, transaction=1, tables=("volinfo", "volname")) -> bytes:
    """A `.ndb` or `.pdb` with these volumes: pairs of a base name and a number of sequences.

    Args:
        volumes: the pairs.
        page_size: of the machine that wrote the file.
        before: how many pages of other things precede the tables.
        transaction: which of the two meta pages counts: 1 when it is odd, else 0.
        tables: which tables there are, in the order of their names.
    """
    pages = _Pages(page_size)
    for _ in range(before):
        pages.add(4, [])
    values = {
        "volname": [name.encode() for name, _ in volumes],
        "volinfo": [pack("<i", sequences) for _, sequences in volumes],
    }
    trees = [(table.encode(), pages.tree([(pack("<I", n), value) for n, value in enumerate(values[table])])) for table in tables]
    return pages.file(pages.tree(trees, flags=0, tree_data=2), transaction)
