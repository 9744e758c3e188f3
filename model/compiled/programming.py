"""What happens to cells, in compiled code: visits of rows, rounding, write pulses, refreshing of pairs."""

import numpy as np
from numba import njit

from ...contract.device import CURVE_REST_BITS, QUANTILE_BITS, SHARE_BITS, SHARE_WORD_BITS
from ...contract.hashing import DEVICE_SHIFT
from ...contract.lfsr import LEAP
from ...contract.pulses import PULSE_WORDS, UP, VERIFY
from ...contract.wires import FACTOR_FRAC
from ..lfsr import WORD_MASK
from .arithmetic import clip, draw, leap, mix32, noise, round_shift
from .tables import (
    ATTEMPTS,
    COUNTS,
    FAILURES,
    KINDS,
    LANDING,
    LIMIT,
    NOMINAL,
    PROGRAMMING,
    REFRESHES,
    ROUNDING,
    SAMPLE,
    SWITCHING,
    TRACED,
    VERIFIED,
    VERIFY_ATTEMPTS,
    Integer,
    Layer,
    Pointer,
    State,
    Tables,
)


@njit
def visit(layer: Layer, state: State, tables: Tables, firsts: Pointer, count: int) -> None:
    """Visit the cells of ``count`` rows, whose first cells are in ``firsts``: saturate, round and bound their
    residuals, and program what has reached the threshold."""
    g, chi, cols = state.g, state.chi, layer.cols
    for i in range(count):
        first = firsts[i]
        if layer.stochastic:
            _round(layer, state.lfsrs, tables, chi, first)
        if _bound(layer, g, chi, first) >= layer.threshold:
            for cell in range(first, first + cols):
                if abs(chi[cell]) >= layer.threshold:
                    _program(layer, state, tables, cell)
                    if layer.wired:
                        state.read_g[cell] = round_shift(state.g[cell] * tables.factors[cell], FACTOR_FRAC)


@njit
def relax(layer: Layer, state: State, tables: Tables) -> None:
    """A tick of the clock by which the cells of a layer relax (arithmetic 3.6): those of a row that is drawn do."""
    before = np.int64(state.lfsrs[layer.index * KINDS + PROGRAMMING]) & WORD_MASK
    first = layer.cell + (before * layer.rows >> LEAP) * layer.cols
    for cell in range(first, first + layer.cols):
        word = draw(state.lfsrs, layer.index, PROGRAMMING, tables)
        random = (word << SHARE_WORD_BITS) + (before & (1 << SHARE_WORD_BITS) - 1)
        before = word
        if not (_fixed(layer, tables, cell, 0)[1] or _failed(layer, state, cell)):
            _relax_cell(layer, state, cell, random)
            if layer.wired:
                state.read_g[cell] = round_shift(state.g[cell] * tables.factors[cell], FACTOR_FRAC)


@njit
def _relax_cell(layer: Layer, state: State, cell: Integer, random: Integer) -> None:
    """Let a cell that moves relax by a share of its distance from rest."""
    share = layer.relaxation
    if layer.pair:
        minus = np.int64(state.g_minus[cell])
        plus = minus + state.g[cell]
        plus -= plus * share + random >> SHARE_BITS
        minus -= minus * share + random >> SHARE_BITS
        state.g[cell], state.g_minus[cell] = plus - minus, minus
        return
    distance = np.int64(state.g[cell]) - layer.resting
    if layer.pulse == SWITCHING:
        taken = (min(1, abs(distance) >> layer.sub_bits) * share + random >> SHARE_BITS) << layer.sub_bits
    else:
        taken = abs(distance) * share + random >> SHARE_BITS
    state.g[cell] -= taken if distance > 0 else -taken


@njit
def saturate(layer: Layer, chi: Pointer, first: Integer) -> None:
    """Saturate the residuals of the row whose first cell is ``first``."""
    limit = np.int32(layer.chi_limit)
    for cell in range(first, first + layer.cols):
        chi[cell] = max(np.int32(-limit), min(np.int32(limit - 1), chi[cell]))


@njit
def _bound(layer: Layer, g: Pointer, chi: Pointer, first: Integer) -> Integer:
    """Saturate and bound the residuals of a row; returns their largest absolute value."""
    limit, held = np.int32(layer.chi_limit), np.int32(layer.held)
    highest = np.int32(layer.threshold - 1)
    lowest = np.int32(-highest)
    lowest_top, highest_bottom = np.int32(layer.lowest_top), np.int32(layer.highest_bottom)
    most = np.int32(0)
    for cell in range(first, first + layer.cols):
        value, level = max(np.int32(-limit), min(np.int32(limit - 1), chi[cell])), np.int32(g[cell])
        value = held if value > highest and level >= lowest_top else value
        value = np.int32(-held) if value < lowest and level <= highest_bottom else value
        chi[cell] = value
        most = max(most, np.absolute(value))
    return most


@njit
def _round(layer: Layer, lfsrs: Pointer, tables: Tables, chi: Pointer, first: Integer) -> None:
    """Saturate the residuals of a row and round them stochastically. ``visit`` programs or drops what is left."""
    shift, curve_bits = layer.threshold_shift, layer.curve_bits
    below, most = (1 << shift) - 1, (layer.chi_limit >> shift) - 1
    lfsr, images, base, slope = lfsrs[layer.index * KINDS + ROUNDING], tables.leap, tables.base, tables.slope
    for cell in range(first, first + layer.cols):
        lfsr = leap(lfsr, images)
        value = clip(np.int64(chi[cell]), -layer.chi_limit, layer.chi_limit - 1)
        magnitude = abs(value)
        place = (magnitude & below) << curve_bits
        segment, rest = place >> shift, (place & below) << CURVE_REST_BITS >> shift
        probability = base[segment] + (slope[segment] * rest >> CURVE_REST_BITS)
        k = min((magnitude >> shift) + ((np.int64(lfsr) & WORD_MASK) < probability), most)
        chi[cell] = np.sign(value) * (k << shift)
    lfsrs[layer.index * KINDS + ROUNDING] = lfsr


@njit
def _program(layer: Layer, state: State, tables: Tables, cell: Integer) -> None:
    """Program a cell whose residual, bounded, has reached the threshold."""
    residual, before = np.int64(state.chi[cell]), np.int64(state.g[cell])
    magnitude = abs(residual) // layer.threshold
    k = magnitude if residual > 0 else -magnitude
    old = _state_of(layer, before)
    target = clip(old + k, 0, layer.states - 1)
    if layer.devices > 1:
        _move_devices(layer, state, tables, cell, target)
    else:
        _pulses(layer, state, tables, cell, 0, target, abs(target - old), k > 0)
    if layer.pair:
        minus = np.int64(state.g_minus[cell])
        plus = minus + state.g[cell]
        if max(plus, minus) > layer.refresh_high and min(plus, minus) > layer.refresh_low:
            _refresh(layer, state, tables, cell, _fixed(layer, tables, cell, 0))
    if layer.residual == VERIFIED:
        left = residual - ((state.g[cell] - before) << layer.residual_shift)
        state.chi[cell] = clip(left, -layer.chi_limit, layer.chi_limit - 1)
    else:
        state.chi[cell] = residual - k * layer.threshold if layer.residual == NOMINAL else 0


@njit
def _move_devices(layer: Layer, state: State, tables: Tables, cell: Integer, target: Integer) -> None:
    """Pulse the devices of a cell of several toward its state ``target``."""
    g, rest, reach = np.int64(state.g[cell]), layer.origin + (target << layer.sub_bits), np.int64(0)
    half = 1 << layer.sub_bits >> 1
    if layer.in_turn:
        word = np.int64(state.lfsrs[layer.index * KINDS + PROGRAMMING]) & WORD_MASK
        device = word * layer.devices >> 16
        level = _level_of(layer, state, tables, cell, device, g)
        g += _put(layer, state, tables, cell, device, level, rest - g + level) - level
    else:
        for device in range(layer.devices):
            reach += half * (layer.device_states - 1) << tables.shifts[device]
        for device in range(layer.devices):
            shift = tables.shifts[device]
            reach -= half * (layer.device_states - 1) << shift
            level = _level_of(layer, state, tables, cell, device, g)
            if abs(rest - (level << shift)) >= reach + half:
                moved = _put(layer, state, tables, cell, device, level, rest)
                g += (moved - level) << shift
                level = moved
            rest -= level << shift
    state.g[cell] = g


@njit
def _level_of(layer: Layer, state: State, tables: Tables, cell: Integer, device: Integer, g: Integer) -> Integer:
    """The conductance of a device of a cell whose own is ``g``."""
    first = cell * (layer.devices - 1)
    if device < layer.devices - 1:
        return np.int64(state.slices[first + device])
    for other in range(layer.devices - 1):
        g -= np.int64(state.slices[first + other]) << tables.shifts[other]
    return g


@njit
def _put(layer: Layer, state: State, tables: Tables, cell: Integer, device: Integer, level: Integer, rest: Integer,
         ) -> Integer:
    """Pulse a device, at ``level``, of a cell toward the state nearest to its share of the conductance ``rest``;
    returns its level. ``g`` of the cell holds it meanwhile."""
    shift = tables.shifts[device]
    target = _device_state_of(layer, rest >> shift)
    up, distance = rest > level << shift, max(1, abs(target - _device_state_of(layer, level)))
    state.g[cell] = level
    _pulses(layer, state, tables, cell, device, target, distance, up)
    if device < layer.devices - 1:
        state.slices[cell * (layer.devices - 1) + device] = state.g[cell]
    return np.int64(state.g[cell])


@njit
def _pulses(layer: Layer, state: State, tables: Tables, cell: Integer, device: Integer, target: Integer,
            distance: Integer, up: bool) -> None:
    """Give a device of a cell one write pulse toward its state ``target`` if it lands at states, else ``distance``
    pulses up or down."""
    fixed = _fixed(layer, tables, cell, device)
    asked, how = layer.device_origin + (target << layer.sub_bits), np.int64(UP if up else 0)
    for attempt in range(1 if layer.pulse == LANDING else distance):
        _pulse(layer, state, tables, cell, device, fixed, target, asked, how + attempt + 1)


@njit
def _pulse(layer: Layer, state: State, tables: Tables, cell: Integer, device: Integer, fixed: tuple[Integer, bool],
           toward: Integer, asked: Integer, how: Integer) -> None:
    """A write pulse for a device of a cell, whose conductance is in ``g``: toward the state ``toward`` if the device
    lands at states, else up or down. ``fixed`` is what ``_fixed`` tells of it; ``asked`` and ``how`` are what a trace
    says of the pulse, in ``asked`` and ``attempt``."""
    number = cell * layer.devices + device
    state.counters[layer.index * COUNTS + ATTEMPTS] += 1
    state.pulses[number] += 1
    last_word = np.int64(state.lfsrs[layer.index * KINDS + PROGRAMMING]) & WORD_MASK
    word, before = draw(state.lfsrs, layer.index, PROGRAMMING, tables), np.int64(state.g[cell])
    if not (fixed[1] or _failed(layer, state, cell)):
        _move(layer, state, tables, cell, fixed[0], toward, how & UP != 0, word)
        if layer.ages and last_word < layer.wear:
            _age(layer, state, cell)
    if state.tracing[LIMIT]:
        if layer.pulse == LANDING:
            how = how & ~UP | (UP if asked > before else 0)
        _trace(state, number, before, asked, np.int64(state.g[cell]), how)


@njit(forceinline=True)
def _trace(state: State, number: Integer, before: Integer, asked: Integer, after: Integer, how: Integer) -> None:
    """Trace a write pulse that has been given to the device ``number``."""
    place = state.tracing[TRACED] * PULSE_WORDS
    state.tracing[TRACED] += 1
    state.trace[place] = state.tracing[SAMPLE] | np.int64(number) << 32
    state.trace[place + 1] = (before & WORD_MASK | (asked & WORD_MASK) << 16 | (after & WORD_MASK) << 32 | how << 48)


@njit
def _failed(layer: Layer, state: State, cell: Integer) -> bool:
    """Whether the life of a cell has ended."""
    return layer.ages and state.life[cell] == 0


@njit
def _age(layer: Layer, state: State, cell: Integer) -> None:
    """Take one from the life of a cell that has not failed."""
    state.life[cell] -= 1
    if layer.sticks and state.life[cell] == 0:
        state.g[cell] = layer.failed
        if layer.pair:
            state.g_minus[cell] = max(0, -layer.failed)


@njit(forceinline=True)
def _move(layer: Layer, state: State, tables: Tables, cell: Integer, displacement: Integer, toward: Integer, up: bool,
          word: Integer) -> None:
    """What a write pulse that has drawn ``word`` does to a device that moves."""
    g = np.int64(state.g[cell])
    if layer.pulse == SWITCHING:
        old = _device_state_of(layer, g)
        new = clip(old + 1 if up else old - 1, 0, layer.device_states - 1)
        if word < tables.probability[old if up else layer.device_states + old]:
            state.g[cell] = layer.device_origin + (new << layer.sub_bits)
        return
    minus = np.int64(state.g_minus[cell]) if layer.pair else 0
    if layer.pulse == LANDING:
        entry = toward
    elif layer.pair:
        entry = (g + minus if up else minus) >> layer.segment_shift
    else:
        entry = ((g + (layer.span >> 1)) >> layer.segment_shift) + (0 if up else layer.segments)
    if layer.quantiles:
        moved = tables.quantiles[(entry << QUANTILE_BITS) + (word >> LEAP - QUANTILE_BITS)] + displacement
    else:
        moved = tables.mean[entry] + displacement + noise(tables.sigma[entry], word, tables)
    if layer.pulse == LANDING:
        state.g[cell] = clip(moved, -layer.g_limit, layer.g_limit - 1)
    elif layer.pair:
        plus = clip(g + minus + moved, 0, layer.span) if up else g + minus
        minus = minus if up else clip(minus + moved, 0, layer.span)
        state.g[cell], state.g_minus[cell] = plus - minus, minus
    else:
        half = layer.span >> 1
        state.g[cell] = clip(g + moved if up else g - moved, -half, half)


@njit
def _refresh(layer: Layer, state: State, tables: Tables, cell: Integer, fixed: tuple[Integer, bool]) -> None:
    """Reset a pair, and write it to the level that it had."""
    counters, goal = layer.index * COUNTS, np.int64(state.g[cell])
    state.counters[counters + REFRESHES] += 1
    if not (fixed[1] or _failed(layer, state, cell)):
        state.g[cell] = state.g_minus[cell] = 0
    tries = 0
    while abs(state.g[cell] - goal) > layer.margin and tries < layer.max_attempts:
        tries += 1
        _pulse(layer, state, tables, cell, 0, fixed, np.int64(0), goal,
               np.int64(VERIFY + tries + (UP if state.g[cell] < goal else 0)))
    state.counters[counters + VERIFY_ATTEMPTS] += tries
    state.counters[counters + FAILURES] += abs(state.g[cell] - goal) > layer.margin


@njit
def _state_of(layer: Layer, g: Integer) -> Integer:
    """The state whose nominal conductance is nearest to ``g``."""
    return clip((g - layer.origin + (1 << layer.sub_bits >> 1)) >> layer.sub_bits, 0, layer.states - 1)


@njit
def _device_state_of(layer: Layer, g: Integer) -> Integer:
    """Likewise, of one device."""
    return clip((g - layer.device_origin + (1 << layer.sub_bits >> 1)) >> layer.sub_bits, 0, layer.device_states - 1)


@njit
def _fixed(layer: Layer, tables: Tables, cell: Integer, device: Integer) -> tuple[Integer, bool]:
    """The displacement of a device of a cell, and whether it is stuck."""
    if not layer.differs:
        return 0, False
    row, col = divmod(cell - layer.cell, layer.cols)
    word = mix32(layer.cell_seed + (row << 16) + (device << DEVICE_SHIFT) + col)
    return noise(layer.variation, word, tables), word >> 16 < layer.stuck
