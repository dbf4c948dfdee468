"""Exit codes of every command, for scripts.

| code | meaning |
|---|---|
| 0 | all is well |
| 1 | something wrong was found: a fault in the configuration, a target that did not answer, a site that is not up |
| 2 | wrong usage: an unknown option, a value out of range, no credentials given |
| 3 | the agent cannot be reached |
| 4 | the configuration cannot be used (of commands other than `check`) |
| 5 | the agent cannot start: a busy port, no permission, a store that cannot be opened |
| 130 | stopped by Ctrl-C before it was done |
| 141 | whoever read the output closed it |
"""

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    WRONG = 1
    USAGE = 2
    UNREACHABLE = 3
    CONFIGURATION = 4
    START = 5
    INTERRUPTED = 130
    CLOSED_PIPE = 141
