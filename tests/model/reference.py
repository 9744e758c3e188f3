"""A second implementation of docs/arithmetic.md: plain Python integers and loops, from the text alone.

It shares nothing with ``model/`` or ``contract/``; it reads the fields of an ``Experiment`` and derives
the rest itself. Slow, and meant to be: for small networks.
"""

from math import exp, floor
from statistics import NormalDist

M32 = 2**32 - 1


def round_shift(v, s):
    return v if s == 0 else (v + 2 ** (s - 1)) // 2**s


def limit(v, low, high):
    return max(low, min(high, v))


def saturate(v, b):
    return limit(v, -(2 ** (b - 1)), 2 ** (b - 1) - 1)


def nearest(r):
    return floor(r + 0.5)


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


class Device:
    def __init__(self, device):
        self.n, self.sub_bits = device.states, device.sub_bits
        per_state = {}
        for field in ("sigma", "offset"):
            value = getattr(device, field, 0.0)
            per_state[field] = list(value) if isinstance(value, tuple) else [value] * self.n
        self.mean = [self.nominal(s) + nearest(per_state["offset"][s] * 2**self.sub_bits) for s in range(self.n)]
        self.sigma = [nearest(v * 2 ** (self.sub_bits + 4)) for v in per_state["sigma"]]
        widest = max(abs(self.mean[s]) + round_shift(self.sigma[s] * NORMAL[1023], 11) for s in range(self.n))
        self.g_bits = len(bin(widest)) - 2 + 1

    def nominal(self, s):
        return (2 * s - (self.n - 1)) * 2 ** (self.sub_bits - 1)

    def state_of(self, g):
        return limit((g - self.nominal(0) + 2 ** (self.sub_bits - 1)) // 2**self.sub_bits, 0, self.n - 1)

    def land(self, t, w):
        return saturate(self.mean[t] + round_shift(self.sigma[t] * NORMAL[w % 1024], 11), self.g_bits)


class Crossbar:
    def __init__(self, experiment, index, inputs, x_frac, x_max):
        layer = experiment.layers[index]
        self.layer, self.device = layer, Device(experiment.device)
        self.rows, self.cols, self.inputs = inputs + layer.bias, layer.cols, inputs
        self.bias = [x_max] if layer.bias else []
        self.x_frac = x_frac
        self.residual = experiment.update.residual
        self.threshold = nearest(experiment.update.threshold * 2**layer.chi_frac)
        self.margin = nearest(experiment.write.margin * 2**self.device.sub_bits)
        self.max_attempts = experiment.write.max_attempts
        seed = experiment.seed
        self.lfsr = hash32(seed, 0xFFFF, 0) or 1
        for _ in range(index):
            self.lfsr = lfsr_leap(self.lfsr, 28)
        allowed = [s for s in range(self.device.n) if abs(s - (self.device.n - 1) / 2) <= experiment.init_spread]
        lo, hi = allowed[0], allowed[-1]
        self.g = []
        for row in range(self.rows):
            hashes = [hash32(seed, index, row * self.cols + col) for col in range(self.cols)]
            self.g.append([self.device.land(lo + ((h >> 16) * (hi - lo + 1) >> 16), h) for h in hashes])
        self.chi = [[0] * self.cols for _ in range(self.rows)]
        self.forwards = self.forward_rows = self.backward_rows = self.update_rows = 0
        self.attempts = self.failures = 0

    def draw(self):
        for _ in range(16):
            self.lfsr = lfsr_step(self.lfsr)
        return self.lfsr % 2**16

    def forward(self, x):
        x = list(x) + self.bias
        self.forwards += 1
        self.forward_rows += sum(v != 0 for v in x)
        shift = self.x_frac + self.device.sub_bits - self.layer.weight_step - self.layer.z_frac
        sums = [sum(x[r] * self.g[r][c] for r in range(self.rows)) for c in range(self.cols)]
        return [saturate(round_shift(s, shift), self.layer.z_bits) for s in sums]

    def backward(self, d, rows):
        rows = rows if any(d) else [False] * self.inputs
        self.backward_rows += sum(rows)
        return [sum(self.g[r][c] * d[c] for c in range(self.cols)) if rows[r] else 0 for r in range(self.inputs)]

    def update(self, x, d, n, program):
        if not any(d):
            return
        x = list(x) + self.bias
        layer = self.layer
        shift = n + self.x_frac + layer.delta_frac + layer.weight_step - layer.chi_frac
        for r in range(self.rows):
            if x[r] == 0:
                continue
            self.update_rows += 1
            for c in range(self.cols):
                dw = round_shift(-(x[r] * d[c]), shift)
                self.chi[r][c] = saturate(self.chi[r][c] + dw, layer.chi_bits)
                if program:
                    self.visit(r, c)

    def program(self):
        for r in range(self.rows):
            for c in range(self.cols):
                self.visit(r, c)

    def visit(self, r, c):
        self.bound(r, c)
        self.program_cell(r, c)

    def bound(self, r, c):
        state = self.device.state_of(self.g[r][c])
        if self.chi[r][c] >= self.threshold and state == self.device.n - 1:
            self.chi[r][c] = self.threshold - 1
        if self.chi[r][c] <= -self.threshold and state == 0:
            self.chi[r][c] = 1 - self.threshold

    def program_cell(self, r, c):
        v = self.chi[r][c]
        if abs(v) < self.threshold:
            return
        k = abs(v) // self.threshold * (1 if v > 0 else -1)
        g = self.g[r][c]
        t = limit(self.device.state_of(g) + k, 0, self.device.n - 1)
        self.g[r][c] = self.device.land(t, self.draw())
        self.attempts += 1
        if self.residual == "nominal":
            self.chi[r][c] = v - k * self.threshold
        else:
            step = 2 ** (self.layer.chi_frac - self.device.sub_bits)
            self.chi[r][c] = saturate(v - (self.g[r][c] - g) * step, self.layer.chi_bits)

    def write(self, states):
        for r in range(self.rows):
            for c in range(self.cols):
                goal, tries = self.device.nominal(states[r][c]), 0
                while abs(self.g[r][c] - goal) > self.margin and tries < self.max_attempts:
                    self.g[r][c] = self.device.land(states[r][c], self.draw())
                    self.attempts += 1
                    tries += 1
                self.failures += abs(self.g[r][c] - goal) > self.margin


def sigmoid(z, frac):
    return 1 / (1 + exp(min(700, -z / 2**frac)))


def neuron(kind, z, b, frac):
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
    return nearest((2**b - 1) * s), nearest(s * (1 - s) * 512)


NEURON_FORMATS = {  # of x: (fraction bits, largest value), from activation_bits and z_frac
    "relu": lambda b, frac: (frac, 2**b - 1),
    "hard_tanh": lambda b, frac: (frac, 2 ** (b - 1) - 1),
    "ternary": lambda b, frac: (0, 1),
    "sigmoid": lambda b, frac: (b, 2**b - 1),
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
        inputs = experiment.input.count
        x_frac, x_max = INPUT_FORMATS[experiment.input.kind](experiment.input.bits)
        for index, layer in enumerate(experiment.layers):
            self.crossbars.append(Crossbar(experiment, index, inputs, x_frac, x_max))
            inputs = layer.cols
            if layer.neuron:
                x_frac, x_max = NEURON_FORMATS[layer.neuron](layer.activation_bits, layer.z_frac)

    def forward(self, x):
        drives, derivatives = [list(x)], [None]
        for crossbar in self.crossbars[:-1]:
            layer = crossbar.layer
            pairs = [neuron(layer.neuron, z, layer.activation_bits, layer.z_frac) for z in crossbar.forward(drives[-1])]
            drives.append([x for x, _ in pairs])
            derivatives.append([y for _, y in pairs])
        z = self.crossbars[-1].forward(drives[-1])
        return drives, derivatives, z

    def train(self, x, label, n, program):
        drives, derivatives, z = self.forward(x)
        d = loss(self.experiment.loss, z, label, self.experiment.layers[-1])
        for index in reversed(range(len(self.crossbars))):
            crossbar, y = self.crossbars[index], derivatives[index]
            if index:
                e = crossbar.backward(d, [v != 0 for v in y])
            crossbar.update(drives[index], d, n, program)
            if index:
                layer, before = crossbar.layer, self.experiment.layers[index - 1]
                y_frac = 9 if before.neuron == "sigmoid" else 0
                shift = layer.delta_frac + crossbar.device.sub_bits - layer.weight_step + y_frac - before.delta_frac
                d = [saturate(round_shift(ev * yv, shift), before.delta_bits) for ev, yv in zip(e, y, strict=True)]
        return z.index(max(z))

    def train_epoch(self, xs, labels, epoch):
        """Section 7: one epoch in its order, with its learning rate and mini-batches; returns the predictions."""
        experiment = self.experiment
        shifts = experiment.learning_rate_shifts
        order = sorted(range(len(xs)), key=lambda i: (hash32(experiment.seed, 0x100 + epoch, i), i))
        predictions = []
        for count, i in enumerate(order, start=1):
            n = shifts[min(epoch, len(shifts) - 1)]
            predictions.append(self.train(xs[i], labels[i], n, experiment.batch == 1))
            if experiment.batch > 1 and (count % experiment.batch == 0 or count == len(order)):
                for crossbar in self.crossbars:
                    crossbar.program()
        return predictions

    def state(self):
        arrays = {}
        for index, c in enumerate(self.crossbars):
            arrays |= {
                f"layer{index}_g": c.g, f"layer{index}_chi": c.chi, f"layer{index}_lfsr": c.lfsr,
                f"layer{index}_counters": [c.forwards, c.forward_rows, c.backward_rows, c.update_rows,
                                           c.attempts, c.failures],
            }
        return arrays
