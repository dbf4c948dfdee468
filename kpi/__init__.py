"""What a measurement means: the vocabulary and pure functions. No input, no output, no clock."""
