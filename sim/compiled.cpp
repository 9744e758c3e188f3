// Runs a verilated design for many clocks in one call, and with it the drivers of its streams.
//
// A template: the tables of the design's streams take the place of the line STREAMS.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

using Top = Vtop;

// Some C libraries' Verilator runtimes ask for the simulation time.
double sc_time_stamp() { return 0; }

struct Stream {
    void (*drive)(Top &, bool flag, uint64_t payload);
    bool (*other)(const Top &);
    uint64_t (*payload)(const Top &);
};

// STREAMS

struct Queue {
    std::vector<uint64_t> words;
    size_t next = 0;

    bool empty() const { return next == words.size(); }

    void append(const uint64_t *first, size_t count) {
        if (empty()) words.clear(), next = 0;
        words.insert(words.end(), first, first + count);
    }
};

struct Bench {
    VerilatedContext context;
    Top top{&context};
    Queue sources[SOURCE_COUNT];
    Queue sinks[SINK_COUNT];
    uint64_t cycle = 0;
    uint64_t answered = 0;  // the cycle of the last beat that a sink took

    void edge() {
        top.clk = 1;
        top.eval();
        top.clk = 0;
    }
};

extern "C" {

Bench *bench_new() {
    Bench *bench = new Bench;
    for (const Stream &source : SOURCES) source.drive(bench->top, false, 0);
    for (const Stream &sink : SINKS) sink.drive(bench->top, true, 0);
    bench->top.rst = 1;
    bench->top.clk = 0;
    bench->top.eval();
    bench->edge();
    bench->top.rst = 0;
    bench->top.eval();
    return bench;
}

void bench_delete(Bench *bench) {
    bench->top.final();
    delete bench;
}

void bench_put(Bench *bench, unsigned source, const uint64_t *words, size_t count) {
    bench->sources[source].append(words, count);
}

size_t bench_waiting(const Bench *bench, unsigned source) {
    return bench->sources[source].words.size() - bench->sources[source].next;
}

size_t bench_received(const Bench *bench, unsigned sink) {
    return bench->sinks[sink].words.size() - bench->sinks[sink].next;
}

void bench_take(Bench *bench, unsigned sink, uint64_t *words, size_t count) {
    Queue &queue = bench->sinks[sink];
    for (size_t index = 0; index < count; index++) words[index] = queue.words[queue.next++];
    if (queue.empty()) queue.words.clear(), queue.next = 0;
}

uint64_t bench_cycle(const Bench *bench) { return bench->cycle; }

uint64_t bench_answered(const Bench *bench) { return bench->answered; }

// Runs for `cycles` clocks or, with `until_idle`, until every beat has been sent and the design is idle. Returns
// whether it stopped for that.
bool bench_run(Bench *bench, uint64_t cycles, bool until_idle) {
    Top &top = bench->top;
    for (uint64_t end = bench->cycle + cycles; bench->cycle < end; bench->cycle++) {
        bool quiet = true;
        for (unsigned index = 0; index < SOURCE_COUNT; index++) {
            const Queue &queue = bench->sources[index];
            SOURCES[index].drive(top, !queue.empty(), queue.empty() ? 0 : queue.words[queue.next]);
            quiet &= queue.empty();
        }
        top.eval();
        if (until_idle && quiet && top.idle) return true;
        for (unsigned index = 0; index < SOURCE_COUNT; index++) {
            Queue &queue = bench->sources[index];
            if (!queue.empty() && SOURCES[index].other(top)) queue.next++;
        }
        for (unsigned index = 0; index < SINK_COUNT; index++) {
            if (!SINKS[index].other(top)) continue;
            bench->sinks[index].words.push_back(SINKS[index].payload(top));
            bench->answered = bench->cycle;
        }
        bench->edge();
    }
    return false;
}

}  // extern "C"
