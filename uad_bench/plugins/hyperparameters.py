"""Builds a method from plain values; the fields of its dataclass are the configuration schema."""

import dataclasses
import inspect
import json
from collections.abc import Mapping
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from uad_bench.config import plain_message
from uad_bench.errors import ConfigError, unknown
from uad_bench.method import Method, Modality


def build_method(cls: type, params: Mapping[str, Any], *, pair: tuple[Modality, Modality], name: str) -> Method:
    """Construct a method; fields named `source` and `target` come from the task's pair unless given.

    Raises:
        ConfigError: a hyperparameter is unknown or has a wrong type, or the class does not fulfil the contract.
    """
    schema = _schema(cls)
    for key in params:
        if key not in schema:
            raise ConfigError(f"{unknown(f'hyperparameter of {name}', key, schema)} (see uad-bench show method {name})")
    values = {key: value for key, value in zip(("source", "target"), pair, strict=True) if key in schema}
    checked = {key: _check(key, value, schema[key], name) for key, value in {**values, **params}.items()}
    method = cls(**checked)
    if not isinstance(method, Method):
        lacking = [
            part
            for part in ("modalities", "fit", "score", "state_dict", "load_state_dict")
            if not hasattr(method, part)
        ]
        raise ConfigError(
            f"method {name}: {cls.__name__} lacks {', '.join(lacking)}; see the contract in uad_bench.method"
        )
    return method


def hyperparameters(method: Method) -> dict[str, Any]:
    """All hyperparameters as plain values; those without a JSON form are converted to text."""
    values = {key: getattr(method, key) for key in _schema(type(method)) if hasattr(method, key)}
    plain = json.dumps(to_jsonable_python(values, fallback=str))
    return dict(json.loads(plain, parse_constant=str))


def _schema(cls: type) -> dict[str, Any]:
    """Name and type of each constructor argument."""
    if dataclasses.is_dataclass(cls):
        hints = get_type_hints(cls, include_extras=True)
        return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: Any if p.annotation is p.empty else p.annotation for p in parameters if p.kind in named}


def _check(key: str, value: Any, annotation: Any, name: str) -> Any:
    if annotation is Any or isinstance(annotation, str):
        return value
    try:
        return TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        message = plain_message(error.errors()[0]["msg"])
        raise ConfigError(f"hyperparameter {key!r} of {name}: {message} (got {value!r})") from error
