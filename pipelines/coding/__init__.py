"""What `pipelines.codec` stands on: containers, metadata, orientation, and the formats' writers."""
