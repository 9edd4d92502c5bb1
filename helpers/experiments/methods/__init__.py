"""Estimates from moments and plain numbers, with intervals that agree with their p."""
