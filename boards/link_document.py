"""docs/link.md, made of the tables that both ends of the link use: ``python -m spinloom.boards.link_document``."""

from itertools import zip_longest
from pathlib import Path

from ..contract import link
from ..hw.export.generate import documented
from ..render.markdown import table
from ..sim.stored import PART
from ..system.files import replace
from ..train.stored import SPAN
from . import link as host
from .run import BAUD, HIGHEST_BAUD, LOWEST_BAUD, MAX_LOSSES, SIMULATED_PATIENCE

MNIST_WORDS = 18_528_592 // 4
"""Of the training set (docs/store.md)."""
PATH = Path(__file__).parent.parent / "docs" / "link.md"


def _numbered(title: str, first: int, direction: int) -> str:
    """A table of the streams of all designs in a ``direction``, 0 to the board; they are numbered from ``first`` on."""
    designs = {"network": link.NETWORK, "network with samples in memory": link.STORED, "bank": link.BANK}
    names = ([f"`{name}`" for name in streams[direction]] for streams in designs.values())
    return table((title, *designs), [
        (first + number, *row) for number, row in enumerate(zip_longest(*names, fillvalue=""))])


def document() -> str:
    """The text of docs/link.md."""
    patience, simulated, a_word = host.Patience(), SIMULATED_PATIENCE, host.link_bytes_per_word()
    flag, escape = f"0x{link.FLAG:02X}", f"0x{link.ESCAPE:02X}"
    return f"""\
# The link between host and board

Protocol version {link.PROTOCOL_VERSION}. This file is written by `python -m spinloom.boards.link_document` from
`contract/link.py`. The hardware (`hw/link/`) and the host (`boards/link.py`) are built from the same tables.

The link carries the beats of a design's streams over a serial line: those of a network, of a network with samples in
memory ([store.md](store.md)), or of a bank of crossbars. The line has 8 data bits, no parity, one stop bit, both
directions at once, no handshake lines. It keeps the order of bytes, but may lose, damage or add some. Nevertheless
every beat is delivered once and in order. The board has no timers. It only answers; the host notices what got lost and
asks for it.

## Frames

A frame is its content, the CRC-32 of the content (that of zlib, {link.CRC_BYTES} bytes, little endian), and the byte
{flag}. Where content or CRC contain {flag} or {escape}, the byte {escape} and the byte exclusive-ored with
0x{link.TOGGLE:02X} are sent in its place. Content and CRC have at most {link.SLOT} bytes to the board, and
{link.LONGEST_TO_HOST} to the host. A frame that is damaged, too long or shorter than a header is dropped; an empty one
means nothing.

Frames of beats are numbered from 0, modulo 256, in each direction.

### To the board

Header: {", ".join(f"`{name}`" for name in link.TO_BOARD_HEADER)}, a byte each.

{table(("kind", "code", "meaning"), [(item.name, item.value, text) for item, text in documented(link.ToBoard)])}

While no session is open, every frame but HELLO is answered with STATUS and does nothing.

Behind its header, DATA carries segments, one after the other, and then a byte 0. A segment is a byte,
`S * (stream + 1) + beats - 1`, and up to `S` beats of that stream. `S` is {link.NETWORK.segment}; with more than three
streams to the board, {link.STORED.segment}.

{_numbered("number", 0, 0)}

A beat is as many bytes as its bits need, little endian; the bits above are zero. Beats are delivered in the order in
which they were sent, over all streams: a beat that its stream does not take yet holds up those behind it. So the
command of a sample must come before its drive, and LOAD before its words.

### To the host

Header, a byte each:

{table(("field", "content"), [(f"`{name}`", text) for name, text in link.TO_HOST_HEADER.items()])}

{table(("kind", "code", "meaning"), [(item.name, item.value, text) for item, text in documented(link.ToHost)])}

{_numbered("kind", link.ToHost.DATA, 1)}

{table(("flag", "bit", "meaning"),
        [(item.name, item.value.bit_length() - 1, text) for item, text in documented(link.Flag)])}

## What a host does

1. It opens a session under a number drawn at random, and repeats HELLO until it is answered. It refuses a board of
   another version or digest, and one with room for no frame or for more than {link.MOST_SLOTS}.
2. It has at most `slots` (of HELLO's answer; {link.SLOTS} unless the bitstream was built otherwise) DATA frames in
   front of the board, counted from `delivered`, and keeps those not yet `expected` by the board. Numbers that lie
   before what the host has heard, or after what it has sent, change nothing.
3. Whenever the board reports TROUBLE, a frame is damaged, or nothing gets across for {host.SILENCE:g} s, it asks with
   POLL and a new token. While that is not answered, it asks again, after twice as long each time, at most after
   {host.LONGEST_INTERVAL:g} s. When a token comes back, whatever was sent before its POLL has been taken or is lost: if
   `expected` is behind what was next then, it sends all frames again from `expected` on.
4. When `number` is ahead of the next frame of beats that it waits for, it asks with RESEND instead.
5. When `session` is not its own, the board was reset, and what it had been given is gone: `spinloom run` opens
   another session, loads the last state that it has compared, and repeats the samples since. After {MAX_LOSSES} resets
   without a state compared between them it gives up.
6. It takes a sound frame that makes no sense for a damaged one: of an unknown kind or stream, without beats, with half
   a beat, with bits that a beat does not have, with bytes behind the header of STATUS. If nothing better comes, it says
   so when its patience ends.
7. Answers that it has not asked for end the run.

### What it does with samples in memory

`sim/stored.py` has the driver of such a network, `boards/supply.py` what a run does with it.

1. It fills the memory in parts of {PART:,} words. It asks for the digest of each part first, by a beat on `access`. It
   sends the part only if another one is there: a beat on `access`, and the words. Then it asks for the digest again. So
   an upload that was cut off goes on where it was, and one that is complete costs a question a part.
2. It has samples trained in feeds: a beat on `feed` names the places of an epoch, and its learning rate. A feed has up
   to {SPAN:,} samples. The `report` at its end says how many were predicted correctly, the clock cycles, and those in
   which the network had to wait for the memory. These are the counts of a run while it goes on.
3. To stop is to send no other feed. The board needs no command for that.
4. If a report says that a sample was not what had been stored, what was trained since the last state that was compared
   does not count. The host uploads again, which sends what is damaged, and goes on from that state.
5. After a reset the host does the same. Whether the samples are still there is what the digests say.

Between feeds, the network is driven sample by sample, as one without a memory.

### How long it waits

Traffic does not renew a host's patience; what gets across does. These are seconds in which the host waits for the
line. What it computes meanwhile does not count, and a look at the port counts {host.LONGEST_STEP:g} s at most, so
that a suspended process does not blame the board.

{table(("patience", "with a board", "with a simulated one", "renewed by"), [
    ("answer", f"{patience.answer:g} s", f"{simulated.answer:g} s", "the answer to HELLO; a beat that gets across: "
     "`expected` or `delivered` moves on, or the next frame of beats comes; a token that comes back while no frame is "
     "lost and no frame of beats is missing"),
    ("busy", f"{patience.busy:g} s", f"{simulated.busy:g} s", "the answer to HELLO; a beat that gets across")])}

So a line that is cut, chatters, or damages everything, and a board that is silent, keeps frames back or never returns a
token, end the run after {patience.answer:g} s.

A board may answer without being IDLE, because it computes: for {patience.busy:g} s. The longest operation on the boards
of [boards.md](boards.md) needs 9 s: the end of a mini-batch that programs all 65,000 cells of an iCEBreaker, with 255
attempts of 6 clock cycles each at 12 MHz.

A board that is IDLE, has delivered everything and has sent all its answers is asked {host.QUIET_ANSWERS} times. Then
what the host still waits for will not come, and the run ends.

Ctrl-C and SIGTERM end the opening of a session at once. Later, the samples under way are completed and their state is
compared and saved if that takes no more than {host.GRACE:g} s; else the last state that was compared counts. Either way
`--resume` goes on to the same bits. No write to the port waits longer than {host.SILENCE:g} s for room.

The serial line runs at {LOWEST_BAUD:,} to {HIGHEST_BAUD:,} baud.

## What it costs

A training sample with `n` inputs that are not zero costs a segment with the command, and one beat on `x` for each of
these inputs. A frame has {link.FRAME_BYTES} bytes besides up to {link.PAYLOAD} bytes of segments.
`boards.link.link_bytes_per_sample` adds it up. The line carries a tenth of its baud rate in bytes a second.

A word for the memory costs {a_word:.2f} bytes (`boards.link.link_bytes_per_word`): at {BAUD:,} baud, the
{MNIST_WORDS:,} words of the training set of MNIST take {MNIST_WORDS * a_word / (BAUD / 10):.0f} s.
"""


if __name__ == "__main__":
    replace(PATH, lambda file: file.write(document().encode()))
