"""Registers and buffers in the memory map, for which files stand."""

import mmap

import numpy as np
import pytest
from spinloom.soc.bus import BusError, MappedBuffer, MappedBus

SIZE = mmap.PAGESIZE


def test_words_are_read_and_written_in_place(tmp_path):
    device = tmp_path / "uio0"
    device.write_bytes(bytes(range(256)) * (2 * SIZE // 256))
    with MappedBus(device, SIZE, SIZE) as bus:
        assert bus.read(4) == 0x07060504
        bus.write(SIZE - 4, 0xFFFFFFFE)
        for address in (2, -4, SIZE):
            with pytest.raises(ValueError, match="must be a multiple of 4 below"):
                bus.read(address)
    assert device.read_bytes()[-4:] == b"\xfe\xff\xff\xff"
    with pytest.raises(BusError, match="the bus is closed"):
        bus.read(0)
    bus.close()


def test_what_cannot_be_mapped_is_refused_in_one_line(tmp_path):
    with pytest.raises(BusError, match=r"cannot map 4096 bytes of .*nothing from 0x0 on: No such file or directory"):
        MappedBus(tmp_path / "nothing")
    (tmp_path / "short").write_bytes(bytes(8))
    with pytest.raises(BusError, match="cannot map 4096 bytes of .*short from 0x0 on: mmap length is greater than"):
        MappedBus(tmp_path / "short")
    (tmp_path / "long").write_bytes(bytes(2 * SIZE))
    with pytest.raises(BusError, match="cannot map 4096 bytes of .*long from 0x4 on: Invalid argument"):
        MappedBus(tmp_path / "long", 4)


def test_a_buffer_says_where_it_is(tmp_path):
    told = tmp_path / "class" / "udmabuf0"
    told.mkdir(parents=True)
    (told / "size").write_text(f"{SIZE}\n")
    (told / "phys_addr").write_text("0x1f400000\n")
    (tmp_path / "udmabuf0").write_bytes(bytes(SIZE))
    with MappedBuffer("udmabuf0", devices=tmp_path, told=told.parent) as buffer:
        assert buffer.physical_address == 0x1F400000
        buffer.words[:2] = [1, 2]
        assert buffer.read(4) == 2
        buffer[1:3] = np.array([3, 4], dtype=np.uint32)
        assert len(buffer) == SIZE // 4
    assert (tmp_path / "udmabuf0").read_bytes()[:12] == b"\1\0\0\0\3\0\0\0\4\0\0\0"
    with pytest.raises(BusError, match="no buffer udmabuf1 of u-dma-buf"):
        MappedBuffer("udmabuf1", devices=tmp_path, told=told.parent)
