// Moves bursts through a verilated SdramMemory as fast as it takes them. sdram.h is in front of this.
#include "Vtop.h"
#include "verilated.h"

// Some C libraries' Verilator runtimes ask for the simulation time.
double sc_time_stamp() { return 0; }

struct Memory {
    VerilatedContext context;
    Vtop top{&context};
    unsigned address_bits, data_bits;
    SdramCells cells;
    uint64_t cycle = 0, random = 1;

    Memory(unsigned address_bits, unsigned data_bits)
        : address_bits(address_bits), data_bits(data_bits), cells(address_bits + (data_bits == 16)) {
        for (size_t place = 0; place < cells.columns.size(); place++)
            cells.columns[place] = data_bits == 32   ? word(place)
                                   : place & 1       ? word(place / 2) >> 16
                                                     : word(place / 2) & 0xFFFF;
        top.rst = 1, clock(), top.rst = 0;
    }

    // What the word at an address holds, always.
    static uint32_t word(uint32_t address) { return (address ^ address >> 15) * 0x9E3779B1u; }

    void clock() {
        top.eval();
        cells.before(top);
        top.clk = 1;
        top.eval();
        cells.after(top);
        top.clk = 0;
        top.eval();
        cycle++;
    }

    // The addresses of `count` bursts of `length` words: one after the other from 0 on, or random.
    std::vector<uint32_t> addresses(bool sequential, unsigned length, size_t count) {
        std::vector<uint32_t> list;
        const uint64_t places = (uint64_t(1) << address_bits) - length;
        for (size_t burst = 0; burst < count; burst++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            list.push_back((sequential ? burst * length : random) % places);
        }
        return list;
    }
};

extern "C" {

Memory *memory_new(unsigned address_bits, unsigned data_bits) { return new Memory(address_bits, data_bits); }

void memory_delete(Memory *memory) {
    memory->top.final();
    delete memory;
}

unsigned memory_broken(const Memory *memory) { return memory->top.broken; }

// Moves `count` bursts of `length` words. Returns the clock cycles from the first command to the last word; 0 if a
// word was another one than it should be, or a rule was broken.
uint64_t memory_move(Memory *memory, bool write, bool sequential, unsigned length, size_t count) {
    Vtop &top = memory->top;
    const std::vector<uint32_t> list = memory->addresses(sequential, length, count);
    size_t command = 0, burst = 0;
    unsigned place = 0;
    uint64_t first = 0;
    while (burst < count) {
        const uint32_t word = Memory::word(list[burst] + place);
        top.port___05Fcommands___05Fvalid = command < count;
        if (command < count)
            top.port___05Fcommands___05Fpayload = write | uint64_t(list[command]) << 1
                                          | uint64_t(length - 1) << (1 + memory->address_bits);
        top.port___05Fwrites___05Fvalid = write;
        top.port___05Fwrites___05Fpayload = word;
        top.port___05Freads___05Fready = 1;
        top.eval();
        if (command < count && top.port___05Fcommands___05Fready && !command++) first = memory->cycle;
        const bool moved = write ? top.port___05Fwrites___05Fready : top.port___05Freads___05Fvalid;
        if (top.broken || (moved && !write && top.port___05Freads___05Fpayload != word)) return 0;
        memory->clock();
        if (moved && ++place == length) place = 0, burst++;
    }
    top.port___05Fcommands___05Fvalid = top.port___05Fwrites___05Fvalid = 0;
    return memory->cycle - first;
}

}  // extern "C"
