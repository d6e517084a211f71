"""The executor: runs plans over model providers and has what happened signed."""
