"""Press: what random contacts bring, against a second reading of the rule that looks at the whole history."""

import random

from massager import press
from massager.press import DEBOUNCE, LONG, Press


def runs(history):
    """[(closed, first index, length), ...]"""
    found = []
    for i in range(len(history)):
        if found and found[-1][0] == history[i]:
            found[-1][2] += 1
        else:
            found.append([history[i], i, 1])
    return found


def expected(history):
    """Index → what it brings, for a contact that has been open at first; BEGUN left out."""
    brings = {}
    down = done = False
    for closed, first, length in runs(history):
        if closed and not down and length >= DEBOUNCE:
            down, done = True, False
            brings[first + DEBOUNCE - 1] = press.DOWN
        if closed and down and not done and length >= LONG:
            done = True
            brings[first + LONG - 1] = press.HELD
        if not closed and down and length >= DEBOUNCE:
            down = False
            if not done:
                brings[first + DEBOUNCE - 1] = press.LET_GO
    return brings


def contact(rng):
    """Samples of a contact that bounces, is pressed, held and let go."""
    history = [False] * DEBOUNCE
    for _ in range(rng.randint(1, 30)):
        length = rng.choice((1, 1, 2, 2, 3, 4, 10, LONG - 1, LONG, LONG + 5))
        history += [rng.random() < 0.5] * length
    return history


def test_random_contacts_bring_what_their_whole_history_says():
    for seed in range(300):
        rng = random.Random(seed) if hasattr(random, "Random") else random
        history = contact(rng)
        button = Press()
        found = {}
        for i in range(len(history)):
            brings = button.sample(history[i], rng.choice((0, 9, 10, 11, 40, 900)))
            if brings not in (press.NOTHING, press.BEGUN):
                found[i] = brings
        assert found == expected(history), seed


def test_a_void_press_brings_nothing_and_the_next_one_counts():
    for void_at in (1, DEBOUNCE, 50):
        button = Press()
        for _ in range(DEBOUNCE):
            button.sample(False, 10)
        brings = []
        for i in range(LONG + 10):
            if i == void_at:
                button.void()
            brings.append(button.sample(True, 10))
        for _ in range(DEBOUNCE):
            brings.append(button.sample(False, 10))
        assert press.HELD not in brings and press.LET_GO not in brings
        assert (press.DOWN in brings) == (void_at >= DEBOUNCE)
        brings = [button.sample(True, 10) for _ in range(DEBOUNCE)]
        assert brings == [press.BEGUN, press.NOTHING, press.DOWN]


def test_a_contact_that_is_closed_at_first_brings_nothing_until_it_was_open():
    button = Press()
    assert {button.sample(True, 10) for _ in range(400)} == {press.NOTHING}
    assert {button.sample(False, 10) for _ in range(DEBOUNCE)} == {press.NOTHING}
    assert button.at_rest()
    assert button.sample(True, 10) == press.BEGUN


def test_stuck_is_measured_time():
    button = Press()
    for _ in range(12):
        button.sample(True, 900)
    assert button.stuck()
    button.sample(False, 10)
    for _ in range(DEBOUNCE):
        button.sample(False, 10)
    assert not button.stuck()
