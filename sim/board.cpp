// Runs a verilated board for many clock cycles in one call, and bit-bangs the serial line that it hangs on.
//
// In front of it is what `sim.sdram.cells_driver` makes.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

// Some C libraries' Verilator runtimes ask for the simulation time.
double sc_time_stamp() { return 0; }

struct Board {
    VerilatedContext context;
    Vtop top{&context};
    Cells cells{CELL_ADDRESS_BITS};
    unsigned divisor;
    uint64_t cycle = 0;
    std::vector<uint8_t> input, output;
    size_t next = 0;             // of input
    unsigned sending = 0;        // bits of the byte on rx that are still to be put there
    unsigned send_timer = 0;     // clock cycles until the next one
    unsigned bits = 0;
    unsigned receiving = 0;      // bits of the byte on tx that are still to be sampled
    unsigned receive_timer = 0;  // clock cycles until the next one
    unsigned byte = 0;

    void clock() {
        if (send_timer) {
            send_timer--;
        } else if (sending) {
            top.rx = bits & 1, bits >>= 1, sending--;
            send_timer = divisor - 1;
        } else if (next < input.size()) {
            top.rx = 0, bits = input[next++] | 0x100, sending = 9;
            send_timer = divisor - 1;
            if (next == input.size()) input.clear(), next = 0;
        }
        cells.before(top);
        top.clk = 1;
        top.eval();
        top.clk = 0;
        cells.after(top);
        top.eval();
        cycle++;
        if (!receiving) {
            if (!top.tx) receiving = 10, receive_timer = divisor / 2;
        } else if (receive_timer) {
            receive_timer--;
        }
        if (receiving && !receive_timer) {
            receive_timer = divisor;
            if (--receiving) {
                byte = byte >> 1 | top.tx << 8;
            } else if (top.tx) {
                output.push_back(byte >> 1);
            }
        }
    }

    bool quiet() const { return !sending && !send_timer && input.empty() && !receiving && !top.busy; }
};

extern "C" {

void board_reset(Board *board) {
    board->top.rst = 1;
    board->clock();
    board->top.rst = 0;
    board->receiving = 0;
}

Board *board_new(unsigned divisor) {
    Board *board = new Board;
    board->divisor = divisor;
    board->top.rx = 1;
    board->top.clk = 0;
    board->top.eval();
    board_reset(board);
    return board;
}

void board_delete(Board *board) {
    board->top.final();
    delete board;
}

void board_put(Board *board, const uint8_t *bytes, size_t count) {
    board->input.insert(board->input.end(), bytes, bytes + count);
}

size_t board_take(Board *board, uint8_t *bytes, size_t room) {
    size_t count = board->output.size() < room ? board->output.size() : room;
    for (size_t index = 0; index < count; index++) bytes[index] = board->output[index];
    board->output.erase(board->output.begin(), board->output.begin() + count);
    return count;
}

// The rule of its SDRAM that the board broke first, or 0.
unsigned board_broken(const Board *board) { return board->cells.broken(board->top); }

uint64_t board_cycle(const Board *board) { return board->cycle; }

// Runs for `cycles` clock cycles, or until nothing has happened for `patience` of them; returns whether it stopped for that.
bool board_run(Board *board, uint64_t cycles, uint64_t patience) {
    uint64_t quiet = 0;
    for (uint64_t clock = 0; clock < cycles; clock++) {
        board->clock();
        quiet = board->quiet() ? quiet + 1 : 0;
        if (quiet >= patience) return true;
    }
    return false;
}

}  // extern "C"
