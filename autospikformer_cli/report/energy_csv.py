"""Energy by operation as CSV, for spreadsheets and scripts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import fields
from io import StringIO

from autospikformer_cli.energy.pricing import LayerEnergy

_FIELDS = tuple(field.name for field in fields(LayerEnergy))
HEADER = ("convention", "profile", *_FIELDS, "energy_j", "share")


def energy_csv(layers: Sequence[LayerEnergy], convention: str, profile: str) -> str:
    """One record an operation (RFC 4180): the fields of LayerEnergy, its joules, and its share of all joules, 0 to 1.

    A field without a value is empty. compute_j, energy_j and share have none if the profile has no figure. Lines end in
    CR LF: write the text with newline="".
    """
    total = sum(layer.energy_j for layer in layers)
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for layer in layers:
        record: dict[str, object] = {
            "convention": convention,
            "profile": profile,
            **{name: getattr(layer, name) for name in _FIELDS},
            "energy_j": layer.energy_j,
            "share": layer.energy_j / total if total else None,
        }
        if layer.unpriced:
            record |= dict.fromkeys(("compute_j", "energy_j", "share"))
        writer.writerow([record[name] for name in HEADER])
    return text.getvalue()
