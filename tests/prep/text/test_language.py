"""Languages are told by script and small words; what is too short or too mixed to tell is left open."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.infer.config import write_config
from prep.lint.run import LintOptions, lint
from prep.text.language import common_language, foreign, likely_languages, script_of, short_text_language
from prep.text.language_words import FUNCTION_WORDS, NAMES

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
    "uk": "Клієнт хоче знати, де його посилка і коли вона прийде.",
    "fa": "مشتری می‌خواهد بداند بسته‌اش کجاست.",
    "ur": "گاہک جاننا چاہتا ہے کہ اس کا پارسل کہاں ہے۔",
    "he": "הלקוח רוצה לדעת איפה החבילה שלו.",
    "th": "ลูกค้าอยากรู้ว่าพัสดุอยู่ที่ไหน",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_told(language: str) -> None:
    for sure in (False, True):
        assert likely_languages(pl.Series([SENTENCES[language]]), sure=sure).to_list() == [language]


@pytest.mark.parametrize(
    "text",
    [
        "I am asking to end my account., terminate_account",  # as many Danish words as English ones
        "d6e9bf17-541d-4e86-86f7-2477cfad51e9 x",
        "the of",
        "the cover of " + "hinge clip spring brass tin " * 5,  # two small words of 28
    ],
)
def test_a_doubtful_text_is_left_open_where_the_answer_must_be_sure(text: str) -> None:
    assert likely_languages(pl.Series([text])).to_list() != [None]
    assert likely_languages(pl.Series([text]), sure=True).to_list() == [None]


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


def test_chinese_with_english_keys_is_surely_chinese() -> None:
    asked = "\u4f60\u80fd\u5e2e\u6211\u627e\u5230\u6700\u65b0\u7684\u65b0\u95fb\u5417"
    text = f'{{"from": "human", "value": "{asked}", "name": "get", "arguments": {{}}}}'
    assert likely_languages(pl.Series([text] * 2_000), sure=True).unique().to_list() == ["zh"]


def test_every_language_has_a_name() -> None:
    assert set(FUNCTION_WORDS) | set(SENTENCES) <= set(NAMES)


@pytest.mark.parametrize(
    ("text", "own", "other"),
    [
        ("\u0414\u044f\u043a\u0443\u044e \u0437\u0430 \u0437\u0430\u043c\u043e\u0432\u043b\u0435\u043d\u043d\u044f", "uk", "ru"),
        ("\u0645\u0631\u062d\u0628\u0627 \u0628\u062e\u0648\u062f", "fa", "ar"),
        ("\u06a9\u062a\u0627\u0628 \u0627\u0686\u06be\u06cc", "ur", "fa"),
    ],
)
def test_a_text_without_a_letter_that_tells_two_languages_apart_is_foreign_to_neither(text: str, own: str, other: str) -> None:
    assert likely_languages(pl.Series([text])).to_list() == [other]
    for allowed in (own, other):
        assert foreign(text, [allowed], min_hits=3, min_share=0.25) is None
    assert foreign(text, ["en"], min_hits=3, min_share=0.25) is not None


def test_russian_is_foreign_among_ukrainian_and_the_other_way_round() -> None:
    for language, among in (("ru", "uk"), ("uk", "ru"), ("ar", "fa"), ("fa", "ar"), ("ur", "ar")):
        text = (
            SENTENCES[language] if language != "ru" else "\u041c\u044b \u0436\u0434\u0451\u043c \u043f\u043e\u0441\u044b\u043b\u043a\u0443."
        )
        verdict = foreign(text, [among], min_hits=3, min_share=0.25)
        assert verdict is not None and verdict.language == language


def test_the_common_language_leaves_out_what_cannot_be_told() -> None:
    assert common_language(["The soup is on the table.", "ok", "Das ist nicht die Suppe.", "It is what it is."]) == ("en", 2 / 3)
    assert common_language(["ok"]) == common_language([]) == ("unknown", 0.0)


@pytest.mark.parametrize(
    ("text", "script"),
    [("mk401 x", "latin"), ("\u10d2\u10d0\u10db", "georgian"), ("\u5929\u6c14", "han"), ("12 34", "unknown"), ("", "unknown")],
)
def test_a_script_is_named(text: str, script: str) -> None:
    assert script_of(text) == script


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


@pytest.mark.parametrize("language", [language for language in SENTENCES if language != "th"])  # without a space it looks like a name
def test_what_lint_knows_a_first_config_knows(tmp_path: Path, language: str) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps({"text": f"{SENTENCES[language]} {number}", "label": "ab"[number % 2]}) for number in range(20)]
    path.write_text("\n".join(lines), encoding="utf-8")
    written = write_config(path)
    assert any(guess.startswith(f"language: {language}, ") for guess in written.guesses)
