"""The version of this distribution, in one place."""

__version__ = VERSION = "2.0.0"
