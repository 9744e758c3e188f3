class RowScan: pass
