"""Data that ships with Sonda: the example configuration, defaults and device profiles."""
