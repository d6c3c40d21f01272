"""One thread inside, and as many as before afterwards."""

from __future__ import annotations

import pytest
import SimpleITK as sitk

from HabitatPNILib.one_thread import one_itk_thread


def test_the_number_of_threads_is_one_inside_and_as_before_also_after_an_error():
    count = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads
    before = count()
    try:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(3)
        with one_itk_thread():
            assert count() == 1
        assert count() == 3
        with pytest.raises(ValueError, match="inside"), one_itk_thread():
            raise ValueError("inside")
        assert count() == 3
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
