"""Retention, active users, growth accounting and survival, from the facts.

    rule       what starts a cohort, what is a return, by what unit
    periods    days, weeks and months as numbers
    cohort     who came back, by cohort and age: people and money
    active     who is active, by trailing windows and by week: growth accounting
    change     what changed, and whether by people or by behaviour
    lives      how long people stay: survival, cohorts compared, projection
    leaving    who is about to be lost, why others were, and who was won back
"""

from helpers.retention.active.accounting import GROWTH, growth, quick_ratio
from helpers.retention.active.actives import ACTIVES_DAY, actives_day, long_actives, stickiness
from helpers.retention.active.activity import ACTIVE_DAYS, ACTIVE_HOURS, active_days, active_hours
from helpers.retention.active.presence import PRESENCE_DAY, presence_day, slices_of
from helpers.retention.change.band import Bands, bands
from helpers.retention.change.change import CHANGES, changes
from helpers.retention.change.kitagawa import decompose
from helpers.retention.change.slices_by_week import SLICE_WEEKS, slice_weeks, steps
from helpers.retention.change.user_weeks import user_weeks
from helpers.retention.change.usual import USUAL_WEEKS, usual_days, usual_weeks
from helpers.retention.cohort.at_hand import AtHand
from helpers.retention.cohort.cohorts import average, average_by, cohorts, listed, recent, spread
from helpers.retention.cohort.cube import COHORT_CUBE, COHORT_SPANS, cohort_cube, cohort_spans, slice_of, sliced_by
from helpers.retention.cohort.members import bought, entries, members_at_hand, weeks_known
from helpers.retention.cohort.money import member_value, money, ratio
from helpers.retention.leaving.fatigue import FATIGUE, fatigue
from helpers.retention.leaving.lost import LOST_MATCHED, WHY_LOST, why_lost
from helpers.retention.leaving.risk import RISK_MODEL, RISK_TENTHS
from helpers.retention.leaving.warning import AT_RISK, AT_RISK_KEPT, AT_RISK_REASONS, AT_RISK_TIERS, warnings
from helpers.retention.leaving.winback import TOUCHES, WINBACK, incremental, touches, winback
from helpers.retention.lives.cohorts_compared import COHORTS_COMPARED, cohorts_compared, log_rank
from helpers.retention.lives.projection import PROJECTION_CHECKS, PROJECTIONS, projections
from helpers.retention.lives.rhythm import LOSSES, RHYTHMS, losses, rhythms
from helpers.retention.lives.spells import SPELLS, spells, watch
from helpers.retention.lives.survival import lasting, life_table, median, restricted_mean, survival, survival_by
from helpers.retention.rule import RETENTION_RULE, Rule, rule_table

__all__ = [
    "ACTIVES_DAY", "ACTIVE_DAYS", "ACTIVE_HOURS", "AT_RISK", "AT_RISK_KEPT", "AT_RISK_REASONS", "AT_RISK_TIERS", "CHANGES",
    "COHORTS_COMPARED", "COHORT_CUBE", "COHORT_SPANS", "FATIGUE", "GROWTH", "LOSSES", "LOST_MATCHED", "PRESENCE_DAY",
    "PROJECTIONS", "PROJECTION_CHECKS", "RETENTION_RULE", "RHYTHMS", "RISK_MODEL", "RISK_TENTHS", "SLICE_WEEKS", "SPELLS",
    "TOUCHES", "USUAL_WEEKS", "WHY_LOST", "WINBACK", "AtHand", "Bands", "Rule", "active_days", "active_hours", "actives_day",
    "average", "average_by", "bands", "bought", "changes", "cohort_cube", "cohort_spans", "cohorts", "cohorts_compared",
    "decompose", "entries", "fatigue", "growth", "incremental", "lasting", "life_table", "listed", "log_rank", "long_actives",
    "losses", "median", "member_value", "members_at_hand", "money", "presence_day", "projections", "quick_ratio", "ratio",
    "recent", "restricted_mean", "rhythms", "rule_table", "slice_of", "slice_weeks", "sliced_by", "slices_of", "spells",
    "spread", "steps", "stickiness", "survival", "survival_by", "touches", "user_weeks", "usual_days", "usual_weeks",
    "warnings", "watch", "weeks_known", "why_lost", "winback",
]  # fmt: skip
