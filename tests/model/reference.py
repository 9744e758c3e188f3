"""A second implementation of docs/arithmetic.md, from the text alone: plain Python numbers and loops.

It shares nothing with ``model/``, ``train/`` or ``contract/``. It reads the fields of an ``Experiment`` and derives the
rest itself. It is slow, and meant for small networks.
"""

from copy import copy, deepcopy
from fractions import Fraction
from math import erf, exp, floor, pi, prod, sqrt, tanh
from operator import mul
from statistics import NormalDist

M32 = 2**32 - 1


def round_shift(v, s):
    return v if s == 0 else (v + 2 ** (s - 1)) // 2**s


def limit(v, low, high):
    return max(low, min(high, v))


def saturate(v, b):
    return limit(v, -(2 ** (b - 1)), 2 ** (b - 1) - 1)


def nearest(r):
    return floor(Fraction(r) + Fraction(1, 2))


def nearest64(v):
    """``round64`` of section 1.1: the sum is one of float64 numbers."""
    return floor(v + 0.5)


def mix32(v):
    v ^= v >> 16
    v = v * 0x85EBCA6B & M32
    v ^= v >> 13
    v = v * 0xC2B2AE35 & M32
    return v ^ v >> 16


def hash32(seed, stream, index):
    return mix32(mix32(seed + stream * 0x9E3779B9 & M32) + index & M32)


def lfsr_step(s):
    b = (s >> 31 ^ s >> 21 ^ s >> 1 ^ s) & 1
    return (s << 1 | b) & M32


def lfsr_leap(s, log_steps):
    """``2**log_steps`` steps, by squaring the matrix whose columns are the images of the unit vectors."""
    columns = [lfsr_step(1 << i) for i in range(32)]

    def image(v):
        total = 0
        for i in range(32):
            total ^= columns[i] if v >> i & 1 else 0
        return total

    for _ in range(log_steps):
        columns = [image(column) for column in columns]
    return image(s)


NORMAL = [nearest(NormalDist().inv_cdf((u + 0.5) / 1024) * 128) for u in range(1024)]


def noise(sigma, w):
    return round_shift(sigma * NORMAL[w % 1024], 11)


def dac(v, width, resolution, signed):
    """Section 4.7."""
    m = max(0, width - resolution)
    if m == 0:
        return v
    kept = round_shift(v, m)
    return (saturate(kept, resolution) if signed else min(kept, 2**resolution - 1)) * 2**m


def bits_of(v):
    return len(bin(v)) - 2 if v else 0


def spread_over(value, count):
    return list(value) if isinstance(value, tuple) else [value] * count


def interpolated(figures, x):
    """Figure ``k`` of ``m`` holds at ``(k + 1/2) / m``; linear between, constant beyond. Exact."""
    figures, m = [Fraction(v) for v in figures], len(figures)
    place = limit(x * m - Fraction(1, 2), 0, m - 1)
    k = min(floor(place), m - 2) if m > 1 else 0
    return figures[k] if m == 1 else figures[k] + (figures[k + 1] - figures[k]) * (place - k)


class Device:
    """Section 3.2: the tables of each kind."""

    def __init__(self, device, certain):
        self.sub_bits, self.pair = device.sub_bits, device.kind == "pcm_pair"
        self.variation = self.noise_entry(getattr(device, "variation", 0.0))
        self.stuck = nearest(device.stuck * 2**16)
        self.ageing = device.ageing and Ageing(device.ageing)
        if self.pair:
            ratio = Fraction(device.g_max) / Fraction(device.level)
            self.span = nearest(ratio * 2**self.sub_bits)
            self.n = 2 * (self.span >> self.sub_bits) + 1
            self.refresh_high = nearest(Fraction(device.refresh_high) * self.span)
            self.refresh_low = nearest(Fraction(device.refresh_low) * self.span)
        else:
            self.n = device.states
            self.span = (self.n - 1) * 2**self.sub_bits
        self.origin = self.nominal(0)
        if device.kind in ("ideal", "domain_wall"):
            self.pulse = "landing"
            offset = spread_over(getattr(device, "offset", 0.0), self.n)
            self.mean = [self.nominal(s) + nearest(offset[s] * 2**self.sub_bits) for s in range(self.n)]
            self.sigma = [self.noise_entry(v) for v in spread_over(getattr(device, "sigma", 0.0), self.n)]
            widest = max(abs(m) + noise(v, 1023) for m, v in zip(self.mean, self.sigma, strict=True))
            self.g_bits = bits_of(widest + noise(self.variation, 1023)) + 1
        elif device.kind == "mtj":
            self.pulse = "switching"
            self.g_bits = bits_of(abs(self.origin)) + 1
            self.probability = []
            for given in (device.up, device.down):
                p = self.curve_at(device, 1.0) if given is None else given
                p = 1.0 if certain else p
                self.probability += [nearest(v * 2**16) for v in spread_over(p, self.n)]
            c = 4 if device.pulse_bits is None else device.pulse_bits
            if device.curve is not None:
                points = [nearest(self.curve_at(device, i / 2**c) * 2**16) for i in range(2**c + 1)]
                self.c, self.base = c, points[:-1]
                self.slope = [0 if device.pulse_bits is not None else points[i + 1] - points[i] for i in range(2**c)]
        else:
            self.pulse = "step"
            self.segment_shift = max(0, bits_of(self.span) - 4)
            self.segments = (self.span >> self.segment_shift) + 1
            self.g_bits = bits_of(self.span if self.pair else self.span // 2) + 1
            self.mean, self.sigma, self.quantile = [], [], None
            if device.kind == "measured":
                self.quantile = [nearest(v * 2**self.sub_bits) for lists in (device.up, device.down)
                                 for v in self.changes(lists)]
            for means, sigmas in self.step_figures(device) if self.quantile is None else ():
                for j in range(self.segments):
                    middle = min(Fraction(2 * j + 1, 2) * 2**self.segment_shift, self.span)
                    self.mean.append(nearest(means(middle) * 2**self.sub_bits))
                    self.sigma.append(self.noise_entry(sigmas(middle)))

    def changes(self, lists):
        """``change(u[j], (i + 1/2) / 64)`` for every ``j``, and for each every ``i``; in levels."""
        at = [[interpolated(figures, Fraction(2 * i + 1, 128)) for figures in lists] for i in range(64)]
        for j in range(self.segments):
            middle = min(Fraction(2 * j + 1, 2) * 2**self.segment_shift, self.span)
            yield from (interpolated(column, middle / self.span) for column in at)

    def step_figures(self, device):
        """For pulses up, then (of a single device) down: mean and sigma, in levels, at a level in sub-levels."""
        if self.pair:
            def line(a, b):
                return lambda u: Fraction(a) / Fraction(device.level) + Fraction(b) * u / 2**self.sub_bits
            return [(line(*device.step_mean), line(*device.step_sigma))]

        def figures(value):
            return lambda u: interpolated(spread_over(value, 1), Fraction(u, self.span))
        return [(figures(device.up_mean), figures(device.up_sigma)),
                (figures(device.down_mean), figures(device.down_sigma))]

    @staticmethod
    def curve_at(device, f):
        if device.curve == "tanh":
            return tanh(device.steepness * f)
        theta = sqrt(1 / (2 * device.thermal_stability))
        return 1 - erf(pi / (2 * sqrt(2) * theta) * exp(-device.pulse_length * f))

    def noise_entry(self, levels):
        return nearest(levels * 2 ** (self.sub_bits + 4))

    def nominal(self, s):
        return (2 * s - (self.n - 1)) * 2 ** (self.sub_bits - 1)

    def state_of(self, g):
        return limit((g - self.origin + 2 ** (self.sub_bits - 1)) // 2**self.sub_bits, 0, self.n - 1)


class Ageing:
    """Section 3.5, without the cells."""

    def __init__(self, section):
        pulses = [section.endurance * exp(section.spread * v / 128) for v in NORMAL]
        quantum = next(q for q in range(17) if nearest(pulses[-1] / 2**q) <= 2**section.bits - 1)
        self.lifetime = [max(1, nearest(v / 2**quantum)) for v in pulses]
        self.wear, self.sticks_at = 2 ** (16 - quantum), section.sticks_at


class Window:
    """Sections 1.3 and 5.1: where a layer is applied to a map of the shape ``before``, and how its outputs are pooled.

    ``cells[p][k]`` is the number of the cell that drives row ``k`` at position ``p``, None in the padding;
    ``pooled[q]`` are, for cell ``q`` of the map behind the pooling, its column and the positions that it is chosen
    from, in their order. ``shape`` is that of this map.
    """

    def __init__(self, layer, before):
        height, width, channels = before
        if layer.kind == "dense":
            kernel, stride, padding = (height, width), (1, 1), (0, 0)
        else:
            kernel, stride, padding = layer.kernel, layer.stride, layer.padding
        oh, ow = ((size + 2 * p - k) // s + 1
                  for size, p, k, s in zip((height, width), padding, kernel, stride, strict=True))
        self.map_shape, self.map_cells = before, prod(before)
        self.positions, self.inputs = oh * ow, kernel[0] * kernel[1] * channels

        def cell(i, j, c):
            return (i * width + j) * channels + c if 0 <= i < height and 0 <= j < width else None

        self.cells = [[cell(a * stride[0] + u - padding[0], b * stride[1] + v - padding[1], c)
                       for u in range(kernel[0]) for v in range(kernel[1]) for c in range(channels)]
                      for a in range(oh) for b in range(ow)]
        pool = layer.pool or (1, 1)
        step = layer.pool_stride or pool
        ph, pw = (oh - pool[0]) // step[0] + 1, (ow - pool[1]) // step[1] + 1
        self.pooled = [(c, [(i * step[0] + u) * ow + j * step[1] + v for u in range(pool[0]) for v in range(pool[1])])
                       for i in range(ph) for j in range(pw) for c in range(layer.cols)]
        self.shape = layer.map or (ph, pw, layer.cols)

    def seen(self, values, p):
        """What of the map ``values`` the rows are driven by at position ``p``."""
        return [0 if q is None else values[q] for q in self.cells[p]]

    def pool(self, z):
        """The outputs behind the pooling, and the position that each is from, of ``z[p][c]``."""
        winners = [max(places, key=lambda p: z[p][c]) for c, places in self.pooled]  # noqa: B023 - used at once
        return [z[p][c] for p, (c, _) in zip(winners, self.pooled, strict=True)], winners


def windows(experiment):
    """Of every layer."""
    found, shape = [], experiment.input.map or (1, 1, experiment.input.count)
    for layer in experiment.layers:
        found.append(Window(layer, shape))
        shape = found[-1].shape
    return found


class Lfsr:
    def __init__(self, state):
        self.state = state or 1

    def draw(self):
        for _ in range(16):
            self.state = lfsr_step(self.state)
        return self.state % 2**16


class Cell:
    """One cell: its level ``g`` (``plus - minus`` in a pair), its residual ``chi`` and what is fixed in it."""

    def __init__(self, device, fixed, start, h, life=0):
        self.device, self.chi = device, 0
        self.displacement = noise(device.variation, fixed)
        self.stuck = fixed >> 16 < device.stuck
        self.life = device.ageing and device.ageing.lifetime[life >> 22]
        self.single = self.land(start, h) if device.pulse == "landing" else device.nominal(start)
        self.plus, self.minus = (max(0, self.single), max(0, -self.single)) if device.pair else (None, None)

    @property
    def fixed(self):
        return self.stuck or self.life == 0

    @property
    def g(self):
        return self.plus - self.minus if self.device.pair else self.single

    @property
    def state(self):
        return self.device.state_of(self.g)

    def land(self, t, w):
        device = self.device
        return saturate(device.mean[t] + self.displacement + noise(device.sigma[t], w), device.g_bits)

    def moved(self, u, j, w, sign):
        """The level ``u`` of a step device after a pulse with entry ``j`` of its tables."""
        device = self.device
        m = self.displacement + (device.mean[j] + noise(device.sigma[j], w) if device.quantile is None
                                 else device.quantile[64 * j + (w >> 10)])
        return limit(u + sign * m, 0, self.device.span)

    def pulse(self, v, w, up, t):
        if self.fixed:
            return
        self.move(w, up, t)
        ageing = self.device.ageing
        if ageing and v < ageing.wear:
            self.life -= 1
            if self.life == 0 and ageing.sticks_at is not None:
                g = saturate(self.device.nominal(ageing.sticks_at), self.device.g_bits)
                if self.device.pair:
                    self.plus, self.minus = max(0, g), max(0, -g)
                else:
                    self.single = g

    def move(self, w, up, t):
        device = self.device
        if device.pulse == "landing":
            self.single = self.land(t, w)
        elif device.pulse == "switching":
            s = self.state
            if w < device.probability[s if up else device.n + s]:
                self.single = device.nominal(limit(s + (1 if up else -1), 0, device.n - 1))
        elif device.pair:
            if up:
                self.plus = self.moved(self.plus, self.plus >> device.segment_shift, w, 1)
            else:
                self.minus = self.moved(self.minus, self.minus >> device.segment_shift, w, 1)
        else:
            u = self.single + device.span // 2
            j = u >> device.segment_shift
            u = self.moved(u, j, w, 1) if up else self.moved(u, device.segments + j, w, -1)
            self.single = u - device.span // 2

    def reset(self):
        if not self.fixed:
            self.plus = self.minus = 0

    def relax(self, share, rest, r):
        """Section 3.6: a visit with the random number ``r``."""
        def taken(distance):
            return (abs(distance) * share + r) >> 24

        device = self.device
        if self.fixed:
            return
        if device.pair:
            self.plus, self.minus = self.plus - taken(self.plus), self.minus - taken(self.minus)
            return
        away = self.single - rest
        sign = (away > 0) - (away < 0)
        if device.pulse != "switching":
            self.single = rest + sign * (abs(away) - taken(away))
        elif abs(away) >= 2**device.sub_bits:
            self.single -= sign * (taken(1) << device.sub_bits)


class Several:
    """Sections 3.4 and 4.6: a cell of several devices, each of which is a ``Cell``."""

    def __init__(self, whole, device, weights, fixed, start, h):
        self.device, self.weights, self.chi = whole, weights, 0
        self.parts, rest = [], whole.nominal(start)
        for j, weight in enumerate(weights):
            self.parts.append(Cell(device, fixed(j), device.state_of(rest >> bits_of(weight) - 1), h(j)))
            rest -= weight * self.parts[j].g

    @property
    def g(self):
        return sum(weight * part.g for weight, part in zip(self.weights, self.parts, strict=True))

    @property
    def state(self):
        return self.device.state_of(self.g)


def several(device, weights):
    """What of ``device`` is another for a cell of several of them."""
    whole = copy(device)
    whole.n = (device.n - 1) * sum(weights) + 1
    whole.origin = whole.nominal(0)
    whole.g_bits = device.g_bits + bits_of(sum(weights) - 1)
    return whole


COUNTERS = ("forwards", "forward_rows", "backward_rows", "update_rows", "visited_rows", "attempts", "verify_attempts",
            "failures", "refreshes", "product_rows")


class Crossbar:
    """Section 4. Drives are maps, ``x[q]``; outputs and deltas are those of every position, ``z[p][c]``."""

    def __init__(self, experiment, index, window, x_frac, x_max):
        before = experiment.layers[index - 1].neuron if index else experiment.input.kind
        self.x_signed = before in ("signed", "hard_tanh")
        self.x_width = None if before == "ternary" else bits_of(x_max) + self.x_signed
        layer, seed = experiment.layers[index], experiment.seed
        self.layer = layer
        self.stochastic = experiment.update.rounding == "stochastic"
        self.device = self.one_device = Device(experiment.device, certain=self.stochastic)
        self.synapse, weights = experiment.synapse, ()
        if self.synapse:
            weights = self.synapse.slices or [1] * self.synapse.turns
            self.device = several(self.one_device, weights)
        self.window, self.positions = window, range(window.positions)
        self.rows, self.cols = window.inputs + layer.bias, layer.cols
        self.bias = [x_max] if layer.bias else []
        self.adc_shift = x_frac + self.device.sub_bits - layer.weight_step - layer.z_frac
        self.x_frac = x_frac
        self.residual = experiment.update.residual
        self.threshold = nearest64(experiment.update.threshold * 2.0**layer.chi_frac)
        self.margin = nearest64(experiment.write.margin * 2.0**self.device.sub_bits)
        self.max_attempts = experiment.write.max_attempts
        self.read_noise = nearest64(experiment.converters.read_noise * 2.0**4)
        self.converters(experiment.converters, seed, index)
        self.lfsr = Lfsr(hash32(seed, 0xFFFF, 0))
        for _ in range(index):
            self.lfsr.state = lfsr_leap(self.lfsr.state, 28)
        self.rounding_lfsr = Lfsr(hash32(seed, 0xFFFE, index))
        self.read_lfsr = Lfsr(hash32(seed, 0xFFFD, index))
        self.neuron_lfsr = Lfsr(hash32(seed, 0xFF, index))
        self.behind_stochastic = index > 0 and experiment.layers[index - 1].neuron == "stochastic"
        allowed = [s for s in range(self.device.n) if abs(s - (self.device.n - 1) / 2) <= experiment.init_spread]
        lo, hi = allowed[0], allowed[-1]
        self.cells = []
        for row in range(self.rows):
            self.cells.append([])
            for col in range(self.cols):
                def h(j, row=row, col=col):
                    return hash32(seed, index, (j * self.rows + row) * self.cols + col)

                def fixed(j, row=row, col=col):
                    return hash32(seed, 0x10000 + index, row * 2**16 + j * 2**11 + col)

                start = lo + ((h(0) >> 16) * (hi - lo + 1) >> 16)
                life = hash32(seed, 0x40000 + index, row * 2**16 + col)
                self.cells[row].append(Several(self.device, self.one_device, weights, fixed, start, h) if weights
                                        else Cell(self.device, fixed(0), start, h(0), life))
        retention = experiment.device.retention
        self.share = retention and nearest64(self.rows * (1 - 2 ** (-experiment.batch / retention.half_life)) * 2**24)
        self.rest = (saturate(self.device.nominal(retention.rest), self.device.g_bits)
                     if retention and retention.rest is not None else 0)
        self.counters = dict.fromkeys(COUNTERS if window.positions > 1 else COUNTERS[:-1], 0)

    def converters(self, converters, seed, index):
        """Section 4.7."""
        offset, gain = nearest64(converters.offset * 2.0**4), nearest64(converters.gain * 2.0**12)
        hashes = [hash32(seed, 0x20000 + index, c) for c in range(self.cols)]
        self.offsets = [round_shift(offset * NORMAL[h % 1024], 7) for h in hashes]
        self.gains = [round_shift(gain * NORMAL[(h >> 16) % 1024], 7) for h in hashes]
        self.inl = [nearest64(figure * 2.0**4) for figure in converters.nonlinearity]
        self.ideal = offset == gain == 0 and not self.inl
        self.wires = nearest64(converters.wire_ratio * 2.0**32)
        self.factors = self.wire_factors() if self.wires else None
        self.row_dac, self.column_dac = converters.row_dac_bits, converters.column_dac_bits

    def wire_factors(self):
        levels = [self.one_device.nominal(s) for s in range(self.one_device.n)]
        m = sum(max(0, level) for level in levels) / (self.one_device.n * levels[-1])
        share = self.wires * 2.0**-32 * m

        def line(count):
            y = [share]
            for _ in range(count - 1):
                y.insert(0, share + y[0] / (1 + y[0]))
            f = [1.0]
            for each in y:
                f.append(f[-1] / (1 + each))
            return f[1:]

        across, down = line(self.cols), line(self.rows)
        return [[nearest64(down[self.rows - 1 - r] * across[c] * 2.0**12) for c in range(self.cols)]
                for r in range(self.rows)]

    def read(self):
        """The conductances as they are read."""
        if self.factors is None:
            return self.conductances()
        return [[round_shift(g * factor, 12) for g, factor in zip(*row, strict=True)]
                for row in zip(self.conductances(), self.factors, strict=True)]

    def count(self, name, number=1):
        self.counters[name] = (self.counters[name] + number) % 2**40

    def conductances(self):
        return [[cell.g for cell in row] for row in self.cells]

    def driven(self, x, p):
        """The drives of all rows at position ``p``."""
        return self.window.seen(x, p) + self.bias

    def forward(self, x):
        columns = list(zip(*self.read(), strict=True))
        z = []
        for p in self.positions:
            drive = self.driven(x, p)
            self.count("forwards")
            self.count("forward_rows", sum(v != 0 for v in drive))
            if self.row_dac and self.x_width:
                drive = [dac(v, self.x_width, self.row_dac, self.x_signed) for v in drive]
            z.append([self.converted(sum(map(mul, drive, column)), c) for c, column in enumerate(columns)])
        return z

    def converted(self, total, c):
        """``z`` of column ``c``, whose sum is ``total``."""
        if self.read_noise:
            q, shift = self.read_noise * NORMAL[self.read_lfsr.draw() % 1024], self.adc_shift - 11
            total += q * 2**shift if shift >= 0 else round_shift(q, -shift)
        if self.ideal:
            return saturate(round_shift(total, self.adc_shift), self.layer.z_bits)
        b, shift = self.layer.z_bits, self.adc_shift - 4
        v = saturate(total >> shift if shift >= 0 else total * 2**-shift, b + 5)
        w = v + round_shift(v * self.gains[c], 12) + self.offsets[c]
        code = saturate(round_shift(w, 4), b)
        if not self.inl:
            return code
        k = bits_of(len(self.inl)) - 1
        return saturate(round_shift(w + self.inl[code + 2 ** (b - 1) >> b - k], 4), b)

    def erroneous(self, d):
        """The positions that have an error."""
        return [p for p in self.positions if any(d[p])]

    def backward(self, d, asked):
        """``e`` of the cells that are ``asked`` for, 0 of the others."""
        for p in self.erroneous(d):
            self.count("backward_rows", sum(q is not None and asked[q] for q in self.window.cells[p]))
        return [e if wanted else 0 for e, wanted in zip(self.row_sums(d), asked, strict=True)]

    def row_sums(self, d):
        """``e`` of every cell, uncounted."""
        e, g = [0] * self.window.map_cells, self.read()
        for p in self.erroneous(d):
            read = d[p]
            if self.column_dac:
                read = [dac(v, self.layer.delta_bits, self.column_dac, True) for v in read]
            for r, q in enumerate(self.window.cells[p]):
                if q is not None:
                    e[q] += sum(map(mul, g[r], read))
        return e

    def to_winners(self, delta, winners):
        """``d[p][c]`` from the deltas of the map behind the pooling (5.1)."""
        d = [[0] * self.cols for _ in self.positions]
        for (c, _), p, v in zip(self.window.pooled, winners, delta, strict=True):
            d[p][c] += v
        return [[saturate(v, self.layer.delta_bits) for v in row] for row in d]

    def products(self, x, d):
        """The sums over all positions of ``x_p[r] * d_p[c]``, of each row a list; nothing of rows that are 0 at all
        positions with an error."""
        sums = {}
        for p in self.erroneous(d):
            for r, v in enumerate(self.driven(x, p)):
                if v != 0:
                    before = sums.get(r, [0] * self.cols)
                    sums[r] = [total + v * error for total, error in zip(before, d[p], strict=True)]
        return sums

    def update(self, x, d, n, program):
        shift = self.rate_shift(n) + self.x_frac + self.layer.delta_frac + self.layer.weight_step - self.layer.chi_frac
        sums = self.products(x, d)
        for r, row in sums.items():
            self.accumulate(r, [round_shift(-total, shift) for total in row])
        self.count("update_rows", len(sums))
        if "product_rows" in self.counters:
            self.count("product_rows", sum(v != 0 for p in self.erroneous(d) for v in self.driven(x, p)))
        if program:
            self.visit(sorted(sums))
            self.tick()

    def rate_shift(self, n):
        """The shift of the layer's learning rate, where that of the epoch is ``n``."""
        return n + self.layer.rate_offset

    def apply(self, dw):
        for r in range(self.rows):
            self.accumulate(r, dw[r])
        self.count("update_rows", self.rows)
        self.program()

    def program(self):
        self.visit(range(self.rows))
        self.tick()

    def tick(self):
        """Section 3.6."""
        if not self.share:
            return
        v = self.lfsr.state % 2**16
        for cell in self.cells[v * self.rows >> 16]:
            w = self.lfsr.draw()
            cell.relax(self.share, self.rest, w * 2**8 + v % 2**8)
            v = w

    def accumulate(self, r, dw):
        for cell, change in zip(self.cells[r], dw, strict=True):
            cell.chi = saturate(cell.chi + change, self.layer.chi_bits)

    def visit(self, rows):
        self.count("visited_rows", len(rows))
        for r in rows:
            for cell in self.cells[r]:
                if self.stochastic:
                    cell.chi = self.rounded(cell.chi, self.rounding_lfsr.draw())
                cell.chi = self.hold(cell)
                if abs(cell.chi) >= self.threshold:
                    self.program_cell(cell)
                elif self.residual == "none":
                    cell.chi = 0

    def chance(self, f):
        """``p`` of 4.2 for the remainder ``f`` of a residual, below one threshold."""
        device, s = self.device, bits_of(self.threshold) - 1
        i, r = f * 2**device.c >> s, f * 2**device.c % 2**s
        return device.base[i] + (device.slope[i] * (r * 2**12 >> s) >> 12)

    def rounded(self, v, w):
        s = bits_of(self.threshold) - 1
        whole, f = abs(v) >> s, abs(v) % 2**s
        k = min(whole + (1 if w < self.chance(f) else 0), 2 ** (self.layer.chi_bits - 1 - s) - 1)
        return k * 2**s * ((v > 0) - (v < 0))

    def hold(self, cell):
        h = 0 if self.residual == "none" else self.threshold - 1
        if cell.chi >= self.threshold and cell.state == self.device.n - 1:
            return h
        if cell.chi <= -self.threshold and cell.state == 0:
            return -h
        return cell.chi

    def pulse(self, cell, up, t=None):
        v = self.lfsr.state % 2**16
        cell.pulse(v, self.lfsr.draw(), up, t)
        self.count("attempts")

    def program_cell(self, cell):
        device = self.device
        v, g, s = cell.chi, cell.g, cell.state
        k = abs(v) // self.threshold * (1 if v > 0 else -1)
        t = limit(s + k, 0, device.n - 1)
        if self.synapse:
            self.program_parts(cell, t)
        else:
            for _ in range(1 if device.pulse == "landing" else abs(t - s)):
                self.pulse(cell, k > 0, t)
        if device.pair and max(cell.plus, cell.minus) > device.refresh_high \
                and min(cell.plus, cell.minus) > device.refresh_low:
            self.rewrite(cell, cell.g)
        if self.residual == "nominal":
            cell.chi = v - k * self.threshold
        elif self.residual == "none":
            cell.chi = 0
        else:
            step = 2 ** (self.layer.chi_frac - device.sub_bits)
            cell.chi = saturate(v - (cell.g - g) * step, self.layer.chi_bits)

    def program_parts(self, cell, t):
        rest, parts = cell.device.nominal(t), cell.parts
        if self.synapse.turns:
            j = self.lfsr.state % 2**16 * len(parts) >> 16
            self.put(parts[j], 1, rest - cell.g + parts[j].g)
            return
        for j, (weight, part) in enumerate(zip(cell.weights, parts, strict=True)):
            reach = 2 ** (part.device.sub_bits - 1) * (1 + (part.device.n - 1) * sum(cell.weights[j + 1:]))
            if abs(rest - weight * part.g) >= reach:
                self.put(part, weight, rest)
            rest -= weight * part.g

    def put(self, part, weight, rest):
        b, up = part.device.state_of(rest >> bits_of(weight) - 1), rest > weight * part.g
        for _ in range(1 if part.device.pulse == "landing" else max(1, abs(b - part.state))):
            self.pulse(part, up, b)

    def rewrite(self, cell, goal, t=None):
        if self.device.pair:
            cell.reset()
            self.count("refreshes")
        tries = 0
        while abs(cell.g - goal) > self.margin and tries < self.max_attempts:
            self.pulse(cell, cell.g < goal, t)
            self.count("verify_attempts")
            tries += 1
        self.count("failures", abs(cell.g - goal) > self.margin)

    def write(self, states):
        for r in range(self.rows):
            for c in range(self.cols):
                t = states[r][c]
                goal = self.device.nominal(t)
                if abs(self.cells[r][c].g - goal) > self.margin:
                    if self.synapse:
                        self.write_parts(self.cells[r][c], goal)
                    else:
                        self.rewrite(self.cells[r][c], goal, t)

    def write_parts(self, cell, rest):
        for weight, part in zip(cell.weights, cell.parts, strict=True):
            b = part.device.state_of(rest >> bits_of(weight) - 1)
            goal = part.device.nominal(b)
            if abs(part.g - goal) > self.margin:
                self.rewrite(part, goal, b)
            rest -= weight * part.g

    def state(self):
        """Section 8, without the layer's prefix."""
        arrays = {"g": self.conductances()}
        if self.device.pair:
            arrays["g_minus"] = [[cell.minus for cell in row] for row in self.cells]
        if self.device.ageing:
            arrays["life"] = [[cell.life for cell in row] for row in self.cells]
        if self.synapse:
            arrays["slices"] = [[[part.g for part in cell.parts[:-1]] for cell in row] for row in self.cells]
        arrays |= {"chi": [[cell.chi for cell in row] for row in self.cells], "lfsr": self.lfsr.state}
        if self.stochastic:
            arrays["rounding_lfsr"] = self.rounding_lfsr.state
        if self.read_noise:
            arrays["read_lfsr"] = self.read_lfsr.state
        if self.behind_stochastic:
            arrays["neuron_lfsr"] = self.neuron_lfsr.state
        return arrays | {"counters": list(self.counters.values())}


def sigmoid(z, frac):
    return 1 / (1 + exp(min(700, -z / 2**frac)))


def neuron(kind, z, b, frac, lfsr):
    one, half = 2**frac, 2 ** (frac - 1)
    if kind == "relu":
        x = limit(z, 0, 2**b - 1)
        return x, int(x != 0)
    if kind == "hard_tanh":
        x = saturate(z, b)
        return x, int(x == z)
    if kind == "ternary":
        return (z >= one) - (z <= -one), int(half < abs(z) < one + half)
    s = sigmoid(z, frac)
    if kind == "stochastic":
        return int(lfsr.draw() < nearest(s * (2**16 - 1))), nearest(s * (1 - s) * 512)
    return nearest((2**b - 1) * s), nearest(s * (1 - s) * 512)


NEURON_FORMATS = {  # of x: (fraction bits, largest value), from activation_bits and z_frac
    "relu": lambda b, frac: (frac, 2**b - 1),
    "hard_tanh": lambda b, frac: (frac, 2 ** (b - 1) - 1),
    "ternary": lambda b, frac: (0, 1),
    "sigmoid": lambda b, frac: (b, 2**b - 1),
    "stochastic": lambda b, frac: (0, 1),
}
INPUT_FORMATS = {
    "unsigned": lambda b: (b, 2**b - 1),
    "signed": lambda b: (b - 1, 2 ** (b - 1) - 1),
    "ternary": lambda b: (0, 1),
}


def loss(kind, z, label, layer):
    d = []
    for c, value in enumerate(z):
        if kind == "cross_entropy":
            one = 2**layer.delta_frac - 1
            d.append(nearest(one * sigmoid(value, layer.z_frac)) - (one if c == label else 0))
        else:
            one, y = 2**layer.z_frac, 1 if c == label else -1
            v, shift = -y * max(0, one - y * value), layer.delta_frac - layer.z_frac
            d.append(saturate(v * 2**shift if shift >= 0 else round_shift(v, -shift), layer.delta_bits))
    return d


class Network:
    def __init__(self, experiment):
        self.experiment = experiment
        self.crossbars = []
        x_frac, x_max = INPUT_FORMATS[experiment.input.kind](experiment.input.bits)
        for (index, layer), window in zip(enumerate(experiment.layers), windows(experiment), strict=True):
            self.crossbars.append(Crossbar(experiment, index, window, x_frac, x_max))
            if layer.neuron:
                x_frac, x_max = NEURON_FORMATS[layer.neuron](layer.activation_bits, layer.z_frac)

    def forward(self, x):
        """Of every layer the map that drives it, its derivatives and its winners; and the outputs of the network."""
        drives, derivatives, winners, outputs = [list(x)], [None], [], None
        for crossbar, behind in zip(self.crossbars, [*self.crossbars[1:], None], strict=True):
            layer = crossbar.layer
            outputs, winner = crossbar.window.pool(crossbar.forward(drives[-1]))
            winners.append(winner)
            if layer.neuron:
                pairs = [neuron(layer.neuron, z, layer.activation_bits, layer.z_frac, behind.neuron_lfsr)
                         for z in outputs]
                drives.append([x for x, _ in pairs])
                derivatives.append([y for _, y in pairs])
        return drives, derivatives, winners, outputs

    def train(self, x, label, n, program):
        drives, derivatives, winners, z = self.forward(x)
        delta = loss(self.experiment.loss, z, label, self.experiment.layers[-1])
        for index in reversed(range(len(self.crossbars))):
            crossbar, y = self.crossbars[index], derivatives[index]
            d = crossbar.to_winners(delta, winners[index])
            if index:
                e = crossbar.backward(d, [v != 0 for v in y])
            crossbar.update(drives[index], d, n, program)
            if index:
                delta = self.passed_back(index, e, y)
        return z.index(max(z))

    def passed_back(self, index, e, y):
        """The deltas of the cells of the map before layer ``index``."""
        crossbar, before = self.crossbars[index], self.experiment.layers[index - 1]
        layer, y_frac = crossbar.layer, 9 if before.neuron in ("sigmoid", "stochastic") else 0
        shift = layer.delta_frac + crossbar.device.sub_bits - layer.weight_step + y_frac - before.delta_frac
        return [saturate(round_shift(ev * yv, shift), before.delta_bits) for ev, yv in zip(e, y, strict=True)]

    def train_epoch(self, xs, labels, epoch):
        """Sections 7.1 and 7.2: one epoch in its order, with its learning rate and mini-batches; the predictions."""
        experiment, n, order = self.experiment, self.rate_shift(epoch), self.order(len(xs), epoch)
        predictions = []
        for count, i in enumerate(order, start=1):
            predictions.append(self.train(xs[i], labels[i], n, experiment.batch == 1))
            if experiment.batch > 1 and (count % experiment.batch == 0 or count == len(order)):
                for crossbar in self.crossbars:
                    crossbar.program()
        return predictions

    def rate_shift(self, epoch):
        shifts = self.experiment.learning_rate_shifts
        return shifts[min(epoch, len(shifts) - 1)]

    def order(self, count, epoch):
        return sorted(range(count), key=lambda i: (hash32(self.experiment.seed, 0x100 + epoch, i), i))

    def write(self, precursor):
        """Section 7.4: the states of the cells of the network ``precursor``."""
        for crossbar, before in zip(self.crossbars, precursor.crossbars, strict=True):
            crossbar.write([[cell.state for cell in row] for row in before.cells])

    def predict(self, xs):
        """Section 7.2, evaluation: the predictions; nothing of the network changes."""
        machine = deepcopy(self)
        outputs = [machine.forward(x)[-1] for x in xs]
        return [z.index(max(z)) for z in outputs]

    def state(self):
        return {f"layer{index}_{name}": value for index, crossbar in enumerate(self.crossbars)
                for name, value in crossbar.state().items()}


class Host:
    """Section 7.3: the host of a ``Network``."""

    def __init__(self, network):
        self.network, self.rule, self.steps = network, network.experiment.host, 0
        self.mean, self.square = ([[[0.0] * crossbar.cols for _ in range(crossbar.rows)]
                                   for crossbar in network.crossbars] for _ in range(2))

    def train_epoch(self, xs, labels, epoch):
        order, batch = self.network.order(len(xs), epoch), self.network.experiment.batch
        predictions = []
        for start in range(0, len(order), batch):
            predictions += self.train([(xs[i], labels[i]) for i in order[start:start + batch]],
                                      self.network.rate_shift(epoch))
        return predictions

    def train(self, samples, n):
        """One mini-batch; the predictions."""
        crossbars, experiment = self.network.crossbars, self.network.experiment
        sums = [[[0] * crossbar.cols for _ in range(crossbar.rows)] for crossbar in crossbars]
        predictions = []
        for x, label in samples:
            drives, derivatives, winners, z = self.network.forward(x)
            predictions.append(z.index(max(z)))
            delta = loss(experiment.loss, z, label, experiment.layers[-1])
            for index in reversed(range(len(crossbars))):
                crossbar = crossbars[index]
                d = crossbar.to_winners(delta, winners[index])
                for r, row in crossbar.products(drives[index], d).items():
                    sums[index][r] = [total + v for total, v in zip(sums[index][r], row, strict=True)]
                if index:
                    delta = self.network.passed_back(index, crossbar.row_sums(d), derivatives[index])
        self.steps += 1
        for index, crossbar in enumerate(crossbars):
            layer = crossbar.layer
            scale = 2.0 ** -(crossbar.x_frac + layer.delta_frac + layer.weight_step) / len(samples)
            unit = 2.0 ** (layer.chi_frac - crossbar.rate_shift(n))
            crossbar.apply([[saturate(nearest64(-self.step(index, r, c, total * scale) * unit), layer.chi_bits)
                             for c, total in enumerate(row)] for r, row in enumerate(sums[index])])
        return predictions

    def step(self, index, r, c, gradient):
        if self.rule.optimizer == "sgd":
            return gradient
        b1, b2 = self.rule.betas
        mean, square = self.mean[index][r], self.square[index][r]
        mean[c] = mean[c] * b1 + gradient * (1 - b1)
        square[c] = square[c] * b2 + (gradient * gradient) * (1 - b2)
        return (mean[c] / (1 - b1**self.steps)) / (sqrt(square[c] / (1 - b2**self.steps)) + self.rule.epsilon)

    def state(self):
        return {"host_steps": self.steps} | {f"host_{name}{index}": array for name, arrays in (
            ("mean", self.mean), ("square", self.square)) for index, array in enumerate(arrays)}
