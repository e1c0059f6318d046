"""Timing in turn: ratios that are right, order that is mixed, nothing left changed."""

import gc
import time

import numpy as np
import pytest

from labkit import latency
from labkit.errors import SettingError
from labkit.latency import race


def clock(monkeypatch):
    """A clock that only moves when a variant says so; no machine is too busy for it."""
    now = [0.0]
    monkeypatch.setattr(latency.time, "perf_counter", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    return wait


def test_medians_and_ratios_are_those_of_the_times(monkeypatch):
    wait, random = clock(monkeypatch), np.random.default_rng(0)
    times = {"slow": list(random.uniform(0.009, 0.012, 45)), "fast": list(random.uniform(0.003, 0.004, 45))}
    left = {name: iter(values) for name, values in times.items()}
    found = race({name: lambda name=name: wait(next(left[name])) for name in times}, rounds=40, warmup=5)
    slow, fast = (1000 * np.array(values[5:]) for values in times.values())  # the first five warm up
    assert (found["slow"].p50, found["slow"].p95) == pytest.approx(tuple(np.percentile(slow, [50, 95])))
    assert (found["fast"].p50, found["fast"].p95) == pytest.approx(tuple(np.percentile(fast, [50, 95])))
    assert found["fast"].ratio == pytest.approx(np.median(fast / slow))
    assert found["fast"].low <= found["fast"].ratio <= found["fast"].high < 0.5
    assert (found["slow"].ratio, found["slow"].low, found["slow"].high) == (1, 1, 1)


def test_a_slow_moment_of_the_machine_hits_both_and_leaves_the_ratio(monkeypatch):
    wait, calls = clock(monkeypatch), [0]

    def variant(seconds):
        def call():
            calls[0] += 1
            wait(seconds * (10 if calls[0] % 20 < 10 else 1))

        return call

    found = race({"one": variant(0.01), "half": variant(0.005)}, rounds=60)
    assert found["half"].ratio == pytest.approx(0.5)


def test_variants_take_turns_in_mixed_order():
    calls = []
    race({name: lambda name=name: calls.append(name) for name in "abc"}, rounds=30, warmup=2)
    assert calls[:6] == list("aabbcc")
    rounds = [tuple(calls[i : i + 3]) for i in range(6, len(calls), 3)]
    assert len(rounds) == 30
    assert {frozenset(one) for one in rounds} == {frozenset("abc")}
    assert len(set(rounds)) > 3


def test_what_settles_comes_before_each_timed_call_and_is_not_counted():
    calls = []

    def slow_at_first(name):
        time.sleep(0.004 if not calls or calls[-1] != name else 0.0)
        calls.append(name)

    found = race({name: lambda name=name: slow_at_first(name) for name in "ab"}, rounds=10, warmup=0, settle=1)
    assert len(calls) == 40
    assert all(first == second for first, second in zip(calls[::2], calls[1::2], strict=True))
    assert all(time.p95 < 3 for time in found.values())


def test_real_work_is_told_apart():
    found = race({"sleep": lambda: time.sleep(0.004), "doze": lambda: time.sleep(0.001)}, rounds=10, warmup=1)
    assert found["sleep"].p50 >= 4
    assert found["doze"].ratio < 0.8


@pytest.mark.parametrize("collecting", [True, False])
def test_garbage_collection_is_as_it_was_even_after_an_error(collecting):
    seen = []

    def fail():
        seen.append(gc.isenabled())
        if len(seen) == 3:
            raise ZeroDivisionError

    try:
        gc.enable() if collecting else gc.disable()
        with pytest.raises(ZeroDivisionError):
            race({"a": fail}, rounds=5, warmup=1)
        assert gc.isenabled() is collecting
        assert seen[1:] == [False, False]
    finally:
        gc.enable()


@pytest.mark.parametrize(("variants", "rounds"), [({"a": int}, 4), ({}, 10)])
def test_too_little_to_time(variants, rounds):
    with pytest.raises(SettingError, match="a variant and at least 5 rounds"):
        race(variants, rounds=rounds)
