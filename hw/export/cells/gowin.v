// Gowin: cells of which Yosys ships the ports only, in the modes that Yosys maps to, as Yosys's mapping to them tells
// them. Gowin's simulation model of SDPX9B (prim_sim.v) has been read: addresses, byte enables and initial words are the
// same. Its other block RAMs and its multipliers have not been compared.

// What a block RAM holds at first: its parameters, and these in one number.
`define INITIAL_WORDS \
    parameter [287:0] \
    INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0, INIT_RAM_05 = 0, \
    INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, INIT_RAM_0B = 0, \
    INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0, INIT_RAM_10 = 0, INIT_RAM_11 = 0, \
    INIT_RAM_12 = 0, INIT_RAM_13 = 0, INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17 = 0, \
    INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, INIT_RAM_1D = 0, \
    INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, INIT_RAM_23 = 0, \
    INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0, INIT_RAM_28 = 0, INIT_RAM_29 = 0, \
    INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F = 0, \
    INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, INIT_RAM_35 = 0, \
    INIT_RAM_36 = 0, INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B = 0, \
    INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0
`define WORDS_OF_INIT \
    INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38, \
    INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30, \
    INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28, \
    INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20, \
    INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18, \
    INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10, \
    INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08, \
    INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00

// A block RAM with one clock. Ports of 18 and 36 bits have their byte enables in the lowest bits of the address.
module gowin_block_ram #(
    parameter WIDTH_A = 18,
    parameter WIDTH_B = 18,
    parameter [1:0] WRITE_MODE_A = 0,
    parameter [1:0] WRITE_MODE_B = 0,
    parameter UNUSED = 0,
    parameter [18431:0] INIT = 0
) (
    input clk, enable_a, enable_b, write_a, write_b, unused,
    input [13:0] address_a, address_b,
    input [35:0] in_a, in_b,
    output [35:0] out_a, out_b
);
    function [31:0] mode(input [1:0] number);
        mode = number == 0 ? "HOLD" : number == 1 ? "NEW" : number == 2 ? "OLD" : "?";
    endfunction
    wire [7:0] enables_a = !write_a ? 0 : WIDTH_A == 36 ? address_a[3:0] : WIDTH_A == 18 ? address_a[1:0] : 1;
    wire [7:0] enables_b = !write_b ? 0 : WIDTH_B == 36 ? address_b[3:0] : WIDTH_B == 18 ? address_b[1:0] : 1;
    wire [71:0] word_a, word_b;

    block_ram #(
        .WIDTH_A(WIDTH_A), .WIDTH_B(WIDTH_B), .MODE_A(mode(WRITE_MODE_A)), .MODE_B(mode(WRITE_MODE_B)), .INIT(INIT)
    ) ram (
        .clk(clk), .enable_a(enable_a), .write_a(enables_a), .address_a(address_a), .in_a({36'b0, in_a}),
        .out_a(word_a), .enable_b(enable_b), .write_b(enables_b), .address_b(address_b), .in_b({36'b0, in_b}),
        .out_b(word_b)
    );
    assign out_a = word_a[35:0];
    assign out_b = word_b[35:0];

    initial if (UNUSED)
        $fatal(1, "Gowin's block RAM: a mode that is not modelled");
    always @(posedge clk)
        if (unused)
            $fatal(1, "Gowin's block RAM: resets and the selection of blocks are not modelled");
endmodule

// The block RAM of one port.
module SPX9 (
    input CLK, CE, OCE, RESET, WRE,
    input [2:0] BLKSEL,
    input [13:0] AD,
    input [35:0] DI,
    output [35:0] DO
);
    parameter READ_MODE = 0;
    parameter WRITE_MODE = 0;
    parameter BIT_WIDTH = 36;
    parameter BLK_SEL = 0;
    parameter RESET_MODE = "SYNC";
    `INITIAL_WORDS;

    gowin_block_ram #(
        .WIDTH_A(BIT_WIDTH), .WIDTH_B(BIT_WIDTH), .WRITE_MODE_A(WRITE_MODE), .UNUSED(READ_MODE != 0 || BLK_SEL != 0),
        .INIT({`WORDS_OF_INIT})
    ) ram (
        .clk(CLK), .enable_a(CE), .enable_b(1'b0), .write_a(WRE), .write_b(1'b0), .unused(RESET || BLKSEL != 0),
        .address_a(AD), .address_b(14'b0), .in_a(DI), .in_b(36'b0), .out_a(DO)
    );
endmodule

// The block RAM whose port A writes and whose port B reads.
module SDPX9B (
    input CLKA, CLKB, CEA, CEB, OCE, RESETA, RESETB,
    input [2:0] BLKSELA, BLKSELB,
    input [13:0] ADA, ADB,
    input [35:0] DI,
    output [35:0] DO
);
    parameter READ_MODE = 0;
    parameter BIT_WIDTH_0 = 36;
    parameter BIT_WIDTH_1 = 36;
    parameter BLK_SEL_0 = 0;
    parameter BLK_SEL_1 = 0;
    parameter RESET_MODE = "SYNC";
    `INITIAL_WORDS;

    gowin_block_ram #(
        .WIDTH_A(BIT_WIDTH_0), .WIDTH_B(BIT_WIDTH_1), .UNUSED(READ_MODE != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0),
        .INIT({`WORDS_OF_INIT})
    ) ram (
        .clk(CLKA), .enable_a(CEA), .enable_b(CEB), .write_a(1'b1), .write_b(1'b0),
        .unused(RESETA || RESETB || BLKSELA != 0 || BLKSELB != 0), .address_a(ADA), .address_b(ADB), .in_a(DI),
        .in_b(36'b0), .out_b(DO)
    );
endmodule

// The block RAM of two ports.
module DPX9B (
    input CLKA, CLKB, CEA, CEB, OCEA, OCEB, RESETA, RESETB, WREA, WREB,
    input [2:0] BLKSELA, BLKSELB,
    input [13:0] ADA, ADB,
    input [17:0] DIA, DIB,
    output [17:0] DOA, DOB
);
    parameter READ_MODE0 = 0;
    parameter READ_MODE1 = 0;
    parameter WRITE_MODE0 = 0;
    parameter WRITE_MODE1 = 0;
    parameter BIT_WIDTH_0 = 18;
    parameter BIT_WIDTH_1 = 18;
    parameter BLK_SEL_0 = 0;
    parameter BLK_SEL_1 = 0;
    parameter RESET_MODE = "SYNC";
    `INITIAL_WORDS;

    wire [35:0] word_a, word_b;
    gowin_block_ram #(
        .WIDTH_A(BIT_WIDTH_0), .WIDTH_B(BIT_WIDTH_1), .WRITE_MODE_A(WRITE_MODE0), .WRITE_MODE_B(WRITE_MODE1),
        .UNUSED(READ_MODE0 != 0 || READ_MODE1 != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0),
        .INIT({`WORDS_OF_INIT})
    ) ram (
        .clk(CLKA), .enable_a(CEA), .enable_b(CEB), .write_a(WREA), .write_b(WREB),
        .unused(RESETA || RESETB || BLKSELA != 0 || BLKSELB != 0), .address_a(ADA), .address_b(ADB),
        .in_a({18'b0, DIA}), .in_b({18'b0, DIB}), .out_a(word_a), .out_b(word_b)
    );
    assign DOA = word_a[17:0];
    assign DOB = word_b[17:0];
endmodule

// A multiplier, without registers.
module gowin_multiplier #(
    parameter WIDTH = 18,
    parameter UNUSED = 0
) (
    input [WIDTH-1:0] a, b,
    input a_signed, b_signed, unused,
    output [2*WIDTH-1:0] product
);
    // A factor gets a bit for its sign.
    wire signed [WIDTH:0] wide_a = {a_signed & a[WIDTH-1], a};
    wire signed [WIDTH:0] wide_b = {b_signed & b[WIDTH-1], b};
    wire signed [2*WIDTH+1:0] wide = wide_a * wide_b;
    assign product = wide[2*WIDTH-1:0];

    initial if (UNUSED)
        $fatal(1, "Gowin's multiplier: a mode that is not modelled");
    always @(unused)
        if (unused)
            $fatal(1, "Gowin's multiplier: cascades are not modelled");
endmodule

module MULT9X9 (
    input [8:0] A, SIA, B, SIB,
    input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [17:0] DOUT,
    output [8:0] SOA, SOB
);
    parameter AREG = 0;
    parameter BREG = 0;
    parameter OUT_REG = 0;
    parameter PIPE_REG = 0;
    parameter ASIGN_REG = 0;
    parameter BSIGN_REG = 0;
    parameter SOA_REG = 0;
    parameter MULT_RESET_MODE = "SYNC";

    gowin_multiplier #(
        .WIDTH(9), .UNUSED(AREG != 0 || BREG != 0 || OUT_REG != 0 || PIPE_REG != 0 || ASIGN_REG != 0 || BSIGN_REG != 0)
    ) multiplier (
        .a(A), .b(B), .a_signed(ASIGN), .b_signed(BSIGN), .unused(ASEL || BSEL), .product(DOUT)
    );
    assign SOA = 0;
    assign SOB = 0;
endmodule

module MULT18X18 (
    input [17:0] A, SIA, B, SIB,
    input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [35:0] DOUT,
    output [17:0] SOA, SOB
);
    parameter AREG = 0;
    parameter BREG = 0;
    parameter OUT_REG = 0;
    parameter PIPE_REG = 0;
    parameter ASIGN_REG = 0;
    parameter BSIGN_REG = 0;
    parameter SOA_REG = 0;
    parameter MULT_RESET_MODE = "SYNC";

    gowin_multiplier #(
        .WIDTH(18), .UNUSED(AREG != 0 || BREG != 0 || OUT_REG != 0 || PIPE_REG != 0 || ASIGN_REG != 0 || BSIGN_REG != 0)
    ) multiplier (
        .a(A), .b(B), .a_signed(ASIGN), .b_signed(BSIGN), .unused(ASEL || BSEL), .product(DOUT)
    );
    assign SOA = 0;
    assign SOB = 0;
endmodule

// The carry cell, as adder if I3 and subtracter if not. Icarus cannot read Yosys's model of it.
module ALU (
    input I0, I1, I3, CIN,
    output SUM, COUT
);
    parameter ALU_MODE = 0;
    wire differ = I0 ^ I1 ^ ~I3;
    assign SUM = differ ^ CIN;
    assign COUT = differ ? CIN : I0;

    initial if (ALU_MODE != 2)
        $fatal(1, "ALU: a mode that is not modelled");
endmodule
