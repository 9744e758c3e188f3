class FeatureMap: pass
