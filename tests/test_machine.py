"""The machine card against other ways to know the same: psutil, /proc/cpuinfo, numpy, made-up containers."""

import json
import os
import platform
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from labkit.errors import SettingError
from labkit.machine import Machine, card, describe, probe, speed, system


@pytest.fixture(scope="module")
def machine():
    return probe()


def control_groups(root, cgroup, files):
    """A made-up container: /proc/self/cgroup with the text `cgroup`, and the given files."""
    for path, text in {"proc/self/cgroup": cgroup, **files}.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_counts_agree_with_psutil(machine):
    assert 1 <= machine.cores <= machine.logical_cores <= psutil.cpu_count()
    assert 0 < machine.memory_free_bytes <= machine.memory_bytes <= psutil.virtual_memory().total
    assert machine.disk_free_bytes == pytest.approx(psutil.disk_usage(os.getcwd()).free, rel=0.2)
    assert machine.threads == torch.get_num_threads()


@pytest.mark.skipif(platform.system() != "Linux", reason="/proc is Linux's")
def test_processor_agrees_with_proc_cpuinfo(machine):
    told = Path("/proc/cpuinfo").read_text()
    for flag, name in {"avx2": "AVX2", "avx512_vnni": "AVX512 VNNI", "amx_int8": "AMX INT8"}.items():
        assert (name in machine.instruction_sets) == (f" {flag} " in told.replace("\n", " \n"))
    model = [line.split(":", 1)[1] for line in told.splitlines() if line.startswith("model name")]
    assert not model or machine.cpu == system.tidy_cpu_name(model[0])


def test_fp32_speed_is_near_numpy(machine):
    # Both call a tuned matrix library; torch is measured again here, so that both meet the same busy machine.
    a, b = np.random.default_rng(0).normal(size=(2, 512, 512)).astype(np.float32)
    numpy = 2 * 512**3 / speed.best_seconds(lambda: a @ b, seconds=0.5) / 1e9
    here = max(machine.gflop_s, speed.matmul_gflop_s(seconds=0.5))
    assert 0.25 < here / numpy < 4


def test_bandwidth_is_near_numpy_copy(machine):
    a = np.ones(2**26, np.float32)
    b = np.zeros_like(a)
    numpy = 2 * a.nbytes / speed.best_seconds(lambda: np.copyto(b, a)) / 1e9
    assert 0.2 < max(machine.bandwidth_gb_s, speed.copy_gb_s()) / numpy < 5


def test_figures_are_in_a_sane_order(machine):
    # Arithmetic is faster than memory on every machine since the 1990s.
    assert machine.gflop_s > machine.bandwidth_gb_s / 4
    assert machine.gflop_s >= machine.gflop_s_one_thread
    assert machine.ridge == pytest.approx(machine.gflop_s / machine.bandwidth_gb_s)


def test_more_work_takes_longer():
    sides = (torch.ones(128, 128), torch.ones(512, 512))
    small, large = (speed.best_seconds(lambda x=x: x @ x) for x in sides)
    assert large > 4 * small


def test_best_seconds_gives_the_shortest():
    waits = iter([0, 0.03, 0.005, 0.03])
    assert 0.005 <= speed.best_seconds(lambda: time.sleep(next(waits)), least=3, seconds=0) < 0.03


def test_quick_probe_is_quick_and_kept():
    # Processor time, because a busy machine makes the clock run on while nothing of ours does.
    started = time.process_time()
    fresh = card._probe.__wrapped__(True)
    assert time.process_time() - started < 2 * fresh.threads
    assert fresh.cpu == probe().cpu
    assert probe() is probe(quick=True)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="inside"), speed.torch_threads(1):
        raise ValueError("inside")
    assert torch.get_num_threads() == before


def test_all_threads_are_tried_again_when_slower_than_one():
    measured, falling, once = iter([1.0, 0.7, 0.9, 1.5, 9.9]), iter([1.0, *[0.5] * 9]), iter([1.0])
    with speed.torch_threads(2):
        assert card._one_and_all(lambda: next(measured)) == (1.0, 1.5)
        assert card._one_and_all(lambda: next(falling)) == (1.0, 1.0)
    with speed.torch_threads(1):
        assert card._one_and_all(lambda: next(once)) == (1.0, 1.0)


def test_int8_and_bf16_products_run():
    for dtype in ("int8", "bfloat16"):
        assert speed.matmul_gflop_s(size=64, dtype=dtype, seconds=0) > 0


def test_card_survives_json(machine):
    assert Machine.from_json(machine.to_json()) == machine


@pytest.mark.parametrize("text", ["{}", "[]", '{"cpu": "x"}'])
def test_a_foreign_card_is_refused(text):
    with pytest.raises(SettingError, match="Expected a machine card"):
        Machine.from_json(text)


def test_card_names_no_user_and_no_host(machine):
    told = json.dumps(machine.to_json()) + machine.label() + describe(machine)
    assert str(Path.home()) not in told
    assert platform.node() == "" or f'"{platform.node()}"' not in told


def test_label_is_one_short_line(machine):
    assert "\n" not in machine.label()
    assert f"{machine.cores} core" in machine.label()
    one = replace(machine, cpu="X", cores=1, instruction_sets=(), memory_bytes=2**30)
    assert one.label() == "X, 1 core, 1 GiB"


def test_describe_says_where_bandwidth_binds(machine):
    m = replace(machine, gflop_s=200.0, bandwidth_gb_s=50.0, load=0.0)
    assert "below about 8 tokens" in describe(m)
    assert "too low" not in describe(m)
    assert "90% of the cores busy" in describe(replace(m, load=0.9))
    assert "int8" not in describe(replace(m, gop_s_int8=None))


def test_version_2_limits(tmp_path):
    root = control_groups(
        tmp_path,
        "0::/outer/inner\n",
        {
            "sys/fs/cgroup/outer/memory.max": f"{2**29}\n",
            "sys/fs/cgroup/outer/memory.current": f"{2**28}\n",
            "sys/fs/cgroup/outer/inner/memory.max": "max\n",
            "sys/fs/cgroup/outer/cpu.max": "100000 100000\n",
            "sys/fs/cgroup/outer/inner/cpu.max": "max 100000\n",
        },
    )
    assert system.memory_bytes(root=root) == (2**29, 2**28)
    assert system.cores(root=root) == (1, 1)


def test_version_1_limits(tmp_path):
    root = control_groups(
        tmp_path,
        "4:memory:/box\n2:cpu,cpuacct:/box\n0::/\n",
        {
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{2**29}\n",
            "sys/fs/cgroup/memory/box/memory.usage_in_bytes": "0\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
        },
    )
    assert system.memory_bytes(root=root)[0] == 2**29
    assert system.cores(root=root) == (1, 1)


def test_a_container_that_shows_only_its_top(tmp_path):
    root = control_groups(tmp_path, "0::/not/there\n", {"sys/fs/cgroup/memory.max": f"{2**29}\n"})
    assert system.memory_bytes(root=root)[0] == 2**29


def test_no_control_groups_is_no_limit(tmp_path):
    assert system.memory_bytes(root=tmp_path)[0] == psutil.virtual_memory().total
    assert system.cores(root=tmp_path)[1] == len(os.sched_getaffinity(0))


def test_no_quota_is_no_limit(tmp_path):
    root = control_groups(tmp_path, "2:cpu:/\n", {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n"})
    assert system._cpu_quota(root) is None
