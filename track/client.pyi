# For type checkers; when a program runs, track.client is interakt_track.client.
from interakt_track.client import Client as Client
