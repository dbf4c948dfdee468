"""The daemon: settings, scheduling, storing, closing windows, publishing, serving, the command line."""
