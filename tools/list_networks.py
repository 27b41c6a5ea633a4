"""Prints the networks of the literature, their sizes and their maps.

The table in docs/en/networks.md is its output::

    python tools/list_networks.py
"""

import argparse

from mmrazor_lakd.backbones import NETWORKS, build_network
from mmrazor_lakd.cli import add_debug_argument, run_tool
from mmrazor_lakd.tracing.complexity import complexity

COLUMNS = ('network', 'backbone', 'images', 'classes', 'parameters')
COLUMNS += ('multiply-adds', 'width')


def table() -> str:
    """Return a Markdown table with a row for each network."""
    lines = [
        f'| {" | ".join(COLUMNS)} |',
        f'|{"---|" * 2}{"---:|" * (len(COLUMNS) - 2)}',
    ]
    for name, network in NETWORKS.items():
        model = build_network(name)
        size = complexity(model, network.image_size)
        options = ', '.join(
            f'{key}={value!r}'
            for key, value in network.backbone.items()
            if key not in ('type', 'zero_init_residual')
        )
        cells = (
            f'`{name}`',
            f'`{network.backbone["type"]}({options})`',
            str(network.image_size),
            str(network.num_classes),
            f'{size.parameters:,}',
            f'{size.multiply_adds:,}',
            str(model.backbone.feat_dim),
        )
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def main() -> None:
    """Print the table."""
    print(table())


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_debug_argument(parser)
    run_tool(main, parser.parse_args().debug)
