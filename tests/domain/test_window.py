"""The rotating window of a reconcile pass: everything has its turn, nothing twice in one."""

from hypothesis import given
from hypothesis import strategies as st

from shared.runs.reconcile.window import rotating_window

lengths, turns, sizes = st.integers(0, 50), st.integers(0, 10**6), st.integers(1, 12)


@given(lengths, turns, sizes)
def test_a_window_holds_as_many_different_items_as_there_are_and_fit(length, turn, most):
    window = rotating_window(range(length), most=most, turn=turn)

    assert len(window) == len(set(window)) == min(most, length)


@given(lengths, st.integers(0, 20), sizes)
def test_every_item_has_its_turn_within_one_round(length, turn, most):
    rounds = -(-length // most)
    # A window at the end of the list goes on at its beginning; one turn more covers what it displaced.
    windows = [rotating_window(range(length), most=most, turn=turn + further) for further in range(rounds + 1)]

    assert {item for window in windows for item in window} == set(range(length))


def test_the_next_turn_begins_where_the_last_one_ended():
    assert rotating_window("abcde", most=2, turn=0) == ("a", "b")
    assert rotating_window("abcde", most=2, turn=1) == ("c", "d")
    assert rotating_window("abcde", most=2, turn=2) == ("e", "a")
