"""Findings in words, by the part of a notebook that they belong to; each made from an estimate with its interval."""
