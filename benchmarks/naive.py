"""What a newsroom would write in an afternoon: Flask, Detoxify, SQLAlchemy, gunicorn.

    NAIVE_CHECKPOINT=… NAIVE_DATABASE=sqlite:///… gunicorn benchmarks.naive:app

It checks no signature, keeps no evidence and tells no site; it is the least that decides.
"""

import os
from pathlib import Path
from typing import Any

from detoxify import Detoxify
from flask import Flask, jsonify, request
from marshmallow import Schema, fields
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

HOLD_FROM = 0.7


class Base(DeclarativeBase):
    pass


class Comment(Base):
    __tablename__ = "comment"

    id: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
    toxicity: Mapped[float]
    status: Mapped[str]


class Submission(Schema):
    id = fields.String(required=True)
    text = fields.String(required=True)


def opened() -> Any:
    """Open the database; the first of several processes makes the table."""
    engine = create_engine(os.environ["NAIVE_DATABASE"], connect_args={"timeout": 30})
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.exec_driver_sql(
            "CREATE TABLE IF NOT EXISTS comment (id TEXT PRIMARY KEY, text TEXT NOT NULL, "
            "toxicity FLOAT NOT NULL, status TEXT NOT NULL)"
        )
    return engine


def loaded() -> Any:
    """Load the checkpoint that the environment names."""
    checkpoint = Path(os.environ["NAIVE_CHECKPOINT"])
    return Detoxify(checkpoint=str(checkpoint), huggingface_config_path=str(checkpoint.parent))


def keep(engine: Any, id: str, text: str, toxicity: float) -> dict[str, Any]:
    """Decide, store, and give the answer."""
    status = "held" if toxicity >= HOLD_FROM else "published"
    with Session(engine) as session, session.begin():
        session.add(Comment(id=id, text=text, toxicity=toxicity, status=status))
    return {"id": id, "status": status, "toxicity": toxicity}


app = Flask(__name__)

if "NAIVE_CHECKPOINT" in os.environ:
    engine, model = opened(), loaded()


@app.get("/ready")
def ready() -> Any:
    return jsonify(ready=True)


@app.post("/comments")
def comment() -> Any:
    given = Submission().load(request.get_json())
    scores = model.predict(given["text"])
    return jsonify(keep(engine, given["id"], given["text"], float(scores["toxicity"])))
