"""Folders of its own for a program that cannot be told to keep its files elsewhere."""

from collections.abc import Sequence


def with_own(folders: Sequence[str], command: Sequence[str]) -> list[str]:
    """The command with empty folders of its own in those places, gone with it. The program must be started with
    ``sysfs=True`` (network.py): `ip netns exec` gives it mounts that nobody else sees. Its pid is the program's."""
    mounts = " && ".join(f"mount -t tmpfs -o mode=755 tmpfs {folder}" for folder in folders)
    return ["sh", "-c", f'{mounts} && exec "$0" "$@"', *command]
