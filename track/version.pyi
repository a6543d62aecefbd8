# For type checkers; when a program runs, track.version is interakt_track.version.
from interakt_track.version import VERSION as VERSION
