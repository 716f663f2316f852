"""How serve.py works: the HTTP endpoint of a trained model, and its web page."""
