"""The version of this distribution, in one place."""

VERSION = "2.0.0"
