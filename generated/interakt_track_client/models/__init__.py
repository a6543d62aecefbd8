"""Contains all the data models used in inputs/outputs"""

from .error_response import ErrorResponse
from .event_request import EventRequest
from .event_response import EventResponse
from .event_traits import EventTraits
from .user_request import UserRequest
from .user_response import UserResponse
from .user_traits import UserTraits

__all__ = (
    "ErrorResponse",
    "EventRequest",
    "EventResponse",
    "EventTraits",
    "UserRequest",
    "UserResponse",
    "UserTraits",
)
