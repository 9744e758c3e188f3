"""How results look: figures of one style, tables of text and of Markdown."""
