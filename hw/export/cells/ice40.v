// iCE40: the LUT, in the form that simulators build soonest. Of all other cells, Yosys's models are used.
module SB_LUT4 (output O, input I0, I1, I2, I3);
    parameter [15:0] LUT_INIT = 0;
    assign O = LUT_INIT[{I3, I2, I1, I0}];
endmodule
