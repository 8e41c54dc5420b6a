"""What a page says, and what comes back, as the demo writes it."""

from typing import Any


def update(**state: Any) -> dict[str, Any]:
    return {"method": "update", "state": state}


def custom(**content: Any) -> dict[str, Any]:
    return {"method": "custom", "content": content}


def errors(said: list[dict[str, Any]]) -> list[str]:
    return [one["content"]["error"] for one in said if "error" in one.get("content", {})]


def seen(said: list[dict[str, Any]]) -> dict[str, Any]:
    """The traits that were sent last."""
    found: dict[str, Any] = {}
    for one in said:
        found |= one.get("state", {})
    return found
