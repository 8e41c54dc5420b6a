"""The browser's side of a desk without a browser: reports of traits and questions go in, messages come out."""

from typing import Any

from polyloom_widgets import Mixer


class Page:
    """What a desk has sent is in `sent`; an error that escapes the desk escapes here too."""

    def __init__(self, desk: Mixer) -> None:
        self.desk = desk
        self.sent: list[dict[str, Any]] = []
        desk.comm.send = lambda data=None, **_: self.sent.append(data)

    def report(self, **traits: Any) -> list[str]:
        """Set traits as the page does; the errors that came back."""
        self.sent.clear()
        self.desk.set_state(traits)
        return [message["error"] for message in self.messages() if "error" in message]

    def ask(self, question: Any) -> dict[str, Any]:
        """The answer to one question."""
        self.sent.clear()
        self.desk._handle_custom_msg(question, [])
        (answer,) = self.messages()
        return answer

    def messages(self) -> list[dict[str, Any]]:
        return [data["content"] for data in self.sent if data["method"] == "custom"]

    def updates(self) -> dict[str, Any]:
        """The traits that were sent last."""
        found: dict[str, Any] = {}
        for data in self.sent:
            if data["method"] == "update":
                found |= data["state"]
        return found


def state(desk: Mixer) -> dict[str, Any]:
    """All that a page sees of a desk, and the model; compared before and after what must change nothing."""
    return {**desk.get_state(), "model": id(desk.model)}
