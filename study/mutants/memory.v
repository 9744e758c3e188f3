// What takes the place of a memory in a proof: `told` is all that can matter to it, `answer` is anything.
(* techmap_celltype = "$mem_v2" *)
module _memory (RD_CLK, RD_EN, RD_ARST, RD_SRST, RD_ADDR, RD_DATA, WR_CLK, WR_EN, WR_ADDR, WR_DATA);
  parameter MEMID = "";
  parameter SIZE = 1;
  parameter OFFSET = 0;
  parameter ABITS = 1;
  parameter WIDTH = 1;
  parameter INIT = 0;
  parameter RD_PORTS = 1;
  parameter RD_CLK_ENABLE = 0;
  parameter RD_CLK_POLARITY = 0;
  parameter RD_TRANSPARENCY_MASK = 0;
  parameter RD_COLLISION_X_MASK = 0;
  parameter RD_WIDE_CONTINUATION = 0;
  parameter RD_CE_OVER_SRST = 0;
  parameter RD_ARST_VALUE = 0;
  parameter RD_SRST_VALUE = 0;
  parameter RD_INIT_VALUE = 0;
  parameter WR_PORTS = 1;
  parameter WR_CLK_ENABLE = 0;
  parameter WR_CLK_POLARITY = 0;
  parameter WR_PRIORITY_MASK = 0;
  parameter WR_WIDE_CONTINUATION = 0;
  localparam WRITES = WR_PORTS ? WR_PORTS : 1;

  input [RD_PORTS-1:0] RD_CLK, RD_EN, RD_ARST, RD_SRST;
  input [RD_PORTS*ABITS-1:0] RD_ADDR;
  output [RD_PORTS*WIDTH-1:0] RD_DATA;
  input [WRITES-1:0] WR_CLK;
  input [WRITES*WIDTH-1:0] WR_EN, WR_DATA;
  input [WRITES*ABITS-1:0] WR_ADDR;

  wire [RD_PORTS*ABITS-1:0] read;
  wire [WRITES*ABITS-1:0] write;
  genvar port;
  generate
    for (port = 0; port < RD_PORTS; port = port + 1)
      assign read[port*ABITS +: ABITS] = RD_EN[port] ? RD_ADDR[port*ABITS +: ABITS] : 0;
    for (port = 0; port < WR_PORTS; port = port + 1)
      assign write[port*ABITS +: ABITS] = |WR_EN[port*WIDTH +: WIDTH] ? WR_ADDR[port*ABITS +: ABITS] : 0;
    if (WR_PORTS) begin
      (* told *) wire [WRITES*(2*WIDTH+ABITS)-1:0] written = {WR_EN, WR_EN & WR_DATA, write};
    end
  endgenerate
  (* told *) wire [RD_PORTS*(3+ABITS)-1:0] asked = {RD_EN, RD_ARST, RD_SRST, read};
  (* answer *) wire [RD_PORTS*WIDTH-1:0] answer;
  assign RD_DATA = answer;
endmodule
