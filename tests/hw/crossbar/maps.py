"""Feature maps for the tests of the parts that read them: geometries, samples, streams."""

from math import prod

from hypothesis import strategies as st
from spinloom.config import parse
from spinloom.contract.window import Window

PARTS = 1500
"""Most rows times positions: simulations take long."""
LAYER = {"kind": "conv", "weight_step": -1, "z_bits": 8, "z_frac": 4}


def geometry(map, layer, neuron=None):
    """That of a convolution over ``map``. Unless told otherwise, all outputs are pooled, and it is the last layer of
    its network. With a ``neuron``, it is not the first: that before has a kernel of 1, and as many channels as the
    map."""
    head = [] if neuron is None else [LAYER | {"cols": map[2], "kernel": 1, "neuron": neuron,
                                               "activation_bits": 2 if neuron == "ternary" else 6}]
    layer = LAYER | layer
    given = {"map": [*map[:2], 1 if head else map[2]], "kind": layer.pop("input", "signed"), "bits": 6}
    window = Window(map=map, cols=layer["cols"], kernel=layer["kernel"], stride=layer.get("stride", (1, 1)),
                    padding=layer.get("padding", (0, 0)), drop=True)
    whole = {"pool": list(window.outputs[:2])}
    tail = [] if (whole | layer)["pool"] == whole["pool"] else [LAYER | {"kind": "dense", "cols": 4}]
    layers = [*head, whole | layer, *tail]
    return parse({"input": given, "device": {"kind": "domain_wall"}, "layers": layers}, "maps").crossbars[len(head)]


@st.composite
def geometries(draw, reads, overlap):
    """Kernels, strides, padding and maps of all kinds, some of them read whole. ``reads`` draws how many rows are read
    in a clock cycle, ``overlap`` whether pooling windows overlap."""
    pairs = [[], [], [], []]  # size, kernel, stride, padding of both axes
    whole = draw(st.integers(0, 4)) == 0
    for _ in range(2):
        size, step, padding = draw(st.integers(1, 9)), draw(st.integers(1, 3)), draw(st.integers(0, 2))
        kernel = draw(st.integers(padding + 1, max(padding + 1, min(7, size + 2 * padding))))
        size = max(size, kernel - 2 * padding)
        for pair, value in zip(pairs, (size, size, 1, 0) if whole else (size, kernel, step, padding), strict=True):
            pair.append(value)
    size, kernel, stride, padding = pairs
    outputs = [(side + 2 * pad - wide) // step + 1 for side, wide, step, pad in zip(*pairs, strict=True)]
    most = max(1, PARTS // prod([*kernel, *outputs]))
    channels = draw(st.sampled_from([count for count in (1, 2, 3, 4, 7, 16, 33, 70) if count <= most]))
    forward, second = draw(reads), draw(reads)
    lanes = 6 if second > 1 else draw(st.sampled_from([6, 6, 3, 2]))
    inputs = kernel[0] * kernel[1] * channels
    forward, second = min(forward, inputs), min(second, inputs)
    if max(forward, second) % min(forward, second):
        forward = second
    layer = {"kernel": kernel, "stride": stride, "padding": padding, "drop": True, "cols": 6, "lanes": lanes,
             "bias": draw(st.booleans()), "forward_reads": forward, "second_reads": second}
    if draw(overlap):
        layer |= {"pool": [min(2, side) for side in outputs], "pool_stride": 1}
    neuron = draw(st.sampled_from([None, "relu", "ternary", "sigmoid", "hard_tanh"]))
    return geometry((*size, channels), layer, neuron)


def sample(geometry, random, density=0.4, where=lambda cell: True):
    """Cells with a drive or a derivative, ascending: ``{cell: (x, derivative)}``."""
    cells = {}
    for cell in range(geometry.window.cells):
        if not where(cell) or random.random() >= density:
            continue
        x = random.randint(geometry.x.minimum, geometry.x.maximum)
        derivative = random.getrandbits(geometry.derivative_bits) if geometry.derivative_bits else 0
        if geometry.source is not None and random.random() < 0.3:
            x, derivative = random.choice([(x, 0), (0, derivative)])
        if x or derivative:
            cells[cell] = (x, derivative)
    return cells


def beats(geometry, cells, random):
    """The sample on its stream; sometimes a silent beat carries ``last``."""
    sent = [{"row": cell, "x": x} | ({"derivative": derivative} if geometry.derivative_bits else {}) | {"last": 0}
            for cell, (x, derivative) in cells.items()]
    if not sent or random.random() < 0.3:
        sent.append({"row": random.choice([0, geometry.window.cells - 1]), "x": 0, "last": 0}
                    | ({"derivative": 0} if geometry.derivative_bits else {}))
    sent[-1]["last"] = 1
    return sent


async def send(ctx, stream, payloads, random, pace):
    """Offers ``payloads``, each with the probability ``pace`` in a clock cycle."""
    for payload in payloads:
        while random.random() >= pace:
            await ctx.tick()
        ctx.set(stream.payload, payload)
        ctx.set(stream.valid, 1)
        await ctx.tick().until(stream.ready)
        ctx.set(stream.valid, 0)


async def receive(ctx, stream, ended, random, pace):
    """Takes beats as Python values, each with the probability ``pace`` in a clock cycle, until ``ended(beats)``. Also
    answers with the clock cycles that it took."""
    taken, cycles = [], 0
    while not ended(taken):
        ready = random.random() < pace
        ctx.set(stream.ready, ready)
        if ready and ctx.get(stream.valid):
            taken.append(plain(ctx.get(stream.payload)))
        await ctx.tick()
        cycles += 1
    ctx.set(stream.ready, 0)
    return taken, cycles


def plain(value):
    """A structure as a dict, an array as a list."""
    shape = value.shape() if hasattr(value, "shape") else None
    if shape is None:
        return value
    if hasattr(shape, "members"):
        return {name: plain(value[name]) for name in shape.members}
    return [plain(value[index]) for index in range(shape.length)]
