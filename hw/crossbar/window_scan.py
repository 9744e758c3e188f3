class WindowScan: pass
