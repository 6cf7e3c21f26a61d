"""The command in bad surroundings: killed, on a full disk, beside other writers, with other threads, with giants."""
