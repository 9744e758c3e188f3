// The cells of an SDRAM chip, for a driver of a verilated design with the model of sim/sdram.py in it.
//
// The design's top has the model's ports `cells` and `broken`. Before each rising edge of its clock, when all has
// settled: `before`. After it: `after`. Verilator writes two underscores as `___05F`.
#include <cstddef>
#include <cstdint>
#include <vector>

struct SdramCells {
    std::vector<uint32_t> columns;  // by address: column, bank, row, from the low bits on
    uint32_t read = 0;

    explicit SdramCells(unsigned address_bits) : columns(size_t(1) << address_bits) {}

    template <typename Top>
    void before(const Top &top) {
        uint32_t &column = columns[top.cells___05Faddress];
        read = column;
        for (unsigned byte = 0; byte < sizeof column; byte++) {
            const uint32_t mask = uint32_t(top.cells___05Fwrite >> byte & 1) * 0xFF << 8 * byte;
            column = (column & ~mask) | (uint32_t(top.cells___05Fwrite_data) & mask);
        }
    }

    template <typename Top>
    void after(Top &top) const {
        top.cells___05Fread_data = read;
    }

    // The rule that was broken first, or 0.
    template <typename Top>
    unsigned broken(const Top &top) const {
        return top.broken;
    }

    uint32_t *data() { return columns.data(); }
};

// Those of a design without an SDRAM.
struct NoCells {
    explicit NoCells(unsigned) {}

    template <typename Top>
    void before(const Top &) {}

    template <typename Top>
    void after(Top &) const {}

    template <typename Top>
    unsigned broken(const Top &) const {
        return 0;
    }

    uint32_t *data() { return nullptr; }
};
