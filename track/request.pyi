# For type checkers; when a program runs, track.request is interakt_track.request.
from interakt_track.request import APIError as APIError
