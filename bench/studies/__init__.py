"""Scripts that each answer one question (`python -m bench.studies.NAME`). Nothing else in the bench imports them."""
