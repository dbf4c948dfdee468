"""The clock: is it right, who says so, and what will it do after a power cut?"""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from agent.doctor.model import Case, Finding, attention, ok, problem
from agent.doctor.timex import KernelClock, read_kernel_clock

NOT_BEFORE_UTC = 1_767_225_600.0
"""2026-01-01: no clock that shows less was ever set (agent/parts.py judges alike)."""
OFFSET_S = 0.5

GOOD = ok("clock.ok")
ZONE = ok("clock.zone")
NO_RTC = ok(
    "clock.no_rtc",
    "After a power cut the clock is wrong until a time server answers. What is measured until then gets its dates "
    "afterwards; where no time server is reachable, add a clock module with a battery.",
)
NOT_SYNCHRONISED = attention(
    "clock.not_synchronised",
    "The clock drifts, some seconds a week. Measurements and windows go on, labelled `unverified`; incidents may stand "
    "beside those of other systems at another time.",
)
WAITING = attention(
    "clock.waiting",
    "Until a time server answers, what is measured has no dates: summaries wait for half an hour at the most, and are "
    "then dated by a clock that nobody vouches for.",
    "Let UDP port 123 pass to the time servers, or name one of the site (often the gateway) in "
    "/etc/systemd/timesyncd.conf as NTP=, then restart it.",
)
IMPLAUSIBLE = problem(
    "clock.implausible",
    "No date is given to what is measured, TLS certificates look expired or not yet valid, and the broker is perhaps "
    "out of reach.",
    "Set the clock, then have it kept by a time server.",
)
OFFSET = attention(
    "clock.offset",
    "The clock is being corrected: windows of this time are some tenths of a second too long or too short.",
    "Look again in some minutes. If it stays, the time servers disagree: see `chronyc sources`, or name others.",
)
ZONE_DEFAULT = attention(
    "clock.zone_default",
    "Days and months of reports begin at midnight UTC, and the page shows UTC.",
)

_DAEMONS = {
    "chronyd": "chrony",
    "systemd-timesyn": "systemd-timesyncd",
    "ntpd": "ntpd",
    "ntpsec": "ntpsec",
    "openntpd": "openntpd",
    "ptp4l": "ptp4l",
}
"""Process names as /proc/PID/comm has them, 15 letters at most."""


async def check(case: Case, kernel: Callable[[], KernelClock | None] = read_kernel_clock) -> list[Finding]:
    found = [_trust(case, kernel())]
    if not any((case.root / "sys/class/rtc").glob("rtc*")):
        found.append(NO_RTC.found("This machine has no clock that runs without power (no /dev/rtc)."))
    if case.settings is not None:
        found.append(_zone(case, case.settings.site.zone, given="timezone" in case.settings.site.model_fields_set))
    return found


def _trust(case: Case, kernel: KernelClock | None) -> Finding:
    now = datetime.fromtimestamp(case.clock.utc(), UTC)
    by = _keeper(case)
    if case.clock.utc() < NOT_BEFORE_UTC:
        seen = f"The clock shows {now:%Y-%m-%d %H:%M} UTC, which is long past."
        stamp = 'date -u -s "2026-12-31 23:59"'
        return IMPLAUSIBLE.found(seen, commands=[f"{stamp}   # with the right time", "timedatectl set-ntp true"])
    timesync = case.root / "run/systemd/timesync"
    if (kernel and kernel.synchronised) or (timesync / "synchronized").exists():
        if kernel and abs(kernel.offset_s) > OFFSET_S:
            seen = f"The clock is kept by {by or 'somebody'} and still off by {kernel.offset_s:.1f} s."
            return OFFSET.found(seen, facts={"offset_s": kernel.offset_s})
        error = f", right within {kernel.error_s:.2f} s" if kernel and kernel.synchronised else ""
        seen = (
            f"The clock is synchronised by {by or 'somebody outside (a hypervisor?)'}{error}: {now:%Y-%m-%d %H:%M} UTC."
        )
        return GOOD.found(seen, facts={"by": by, "max_error_s": kernel.error_s if kernel else None})
    if timesync.is_dir():
        seen = "systemd-timesyncd runs and has not reached a time server yet."
        return WAITING.found(seen, commands=["timedatectl timesync-status", "systemctl restart systemd-timesyncd"])
    if by:
        seen = f"{by} runs, and the kernel does not take the clock for synchronised."
        commands = ["chronyc tracking", "chronyc sources"] if by == "chrony" else ["timedatectl"]
        mend = "See which time servers it has, and let UDP port 123 pass to them."
        return NOT_SYNCHRONISED.found(seen, mend=mend, commands=commands, facts={"by": by})
    mend = "Install a time daemon and switch it on; in a container, do that on the host."
    commands = ["apt-get install systemd-timesyncd", "timedatectl set-ntp true"]
    return NOT_SYNCHRONISED.found("Nobody keeps this machine's clock.", mend=mend, commands=commands)


def _keeper(case: Case) -> str | None:
    """The time daemon that runs, as far as processes show."""
    for comm in sorted((case.root / "proc").glob("[0-9]*/comm")):
        try:
            name = comm.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            continue
        if name in _DAEMONS:
            return _DAEMONS[name]
    return None


def _zone(case: Case, zone: ZoneInfo, *, given: bool) -> Finding:
    there = datetime.fromtimestamp(case.clock.utc(), zone)
    machine = _machine_zone(case)
    if not given and machine not in {None, "UTC", "Etc/UTC"}:
        seen = f"The site has no `timezone`, and this machine is set to {machine}."
        return ZONE_DEFAULT.found(seen, mend=f'Write timezone = "{machine}" in [site].')
    return ZONE.found(f"At the site it is {there:%Y-%m-%d %H:%M} ({zone.key}).")


def _machine_zone(case: Case) -> str | None:
    if name := case.read("etc/timezone"):
        return name
    try:
        target = str((case.root / "etc/localtime").readlink())
    except OSError:
        return None
    return target.partition("zoneinfo/")[2] or None
