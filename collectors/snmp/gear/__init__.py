"""What a device has beyond its ports: profiles as data, one small engine that reads them (agent/README.md)."""
