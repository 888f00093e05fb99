"""Indexes of symbols and assumptions."""

from dataclasses import replace

from overtraining.figures.book.index import index_of_assumptions, index_of_symbols
from overtraining.theory.derivations.claims.b1_noise import DERIVATION as B1


def test_the_indexes_tell_who_uses_what():
    other = replace(B1, claim="C1", symbols={"c": "price"}, statement=r"c=\gamma_1+\dot q_1", steps=(), assumptions=())
    index = {symbol.latex: symbol for symbol in index_of_symbols([B1, other, replace(B1, claim="D1")])}
    assert index["c"].meanings == {"price": ("C1",)}
    assert index[r"\gamma_1"].meanings == {B1.symbols[r"\gamma_1,\gamma_2"]: ("B1", "D1")}
    assert index[r"\gamma_1"].also_in == index["q_1"].also_in == ("C1",)
    assert index[r"\tau"].also_in == ()
    names = index_of_assumptions([B1, other, replace(B1, claim="D1")])
    assert {name: list(claims) for name, claims in names.items()} == {
        "independent noise": ["B1", "D1"],
        "zero-mean noise": ["B1", "D1"],
    }
