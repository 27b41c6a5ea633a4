"""Packaging of mmrazor-lakd."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = 'mmrazor_lakd'
# OpenMIM and MMEngine look for these in the folder .mim of a package.
MIM_CONTENT = ('configs', 'tools', 'model-index.yml')
NOT_SHIPPED = shutil.ignore_patterns('__pycache__', '*.py[cod]', '.*')


class BuildPy(build_py):
    """Adds configs, tools and the model index to what is built.

    They are copied into the build folder and never into the source tree. The
    package's build folder starts empty: setuptools keeps what an earlier build
    left there, and a deleted config would reach the next wheel.
    """

    def run(self) -> None:
        if getattr(self, 'editable_mode', False):
            super().run()
            return
        target = Path(self.build_lib, PACKAGE)
        if target.exists():
            shutil.rmtree(target)
        super().run()
        self._copy_mim_content(target / '.mim')

    @staticmethod
    def _copy_mim_content(target: Path) -> None:
        for name in MIM_CONTENT:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=NOT_SHIPPED)
            elif source.is_file():
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target / name)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding='utf-8')


def read_version() -> str:
    # Importing the package would import torch, which a build doesn't need.
    namespace = {}
    exec(read(f'{PACKAGE}/version.py'), namespace)
    return namespace['__version__']


def read_requirements(name: str) -> list:
    lines = (
        line.partition('#')[0].strip()
        for line in read(f'requirements/{name}.txt').splitlines()
    )
    return [line for line in lines if line]


if __name__ == '__main__':
    setup(
        name='mmrazor-lakd',
        version=read_version(),
        description='LAKD distillation for MMRazor: local modules, early '
        'backward and non-directional activation mapping',
        long_description=read('README.md')
        if (ROOT / 'README.md').is_file()
        else '',
        long_description_content_type='text/markdown',
        keywords='computer vision, knowledge distillation, model compression, '
        'local learning',
        author='The mmrazor_lakd authors',
        project_urls={'Paper': 'https://arxiv.org/abs/2408.11478'},
        license='Apache-2.0',
        license_files=['LICENSE'],
        classifiers=[
            'Development Status :: 4 - Beta',
            'Intended Audience :: Science/Research',
            'Operating System :: OS Independent',
            'Programming Language :: Python :: 3 :: Only',
            *(
                f'Programming Language :: Python :: 3.{minor}'
                for minor in range(9, 13)
            ),
            'Topic :: Scientific/Engineering :: Artificial Intelligence',
        ],
        packages=find_packages(str(ROOT), include=[PACKAGE, f'{PACKAGE}.*']),
        include_package_data=True,
        python_requires='>=3.9',
        install_requires=read_requirements('runtime'),
        extras_require={
            name: read_requirements(name)
            for name in ('lite', 'tests', 'cluster')
        },
        cmdclass={'build_py': BuildPy},
        zip_safe=False,
    )
