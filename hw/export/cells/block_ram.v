// A block RAM with two ports and one clock, as the cells of several families are.
//
// It holds bytes of 9 bits, whose last is the parity bit. An address counts bits, 8 of them a byte. A port of 9, 18, 36
// or 72 bits accesses as many bytes at once and writes those that `write` names; a port of 1, 2 or 4 bits accesses a part
// of a byte, without the parity bit, and writes it if `write[0]`.
//
// An enabled port reads. Where it writes, MODE says what it reads: what was there (OLD), what is written (NEW), or
// nothing, so that the output stays (HOLD). What a port reads where the other one writes at the same time is undefined
// on the parts: here it is the complement of what was there. With SEES_OLD it is what was there if the other one writes
// in mode OLD.
module block_ram #(
    parameter ADDRESS = 14,
    parameter WIDTH_A = 18,
    parameter WIDTH_B = 18,
    parameter [31:0] MODE_A = "OLD",
    parameter [31:0] MODE_B = "OLD",
    parameter SEES_OLD = 0,
    parameter [9 * 2 ** (ADDRESS - 3) - 1:0] INIT = 0
) (
    input clk,
    input enable_a, enable_b,
    input [7:0] write_a, write_b,
    input [ADDRESS-1:0] address_a, address_b,
    input [71:0] in_a, in_b,
    output reg [71:0] out_a, out_b
);
    localparam BYTES = 2 ** (ADDRESS - 3);
    localparam LANES_A = WIDTH_A < 9 ? 1 : WIDTH_A / 9;
    localparam LANES_B = WIDTH_B < 9 ? 1 : WIDTH_B / 9;

    reg [8:0] bytes [0:BYTES-1];
    integer index;

    initial begin
        for (index = 0; index < BYTES; index = index + 1)
            bytes[index] = INIT[9 * index +: 9];
        out_a = 0;
        out_b = 0;
        if (WIDTH_A != 1 && WIDTH_A != 2 && WIDTH_A != 4 && WIDTH_A != 9 && WIDTH_A != 18 && WIDTH_A != 36
                && WIDTH_A != 72 || WIDTH_B != 1 && WIDTH_B != 2 && WIDTH_B != 4 && WIDTH_B != 9 && WIDTH_B != 18
                && WIDTH_B != 36 && WIDTH_B != 72)
            $fatal(1, "block_ram: no ports of %0d and %0d bits", WIDTH_A, WIDTH_B);
        if (MODE_A != "OLD" && MODE_A != "NEW" && MODE_A != "HOLD"
                || MODE_B != "OLD" && MODE_B != "NEW" && MODE_B != "HOLD")
            $fatal(1, "block_ram: no modes %0s and %0s", MODE_A, MODE_B);
    end

    // The first byte of each port, the bits of a byte that it writes, and what it writes to each byte.
    wire [ADDRESS-4:0] first_a = address_a[ADDRESS-1:3] / LANES_A * LANES_A;
    wire [ADDRESS-4:0] first_b = address_b[ADDRESS-1:3] / LANES_B * LANES_B;
    wire [2:0] place_a = WIDTH_A < 9 ? address_a[2:0] / WIDTH_A * WIDTH_A : 0;
    wire [2:0] place_b = WIDTH_B < 9 ? address_b[2:0] / WIDTH_B * WIDTH_B : 0;
    wire [8:0] bits_a = WIDTH_A < 9 ? ((1 << WIDTH_A) - 1) << place_a : 9'h1FF;
    wire [8:0] bits_b = WIDTH_B < 9 ? ((1 << WIDTH_B) - 1) << place_b : 9'h1FF;

    integer lane_a, lane_b;
    reg [8:0] old_a, old_b, new_a, new_b, clash_a, clash_b;

    always @(posedge clk)
        if (enable_a)
            for (lane_a = 0; lane_a < LANES_A; lane_a = lane_a + 1) begin
                old_a = bytes[first_a + lane_a];
                new_a = old_a & ~bits_a | in_a[9 * lane_a +: 9] << place_a & bits_a;
                clash_a = enable_b && !(SEES_OLD && MODE_B == "OLD")
                          && (first_a + lane_a) / LANES_B * LANES_B == first_b
                          && write_b[(first_a + lane_a) % LANES_B] ? bits_b : 0;
                if (write_a[lane_a])
                    bytes[first_a + lane_a] <= new_a;
                if (!(write_a != 0 && MODE_A == "HOLD"))
                    out_a[9 * lane_a +: 9] <=
                        ((write_a[lane_a] && MODE_A == "NEW" ? new_a : old_a ^ clash_a) & bits_a) >> place_a;
            end

    always @(posedge clk)
        if (enable_b)
            for (lane_b = 0; lane_b < LANES_B; lane_b = lane_b + 1) begin
                old_b = bytes[first_b + lane_b];
                new_b = old_b & ~bits_b | in_b[9 * lane_b +: 9] << place_b & bits_b;
                clash_b = enable_a && !(SEES_OLD && MODE_A == "OLD")
                          && (first_b + lane_b) / LANES_A * LANES_A == first_a
                          && write_a[(first_b + lane_b) % LANES_A] ? bits_a : 0;
                if (write_b[lane_b])
                    bytes[first_b + lane_b] <= new_b;
                if (!(write_b != 0 && MODE_B == "HOLD"))
                    out_b[9 * lane_b +: 9] <=
                        ((write_b[lane_b] && MODE_B == "NEW" ? new_b : old_b ^ clash_b) & bits_b) >> place_b;
            end
endmodule
