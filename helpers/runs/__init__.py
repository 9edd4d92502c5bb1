"""A run: from a dataset and a week to a published report. Nothing here knows what is analysed."""
