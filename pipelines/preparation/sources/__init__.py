"""Where pictures and masks come from: folders, and tar and zip archives read in place."""
