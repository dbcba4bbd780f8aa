"""Home Assistant's own schemas of MQTT discovery, from its package on PyPI, in any Python from 3.11 on.

The package itself wants the newest Python and some hundred others. Its schemas are a few modules that need the
validator and little else: those are run as they are, and what they import beside it is stood in for here. A stand-in that
a schema would really ask for a verdict raises, so that nothing passes by it.
"""

import functools
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import pathlib
import subprocess
import sys
import types
import typing
import zipfile

import jinja2
import typing_extensions
import voluptuous

VERSION = "2026.11.0"
SHA256 = "7ca5fbde9dea879ac7723949fc84347aac5182e6309c357b2e4973fd391b00f7"
# Run as they are.
OWN = {
    "homeassistant.const",
    *(f"homeassistant.components.{name}" for name in "sensor.const binary_sensor binary_sensor.const event event.const "
      "button button.const".split()),
    *(
        f"homeassistant.components.mqtt.{name}"
        for name in "abbreviations const schemas util config sensor binary_sensor event button".split()
    ),
}


def wheel(folder: pathlib.Path) -> pathlib.Path:
    """The package's file, loaded from PyPI where it is not there yet."""
    path = folder / f"homeassistant-{VERSION}-py3-none-any.whl"
    if not path.exists():
        print(f"loading homeassistant {VERSION} from PyPI", file=sys.stderr)
        subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps",
             "--ignore-requires-python", "--only-binary", ":all:", "--dest", str(folder),
             f"homeassistant=={VERSION}"],
            check=True, stdout=sys.stderr)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{path}: found SHA-256 {digest}, expected {SHA256}: delete it to load it again")
    return path


class _Stand(type):
    """Of a class that stands in for whatever a module imports: it can be named, derived from and called."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _stand(f"{cls.__name__}.{name}")

    def __getitem__(cls, _item):
        return cls

    def __or__(cls, _other):
        return cls

    __ror__ = __or__
    __add__ = __or__

    def __call__(cls, *arguments, **options):
        # As a decorator it changes nothing; anything else is one more stand-in.
        if len(arguments) == 1 and not options and isinstance(arguments[0], types.FunctionType):
            return arguments[0]
        return cls

    def __iter__(cls):
        return iter(())


def _stand(name):
    return _Stand(name, (), {})


class _StandModule(types.ModuleType):
    __path__: list[str] = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        full = f"{self.__name__}.{name}"
        if full in OWN or full in sys.modules:
            return importlib.import_module(full)
        # A platform's package hands on what its constants module has.
        constants = f"{self.__name__}.const"
        if name != "const" and constants in OWN and hasattr(importlib.import_module(constants), name):
            return getattr(importlib.import_module(constants), name)
        return _stand(full)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, archive: zipfile.ZipFile):
        self.archive = archive
        self.names = set(archive.namelist())

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in ("homeassistant", "propcache", "habluetooth", "aiohttp", "yarl", "paho"):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=name not in OWN or self.path(name)[1])

    def create_module(self, spec):
        return None if spec.name in OWN else _StandModule(spec.name)

    def path(self, name):
        """Of a module that is run as it is, and whether it is a package."""
        path = name.replace(".", "/")
        return (f"{path}.py", False) if f"{path}.py" in self.names else (f"{path}/__init__.py", True)

    def exec_module(self, module):
        if module.__name__ not in OWN:
            return
        path, _ = self.path(module.__name__)
        # Annotations are not looked at.
        text = "from __future__ import annotations\n" + self.archive.read(path).decode()
        exec(compile(text, path, "exec"), module.__dict__)


def _validators():
    """homeassistant.helpers.config_validation, as far as the entities of a hand need it."""
    cv = types.ModuleType("homeassistant.helpers.config_validation")

    def string(value):
        if value is None or isinstance(value, (list, dict)):
            raise voluptuous.Invalid(f"found {value!r}, expected text")
        return str(value)

    def boolean(value):
        if not isinstance(value, bool):
            raise voluptuous.Invalid(f"found {value!r}, expected true or false")
        return value

    def positive_int(value):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise voluptuous.Invalid(f"found {value!r}, expected 0 or more")
        return value

    def template(value):
        if not isinstance(value, str):
            raise voluptuous.Invalid(f"found {value!r}, expected a template")
        try:
            environment().parse(value)
        except jinja2.TemplateError as error:
            raise voluptuous.Invalid(f"{value!r}: {error}") from error
        return value

    cv.string, cv.boolean, cv.positive_int, cv.template = string, boolean, positive_int, template

    def missing(name):
        def validator(value, *_rest):
            raise NotImplementedError(f"cv.{name} for {value!r}: give it a stand-in that judges")
        return validator

    class Module(types.ModuleType):
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return missing(name)

    cv.__class__ = Module
    # A factory: the validator that it makes passes over keys that are not there.
    def removed(key, *_rest, **_options):
        def validator(config):
            if key in config:
                raise voluptuous.Invalid(f"{key} was removed")
            return config
        return validator
    cv.removed = removed
    return cv


@functools.cache
def environment() -> jinja2.Environment:
    """Jinja with what Home Assistant adds and these templates use."""
    import json

    made = jinja2.Environment(undefined=jinja2.StrictUndefined)
    made.filters["to_json"] = json.dumps
    return made


def load(folder: pathlib.Path):
    """Home Assistant's modules: schemas, abbreviations, and one for each platform."""
    if not hasattr(typing, "override"):
        typing.override = typing_extensions.override
    # The validator of this version is one of the same interface that wants a newer Python.
    voluptuous.EnsureList = lambda: lambda value: (
        [] if value is None else value if isinstance(value, list) else [value])
    sys.modules["probatio"] = voluptuous
    sys.meta_path.insert(0, _Finder(zipfile.ZipFile(wheel(folder))))
    sys.modules["homeassistant.helpers.config_validation"] = _validators()
    entity = types.ModuleType("homeassistant.helpers.entity")
    from homeassistant import const
    entity.ENTITY_CATEGORIES_SCHEMA = voluptuous.Coerce(const.EntityCategory)
    sys.modules["homeassistant.helpers.entity"] = _with_stand(entity)
    names = ["schemas", "abbreviations", "sensor", "binary_sensor", "event", "button"]
    return types.SimpleNamespace(**{
        name: importlib.import_module(f"homeassistant.components.mqtt.{name}") for name in names})


def _with_stand(module):
    class Module(type(module)):
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return _stand(name)
    module.__class__ = Module
    return module
