"""The whole way with the real worker and real clicks: the phantom patient's probability is the one that `analyse` gives."""

from __future__ import annotations

import shutil
import time

import host
import pytest
import slicer
from host import dialogs, signals
from host.module import close_module, forget_turns, open_module, slowest_turn, spin

from HabitatPNILib.analysis import analyse
from HabitatPNILib.frozen_model import load_model
from HabitatPNILib.gui.sample_data import SEED
from HabitatPNILib.imaging.phantom import phantom_case

LONGEST_TURN = 0.1
LONGEST_CANCEL = 3.0


@pytest.fixture
def panel(monkeypatch, small_model, tmp_path):
    shutil.copytree(small_model.folder, tmp_path / "small")
    monkeypatch.setenv("HABITATPNI_MODELS", str(tmp_path))
    slicer.mrmlScene.Clear()
    dialogs.forget()
    signals.errors.clear()
    widget = open_module()
    yield widget.panel
    close_module(widget)
    dialogs.verify()
    assert signals.errors == []
    slicer.mrmlScene.Clear()


def way(panel, model):
    """From an empty scene to the probability: two clicks."""
    panel.ui.logButton.collapsed = False
    spin(None, 0.1)
    forget_turns()
    panel.try_phantom()
    spin(lambda: not panel.busy, 60)
    if model != panel.parameters.model:
        panel.parameters.model = model
        spin(None, 0.05)
    begun = time.perf_counter()
    host.click(panel.ui.runAllButton)
    spin(lambda: not panel.busy, 120)
    seconds = time.perf_counter() - begun
    spin(None, 0.2)
    assert panel.state.analysis is not None, panel.ui.logTextEdit.plainText
    return panel.state.analysis["probability"], seconds


def test_try_it_and_run_all_give_the_probability_of_the_library_and_never_hold_up_the_panel(panel):
    probability, _seconds = way(panel, "small")
    case, _truth = phantom_case(SEED)
    assert probability == pytest.approx(analyse(case, load_model(panel.state.model.folder)).probability, abs=1e-6)
    assert slowest_turn(cpu=True) < LONGEST_TURN


@pytest.mark.slow
def test_the_phantom_model_answers_in_time_and_cancel_is_answered_at_every_stage(panel):
    probability, seconds = way(panel, "pca-pni-phantom")
    case, _truth = phantom_case(SEED)
    assert probability == pytest.approx(analyse(case, load_model("pca-pni-phantom")).probability, abs=1e-6)
    assert slowest_turn(cpu=True) < LONGEST_TURN
    assert seconds < 60  # 25 on two idle cores
    panel.worker.close()
    for stage in ("registration", "Trying", "Deep features"):
        host.click(panel.ui.runAllButton)
        panel.ui.logTextEdit.clear()
        spin(lambda stage=stage: stage in panel.ui.logTextEdit.plainText, 60)
        pid, begun = panel.worker.pid, time.perf_counter()
        host.click(panel.ui.runAllButton)
        assert not panel.busy
        spin(lambda pid=pid: not _lives(pid), LONGEST_CANCEL)
        assert time.perf_counter() - begun < LONGEST_CANCEL


def _lives(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
