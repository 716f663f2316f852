"""How prepare.py works: sources, the plan, and the units of work that write shards."""
