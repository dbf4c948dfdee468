"""Traps and informs: what devices say of themselves, unasked. Never a figure; a reason to ask them at once.

    inlet.py       one UDP socket: datagrams in, answers to informs out
    bucket.py      how often one may come
    listener.py    who is known, a bucket a source, a short queue; before anything is decoded
    admission.py   community, or SNMPv3 user, level, digest and time: on the octets, by our own code
    decoder.py     pysnmp reads what was admitted, and answers informs
    kinds.py       the names of traps, from data

A datagram ends as exactly one Fate (model.py), and each is counted.
"""
