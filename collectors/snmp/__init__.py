"""SNMP: our own small client (BER, messages, USM, one UDP socket a family) and what it means for a device."""
