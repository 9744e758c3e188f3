// Runs a verilated design for many clock cycles in one call, and the drivers of its streams with it.
//
// A template: the tables of the design's streams take the place of the line STREAMS. In front of it is what
// `sim.sdram.cells_driver` makes.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

using Top = Vtop;

// Some C libraries' Verilator runtimes ask for the simulation time.
double sc_time_stamp() { return 0; }

// Payloads travel as words of 64 bits. Verilator's ports have up to 64 bits, or are arrays of 32 bits.
template <typename Port>
inline void store(Port &port, const uint64_t *words) {
    port = *words;
}

template <std::size_t Count>
inline void store(VlWide<Count> &port, const uint64_t *words) {
    for (std::size_t index = 0; index < Count; index++) port[index] = words[index / 2] >> index % 2 * 32;
}

template <typename Port>
inline void load(const Port &port, uint64_t *words) {
    *words = port;
}

template <std::size_t Count>
inline void load(const VlWide<Count> &port, uint64_t *words) {
    for (std::size_t index = 0; index < Count; index++) {
        if (index % 2) words[index / 2] |= uint64_t(port[index]) << 32;
        else words[index / 2] = port[index];
    }
}

struct Source {
    size_t size;  // words of a payload
    void (*offer)(Top &, bool valid, const uint64_t *words);
    bool (*ready)(const Top &);
};

struct Sink {
    size_t size;
    bool (*valid)(const Top &);
    void (*payload)(const Top &, uint64_t *words);
};

// STREAMS

static const uint64_t NOTHING[WIDEST] = {};

struct Queue {
    std::vector<uint64_t> words;
    size_t next = 0;

    bool empty() const { return next == words.size(); }

    void append(const uint64_t *first, size_t count) {
        if (empty()) words.clear(), next = 0;
        words.insert(words.end(), first, first + count);
    }

    uint64_t *room(size_t count) {
        words.resize(words.size() + count);
        return words.data() + words.size() - count;
    }
};

struct Bench {
    VerilatedContext context;
    Top top{&context};
    Queue sources[SOURCE_COUNT];
    Queue sinks[SINK_COUNT];
    Cells cells{CELL_ADDRESS_BITS};
    uint64_t cycle = 0;
    bool changed = true;  // what the sources have to offer, since the design took it over

    // Offers the next beat of every source; returns whether there is none.
    bool offer() {
        bool quiet = true;
        for (const Queue &queue : sources) quiet &= queue.empty();
        top.eval();
        if (changed) {
            for (unsigned index = 0; index < SOURCE_COUNT; index++) {
                const Queue &queue = sources[index];
                SOURCES[index].offer(top, !queue.empty(), queue.empty() ? NOTHING : &queue.words[queue.next]);
            }
            top.take = 1;
            top.eval();
            top.take = 0;
            changed = false;
        }
        return quiet;
    }

    void edge() {
        cells.before(top);
        top.clk = 1;
        top.eval();
        top.clk = 0;
        cells.after(top);
    }
};

extern "C" {

Bench *bench_new() {
    Bench *bench = new Bench;
    bench->top.rst = 1;
    bench->top.clk = 0;
    bench->offer();
    bench->edge();
    bench->top.rst = 0;
    bench->changed = true;
    return bench;
}

void bench_delete(Bench *bench) {
    bench->top.final();
    delete bench;
}

// Queues payloads that are `count` words together.
void bench_put(Bench *bench, unsigned source, const uint64_t *words, size_t count) {
    bench->sources[source].append(words, count);
    bench->changed = true;
}

bool bench_sent(const Bench *bench, unsigned source) { return bench->sources[source].empty(); }

// The number of payloads that wait in a sink.
size_t bench_received(const Bench *bench, unsigned sink) {
    return (bench->sinks[sink].words.size() - bench->sinks[sink].next) / SINKS[sink].size;
}

// Takes `count` payloads.
void bench_take(Bench *bench, unsigned sink, uint64_t *words, size_t count) {
    Queue &queue = bench->sinks[sink];
    for (size_t index = 0; index < count * SINKS[sink].size; index++) words[index] = queue.words[queue.next++];
    if (queue.empty()) queue.words.clear(), queue.next = 0;
}

uint64_t bench_cycle(const Bench *bench) { return bench->cycle; }

// Whether every beat has been sent and the design is idle.
bool bench_idle(Bench *bench) { return bench->offer() && bench->top.idle; }

// The rule of its SDRAM that the design broke first, or 0.
unsigned bench_broken(const Bench *bench) { return bench->cells.broken(bench->top); }

// The columns of its SDRAM.
uint32_t *bench_columns(Bench *bench) { return bench->cells.data(); }

size_t bench_column_count(const Bench *) { return size_t(1) << CELL_ADDRESS_BITS; }

// Runs for `cycles` clock cycles or, with `until_idle`, until every beat has been sent and the design is idle. Returns
// whether it stopped for that. Stops also when the design breaks a rule of its SDRAM.
bool bench_run(Bench *bench, uint64_t cycles, bool until_idle) {
    Top &top = bench->top;
    for (uint64_t end = bench->cycle + cycles; bench->cycle < end; bench->cycle++) {
        const bool quiet = bench->offer();
        if (until_idle && quiet && top.idle) return true;
        for (unsigned index = 0; index < SOURCE_COUNT; index++) {
            Queue &queue = bench->sources[index];
            if (queue.empty() || !SOURCES[index].ready(top)) continue;
            queue.next += SOURCES[index].size;
            bench->changed = true;
        }
        for (unsigned index = 0; index < SINK_COUNT; index++) {
            if (SINKS[index].valid(top)) SINKS[index].payload(top, bench->sinks[index].room(SINKS[index].size));
        }
        bench->edge();
        if (bench->cells.broken(top)) return true;
    }
    return false;
}

}  // extern "C"
