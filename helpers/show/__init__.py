"""What people read: every number, word and mark on a page passes through here.

    gate       escaping, groups that are too small to show, and `Shown`, the one thing that a page accepts as markup
    suppress   which further numbers must go so that a withheld one cannot be worked out
    words      the reader's words (words.toml) and the metrics (metrics.toml)
    format     a number and its unit as text
    sentences  findings whose words come from an estimate and its interval
    tables     tables, KPI cards, small lists of facts
    charts     figures: lines, bars, flows, heat, forest, cross
    controls   widgets for JupyterLab, silent when nobody is there
    page       an executed notebook as one self-contained page; the check before publishing
    histories  the pages around the weeks: the history, the way to neighbouring weeks, all datasets
"""
