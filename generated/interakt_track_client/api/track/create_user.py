from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error_response import ErrorResponse
from ...models.user_request import UserRequest
from ...models.user_response import UserResponse
from ...types import Response


def _get_kwargs(
    *,
    body: UserRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/public/track/users/",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorResponse | UserResponse | str | None:
    if response.status_code == 202:
        response_202 = UserResponse.from_dict(response.json())

        return response_202

    if response.status_code == 400:
        response_400 = ErrorResponse.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = ErrorResponse.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = ErrorResponse.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = response.text
        return response_404

    if response.status_code == 429:
        response_429 = ErrorResponse.from_dict(response.json())

        return response_429

    if response.status_code == 500:
        response_500 = ErrorResponse.from_dict(response.json())

        return response_500

    if response.status_code == 502:
        response_502 = response.text
        return response_502

    if response.status_code == 503:
        response_503 = response.text
        return response_503

    if response.status_code == 504:
        response_504 = response.text
        return response_504

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[ErrorResponse | UserResponse | str]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: UserRequest,
) -> Response[ErrorResponse | UserResponse | str]:
    """Create or update a customer

     Create the customer with these identifiers, or update the one that has them (official). The trailing
    slash of the path matters: without it a sibling route answers a 404 HTML page (reported; inferred
    for this one).

    Args:
        body (UserRequest): A customer: at least one identifier, and what is to be known about
            them. Whether fields that are not listed here are ignored or refused is unknown.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorResponse | UserResponse | str]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    body: UserRequest,
) -> ErrorResponse | UserResponse | str | None:
    """Create or update a customer

     Create the customer with these identifiers, or update the one that has them (official). The trailing
    slash of the path matters: without it a sibling route answers a 404 HTML page (reported; inferred
    for this one).

    Args:
        body (UserRequest): A customer: at least one identifier, and what is to be known about
            them. Whether fields that are not listed here are ignored or refused is unknown.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorResponse | UserResponse | str
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: UserRequest,
) -> Response[ErrorResponse | UserResponse | str]:
    """Create or update a customer

     Create the customer with these identifiers, or update the one that has them (official). The trailing
    slash of the path matters: without it a sibling route answers a 404 HTML page (reported; inferred
    for this one).

    Args:
        body (UserRequest): A customer: at least one identifier, and what is to be known about
            them. Whether fields that are not listed here are ignored or refused is unknown.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorResponse | UserResponse | str]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: UserRequest,
) -> ErrorResponse | UserResponse | str | None:
    """Create or update a customer

     Create the customer with these identifiers, or update the one that has them (official). The trailing
    slash of the path matters: without it a sibling route answers a 404 HTML page (reported; inferred
    for this one).

    Args:
        body (UserRequest): A customer: at least one identifier, and what is to be known about
            them. Whether fields that are not listed here are ignored or refused is unknown.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorResponse | UserResponse | str
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
