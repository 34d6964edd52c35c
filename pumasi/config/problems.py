"""Turns a refusal by pydantic into the sentence that the file's author needs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Location = Sequence[str | int]
# How settings end that say where a secret lies; somebody may have written the secret itself.
SECRET_SETTINGS = ("_env", "_file")

_WANTS = {
    "date_type": "a date without quotes, such as 2024-12-31",
    "float_type": "a number without quotes, such as 0.05",
    "tuple_type": 'a list, such as ["a", "b"]; a key with a dot in it needs quotes',
    "model_type": "a section of its own, such as [source]",
    "string_too_short": "a text that is not empty",
    "string_pattern_mismatch": "<table>.<name> in lower-case letters, digits and _",
}


def explain(error: ValidationError, path: Path, model: type[BaseModel]) -> str:
    """Return one line per problem: file, field, what it got, what it wants."""
    return "\n".join(f"{path}: {_problem(detail, model)}" for detail in error.errors())


def _problem(detail: ErrorDetails, model: type[BaseModel]) -> str:
    field = ".".join(str(part) for part in detail["loc"] if part != "[key]")
    match detail["type"]:
        case "missing":
            return f"{field} is missing; wants {_description(detail['loc'], model)}"
        case "extra_forbidden":
            return f"{field} is not a key of this file; {_nearest(detail['loc'], model)}"
        case "value_error":
            said = detail["msg"].removeprefix("Value error, ")  # our own: got …, wants …
            return f"{field}: {said}" if field else said
        case kind:
            wants = _WANTS.get(kind, detail["msg"].removeprefix("Input should be "))
            return f"{field}: got {_got(detail, field)}, wants {wants}"


def _got(detail: ErrorDetails, field: str) -> str:
    """What was written; only its type where it may be a secret: an address, or what opens one."""
    value = detail["input"]
    instead_of_section = detail["type"] == "model_type"
    if instead_of_section or field.endswith(SECRET_SETTINGS) or "://" in str(value):
        return type(value).__name__
    return _short(value)


def _nearest(location: Location, model: type[BaseModel]) -> str:
    known = _keys_beside(location, model)
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"it knows {', '.join(known)}"


def _keys_beside(location: Location, model: type[BaseModel]) -> list[str]:
    return list(_holder(location, model).model_fields)


def _description(location: Location, model: type[BaseModel]) -> str:
    return _holder(location, model).model_fields[str(location[-1])].description or "a value"


def _holder(location: Location, model: type[BaseModel]) -> type[BaseModel]:
    """The section that holds, or should hold, the key at the end of the location."""
    for part in location[:-1]:
        if isinstance(part, str):
            model = _section(model, part)
    return model


def _section(model: type[BaseModel], field: str) -> type[BaseModel]:
    annotation = model.model_fields[field].annotation
    candidates = (annotation, *get_args(annotation))
    return next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool) else type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."
