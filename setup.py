"""Everything else is declared in pyproject.toml."""

from setuptools import setup
from setuptools.command.build_py import build_py

# Names that a user's own project may have. Without ``__init__.py`` they are namespace packages in a wheel, which leave a folder
# of the same name importable.
NAMESPACES = ("models", "experiments")


class BuildPy(build_py):
    """Leave the first ``__init__.py`` of some packages out of the wheel."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = super().find_package_modules(package, package_dir)
        return [module for module in found if package not in NAMESPACES or module[1] != "__init__"]


setup(cmdclass={"build_py": BuildPy})
