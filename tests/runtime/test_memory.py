"""How much memory there is, and how a grid is cut so that it fits."""

from __future__ import annotations

import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from problems import ROSENBROCK

from jaxstyle.errors import InputError
from jaxstyle.optimize import LBFGS
from jaxstyle.optimize.vmapped_loop import compile_batch
from jaxstyle.pipelines.chunk_program import equal_chunks, fit_chunk
from jaxstyle.runtime.memory import format_bytes, free_bytes, free_host_bytes, parse_bytes

GIB = 2**30


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("8GiB", 8 * GIB),
        ("8gib", 8 * GIB),
        ("8 Gi", 8 * GIB),
        ("1.5GiB", 3 * GIB // 2),
        (".5k", 500),
        ("500MB", 500 * 10**6),
        ("500m", 500 * 10**6),
        ("2TB", 2 * 10**12),
        (" 1000 ", 1000),
        ("1000B", 1000),
        ("2e9", 2 * 10**9),
        ("1.", 1),
    ],
)
def test_amounts_are_read(text, amount):
    assert parse_bytes(text) == amount


@pytest.mark.parametrize(
    "text", ["", "GiB", "8 GiB free", "-1", "0", "0.1", "8XB", "8i", "nan", "inf", "1e999", "٣GB"]
)
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(InputError, match="write an amount such as 8GiB or 500MB"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1.5 * GIB, "1.5 GiB"),
        (1020 * 2**20, "1020 MiB"),
        (12_345 * GIB, "12345 GiB"),
    ],
)
def test_amounts_are_written_for_people(amount, text):
    assert format_bytes(amount) == text


@given(st.integers(1, 10**15))
def test_what_is_written_can_be_read(amount):
    text = format_bytes(amount).removesuffix(" bytes")
    assert parse_bytes(text) == pytest.approx(amount, rel=0.01)


@pytest.fixture
def host(tmp_path):
    """Writes files as the kernel has them; gives what is found to be free, in MiB."""

    def free(available: int | None = None, **files: str) -> float:
        meminfo = tmp_path / "meminfo"
        if available is not None:
            meminfo.write_text(
                f"MemTotal:  99999999 kB\nMemFree: 5 kB\nMemAvailable:   {available << 10} kB\n"
            )
        cgroup = tmp_path / "cgroup"
        (cgroup / "memory").mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (cgroup / name.replace("__", "/").replace("-", ".")).write_text(text)
        own = tmp_path / "own"
        return free_host_bytes(meminfo, cgroup, own) / 2**20

    return free


def mib(number: int) -> str:
    return f"{number << 20}\n"


def test_without_a_container_the_kernel_says_what_is_free(host):
    assert host(700) == 700


def test_a_container_without_a_limit_counts_as_none(host):
    assert host(700, **{"memory-max": "max\n", "memory-current": mib(90)}) == 700


def test_the_limit_of_a_container_counts_if_it_is_less(host):
    files = {"memory-max": mib(500), "memory-current": mib(300)}
    assert host(700, **files) == 200


def test_a_wide_limit_does_not_count(host):
    assert host(100, **{"memory-max": mib(500), "memory-current": mib(300)}) == 100


def test_file_pages_of_a_container_can_be_had(host):
    files = {"memory-max": mib(500), "memory-current": mib(300)}
    stat = f"anon 1\nfile 2\ninactive_file {50 << 20}\nactive_file 7\n"
    assert host(700, **files, **{"memory-stat": stat}) == 250


def test_version_1_of_cgroups(host):
    files = {
        "memory__memory-limit_in_bytes": mib(500),
        "memory__memory-usage_in_bytes": mib(450),
        "memory__memory-stat": f"total_inactive_file {10 << 20}\n",
    }
    assert host(700, **files) == 60


def test_version_1_without_a_limit(host):
    files = {
        "memory__memory-limit_in_bytes": "9223372036854771712\n",
        "memory__memory-usage_in_bytes": mib(450),
    }
    assert host(700, **files) == 700


def test_a_container_over_its_limit_has_nothing_free(host):
    assert host(700, **{"memory-max": mib(500), "memory-current": mib(600)}) == 0


def test_limits_of_a_job_within_a_container_count(host, tmp_path):
    inner = tmp_path / "cgroup" / "jobs.slice" / "job_7"
    inner.mkdir(parents=True)
    (tmp_path / "own").write_text("0::/jobs.slice/job_7\n")
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.current").write_text(mib(10))
    assert host(700) == 700
    (inner.parent / "memory.max").write_text(mib(300))
    (inner.parent / "memory.current").write_text(mib(100))
    assert host(700) == 200
    (inner / "memory.max").write_text(mib(60))
    assert host(700) == 50


def test_version_1_of_cgroups_within_a_container(host, tmp_path):
    inner = tmp_path / "cgroup" / "memory" / "slurm"
    inner.mkdir(parents=True)
    (tmp_path / "own").write_text("9:cpu,cpuacct:/other\n4:memory:/slurm\n0::/else\n")
    (inner / "memory.limit_in_bytes").write_text(mib(300))
    (inner / "memory.usage_in_bytes").write_text(mib(100))
    assert host(700) == 200


def test_where_nothing_can_be_read_there_is_a_guess(host):
    assert host() == 4 * 1024


def test_this_machine_has_memory():
    assert free_host_bytes() > 2**20


def test_cpu_devices_share_the_memory_of_the_host(monkeypatch):
    monkeypatch.setattr("jaxstyle.runtime.memory.free_host_bytes", lambda: 800)
    assert free_bytes(jax.devices()[:1]) == 800
    assert free_bytes(jax.devices()[:8]) == 100


def test_of_accelerators_the_fullest_counts():
    def device(limit: int, used: int) -> SimpleNamespace:
        statistics = {"bytes_limit": limit, "bytes_in_use": used}
        return SimpleNamespace(platform="gpu", memory_stats=lambda: statistics)

    assert free_bytes([device(1000, 100), device(1000, 300)]) == 700


counts = st.integers(1, 300)
multiples = st.integers(1, 9)


@given(counts, counts, multiples)
@example(9, 9, 8)
def test_chunks_are_the_fewest_equal_ones(cells, most, multiple):
    size = equal_chunks(cells, most, multiple)
    assert size % multiple == 0
    assert size <= max(most, multiple)
    chunks = math.ceil(cells / size)
    largest = max(most // multiple, 1) * multiple
    assert chunks == math.ceil(cells / largest)  # no chunk more than the limit asks for
    assert chunks * (size - multiple) < cells  # and no smaller ones would do


@given(
    cells=counts,
    multiple=multiples,
    most=st.integers(0, 50),
    fixed=st.integers(0, 10**6),
    each=st.integers(1, 10**5),
    room=st.floats(0.01, 100),
)
def test_the_largest_chunks_that_fit_are_found_in_few_tries(
    cells, multiple, most, fixed, each, room
):
    asked: list[int] = []

    def needed(size: int) -> int:
        asked.append(size)
        return fixed + each * size

    limit = int(fixed + each * multiple * room)
    size, amount = fit_chunk(cells, limit, needed, multiple=multiple, most=most)
    assert amount == needed(size)
    assert size % multiple == 0
    if amount > limit:
        assert size == multiple
    else:
        fitting = [s for s in range(multiple, 400, multiple) if fixed + each * s <= limit]
        allowed = min(fitting[-1], max(most, multiple) if most else 400)
        whole = math.ceil(cells / multiple) * multiple
        assert size == equal_chunks(cells, min(allowed, whole), multiple)
    assert len(set(asked)) <= 3


@given(cells=counts, bumps=st.lists(st.integers(0, 500), min_size=300, max_size=300))
def test_memory_that_grows_unevenly_still_gives_a_chunk_that_fits(cells, bumps):
    def needed(size: int) -> int:
        return 100 * size + bumps[size - 1]

    size, amount = fit_chunk(cells, 2000, needed)
    assert amount == needed(size) <= 2000
    assert 1 <= size <= cells


def test_a_grid_that_fits_is_asked_about_once_and_is_one_chunk():
    asked: list[int] = []
    size, amount = fit_chunk(9, 100, lambda n: asked.append(n) or n, multiple=8)
    assert (size, amount, asked) == (16, 16, [16])


def test_the_chunk_of_a_real_program_fits():
    def needed(size: int) -> int:
        x = jax.ShapeDtypeStruct((size, 500), jnp.float32)
        return compile_batch(ROSENBROCK, x, (), (), LBFGS(history=5)).bytes_needed

    whole, one = needed(20), needed(1)
    limit = (one + whole) // 3
    size, amount = fit_chunk(20, limit, needed)
    assert amount <= limit
    assert 1 < size <= 10
