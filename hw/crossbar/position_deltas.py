class PositionDeltas: pass
