"""The scaling model: what it says by hand-made numbers, and that the fit finds the numbers that made the points."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.distributed.scaling import Scaling, StepTime, fit_scaling, mbit, messages, ring_share
from labkit.errors import SettingError

BERT = Scaling(
    row_seconds=0.009, step_seconds=0.06, byte_seconds=0.8e-9, crowding=1.08, overlap=0.4, latency=5e-5,
    hooks={"fp16": 0.03, "powersgd": 0.1},
)  # fmt: skip
BYTES = {"none": 90.9e6, "fp16": 45.5e6, "powersgd": 2.1e6}


def point(scaling, workers, batch, *, hook="none", bandwidth=math.inf, model="bert", silent=False):
    size = 0.0 if workers == 1 or silent else BYTES[hook]
    made = StepTime(workers, batch, 1.0, bytes=size, hook=hook, bandwidth=bandwidth, model=model)
    return replace(made, seconds=scaling.of(made))


def loopback(scaling):
    return [point(scaling, k, b, hook=h) for b in (32, 128) for k, h in ((1, "none"), (2, "none"), (2, "fp16"), (2, "powersgd"))]  # fmt: skip


def linked(scaling):
    return [point(scaling, 2, b, hook=h, bandwidth=mbit(r)) for b in (32, 128) for h in BYTES for r in (100, 1000)]


def test_one_worker_pays_for_rows_and_the_step_only():
    assert BERT.seconds(1, batch=32, bytes=1e9, bandwidth=1.0, hook="powersgd") == pytest.approx(32 * 0.009 + 0.06)


def test_the_parts_by_hand():
    parts = BERT.parts(4, batch=64, bytes=8e7, bandwidth=1e8, hook="fp16")
    own = 1.08 * (16 * 0.009 + 0.06)
    assert parts == pytest.approx({
        "rows": 1.08 * 16 * 0.009,
        "each step": 1.08 * 0.06,
        "handling bytes": 0.8e-9 * 1.5 * 8e7,
        "compressing": 0.03,
        "waiting for the link": 1.5 * 8e7 / 1e8 + 5e-5 * messages(4, 8e7) - 0.4 * own,
    })  # fmt: skip
    assert BERT.seconds(4, batch=64, bytes=8e7, bandwidth=1e8, hook="fp16") == pytest.approx(sum(parts.values()))


def test_a_fast_link_hides_behind_the_work_and_never_gives_time_back():
    assert BERT.parts(2, batch=32, bytes=1e6, bandwidth=mbit(1e6))["waiting for the link"] == 0.0


def test_machines_of_their_own_do_not_crowd():
    setting = {"batch": 32, "bytes": 0.0}
    assert BERT.seconds(2, crowded=False, **setting) == pytest.approx(16 * 0.009 + 0.06)
    assert BERT.seconds(2, **setting) == pytest.approx(1.08 * (16 * 0.009 + 0.06))
    assert BERT.seconds(1, **setting) == BERT.seconds(1, crowded=False, **setting)


def test_speedup_is_against_the_same_rows_on_one_worker():
    setting = {"batch": 128, "bytes": 9e7, "bandwidth": mbit(1000)}
    wanted = BERT.seconds(1, batch=128) / BERT.seconds(8, **setting)
    assert BERT.speedup(8, **setting) == pytest.approx(wanted)
    assert BERT.efficiency(8, **setting) == pytest.approx(wanted / 8)
    assert BERT.efficiency(1, **setting) == 1


@given(st.integers(1, 64), st.integers(64, 4096), st.floats(1e6, 1e12), st.floats(0, 1e9))
def test_efficiency_lies_between_nothing_and_one(workers, batch, bandwidth, size):
    free = replace(BERT, crowding=1.0)
    assert 0 < free.efficiency(workers, batch=batch, bytes=size, bandwidth=bandwidth) <= 1 + 1e-9


@given(st.integers(2, 64), st.floats(1e6, 1e10), st.floats(1.1, 10))
def test_a_faster_link_and_fewer_bytes_never_make_a_step_slower(workers, bandwidth, factor):
    slow = BERT.seconds(workers, batch=256, bytes=9e7, bandwidth=bandwidth)
    assert BERT.seconds(workers, batch=256, bytes=9e7, bandwidth=factor * bandwidth) <= slow
    assert BERT.seconds(workers, batch=256, bytes=9e7 / factor, bandwidth=bandwidth) <= slow


def test_ring_and_messages():
    assert [ring_share(k) for k in (1, 2, 4, 8)] == [0, 1, 1.5, 1.75]
    mega = 2**20
    assert messages(2, mega) == 2
    assert messages(2, mega + 1) == 4
    assert messages(3, 26 * mega) == 8
    assert messages(1, 9e7) == 0


def test_scaled_multiplies_what_grows_with_the_parameters_and_nothing_else():
    twice = BERT.scaled(2)
    assert (twice.row_seconds, twice.step_seconds, twice.hooks["fp16"]) == (0.018, 0.12, 0.06)
    assert (twice.byte_seconds, twice.overlap, twice.crowding) == (BERT.byte_seconds, BERT.overlap, BERT.crowding)


@pytest.mark.parametrize("points", [loopback, linked, lambda s: loopback(s) + linked(s)], ids=["here", "links", "both"])
def test_the_fit_gives_back_every_time(points):
    made = points(BERT) if points is not linked else points(BERT) + [point(BERT, 1, b) for b in (32, 128)]
    found = fit_scaling(made, latency=BERT.latency)
    assert max(abs(found.error(one)) for one in made) < 0.002


def test_the_fit_finds_the_numbers_where_the_points_tell_them():
    found = fit_scaling(loopback(BERT) + linked(BERT) + [point(BERT, 2, 32, silent=True)], latency=BERT.latency)
    for name in ("row_seconds", "step_seconds", "byte_seconds", "crowding", "overlap"):
        assert getattr(found, name) == pytest.approx(getattr(BERT, name), rel=0.02), name
    assert dict(found.hooks) == pytest.approx(dict(BERT.hooks), rel=0.02)


def test_noise_of_some_percent_moves_a_forecast_by_some_percent():
    random = np.random.default_rng(0)
    noisy = [replace(one, seconds=one.seconds * random.uniform(0.97, 1.03)) for one in loopback(BERT) + linked(BERT)]
    found = fit_scaling(noisy, latency=BERT.latency)
    unseen = point(BERT, 2, 64, hook="fp16", bandwidth=mbit(300))
    assert abs(found.error(unseen)) < 0.06


def test_what_the_points_do_not_tell_stays_at_nothing():
    alone = fit_scaling([point(BERT, 1, 32), point(BERT, 1, 128)])
    assert (alone.byte_seconds, alone.crowding, alone.overlap, dict(alone.hooks)) == (0, 1, 0, {})
    assert alone.row_seconds == pytest.approx(0.009, rel=1e-3)
    here = fit_scaling(loopback(BERT))
    assert here.overlap == 0
    silent = fit_scaling([point(BERT, 1, 32), point(BERT, 1, 128), point(BERT, 2, 32, silent=True)])
    assert silent.byte_seconds == 0
    assert silent.crowding == pytest.approx(1.08, rel=0.01)


def test_errors_have_a_sign():
    slow = replace(point(BERT, 2, 32), seconds=2 * BERT.of(point(BERT, 2, 32)))
    assert BERT.error(slow) == pytest.approx(-0.5)
    assert StepTime(2, 32, 0.5).rows_per_second == 64


def test_bad_settings_are_told():
    with pytest.raises(SettingError, match="one worker or more, and a row for each. Received 8 workers, 4 rows"):
        BERT.seconds(8, batch=4)
    with pytest.raises(SettingError, match="0 workers"):
        BERT.seconds(0, batch=4)
    with pytest.raises(SettingError, match="a bandwidth above zero. Received 0"):
        BERT.seconds(2, batch=4, bytes=1.0, bandwidth=0)
    with pytest.raises(SettingError, match="a hook that was measured: none, fp16, powersgd. Received 'bf16'"):
        BERT.seconds(2, batch=4, hook="bf16")
    with pytest.raises(SettingError, match="two different numbers of rows a worker. Received 2 points"):
        fit_scaling([point(BERT, 1, 32), point(BERT, 2, 64)])
    with pytest.raises(SettingError, match="times above zero. Received 0"):
        fit_scaling([point(BERT, 1, 32), replace(point(BERT, 1, 64), seconds=0.0)])
