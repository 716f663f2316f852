"""How train.py works: the run, the stream of batches, and the loop of each worker."""
