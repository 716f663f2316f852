"""What the endpoint's clients share: all of a call that is not input or output.

`pipelines.client` stands on it twice, once blocking and once not.
"""
