"""What a release of trained weights is made with: their files, and the pictures of their card."""
