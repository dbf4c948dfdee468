"""What the service's user may do with a file: by owner, groups and modes of it, and of each folder on the way.

Root may read and write everything, which proves nothing for the service. Access lists (setfacl) are not looked at.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """Who the service runs as, with all groups."""

    name: str
    uid: int
    groups: frozenset[int]


def service_user(name: str | None) -> ServiceUser | None:
    """None where this machine has no such user."""
    try:
        user = pwd.getpwnam(name or "")
    except KeyError:
        return None
    return ServiceUser(user.pw_name, user.pw_uid, frozenset(os.getgrouplist(user.pw_name, user.pw_gid)))


def barred(user: ServiceUser, path: Path, wanted: int) -> Path | None:
    """The folder on the way that does not let it pass, or the file itself where its mode forbids what is ``wanted``
    (os.R_OK, os.W_OK, os.X_OK). None where it may, and where the one who asks cannot tell."""
    try:
        real = path.resolve(strict=True)
        ways = [*reversed(path.absolute().parents), *reversed(real.parents)]  # both ways of a link
        return next(
            (each for each in ways if not _may(user, each, os.X_OK)), None if _may(user, real, wanted) else path
        )
    except OSError:
        return None


def _may(user: ServiceUser, path: Path, wanted: int) -> bool:
    status = path.stat()
    shift = 6 if status.st_uid == user.uid else 3 if status.st_gid in user.groups else 0
    return user.uid == 0 or (stat.S_IMODE(status.st_mode) >> shift & 7) & wanted == wanted
