"""The oracles: other people's implementations, asked the same questions as Mayfly."""
