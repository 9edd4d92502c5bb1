"""Who came back, by cohort and age.

    members    who belongs to which cohort and came back when, on the engine
    at_hand    what several of these tables have in common
    cube       members counted by cohort, age and slice
    cohorts    tables, averages and spread of it
    money      retention of money, and what a member brings
"""
