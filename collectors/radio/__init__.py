"""The probe's own radio: what it hears of its access point, of the channels, and of the networks around.

Everything is asked of the kernel: by `iw` (nl80211), or out of /proc/net/wireless where there is no `iw`. Nothing is
sent into the air, but where a scan is asked for by name.
"""
