"""`sonda demo`: the whole agent against a simulated site on this machine's loopback addresses.

    site.py       the devices: who they are, their ports, how their echoes fare, what befalls them and when
    behaviour.py  how things move: cycles, traffic whose counters are integrals; pure functions of time
    mib.py        what each device would answer by SNMP: object -> value at a moment; pure
    mib_gear.py, mib_lldp.py   the same of radios, sensors, power; of neighbours and forwarding tables
    snmp.py       real SNMP over UDP in front of it (pysnmp); pages.py: real HTTP
    broker.py     an embedded MQTT broker (amqtt)
    wire.py       the simulated wire at the echo engine's seam: the kernel answers every loopback echo by itself
    children.py   the processes for devices and broker, which end with the agent's, however that ends
    devices.py    the devices' process
    run.py        puts it together and takes it away again

Times are seconds since the demo began, on the monotonic clock, which all its processes share. What happens depends on
that and on the seed alone.
"""
