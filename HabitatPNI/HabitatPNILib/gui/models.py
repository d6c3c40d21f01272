"""The models that the panel offers: the installed ones, and folders that the user added and Slicer's settings remember."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import slicer

from ..errors import ModelError
from ..frozen_model import FrozenModel, installed_models, load_model

SETTING = "HabitatPNI/models"


@dataclass(frozen=True)
class Offer:
    """One model of the list.

    Parameters
    ----------
    name : what the parameter node keeps: the name of an installed model, or the folder of an added one
    label : how the list shows it
    model, error : the verified model, or why it cannot be used
    """

    name: str
    label: str
    model: FrozenModel | None
    error: str = ""


class ModelList:
    """Models by name, each verified once; `read` looks again."""

    def __init__(self) -> None:
        self._offers: dict[str, Offer] = {}
        self.read()

    def __iter__(self) -> Iterator[Offer]:
        return iter(self._offers.values())

    def read(self) -> None:
        """Look again at the folders; a damaged model stays in the list with its error."""
        offers = [_offer(folder.name, folder.name, folder) for folder in installed_models()]
        offers += [_offer(folder, Path(folder).name, Path(folder)) for folder in _remembered()]
        self._offers = {offer.name: offer for offer in offers}

    def find(self, name: str) -> Offer:
        """The model of a parameter node, which may be none of the list (a scene of another machine)."""
        if not name:
            return Offer("", "", None)
        if name not in self._offers:
            self._offers[name] = _offer(name, name, name)
        return self._offers[name]

    def add(self, folder: str | Path) -> Offer:
        """Verify a folder's model and remember it.

        Raises
        ------
        ModelError
            when there is no model in it, or it cannot be used; then it is not remembered
        """
        folder = Path(folder).resolve()
        if not (folder / "model.json").is_file():
            raise ModelError(f"The folder {folder.name} holds no model: it has no model.json; choose the folder of one model")
        load_model(folder)
        for installed in installed_models():
            if installed.resolve() == folder:
                return self.find(installed.name)
        names = [name for name in _remembered() if name != str(folder)]
        slicer.app.userSettings().setValue(SETTING, json.dumps([*names, str(folder)]))
        self.read()
        return self.find(str(folder))


def _offer(name: str, label: str, folder: str | Path) -> Offer:
    try:
        return Offer(name, label, load_model(folder))
    except ModelError as error:
        return Offer(name, label, None, str(error))


def _remembered() -> list[str]:
    """Added folders that are still there."""
    try:
        folders = json.loads(slicer.app.userSettings().value(SETTING) or "[]")
    except (TypeError, ValueError):
        return []
    return [folder for folder in folders if isinstance(folder, str) and (Path(folder) / "model.json").is_file()]
