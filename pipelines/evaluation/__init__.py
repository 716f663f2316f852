"""How checkpoints are measured: fixed work, scores, tables and pictures."""
