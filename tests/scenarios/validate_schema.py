"""Validates scenarios against the JSON Schema with Python's jsonschema: a judge that is not ours.

    validate_schema.py SCHEMA FILE...     prints `valid FILE`, `invalid FILE: why` or `no-yaml FILE: why`
"""

import json
import re
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """YAML 1.2's core schema: no dates, and `on` is a text."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
]:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))


def mapping(loader, node):
    """Keys are texts in JSON."""
    return {str(loader.construct_object(key, deep=True)): loader.construct_object(value, deep=True)
            for key, value in node.value}


Loader.add_constructor("tag:yaml.org,2002:map", mapping)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    judge = jsonschema.Draft202012Validator
    judge.check_schema(schema)
    for path in sys.argv[2:]:
        try:
            with open(path, encoding="utf-8") as file:
                scenario = yaml.load(file, Loader)
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            print(f"no-yaml {path}: {type(error).__name__}")
            continue
        errors = [error.message[:120] for error in judge(schema).iter_errors(scenario)]
        print(f"invalid {path}: {errors[0]!r}" if errors else f"valid {path}")


main()
