"""What reports are made of: documents as Markdown and HTML, charts, grids, published figures."""
