"""What changed, whole and in parts: people or behaviour.

    change           the changes of the last week, and their parts
    kitagawa         the parts, and what they can be off by
    user_weeks       what each user did in each week
    slices_by_week   the numbers by slice and week that these are made of
    two_spans        the last week beside those before
    usual            the numbers by week, each in its band
    band             where a series usually lies, from its own past
"""
