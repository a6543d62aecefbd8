"""A shop that tells Interakt who signs up and what is ordered."""
