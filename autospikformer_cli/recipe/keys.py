"""What the sections of a recipe consist of: a table of keys, and a name that must be one of several."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator

from autospikformer_cli.recipe.toml_text import toml_value
from autospikformer_cli.recipe.values import broken_rule
from autospikformer_cli.registry import Registry
from autospikformer_cli.wording import did_you_mean, nearest_names


class Context(dict[str, Any]):
    """Collects every valid value while a recipe is loaded, by its key's path.

    stored: what a store's text names, as KIND.NAME. A store stays readable where that is not known.
    """

    stored: frozenset[str] = frozenset()


def is_stored(info: ValidationInfo, kind: str, name: object) -> bool:
    """Whether the text that is read is a store's, and names this."""
    return isinstance(info.context, Context) and f"{kind}.{name}" in info.context.stored


class Keys(BaseModel):
    """A table of keys. While a recipe is loaded, the validation context collects every valid value."""

    prefix: ClassVar[str] = ""
    """The beginning of a key's path, such as search."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)

    @field_validator("*", mode="after")
    @classmethod
    def _collect(cls, value: Any, info: ValidationInfo) -> Any:
        if info.context is not None:
            info.context[f"{cls.prefix}{info.field_name}"] = value
        return value


def component(registry: Registry) -> AfterValidator:
    """The check of a component's name: it is installed, or a store's text names it."""

    def known(name: str, info: ValidationInfo) -> str:
        if is_stored(info, registry.kind, name):
            return name
        return one_of(name, registry.names(), "install the plugin that adds it, or choose another")

    return AfterValidator(known)


def one_of(name: str, names: tuple[str, ...], otherwise: str) -> str:
    """The name itself. Raises a broken rule if it is none of the names. otherwise: the remedy if none is near."""
    if name not in names:
        fix = did_you_mean([f'"{near}"' for near in nearest_names(name, names)]) or otherwise
        raise broken_rule(f": {toml_value(name)} is not one of {', '.join(names)}", fix)
    return name
