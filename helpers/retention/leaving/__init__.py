"""Who is about to be lost, why others were, and who came back by a campaign.

    fatigue    who is active less than in the own past
    risk       who will be lost, by a model that is tested
    warning    the list of both, by tier and what it is worth
    lost       what sets the lost apart from matched stayers
    winback    returns that a campaign brought, beside the naive figure
"""
