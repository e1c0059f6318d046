"""A machine that computes evenly is told from one that does not."""

import time

from steadiness import STEADY, slowdown


def sleeper(seconds):
    """Work that takes as long as the next of these times, over and over."""
    left = []

    def work():
        if not left:
            left.extend(seconds)
        time.sleep(left.pop())

    return work


def test_even_work_has_no_slowdown():
    assert 1 <= slowdown(sleeper([0.01])) < STEADY


def test_a_few_slow_rounds_count_and_a_single_one_does_not():
    # 40 rounds: with one slow in ten, the 95th percentile is a slow one; with one in forty it is not.
    assert 2.5 < slowdown(sleeper([0.01] * 9 + [0.03])) < 4
    assert slowdown(sleeper([0.01] * 39 + [0.03])) < STEADY
