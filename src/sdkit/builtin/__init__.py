"""What ships in the box: one small plugin module per feature, through the same hooks as anybody's."""
