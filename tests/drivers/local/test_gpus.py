"""GPUs by NVIDIA's library, virtual ones, and what becomes of their errors."""

from __future__ import annotations

import asyncio

import pytest

from noljima.drivers.local import nvml
from noljima.drivers.local.facts import GpuOut, XidSeen
from noljima.drivers.local.gpus import Gpu, GpuReading, VirtualGpus, Xid
from noljima.drivers.local.nvml import NoGpusError, NvmlGpus
from noljima.model.bounds import GPU_MEMORY_MIB_MAX, InvalidFieldError
from noljima.model.events import Finished, NodeSeen, Started
from noljima.model.resources import JobId
from noljima.testing.nvml import FakeNvml
from noljima.testing.workshop import Workshop, until


def test_gpus_are_found_with_what_they_have() -> None:
    gpus = NvmlGpus(FakeNvml(2)).found()

    assert [gpu.index for gpu in gpus] == [0, 1]
    assert gpus[1] == Gpu(
        index=1,
        visible_as="GPU-00000001-0000-0000-0000-000000000000",
        memory_mib=81_920,
        uuid="GPU-00000001-0000-0000-0000-000000000000",
        model="NVIDIA H100 80GB HBM3",
    )


def test_a_gpu_is_read() -> None:
    library = FakeNvml(1)
    (gpu,) = library.gpus
    gpu.used_mib, gpu.utilisation, gpu.power_mw, gpu.pcie_kb = 1024, 99, 350_500, 4
    gpu.remapped, gpu.uncorrected, gpu.processes = (3, 1, 1, 0), 2, {17: 512 << 20, 18: None}

    assert NvmlGpus(library).read(0) == GpuReading(
        utilisation=0.99,
        memory_used_mib=1024.0,
        power_w=350.5,
        power_limit_w=700.0,
        temperature_c=30,
        pcie_bytes_per_s=8000.0,
        uncorrected_errors=2,
        remapped_rows=4,
        remap_pending=True,
        remap_failed=False,
        process_memory_mib={17: 512.0, 18: 0.0},
    )


@pytest.mark.parametrize(
    ("unsupported", "missing"),
    [
        ("utilisation", "utilisation"),
        ("used_mib", "memory_used_mib"),
        ("power_mw", "power_w"),
        ("limit_mw", "power_limit_w"),
        ("temperature_c", "temperature_c"),
        ("pcie_kb", "pcie_bytes_per_s"),
        ("remapped", "remap_failed"),
        ("uncorrected", "uncorrected_errors"),
        ("processes", "process_memory_mib"),
    ],
)
def test_what_a_gpu_does_not_tell_is_no_zero(unsupported: str, missing: str) -> None:
    library = FakeNvml(1)
    gpus = NvmlGpus(library)
    setattr(library.gpus[0], unsupported, None)
    reading = gpus.read(0)

    assert getattr(reading, missing) is None
    assert not reading.lost


def test_a_gpu_that_has_fallen_off_the_bus_is_lost_and_the_others_are_not() -> None:
    library = FakeNvml(2)
    gpus = NvmlGpus(library)
    library.gpus[0].lost = True

    assert gpus.read(0) == GpuReading(lost=True)
    assert not gpus.read(1).lost


def test_errors_are_told_as_they_come() -> None:
    library = FakeNvml(3)
    gpus = NvmlGpus(library)
    library.tell_xid(2, 79)

    assert gpus.await_xid(1.0) == Xid(gpu=2, number=79)
    assert gpus.await_xid(0.001) is None
    gpus.close()
    assert library.shut_down
    assert gpus.await_xid(1.0) is None


def test_gpus_that_tell_no_errors_are_not_listened_to() -> None:
    library = FakeNvml(1)
    library.gpus[0].tells_events = False

    assert not NvmlGpus(library).tells_xids


def test_without_a_driver_there_are_none() -> None:
    with pytest.raises(NoGpusError, match="NVML finds no GPUs: error 12"):
        NvmlGpus(FakeNvml(missing=True))


def test_the_real_library_says_what_there_is() -> None:
    try:
        gpus = nvml.find()
    except NoGpusError as error:
        pytest.skip(str(error))
    assert all(gpu.memory_mib > 0 for gpu in gpus.found())
    assert all(isinstance(gpus.read(gpu.index), GpuReading) for gpu in gpus.found())
    gpus.close()


def test_virtual_gpus_are_as_many_and_as_large_as_asked_for() -> None:
    gpus = VirtualGpus(8, memory_mib=16_384)

    assert [gpu.visible_as for gpu in gpus.found()] == list("01234567")
    assert {gpu.memory_mib for gpu in gpus.found()} == {16_384}
    assert VirtualGpus(1).found()[0].memory_mib == GPU_MEMORY_MIB_MAX
    assert gpus.read(0) == GpuReading()
    assert not gpus.tells_xids
    assert gpus.await_xid(1000.0) is None
    gpus.close()


@pytest.mark.parametrize(("count", "memory_mib"), [(-1, 0), (65, 0), (1, -1), (1, 10**9)])
def test_virtual_gpus_are_refused_in_words(count: int, memory_mib: int) -> None:
    with pytest.raises(InvalidFieldError, match="gpu"):
        VirtualGpus(count, memory_mib)


def test_an_error_is_told_with_the_jobs_that_it_hits(workshop: Workshop) -> None:
    """What is to be done about it is for others to say: here the GPU is taken out, the job kept."""
    library = FakeNvml(8)

    async def story() -> None:
        async with workshop.driver(NvmlGpus(library)) as driver:
            await driver.do(0.0, [workshop.shell("sleep 1000", workers=2)])
            await workshop.until(driver, Started)
            library.tell_xid(1, 79)
            await until(lambda: any(isinstance(fact, XidSeen) for fact in workshop.facts))
            driver.drain(1, "it has fallen off the bus")
            assert driver.node.gpus_out == (1,)
            assert (await driver.gpu_readings())[0].power_w == 70.0
            seen = await workshop.until(driver, NodeSeen)
            assert isinstance(seen, NodeSeen)
            assert seen.node.gpu_type == "NVIDIA H100 80GB HBM3"
            driver.end(JobId("job"), "fail", "its GPU has fallen off the bus")
            assert isinstance(await workshop.end(driver), Finished)

    asyncio.run(story())

    (xid,) = [fact for fact in workshop.facts if isinstance(fact, XidSeen)]
    assert (xid.gpu, xid.number, xid.jobs) == (1, 79, ("job",))
    assert any(isinstance(fact, GpuOut) for fact in workshop.facts)


def test_a_job_sees_its_gpus_by_their_own_names(workshop: Workshop) -> None:
    async def story() -> None:
        async with workshop.driver(NvmlGpus(FakeNvml(8))) as driver:
            await driver.do(0.0, [workshop.shell("echo $CUDA_VISIBLE_DEVICES", workers=2)])
            await workshop.end(driver)

    asyncio.run(story())

    assert workshop.log(1) == "GPU-00000001-0000-0000-0000-000000000000\n"
