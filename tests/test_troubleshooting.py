"""The page's words are those of errors, and it has words of every error."""

import ast
import re

from conftest import ROOT

DOCS = ROOT / 'docs' / 'en'


def page_words():
    """What the page quotes, as regular expressions."""
    text = (DOCS / 'troubleshooting.md').read_text()
    lines = re.findall(r'^- (`.+)', text, re.MULTILINE)
    quoted = [words for line in lines for words in re.findall('`(.+?)`', line)]
    return {
        words: re.compile('.*'.join(map(re.escape, words.split('…'))))
        for words in quoted
    }


def wrong_input_sentences():
    lines = (DOCS / 'notes' / 'wrong_inputs.md').read_text().splitlines()
    rows = [line.rsplit(' | ', 2) for line in lines if line[:2] == '| ']
    return [row[1] for row in rows if row[1] != 'sentence']


def source_sentences():
    """The package's strings, with … for what they are filled with."""
    for path in ROOT.glob('mmrazor_lakd/**/*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            parts = getattr(node, 'values', [node])
            texts = [getattr(part, 'value', '') for part in parts]
            yield '…'.join(text for text in texts if isinstance(text, str))


def test_page_quotes_what_is_said():
    said = [*wrong_input_sentences(), *source_sentences()]
    for quoted, words in page_words().items():
        assert any(words.search(sentence) for sentence in said), quoted


def test_page_has_every_sentence_of_the_table():
    known = page_words().values()
    unknown = [
        sentence
        for sentence in wrong_input_sentences()
        if not any(words.search(sentence) for words in known)
    ]
    assert not unknown
