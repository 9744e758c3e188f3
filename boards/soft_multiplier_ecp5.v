// A multiplier of LUTs and carry chains for ECP5: about a LUT for each product of two bits, and log2 of the narrower
// factor's bits in chains one behind the other.
//
// Two bits of the narrower factor are multiplied with the wider one in a single chain, whose LUTs have both products as
// their inputs. Chains then add up, pair by pair.

(* techmap_celltype = "$__soft_mul" *)
module soft_multiplier (A, B, Y);
	parameter A_SIGNED = 0;
	parameter B_SIGNED = 0;
	parameter A_WIDTH = 1;
	parameter B_WIDTH = 1;
	parameter Y_WIDTH = 1;

	(* force_downto *)
	input [A_WIDTH-1:0] A;
	(* force_downto *)
	input [B_WIDTH-1:0] B;
	(* force_downto *)
	output [Y_WIDTH-1:0] Y;

	generate if (A_WIDTH < B_WIDTH) begin
		\$__soft_mul #(.A_SIGNED(B_SIGNED), .B_SIGNED(A_SIGNED), .A_WIDTH(B_WIDTH), .B_WIDTH(A_WIDTH),
			.Y_WIDTH(Y_WIDTH)) _TECHMAP_REPLACE_ (.A(B), .B(A), .Y(Y));
	end else begin
		// Both factors are signed, with a further bit if they were not, and the narrower one has an even number of bits.
		localparam WIDE = A_WIDTH + (A_SIGNED ? 0 : 1);
		localparam PAIRS = (B_WIDTH + (B_SIGNED ? 0 : 1) + 1) / 2;
		(* force_downto *)
		wire [WIDE-1:0] wide;
		(* force_downto *)
		wire [2*PAIRS-1:0] narrow;
		(* force_downto *)
		wire [WIDE+2*PAIRS-1:0] product;
		\$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(WIDE)) extend_wide (.A(A), .Y(wide));
		\$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(2 * PAIRS)) extend_narrow (.A(B), .Y(narrow));
		\$__soft_mul_pairs #(.WIDE(WIDE), .PAIRS(PAIRS), .SIGNED(1)) pairs (.A(wide), .B(narrow), .Y(product));
		\$pos #(.A_SIGNED(1), .A_WIDTH(WIDE + 2 * PAIRS), .Y_WIDTH(Y_WIDTH)) extend (.A(product), .Y(Y));
	end endgenerate
endmodule

// A, which is signed, times B, whose bits are taken in PAIRS pairs. The highest bit of B counts negative if SIGNED.
(* techmap_celltype = "$__soft_mul_pairs" *)
module soft_multiplier_pairs (A, B, Y);
	parameter WIDE = 1;
	parameter PAIRS = 1;
	parameter SIGNED = 0;

	(* force_downto *)
	input [WIDE-1:0] A;
	(* force_downto *)
	input [2*PAIRS-1:0] B;
	(* force_downto *)
	output [WIDE+2*PAIRS-1:0] Y;

	localparam LOW = (PAIRS + 1) / 2;
	localparam HIGH = PAIRS - LOW;
	localparam BITS = PAIRS == 1 ? WIDE + 2 : WIDE + 2 * HIGH;

	(* force_downto *)
	wire [BITS-1:0] a, b, c, d;
	generate if (PAIRS == 1) begin
		// Of both products, that with the highest bit is the first one: a chain may invert that.
		assign a = {A[WIDE-1], A, 1'b0};
		assign b = {BITS{B[1]}};
		assign c = {A[WIDE-1], A[WIDE-1], A};
		assign d = {BITS{B[0]}};
		\$__soft_mul_chain #(.BITS(BITS), .SUBTRACT(SIGNED)) chain (.A(a), .B(b), .C(c), .D(d), .Y(Y));
	end else begin
		(* force_downto *)
		wire [WIDE+2*LOW-1:0] low;
		(* force_downto *)
		wire [WIDE+2*HIGH-1:0] high;
		\$__soft_mul_pairs #(.WIDE(WIDE), .PAIRS(LOW), .SIGNED(0)) low_pairs (.A(A), .B(B[2*LOW-1:0]), .Y(low));
		\$__soft_mul_pairs #(.WIDE(WIDE), .PAIRS(HIGH), .SIGNED(SIGNED)) high_pairs (
			.A(A), .B(B[2*PAIRS-1:2*LOW]), .Y(high));
		assign a = high;
		assign b = {BITS{1'b1}};
		assign c = $signed(low[WIDE+2*LOW-1:2*LOW]);
		assign d = {BITS{1'b1}};
		\$__soft_mul_chain #(.BITS(BITS), .SUBTRACT(0)) chain (.A(a), .B(b), .C(c), .D(d), .Y(Y[WIDE+2*PAIRS-1:2*LOW]));
		assign Y[2*LOW-1:0] = low[2*LOW-1:0];
	end endgenerate
endmodule

// (C & D) + (A & B), or the difference.
(* techmap_celltype = "$__soft_mul_chain" *)
module soft_multiplier_chain (A, B, C, D, Y);
	parameter BITS = 1;
	parameter SUBTRACT = 0;

	(* force_downto *)
	input [BITS-1:0] A, B, C, D;
	(* force_downto *)
	output [BITS-1:0] Y;

	localparam CELLS = (BITS + 1) / 2;
	localparam [15:0] INIT = SUBTRACT ? 16'h8777 : 16'h7888;
	(* force_downto *)
	wire [2*CELLS-1:0] a = A, b = B, c = C, d = D, y;
	(* force_downto *)
	wire [CELLS:0] carry;
	assign carry[0] = SUBTRACT ? 1'b1 : 1'b0;
	assign Y = y;

	genvar i;
	generate for (i = 0; i < CELLS; i = i + 1) begin:cells
		CCU2C #(.INIT0(INIT), .INIT1(INIT), .INJECT1_0("NO"), .INJECT1_1("NO")) cell (
			.CIN(carry[i]), .COUT(carry[i+1]), .S0(y[2*i]), .S1(y[2*i+1]),
			.A0(a[2*i]), .B0(b[2*i]), .C0(c[2*i]), .D0(d[2*i]),
			.A1(a[2*i+1]), .B1(b[2*i+1]), .C1(c[2*i+1]), .D1(d[2*i+1]));
	end endgenerate
endmodule
