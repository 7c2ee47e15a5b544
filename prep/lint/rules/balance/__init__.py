"""BAL rules. Are labels, sources and positions balanced?"""
