"""How long people stay.

    rhythm             when a person counts as lost, by the own rhythm
    spells             lives as counts, by week of life and slice
    survival           Kaplan-Meier, hazard, restricted mean and median
    cohorts_compared   log-rank and differences with intervals, corrected
    beta_geometric     the model of how long people stay
    projection         who will still be there, and a test of it
"""
