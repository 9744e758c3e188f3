// Replays recorded ports on a verilated design, clock cycle by clock cycle, and compares what comes out.
//
// A template: the design's ports take the place of the line PORTS.
#include <cstddef>
#include <cstdint>

#include "Vtop.h"
#include "verilated.h"

using Top = Vtop;

// Some C libraries' Verilator runtimes ask for the simulation time.
double sc_time_stamp() { return 0; }

// Ports travel as words of 64 bits. Verilator's ports have up to 64 bits, or are arrays of 32 bits.
template <typename Port>
inline void drive(Port &port, const uint64_t *words) {
    port = *words;
}

template <std::size_t Count>
inline void drive(VlWide<Count> &port, const uint64_t *words) {
    for (std::size_t index = 0; index < Count; index++) port[index] = words[index / 2] >> index % 2 * 32;
}

template <typename Port>
inline bool differs(const Port &port, const uint64_t *expected, const uint64_t *mask) {
    return (port ^ *expected) & *mask;
}

template <std::size_t Count>
inline bool differs(const VlWide<Count> &port, const uint64_t *expected, const uint64_t *mask) {
    for (std::size_t index = 0; index < Count; index++) {
        const unsigned shift = index % 2 * 32;
        if ((port[index] ^ uint32_t(expected[index / 2] >> shift)) & uint32_t(mask[index / 2] >> shift)) return true;
    }
    return false;
}

// PORTS

static inline void tick(Top &top) {
    CLOCK(top) = 1;
    top.eval();
    CLOCK(top) = 0;
}

// Replays `cycles` clock cycles on the design with one mutant in it, or with none: 0. If `lead` is not 0, that comes after
// as many clock cycles of the same, in which nothing is compared, and one clock cycle of reset. Returns the number of
// the first output that differs, counted over the clock cycles, or -1.
extern "C" int64_t replay(unsigned mutant, size_t cycles, const uint64_t *inputs, const uint64_t *expected,
                          const uint64_t *mask, size_t lead) {
    VerilatedContext context;
    Top top{&context};
    MUTANT(top) = mutant;
    RESET(top) = 0;
    CLOCK(top) = 0;
    for (size_t cycle = 0; cycle < lead; cycle++) {
        apply(top, inputs + cycle * INPUT_WORDS);
        RESET(top) = cycle == lead - 1;
        top.eval();
        tick(top);
    }
    RESET(top) = 0;
    int64_t found = -1;
    for (size_t cycle = 0; cycle < cycles && found < 0; cycle++) {
        apply(top, inputs + cycle * INPUT_WORDS);
        top.eval();
        const int output = first(top, expected + cycle * OUTPUT_WORDS, mask + cycle * OUTPUT_WORDS);
        if (output >= 0) found = int64_t(cycle) * OUTPUTS + output;
        tick(top);
    }
    top.final();
    return found;
}
