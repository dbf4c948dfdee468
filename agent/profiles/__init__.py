"""Device profiles: TOML files in, the engine's types out (collectors/snmp/gear/model.py), or every fault with its line.

    library = load_library()                      # the shipped ones and /etc/sonda/profiles; .faults of those left out
    library.entries()                             # how each is recognised
    library.profile("example")                    # whole, with what it inherits; None is the standard set
    check_own()                                   # what is wrong in /etc/sonda/profiles
    load_profile(Path("my-ap.toml"), library)     # Profile of a file that lies elsewhere, or SettingsError(.faults)

config/README.md says how a profile is written.
"""

from agent.profiles.library import Library
from agent.profiles.loading import SHIPPED, Checked, check_own, examine_library, load_library, load_profile
from agent.profiles.trial import OneProfile

__all__ = [
    "SHIPPED",
    "Checked",
    "Library",
    "OneProfile",
    "check_own",
    "examine_library",
    "load_library",
    "load_profile",
]
