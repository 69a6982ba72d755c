"""The Blueprint of our API: bodies are read by our own JSON, errors are our own refusals."""

from typing import Any, NoReturn

import flask_smorest
from webargs.flaskparser import FlaskParser

from moderation import jsontext, wire
from moderation.flows.errors import Invalid


class Parser(FlaskParser):
    """Reads bodies with our own JSON, and reports errors as our own refusals."""

    def load_json(self, req: Any, schema: Any) -> Any:
        return jsontext.loads(req.get_data()) if req.get_data() else {}

    def handle_error(self, error: Any, *args: Any, **kwargs: Any) -> NoReturn:
        [(location, messages)] = error.messages.items()
        start = "#" if location == "json" else f"#/{location}"
        raise Invalid(*((e["pointer"], e["detail"]) for e in wire.error_pointers(messages, start)))


class Blueprint(flask_smorest.Blueprint):
    ARGUMENTS_PARSER = Parser()
