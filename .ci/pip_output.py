"""Of all that pip prints, what a user wants to see."""

import re
import shutil
import sys
import time


class Progress:
    """One line that changes on a terminal, a line now and then elsewhere."""

    def __init__(self, doing: str, packages: int) -> None:
        self.doing = doing
        self.packages = packages
        self.collected = 0
        self.started = time.monotonic()
        self.terminal = sys.stdout.isatty()
        self.next = 0.0 if self.terminal else 10.0

    def see(self, line: str) -> None:
        """Takes one line of pip's output in."""
        word, _, rest = line.strip().partition(' ')
        if word == 'Collecting':
            self.collected += 1
            # More than the lock names, where it forgot a dependency.
            total = max(self.collected, self.packages)
            name = re.match(r'[\w.-]*', rest)[0]
            self.doing = f'collecting {self.collected} of {total}, {name}'
        elif word == 'Downloading' and not rest.endswith('metadata'):
            file, _, size = rest.rpartition(' (')
            name = '-'.join(file.rsplit('/', 1)[-1].split('-')[:2])
            self.doing = f'downloading {name} ({size}' if file else self.doing
        elif word == 'Installing' and rest.startswith('collected'):
            self.doing = 'unpacking all packages'

    def show(self) -> None:
        seconds = time.monotonic() - self.started
        if seconds < self.next:
            return
        text = f'  {seconds:4.0f} s  {self.doing}'
        if self.terminal:
            width = shutil.get_terminal_size().columns
            print(f'\r{text[: width - 1]}\x1b[K', end='', flush=True)
        else:
            say(text)
            self.next = seconds + 15.0

    def close(self) -> None:
        if self.terminal:
            print('\r\x1b[K', end='', flush=True)


def errors_in(lines: list) -> str:
    """Of pip's many lines, those that say what went wrong."""
    # The last retry names a network fault; the ERROR after it doesn't.
    errors = [line for line in lines if line.startswith('WARNING: Retrying')]
    errors = errors[-1:] + [line for line in lines if 'ERROR:' in line]
    return '\n'.join(f'    {line}' for line in errors or lines[-12:])


def say(text: str) -> None:
    print(text, flush=True)
