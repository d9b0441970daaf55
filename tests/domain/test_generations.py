"""A digest tells two versions of a database apart, and nothing but a change of content changes it."""

from hypothesis import assume, given
from hypothesis import strategies as st

from shared.blastdb.generations import Generation, digest_of
from shared.blastdb.volumes import ListedFile

leaves = st.from_regex(r"x\.[0-9]{2}\.(nsq|nin|nhr)", fullmatch=True)
fingerprints = st.text("0123456789abcdef", min_size=4, max_size=32)
entries = st.builds(ListedFile, leaves, st.integers(0, 10**13), fingerprints)
listings = st.lists(entries, min_size=1, max_size=12, unique_by=lambda file: file.leaf)


@given(listing=listings, shuffle=st.randoms(use_true_random=False))
def test_law_the_order_of_a_listing_does_not_matter(listing, shuffle):
    shuffled = list(listing)
    shuffle.shuffle(shuffled)

    assert digest_of(shuffled) == digest_of(iter(listing))


@given(listing=listings, other=entries, data=st.data())
def test_law_any_change_of_name_size_or_fingerprint_shows(listing, other, data):
    index = data.draw(st.integers(0, len(listing) - 1))
    field = data.draw(st.sampled_from(ListedFile._fields))
    assume(getattr(other, field) != getattr(listing[index], field))
    changed = [*listing[:index], listing[index]._replace(**{field: getattr(other, field)}), *listing[index + 1 :]]
    assume(sorted(changed) != sorted(listing))

    assert digest_of(changed) != digest_of(listing)


@given(listings)
def test_law_a_missing_file_shows(listing):
    assert digest_of(listing[1:]) != digest_of(listing)


def test_a_digest_is_thirty_two_hex_digits_and_stays_the_same_in_every_release():
    listing = [ListedFile("x.00.nsq", 100, "0cc175b9c0f1b6a831c399e269772661"), ListedFile("x.ndb", 20480, "0x8DC1")]

    assert digest_of(listing) == "e7689441579d62cc4faabfa3e8a9a027"
    assert len(digest_of([])) == 32


def test_a_volume_replaced_under_the_same_name_and_size_is_another_generation():
    before = Generation(source_version="2025-01-01", digest=digest_of([ListedFile("x.00.nsq", 100, "aa")]))
    after = Generation(source_version="2025-01-01", digest=digest_of([ListedFile("x.00.nsq", 100, "bb")]))

    assert before != after
