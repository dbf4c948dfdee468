"""Numbers for people: few digits, a unit behind each."""

_STEPS = ("", "k", "M", "G", "T", "P", "E")


def scaled(number: float | None, unit: str) -> str:
    """12300000, "bit/s" -> "12.3 Mbit/s"; decimal steps, three digits, "-" for None."""
    if number is None:
        return "-"
    step = 0
    size = abs(float(number))
    while size >= 999.5 and step < len(_STEPS) - 1:
        size /= 1000
        step += 1
    digits = 0 if size >= 100 or step == 0 else 1 if size >= 10 else 2
    text = f"{size:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{'-' if number < 0 else ''}{text} {_STEPS[step]}{unit}"


def duration(seconds: float | None) -> str:
    """93784 -> "1 d 2 h": two largest parts, "-" for None."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.0f} s"
    parts: list[str] = []
    left = int(seconds)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 ") or part == parts[0])
