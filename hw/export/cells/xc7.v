// AMD's 7 series: the block RAMs, of which Yosys ships the ports only, in the modes that Yosys maps to. Modes, byte
// enables and what a port sees of the other one's writes: Memory Resources User Guide (UG473). Which pins a word is at:
// as Yosys connects them.

// What 18 kbit hold at first: their parameters, and these in one number.
`define INITIAL_DATA \
    parameter [255:0] \
    INIT_00 = 0, INIT_01 = 0, INIT_02 = 0, INIT_03 = 0, INIT_04 = 0, INIT_05 = 0, \
    INIT_06 = 0, INIT_07 = 0, INIT_08 = 0, INIT_09 = 0, INIT_0A = 0, INIT_0B = 0, \
    INIT_0C = 0, INIT_0D = 0, INIT_0E = 0, INIT_0F = 0, INIT_10 = 0, INIT_11 = 0, \
    INIT_12 = 0, INIT_13 = 0, INIT_14 = 0, INIT_15 = 0, INIT_16 = 0, INIT_17 = 0, \
    INIT_18 = 0, INIT_19 = 0, INIT_1A = 0, INIT_1B = 0, INIT_1C = 0, INIT_1D = 0, \
    INIT_1E = 0, INIT_1F = 0, INIT_20 = 0, INIT_21 = 0, INIT_22 = 0, INIT_23 = 0, \
    INIT_24 = 0, INIT_25 = 0, INIT_26 = 0, INIT_27 = 0, INIT_28 = 0, INIT_29 = 0, \
    INIT_2A = 0, INIT_2B = 0, INIT_2C = 0, INIT_2D = 0, INIT_2E = 0, INIT_2F = 0, \
    INIT_30 = 0, INIT_31 = 0, INIT_32 = 0, INIT_33 = 0, INIT_34 = 0, INIT_35 = 0, \
    INIT_36 = 0, INIT_37 = 0, INIT_38 = 0, INIT_39 = 0, INIT_3A = 0, INIT_3B = 0, \
    INIT_3C = 0, INIT_3D = 0, INIT_3E = 0, INIT_3F = 0
`define DATA_OF_INIT \
    INIT_3F, INIT_3E, INIT_3D, INIT_3C, INIT_3B, INIT_3A, INIT_39, INIT_38, \
    INIT_37, INIT_36, INIT_35, INIT_34, INIT_33, INIT_32, INIT_31, INIT_30, \
    INIT_2F, INIT_2E, INIT_2D, INIT_2C, INIT_2B, INIT_2A, INIT_29, INIT_28, \
    INIT_27, INIT_26, INIT_25, INIT_24, INIT_23, INIT_22, INIT_21, INIT_20, \
    INIT_1F, INIT_1E, INIT_1D, INIT_1C, INIT_1B, INIT_1A, INIT_19, INIT_18, \
    INIT_17, INIT_16, INIT_15, INIT_14, INIT_13, INIT_12, INIT_11, INIT_10, \
    INIT_0F, INIT_0E, INIT_0D, INIT_0C, INIT_0B, INIT_0A, INIT_09, INIT_08, \
    INIT_07, INIT_06, INIT_05, INIT_04, INIT_03, INIT_02, INIT_01, INIT_00
`define INITIAL_PARITY \
    parameter [255:0] \
    INITP_00 = 0, INITP_01 = 0, INITP_02 = 0, INITP_03 = 0, INITP_04 = 0, INITP_05 = 0, \
    INITP_06 = 0, INITP_07 = 0
`define PARITY_OF_INIT \
    INITP_07, INITP_06, INITP_05, INITP_04, INITP_03, INITP_02, INITP_01, INITP_00

// A block RAM with PINS data pins at each port, and one clock, that of port A. In mode TDP each port reads and writes.
// In mode SDP port A reads and port B writes; a word as wide as both ports' pins has its lower half at those of port A.
module amd_block_ram #(
    parameter ADDRESS = 14,
    parameter PINS = 16,
    parameter READ_WIDTH_A = 0,
    parameter READ_WIDTH_B = 0,
    parameter WRITE_WIDTH_A = 0,
    parameter WRITE_WIDTH_B = 0,
    parameter [87:0] WRITE_MODE_A = "WRITE_FIRST",
    parameter [87:0] WRITE_MODE_B = "WRITE_FIRST",
    parameter [23:0] RAM_MODE = "TDP",
    parameter UNUSED = 0,
    parameter [2 ** ADDRESS - 1:0] DATA = 0,
    parameter [2 ** (ADDRESS - 3) - 1:0] PARITY = 0
) (
    input clk, enable_a, enable_b, unused,
    input [7:0] write_a, write_b,
    input [ADDRESS-1:0] address_a, address_b,
    input [PINS-1:0] data_in_a, data_in_b,
    input [PINS/8-1:0] parity_in_a, parity_in_b,
    output [PINS-1:0] data_out_a, data_out_b,
    output [PINS/8-1:0] parity_out_a, parity_out_b
);
    localparam HALF = PINS / 8 * 9;
    localparam WIDTH_A = READ_WIDTH_A != 0 ? READ_WIDTH_A : WRITE_WIDTH_A != 0 ? WRITE_WIDTH_A : 9;
    localparam WIDTH_B = READ_WIDTH_B != 0 ? READ_WIDTH_B : WRITE_WIDTH_B != 0 ? WRITE_WIDTH_B : 9;
    localparam WIDE_READ = RAM_MODE == "SDP" && READ_WIDTH_A == 2 * HALF;
    localparam WIDE_WRITE = RAM_MODE == "SDP" && WRITE_WIDTH_B == 2 * HALF;

    // Nothing is enabled of a port that does not write.
    localparam [7:0] LANES_A = WRITE_WIDTH_A == 0 ? 0 : WIDTH_A < 9 ? 1 : 2 ** (WIDTH_A / 9) - 1;
    localparam [7:0] LANES_B = WRITE_WIDTH_B == 0 ? 0 : WIDTH_B < 9 ? 1 : 2 ** (WIDTH_B / 9) - 1;

    function [31:0] mode(input [87:0] name);
        mode = name == "NO_CHANGE" ? "HOLD" : name == "WRITE_FIRST" ? "NEW" : name == "READ_FIRST" ? "OLD" : "?";
    endfunction
    function [9 * 2 ** (ADDRESS - 3) - 1:0] bytes(input [2 ** ADDRESS - 1:0] data,
                                                  input [2 ** (ADDRESS - 3) - 1:0] parity);
        integer place;
        for (place = 0; place < 2 ** (ADDRESS - 3); place = place + 1)
            bytes[9 * place +: 9] = {parity[place], data[8 * place +: 8]};
    endfunction

    wire [HALF-1:0] in_a, in_b;
    wire [71:0] out_a, out_b;
    wire [HALF-1:0] low = out_a[HALF-1:0];
    wire [HALF-1:0] high = WIDE_READ ? out_a[2*HALF-1:HALF] : out_b[HALF-1:0];
    genvar lane;
    generate for (lane = 0; lane < PINS / 8; lane = lane + 1) begin : lanes
        assign in_a[9 * lane +: 9] = {parity_in_a[lane], data_in_a[8 * lane +: 8]};
        assign in_b[9 * lane +: 9] = {parity_in_b[lane], data_in_b[8 * lane +: 8]};
        assign {parity_out_a[lane], data_out_a[8 * lane +: 8]} = low[9 * lane +: 9];
        assign {parity_out_b[lane], data_out_b[8 * lane +: 8]} = high[9 * lane +: 9];
    end endgenerate

    block_ram #(
        .ADDRESS(ADDRESS), .WIDTH_A(WIDTH_A), .WIDTH_B(WIDTH_B), .MODE_A(mode(WRITE_MODE_A)),
        .MODE_B(mode(WRITE_MODE_B)), .SEES_OLD(1), .INIT(bytes(DATA, PARITY))
    ) ram (
        .clk(clk), .enable_a(enable_a), .write_a(write_a & LANES_A), .address_a(address_a), .in_a({36'b0, in_a}),
        .out_a(out_a), .enable_b(enable_b), .write_b(write_b & LANES_B), .address_b(address_b),
        .in_b(WIDE_WRITE ? {in_b, in_a} : {36'b0, in_b}), .out_b(out_b)
    );

    initial if (UNUSED || RAM_MODE != "TDP" && RAM_MODE != "SDP"
            || READ_WIDTH_A != 0 && WRITE_WIDTH_A != 0 && READ_WIDTH_A != WRITE_WIDTH_A
            || READ_WIDTH_B != 0 && WRITE_WIDTH_B != 0 && READ_WIDTH_B != WRITE_WIDTH_B
            || RAM_MODE == "SDP" && (WRITE_WIDTH_A != 0 || READ_WIDTH_B != 0))
        $fatal(1, "AMD's block RAM: a mode that is not modelled");
    always @(posedge clk)
        if (unused)
            $fatal(1, "AMD's block RAM: resets are not modelled");
endmodule

// The block RAM of 18 kbit.
module RAMB18E1 (
    input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB, RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
    input [13:0] ADDRARDADDR, ADDRBWRADDR,
    input [15:0] DIADI, DIBDI,
    input [1:0] DIPADIP, DIPBDIP,
    input [1:0] WEA,
    input [3:0] WEBWE,
    output [15:0] DOADO, DOBDO,
    output [1:0] DOPADOP, DOPBDOP
);
    parameter DOA_REG = 0;
    parameter DOB_REG = 0;
    parameter READ_WIDTH_A = 0;
    parameter READ_WIDTH_B = 0;
    parameter WRITE_WIDTH_A = 0;
    parameter WRITE_WIDTH_B = 0;
    parameter IS_CLKARDCLK_INVERTED = 0;
    parameter IS_CLKBWRCLK_INVERTED = 0;
    parameter IS_ENARDEN_INVERTED = 0;
    parameter IS_ENBWREN_INVERTED = 0;
    parameter INIT_A = 0;
    parameter INIT_B = 0;
    parameter SRVAL_A = 0;
    parameter SRVAL_B = 0;
    parameter RAM_MODE = "TDP";
    parameter WRITE_MODE_A = "WRITE_FIRST";
    parameter WRITE_MODE_B = "WRITE_FIRST";
    `INITIAL_DATA;
    `INITIAL_PARITY;

    amd_block_ram #(
        .ADDRESS(14), .PINS(16), .READ_WIDTH_A(READ_WIDTH_A), .READ_WIDTH_B(READ_WIDTH_B),
        .WRITE_WIDTH_A(WRITE_WIDTH_A), .WRITE_WIDTH_B(WRITE_WIDTH_B), .WRITE_MODE_A(WRITE_MODE_A),
        .WRITE_MODE_B(WRITE_MODE_B), .RAM_MODE(RAM_MODE),
        .UNUSED(DOA_REG != 0 || DOB_REG != 0 || IS_CLKARDCLK_INVERTED != 0 || IS_CLKBWRCLK_INVERTED != 0
            || IS_ENARDEN_INVERTED != 0 || IS_ENBWREN_INVERTED != 0),
        .DATA({`DATA_OF_INIT}),
        .PARITY({`PARITY_OF_INIT})
    ) ram (
        .clk(CLKARDCLK), .enable_a(ENARDEN), .enable_b(ENBWREN),
        .unused(RSTRAMARSTRAM || RSTRAMB || RSTREGARSTREG || RSTREGB), .write_a({6'b0, WEA}),
        .write_b({4'b0, WEBWE}), .address_a(ADDRARDADDR[13:0]), .address_b(ADDRBWRADDR[13:0]),
        .data_in_a(DIADI), .data_in_b(DIBDI), .parity_in_a(DIPADIP), .parity_in_b(DIPBDIP), .data_out_a(DOADO),
        .data_out_b(DOBDO), .parity_out_a(DOPADOP), .parity_out_b(DOPBDOP)
    );
endmodule

// The block RAM of 36 kbit, without cascades.
module RAMB36E1 (
    input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB, RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
    CASCADEINA, CASCADEINB, INJECTDBITERR, INJECTSBITERR,
    input [15:0] ADDRARDADDR, ADDRBWRADDR,
    input [31:0] DIADI, DIBDI,
    input [3:0] DIPADIP, DIPBDIP,
    input [3:0] WEA,
    input [7:0] WEBWE,
    output [31:0] DOADO, DOBDO,
    output [3:0] DOPADOP, DOPBDOP,
    output CASCADEOUTA, CASCADEOUTB, DBITERR, SBITERR,
    output [7:0] ECCPARITY,
    output [8:0] RDADDRECC
);
    parameter DOA_REG = 0;
    parameter DOB_REG = 0;
    parameter READ_WIDTH_A = 0;
    parameter READ_WIDTH_B = 0;
    parameter WRITE_WIDTH_A = 0;
    parameter WRITE_WIDTH_B = 0;
    parameter IS_CLKARDCLK_INVERTED = 0;
    parameter IS_CLKBWRCLK_INVERTED = 0;
    parameter IS_ENARDEN_INVERTED = 0;
    parameter IS_ENBWREN_INVERTED = 0;
    parameter INIT_A = 0;
    parameter INIT_B = 0;
    parameter SRVAL_A = 0;
    parameter SRVAL_B = 0;
    parameter RAM_MODE = "TDP";
    parameter WRITE_MODE_A = "WRITE_FIRST";
    parameter WRITE_MODE_B = "WRITE_FIRST";
    parameter RAM_EXTENSION_A = "NONE";
    parameter RAM_EXTENSION_B = "NONE";
    `INITIAL_DATA;
    parameter [255:0] INIT_40 = 0;
    parameter [255:0] INIT_41 = 0;
    parameter [255:0] INIT_42 = 0;
    parameter [255:0] INIT_43 = 0;
    parameter [255:0] INIT_44 = 0;
    parameter [255:0] INIT_45 = 0;
    parameter [255:0] INIT_46 = 0;
    parameter [255:0] INIT_47 = 0;
    parameter [255:0] INIT_48 = 0;
    parameter [255:0] INIT_49 = 0;
    parameter [255:0] INIT_4A = 0;
    parameter [255:0] INIT_4B = 0;
    parameter [255:0] INIT_4C = 0;
    parameter [255:0] INIT_4D = 0;
    parameter [255:0] INIT_4E = 0;
    parameter [255:0] INIT_4F = 0;
    parameter [255:0] INIT_50 = 0;
    parameter [255:0] INIT_51 = 0;
    parameter [255:0] INIT_52 = 0;
    parameter [255:0] INIT_53 = 0;
    parameter [255:0] INIT_54 = 0;
    parameter [255:0] INIT_55 = 0;
    parameter [255:0] INIT_56 = 0;
    parameter [255:0] INIT_57 = 0;
    parameter [255:0] INIT_58 = 0;
    parameter [255:0] INIT_59 = 0;
    parameter [255:0] INIT_5A = 0;
    parameter [255:0] INIT_5B = 0;
    parameter [255:0] INIT_5C = 0;
    parameter [255:0] INIT_5D = 0;
    parameter [255:0] INIT_5E = 0;
    parameter [255:0] INIT_5F = 0;
    parameter [255:0] INIT_60 = 0;
    parameter [255:0] INIT_61 = 0;
    parameter [255:0] INIT_62 = 0;
    parameter [255:0] INIT_63 = 0;
    parameter [255:0] INIT_64 = 0;
    parameter [255:0] INIT_65 = 0;
    parameter [255:0] INIT_66 = 0;
    parameter [255:0] INIT_67 = 0;
    parameter [255:0] INIT_68 = 0;
    parameter [255:0] INIT_69 = 0;
    parameter [255:0] INIT_6A = 0;
    parameter [255:0] INIT_6B = 0;
    parameter [255:0] INIT_6C = 0;
    parameter [255:0] INIT_6D = 0;
    parameter [255:0] INIT_6E = 0;
    parameter [255:0] INIT_6F = 0;
    parameter [255:0] INIT_70 = 0;
    parameter [255:0] INIT_71 = 0;
    parameter [255:0] INIT_72 = 0;
    parameter [255:0] INIT_73 = 0;
    parameter [255:0] INIT_74 = 0;
    parameter [255:0] INIT_75 = 0;
    parameter [255:0] INIT_76 = 0;
    parameter [255:0] INIT_77 = 0;
    parameter [255:0] INIT_78 = 0;
    parameter [255:0] INIT_79 = 0;
    parameter [255:0] INIT_7A = 0;
    parameter [255:0] INIT_7B = 0;
    parameter [255:0] INIT_7C = 0;
    parameter [255:0] INIT_7D = 0;
    parameter [255:0] INIT_7E = 0;
    parameter [255:0] INIT_7F = 0;
    `INITIAL_PARITY;
    parameter [255:0] INITP_08 = 0;
    parameter [255:0] INITP_09 = 0;
    parameter [255:0] INITP_0A = 0;
    parameter [255:0] INITP_0B = 0;
    parameter [255:0] INITP_0C = 0;
    parameter [255:0] INITP_0D = 0;
    parameter [255:0] INITP_0E = 0;
    parameter [255:0] INITP_0F = 0;

    amd_block_ram #(
        .ADDRESS(15), .PINS(32), .READ_WIDTH_A(READ_WIDTH_A), .READ_WIDTH_B(READ_WIDTH_B),
        .WRITE_WIDTH_A(WRITE_WIDTH_A), .WRITE_WIDTH_B(WRITE_WIDTH_B), .WRITE_MODE_A(WRITE_MODE_A),
        .WRITE_MODE_B(WRITE_MODE_B), .RAM_MODE(RAM_MODE),
        .UNUSED(DOA_REG != 0 || DOB_REG != 0 || IS_CLKARDCLK_INVERTED != 0 || IS_CLKBWRCLK_INVERTED != 0
            || IS_ENARDEN_INVERTED != 0 || IS_ENBWREN_INVERTED != 0
            || RAM_EXTENSION_A != "NONE" || RAM_EXTENSION_B != "NONE"),
        .DATA({
            INIT_7F, INIT_7E, INIT_7D, INIT_7C, INIT_7B, INIT_7A, INIT_79, INIT_78, INIT_77, INIT_76, INIT_75,
            INIT_74, INIT_73, INIT_72, INIT_71, INIT_70, INIT_6F, INIT_6E, INIT_6D, INIT_6C, INIT_6B, INIT_6A,
            INIT_69, INIT_68, INIT_67, INIT_66, INIT_65, INIT_64, INIT_63, INIT_62, INIT_61, INIT_60, INIT_5F,
            INIT_5E, INIT_5D, INIT_5C, INIT_5B, INIT_5A, INIT_59, INIT_58, INIT_57, INIT_56, INIT_55, INIT_54,
            INIT_53, INIT_52, INIT_51, INIT_50, INIT_4F, INIT_4E, INIT_4D, INIT_4C, INIT_4B, INIT_4A, INIT_49,
            INIT_48, INIT_47, INIT_46, INIT_45, INIT_44, INIT_43, INIT_42, INIT_41, INIT_40, `DATA_OF_INIT
        }),
        .PARITY({
            INITP_0F, INITP_0E, INITP_0D, INITP_0C, INITP_0B, INITP_0A, INITP_09, INITP_08, `PARITY_OF_INIT
        })
    ) ram (
        .clk(CLKARDCLK), .enable_a(ENARDEN), .enable_b(ENBWREN),
        .unused(RSTRAMARSTRAM || RSTRAMB || RSTREGARSTREG || RSTREGB), .write_a({4'b0, WEA}),
        .write_b(WEBWE), .address_a(ADDRARDADDR[14:0]), .address_b(ADDRBWRADDR[14:0]),
        .data_in_a(DIADI), .data_in_b(DIBDI), .parity_in_a(DIPADIP), .parity_in_b(DIPBDIP), .data_out_a(DOADO),
        .data_out_b(DOBDO), .parity_out_a(DOPADOP), .parity_out_b(DOPBDOP)
    );
endmodule
