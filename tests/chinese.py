"""A community in which every name is Chinese: files, columns, events, topics, channels, cities, experiments, arms, metrics; and
which Latin words may stand on its pages."""

from __future__ import annotations

import re
from pathlib import Path

from helpers import paths

SAMPLE = paths.PROJECT / "data" / "sample"
MEMBERS, WEEKS = 500, 22
# Measures and methods that have no other name in Chinese, and commands.
LATIN = frozenset(
    ["p", "q", "A", "DAU", "WAU", "MAU", "RFM", "CUPED", "SPRT", "SHA", "Holm", "Bonferroni", "Benjamini", "Hochberg", "Newcombe",
     "Mann", "Whitney", "Poisson", "Bayes", "delta", "Wilson", "Fieller", "Welch", "Kaplan", "Meier", "log", "Lan", "DeMets",
     "Cochran", "Q", "Kitagawa", "check", "at_risk", "CNY", "Sidak"]
)  # fmt: skip
# What is typed or read letter by letter: names of files, hashes, commands, weeks, times, zones, parameters of a run.
CODE = re.compile(
    r"[\w./-]*\.(?:csv|json|html|toml)|\b[0-9a-f]{12}\b|sha256|python -m helpers \w+|make \w+|\b(?:\d{4}-)?W\d{2}\b|Asia/Shanghai"
    r"|\d{4}-\d{2}-\d{2}T[\d:+]+|growth-rings [\d.]+|helpers(?= )|lock(?= )|\bcommunity\b|\b\w+=\S+|\bUTC\b"
)
# By file: what its column is called, and what its values are.
COLUMNS = {
    "uid": "用户", "time": "时间", "type": "事件", "channel_name": "频道", "content_id": "内容", "content_kind": "形式",
    "parent_id": "上级", "duration_s": "秒数", "fee": "金额", "discount": "折扣", "campaign": "活动", "nickname": "昵称",
    "registered_at": "注册时间", "channel": "渠道", "inviter": "邀请人", "city": "城市", "gender": "性别", "birth_year": "出生年",
    "experiment": "实验", "variant": "组", "assigned_at": "分组时间", "day": "日期", "cost": "花费", "touched_at": "联系时间",
    "arm": "组别", "answered_at": "回答时间", "question": "问题", "score": "分数", "comment": "留言",
}  # fmt: skip
VALUES = {
    "view": "浏览", "post": "发帖", "comment": "评论", "like": "点赞", "share": "分享", "pay": "付款", "checkin": "签到",
    "invite": "邀请", "refund": "退款", "video": "视频", "question": "提问", "photo": "照片", "article": "文章",
    "membership": "会员", "course": "课程", "gift": "礼物", "spring": "春季", "new_year": "新年", "organic": "自然到访",
    "search": "搜索", "social_ads": "社交广告", "referral": "熟人引荐", "partner": "合作伙伴", "f": "女", "m": "男",
    "welcome_tour": "新手引导", "feed_order": "信息流排序", "share_button": "分享按钮", "control": "原版", "treatment": "新版",
    "winback_spring": "春季召回", "satisfaction": "满意度", "recommend": "推荐意愿",
}  # fmt: skip
FILES = {
    "users": "用户表", "assignments": "分组表", "spend": "花费表", "touches": "联系表", "feedback": "问卷表",
}  # fmt: skip
METRICS = {
    "day7_return": "第七日回访", "back_in_week": "一周内回访", "active_days_14": "活跃天数", "posted_14": "发过帖",
    "paid_28": "付过款", "net_28": "净收入", "pace_14": "每日事件", "busiest_14": "最忙的人",
}  # fmt: skip


def left_over(text: str) -> set[str]:
    """The Latin words of a text that should not be there."""
    told = CODE.sub(" ", text)
    return set(re.findall(r"[A-Za-z]\w*", re.sub(r"(?<=[A-Za-z])[-/](?=[A-Za-z])", " ", told), re.ASCII)) - LATIN


def community(folder: Path) -> Path:
    """The dataset, with `language = "zh"`."""
    from helpers.sources import sample

    raw = folder / "raw"
    sample.build(raw, seed=7, members=MEMBERS, weeks=WEEKS)
    for name in (sample.STAMP, "truth.json"):
        (raw / name).unlink(missing_ok=True)
    for path in sorted(raw.rglob("*.csv")):
        text = path.read_text("utf-8")
        head, _, rows = text.partition("\n")
        is_log = path.parent != raw
        path.write_text(_named(head, COLUMNS) + "\n" + "\n".join(_row(row) for row in rows.split("\n")), "utf-8")
        path.rename(path.with_stem(path.stem if is_log else FILES[path.stem]))
    (raw / "events").rename(raw / "日志")
    (folder / "dataset.toml").write_text(_dataset((SAMPLE / "dataset.toml").read_text("utf-8")), "utf-8")
    plans = (SAMPLE / "experiments.toml").read_text("utf-8")
    (folder / "experiments.toml").write_text(_plans(plans), "utf-8")
    (folder / "rules.toml").write_text('[pain.low_scores]\n"推荐意愿" = 6\n', "utf-8")
    return folder


def _named(line: str, names: dict[str, str]) -> str:
    return ",".join(names.get(cell, cell) for cell in line.split(","))


def _row(row: str) -> str:
    """Repeated headers are renamed as headers, all else by its cells."""
    return _named(row, COLUMNS if row.startswith("uid,") else VALUES)


def _dataset(text: str) -> str:
    """The sample's dataset.toml under Chinese names: roles by their events, all else by its columns."""
    made = ['title = "一个社区"', 'language = "zh"', 'people = "成员"']
    for line in text.splitlines():
        name, _, right = line.partition(" = ")
        if name in ("simulate", "title", "people", "purpose") or line.startswith("#"):
            continue
        names = VALUES if right.startswith("[") else {} if name == "file" else COLUMNS
        made.append(f"{name} = {_renamed(right, names)}" if right else line)
    body = "\n".join(made).replace('"events/*.csv"', '"日志/*.csv"')
    for name, own in FILES.items():
        body = body.replace(f'"{name}.csv"', f'"{own}.csv"')
    return body.replace("min_group = 10", 'min_group = 10\npurpose = "每周运营回顾"')


def _renamed(text: str, names: dict[str, str]) -> str:
    return re.sub(r"\b[a-z_]+\b", lambda found: names.get(found[0], found[0]), text)


def _plans(text: str) -> str:
    """The plans of the sample under Chinese names."""
    text = re.sub(r"#.*", "", text)
    for english, own in METRICS.items():
        text = text.replace(f'"{english}"', f'"{own}"')
    for english in ("welcome_tour", "feed_order", "share_button", "control"):
        text = text.replace(f'"{english}"', f'"{VALUES[english]}"')
    text = text.replace("{ control =", '{ "原版" =').replace("treatment =", '"新版" =')
    text = text.replace('"events per active day"', '"每个活跃日的事件"')
    return re.sub(r'hypothesis = ".*"', 'hypothesis = "改动之后，一周后仍活跃的人更多。"', text)
