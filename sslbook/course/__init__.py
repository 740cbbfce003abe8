"""A course from the book: editions, graded variants, slides; all from the one solved source."""
