"""What pyproject.toml cannot say: a wheel carries the resources and models that lie beside the package in a checkout."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class BuildWithResources(build_py):
    """Copy protocols, colours and frozen models into the package; an editable install uses the checkout's own."""

    def run(self):
        """Build the package, then add its resources."""
        super().run()
        if not self.editable_mode:
            shipped = Path(self.build_lib) / "HabitatPNILib" / "shipped"
            shutil.copytree(ROOT / "HabitatPNI" / "Resources", shipped, dirs_exist_ok=True)
            shutil.copytree(ROOT / "models", shipped / "HabitatPNIModels", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithResources})
