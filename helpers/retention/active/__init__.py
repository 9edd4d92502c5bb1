"""Who is active, day by day and week by week.

    presence     who came after how long, by day and slice
    actives      trailing windows and stickiness, of presence
    accounting   new, retained, resurrected and churned, of presence
    activity     on how many days people come, and at which hours
"""
