"""Many pictures, and the tokens of many files, at once; never decides how one is coded."""
