"""Languages are told by script and small words; what is too short or too mixed to tell is left open."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.lint.languages import FUNCTION_WORDS, NAMES, foreign, likely_languages
from prep.lint.run import LintOptions, lint
from prep.lint.short_texts import short_text_language

SENTENCES = {
    "en": "The customer wants to know where his parcel is.",
    "de": "Der Kunde möchte wissen, wo sein Paket ist.",
    "fr": "Le client veut savoir où se trouve son colis.",
    "es": "El cliente quiere saber dónde está su paquete.",
    "pt": "O cliente quer saber onde está a sua encomenda.",
    "it": "Il cliente vuole sapere dove si trova il suo pacco.",
    "nl": "De klant wil weten waar zijn pakket is gebleven.",
    "sv": "Kunden vill veta var hans paket är och när det kommer.",
    "da": "Kunden vil gerne vide, hvor hans pakke er, og hvornår den kommer.",
    "fi": "Asiakas haluaa tietää, missä hänen pakettinsa on ja milloin se tulee.",
    "pl": "Klient chce wiedzieć, gdzie jest jego paczka i kiedy będzie.",
    "cs": "Zákazník se ptá, kde je jeho zásilka a kdy bude doručena.",
    "hu": "Az ügyfél azt szeretné tudni, hogy hol van a csomag és mikor jön meg.",
    "ro": "Clientul vrea să știe unde este coletul său și când va ajunge.",
    "tr": "Müşteri paketin nerede olduğunu ve ne zaman geleceğini bilmek istiyor.",
    "id": "Pelanggan ingin tahu di mana paket itu dan kapan akan tiba.",
    "vi": "Khách hàng muốn biết gói hàng của anh ấy đang ở đâu và khi nào đến.",
    "hr": "Kupac želi znati gdje je njegov paket i kada će stići.",
    "ca": "El client vol saber on és el seu paquet i quan arriba.",
    "zh": "客户想知道他的包裹在哪里。",
    "ja": "お客様は荷物がどこにあるか知りたいです。",
    "ko": "고객은 소포가 어디에 있는지 알고 싶어합니다.",
    "ru": "Клиент хочет знать, где его посылка.",
    "el": "Ο πελάτης θέλει να μάθει πού είναι το δέμα.",
    "ar": "يريد العميل أن يعرف أين الطرد.",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_told(language: str) -> None:
    assert likely_languages(pl.Series([SENTENCES[language]])).to_list() == [language]


@pytest.mark.parametrize("language", [language for language in SENTENCES if language != "en"])
def test_a_sentence_is_foreign_among_english_and_not_among_its_own(language: str) -> None:
    verdict = foreign(SENTENCES[language], ["en"], min_hits=3, min_share=0.25)
    assert verdict is not None
    assert verdict.language == language
    assert foreign(SENTENCES[language], [language], min_hits=3, min_share=0.25) is None


@pytest.mark.parametrize("text", ["", "12 34", "OK", "Casa de la Playa", "AB-1077 MK401", "😀😀", "```\nder die das und\n```"])
def test_what_says_nothing_is_left_open(text: str) -> None:
    assert foreign(text, ["en"], min_hits=3, min_share=0.25) is None


def test_a_common_language_is_told_the_fast_way_and_the_rest_as_before() -> None:
    few = list(SENTENCES.values())
    texts = pl.Series([*([SENTENCES["en"]] * 3_000), *few, None, *([SENTENCES["en"]] * 3_000)])
    found = likely_languages(texts).to_list()
    assert found[3_000 : 3_000 + len(few)] == list(SENTENCES)
    assert found[3_000 + len(few)] is None
    assert set(found[:3_000]) == {"en"}


def test_every_language_has_a_name() -> None:
    assert set(FUNCTION_WORDS) <= set(NAMES)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=8))
def test_any_text_gets_an_answer(texts: list[str]) -> None:
    found = likely_languages(pl.Series(texts, dtype=pl.String))
    assert found.len() == len(texts)
    for text in texts:
        foreign(text, ["en"], min_hits=3, min_share=0.25)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Pago rechazado otra vez", "es"),
        ("Paiement refus\u00e9 encore une fois", "fr"),
        ("Preis und Leistung hervorragend", "de"),
        ("P\u0142atno\u015b\u0107 znowu odrzucona", "pl"),
        ("Siparişim hi\u00e7 gelmedi", "tr"),
        ("Cancel a transaction", None),
        ("Crust is not good.", None),
        ("Cute concept. Wretched cr\u00eapes.", None),
        ("Buongiorno", None),  # a word alone is as often a name
        ("Kraftwerk Rammstein", None),
    ],
)
def test_short_texts_are_read_by_lingua(text: str, language: str | None) -> None:
    pytest.importorskip("lingua")
    assert short_text_language(text, ["en"], 0.99) == language
    assert language is None or short_text_language(text, ["en", language], 0.99) is None
    assert short_text_language(text, ["zh"], 0.5) is None  # a few words of Latin script among Chinese texts are terms


def test_a_short_foreign_text_is_found_among_english_ones(tmp_path: Path) -> None:
    pytest.importorskip("lingua")
    things = ("The soup", "My order", "This room", "Our waiter", "The parcel", "A driver")
    said = ("was late for the second time", "is not what we had hoped for", "took an hour", "has been very kind to us", "came cold")
    rows = [{"prompt": f"{thing} {what}", "completion": "Thank you for this."} for thing in things for what in said]
    rows += [{"prompt": "Pago rechazado otra vez", "completion": "ok"}, {"prompt": "Acme Widgetron 3000 deluxe", "completion": "ok"}]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (found,) = lint(path, options=LintOptions(select=("DIV705",))).diagnostics
    assert (found.line, found.kind) == (31, "es")
    assert not lint(path, options=LintOptions(select=("DIV705",), thresholds={"DIV705.rows": 0})).diagnostics
