"""A generator in the event loop: one step a turn, stopped cleanly."""

from __future__ import annotations

import time

from host.module import forget_turns, slowest_turn, spin

from HabitatPNILib.gui.turns import run_in_turns


def steps(log, fail_at=None, count=4, seconds=0.0):
    try:
        for number in range(count):
            if number == fail_at:
                raise ValueError("no")
            time.sleep(seconds)
            yield f"step {number}"
        return "the answer"
    finally:
        log.append("closed")


def test_steps_come_one_a_turn_and_the_return_value_at_the_end():
    log, seen, answers = [], [], []
    forget_turns()
    run_in_turns(steps(log, seconds=0.03), answers.append, answers.append, seen.append)
    assert seen == []
    spin(lambda: answers, 5)
    assert seen == [f"step {n}" for n in range(4)]
    assert answers == ["the answer"]
    assert slowest_turn() < 0.09, "several steps in one turn"


def test_an_exception_goes_to_its_callback():
    log, done, errors = [], [], []
    run_in_turns(steps(log, fail_at=2), done.append, errors.append)
    spin(lambda: errors, 5)
    assert isinstance(errors[0], ValueError)
    assert not done


def test_stop_closes_the_generator_and_nothing_is_called_any_more():
    log, called = [], []
    turns = run_in_turns(steps(log, count=10_000), called.append, called.append)
    spin(None, 0.05)
    turns.stop()
    assert log == ["closed"]
    spin(None, 0.05)
    assert called == []


def test_stop_from_within_a_step():
    log, called = [], []
    turns = run_in_turns(steps(log), called.append, called.append, lambda _step: turns.stop())
    spin(lambda: log, 5)
    spin(None, 0.05)
    assert called == []
