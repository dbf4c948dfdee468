"""How to measure: one protocol a room. Nothing here stores or publishes."""
