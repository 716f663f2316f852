"""Where pictures and masks come from: folders, tar and zip archives and tables, read in place."""
