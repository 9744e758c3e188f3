from .document import PAGE, page


def test_the_page_tells_of_every_proof_and_block():
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "write it anew: cd tests; python -m formal.document"
