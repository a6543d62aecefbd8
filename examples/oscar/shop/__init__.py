"""A django-oscar shop that tells Interakt who registers, what they want and what they order."""
