"""Where the time of a pass goes, and how far that is from what the machine can do."""
