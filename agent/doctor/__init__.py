"""`sonda doctor`: what is wrong with this machine, the devices it asks and the broker it sends to, and the mend.

    report = await examine(case, CHECKS)      # runner.py: all checks at once, each bounded in time

model.py has the words. A check is one file here: the kinds of findings it may make as constants, with what each means
and its mend, and ``async def check(case) -> list[Finding]``. A new one is a file and a line in checks.py. Nothing here
is imported by the daemon.
"""
