"""docs/link.md, made of the tables that both ends of the link use: ``python -m spinloom.boards.link_document``."""

from pathlib import Path

from ..contract import link
from ..hw.export.generate import documented
from ..render.markdown import table
from ..system.files import replace

PATH = Path(__file__).parent.parent / "docs" / "link.md"


def document() -> str:
    """The text of docs/link.md."""
    flag, escape = f"0x{link.FLAG:02X}", f"0x{link.ESCAPE:02X}"
    return f"""\
# The link between host and board

Protocol version {link.PROTOCOL_VERSION}. This file is written by `python -m spinloom.boards.link_document` from
`contract/link.py`. The hardware (`hw/link/`) and the host (`boards/link.py`) are built from the same tables.

The link carries the beats of a network's streams over a serial line: 8 data bits, no parity, one stop bit, both
directions at once, no handshake lines. The line keeps the order of bytes, but may lose, damage or add some.
Nevertheless every beat is delivered once and in order. The board has no timers. It only answers; the host notices what
got lost and asks for it.

## Frames

A frame is its content, the CRC-32 of the content (as zlib computes it, {link.CRC_BYTES} bytes, little endian), and the
byte {flag}. In content and CRC, the bytes {flag} and {escape} are sent as {escape} followed by the byte exclusive-ored
with 0x{link.TOGGLE:02X}. Content and CRC together have at most {link.SLOT} bytes. A frame that is damaged, too long, or
shorter than a header is dropped. An empty frame means nothing.

Frames of beats are numbered from 0, modulo 256, in each direction.

### To the board

Header: {", ".join(f"`{name}`" for name in link.TO_BOARD_HEADER)}, a byte each.

{table(("kind", "code", "meaning"), [(item.name, item.value, text) for item, text in documented(link.ToBoard)])}

While no session is open, every frame but HELLO is answered with STATUS and does nothing.

Behind its header, DATA carries segments, one after the other, and then a byte 0. A segment is a byte,
`64 * (stream + 1) + beats - 1`, and up to {link.SEGMENT} beats of that stream:

{table(("stream", "number"), [(f"`{name}`", number) for number, name in enumerate(link.SOURCES)])}

A beat is as many bytes as its bits need, little endian; the bits above are zero. Beats are delivered in the order in
which they were sent, over all streams: a beat that its stream does not take yet holds up those behind it. So the
command of a sample must come before its drive, and LOAD before its words.

### To the host

Header, a byte each:

{table(("field", "content"), [(f"`{name}`", text) for name, text in link.TO_HOST_HEADER.items()])}

{table(("kind", "code", "meaning"), [(item.name, item.value, text) for item, text in documented(link.ToHost)])}

{table(("stream", "kind"), [(f"`{name}`", link.ToHost.DATA + number) for number, name in enumerate(link.SINKS)])}

{table(("flag", "bit", "meaning"),
        [(item.name, item.value.bit_length() - 1, text) for item, text in documented(link.Flag)])}

## What a host does

1. It opens a session with a number drawn at random. It repeats HELLO until the board answers. It refuses a board with
   another protocol version or another digest.
2. It has at most `slots` DATA frames in front of the board, counted from `delivered`. HELLO's answer tells `slots`:
   {link.SLOTS}, unless the bitstream was built otherwise. It keeps a copy of every frame that the board does not have
   yet, from `expected` on.
3. It sends POLL with a new token when the board reports TROUBLE, when a frame is damaged, and when nothing is heard for
   a while. When the token comes back, everything sent before POLL has been taken or is lost. If `expected` is then
   behind the number that was next when POLL was sent, it sends all frames again from `expected` on.
4. When `number` is ahead of the frame of beats that it waits for, it sends RESEND instead of POLL.
5. When `session` is not its own, the board was reset and has lost what it had been given. `spinloom run` then opens
   another session, loads the last state that it has compared, and repeats the samples since then.

## What it costs

A training sample with `n` inputs that are not zero costs a segment with the command, and one beat on `x` for each of
these inputs. A frame has {link.FRAME_BYTES} bytes besides up to {link.PAYLOAD} bytes of segments.
`boards.link.link_bytes_per_sample` adds it up. The line carries a tenth of its baud rate in bytes a second.
"""


if __name__ == "__main__":
    replace(PATH, lambda file: file.write(document().encode()))
