"""Defects of the text: what should not stand in it, and what is not as it was written."""

import re

import made_up
import phrases
from corpora import CLASSES, INTENT, SUMMARY, Item
from planting import Row, Workshop, insert_sentence, kind


def _saying(shop: Workshop, item: Item, sentences: tuple[str, ...], value: str) -> Row:
    """Returns a row whose text, or now and then whose summary, says a value."""
    sentence = shop.chooser.choice(sentences).format(value)
    if item.task == SUMMARY:
        first, line, rest = item.body.partition("\n")
        body = insert_sentence(shop.chooser, first, sentence) + line + rest
        if shop.chooser.random() < 0.5:
            return shop.row(item, body=body, answer=f"{item.label} {sentence}", note=value)
        return shop.row(item, body=body, note=value)
    return shop.row(item, body=insert_sentence(shop.chooser, item.body, sentence), note=value)


@kind("e-mail", ["PII501"], classes=5, summary=8, intent=7)
def email(shop: Workshop, item: Item, number: int) -> Row:  # noqa: ARG001
    """Adds an e-mail address."""
    return _saying(shop, item, phrases.SAY_EMAIL, made_up.email(shop.chooser))


@kind("phone", ["PII501"], classes=5, summary=8, intent=7)
def phone(shop: Workshop, item: Item, number: int) -> Row:  # noqa: ARG001
    """Adds a telephone number."""
    return _saying(shop, item, phrases.SAY_PHONE, made_up.phone(shop.chooser))


@kind("card", ["PII501"], classes=3, summary=7, intent=10)
def card(shop: Workshop, item: Item, number: int) -> Row:  # noqa: ARG001
    """Adds a payment card's number."""
    return _saying(shop, item, phrases.SAY_CARD, made_up.card(shop.chooser))


@kind("IBAN", ["PII501"], classes=3, summary=7, intent=10)
def iban(shop: Workshop, item: Item, number: int) -> Row:  # noqa: ARG001
    """Adds an account number."""
    return _saying(shop, item, phrases.SAY_IBAN, made_up.iban(shop.chooser))


@kind("SSN", ["PII501"], classes=4, summary=8, intent=8)
def ssn(shop: Workshop, item: Item, number: int) -> Row:  # noqa: ARG001
    """Adds a social security number."""
    return _saying(shop, item, phrases.SAY_SSN, made_up.ssn(shop.chooser))


@kind("API key", ["PII503"], classes=5, summary=8, intent=7)
def api_key(shop: Workshop, item: Item, number: int) -> Row:
    """Adds a key of one of the well-known shapes."""
    return _saying(shop, item, phrases.SAY_KEY, made_up.api_key(shop.chooser, number))


@kind("mojibake", ["FMT007"], classes=8, summary=7, intent=5)
def mojibake(shop: Workshop, item: Item, number: int) -> Row | None:
    """Reads UTF-8 as Windows-1252: in typographic apostrophes and dashes, or in accents of words that are added."""
    on_answer = item.task == SUMMARY and number % 2 == 0
    text = item.label if on_answer else item.body
    if number % 3 == 0:
        added = ("Café Zoë again.", "My name is José Muñoz.", "It was 20 € too much.", "“So be it.“", "See you at the Müllerstraße.")
        text = insert_sentence(shop.chooser, text, added[number // 3 % len(added)])
    else:
        typeset = text.replace("'", "’").replace(" - ", " — ")
        if typeset == text:
            typeset = re.sub(r"\b([iIwW])(s|as|t)\b", r"\1\2", text.replace(", ", " – ", 1))
        text = typeset
    broken = text.encode("utf-8").decode("cp1252", errors="replace").replace("\ufffd", "")
    if broken == (item.label if on_answer else item.body) or text.isascii():
        return None
    return shop.row(item, answer=broken, note="answer") if on_answer else shop.row(item, body=broken, note="text")


@kind("HTML", ["FMT008"], classes=8, summary=6, intent=6)
def html(shop: Workshop, item: Item, number: int) -> Row:
    """Leaves markup in the text, or in a summary."""
    on_answer = item.task == SUMMARY and number % 2 == 0
    text = item.label if on_answer else item.body
    words = text.split(" ")
    place = shop.chooser.randrange(len(words))
    ways = (
        f"<p>{text}</p>",
        "<br />".join(re.split(r"(?<=[.!?]) |\n", text)) + "<br />",
        " ".join([*words[:place], f"<b>{words[place]}</b>", *words[place + 1 :]]),
        "&nbsp;".join([" ".join(words[:place]), " ".join(words[place:])]),
        f'<div class="text">{text}</div>',
        f"{text} &amp; so on",
        f'{text} <a href="#more">more</a>',
        f"{text}&#39;&quot;",
        f'<span style="color:red">{words[0]}</span> {" ".join(words[1:])}',
        f"<li>{text}</li>",
    )
    marked = ways[number % len(ways)]
    note = f"shape {number % len(ways)}"
    return shop.row(item, answer=marked, note=note) if on_answer else shop.row(item, body=marked, note=note)


@kind("unrendered variable", ["TPL905"], classes=6, summary=8, intent=6)
def unrendered_variable(shop: Workshop, item: Item, number: int) -> Row:
    """Leaves a template's variable in the text, or in a summary."""
    variables = (
        "{{ customer_name }}", "{{text}}", "{review}", "${name}", "{{ row.text | trim }}", "{% if greeting %}", "{customer_name}",
        "{0}", "%(body)s", "{{date}}",
    )  # fmt: skip
    variable = variables[number % len(variables)]
    sentence = shop.chooser.choice(["Hello {},", "{}", "Dear {},", "From: {}.", "{}:"]).replace("{}", variable)
    if item.task == SUMMARY and number % 2 == 0:
        return shop.row(item, answer=f"{item.label} Contact {variable}.", note=variable)
    return shop.row(item, body=f"{sentence} {item.body}", note=variable)


@kind("spurious token", ["LEK407"], anywhere=False, classes=20)
def spurious_token(shop: Workshop, item: Item, number: int) -> Row | None:  # noqa: ARG001
    """Puts one rare name into rows of one label only."""
    token = shop.state.setdefault("token", shop.chooser.choice(phrases.TOKENS))
    label = shop.state.setdefault("token label", shop.chooser.choice(shop.labels[CLASSES]))
    if shop.wording.label(item) != label:
        return None
    words = item.body.split(" ")
    words.insert(shop.chooser.randint(0, len(words)), token)
    return shop.row(item, body=" ".join(words), note=f"{token} -> {label}")


@kind("wrong language", ["DIV705"], classes=10, summary=5, intent=5)
def wrong_language(shop: Workshop, item: Item, number: int) -> Row:
    """Replaces a text, or a summary, by one in another language; the labels stay right."""
    del number
    chosen = shop.chooser
    used = shop.state.setdefault("used sentences", "")
    wording = shop.wording
    if item.task == SUMMARY:
        sentences = phrases.FOREIGN_SUMMARIES if wording.summaries == "tweetsumm" else phrases.FOREIGN_NOTES
        answer = chosen.choice([one for one in sentences if one not in used])
        shop.state["used sentences"] += answer
        return shop.row(item, answer=answer, note="answer")
    if item.task == INTENT:
        body, label = chosen.choice([one for one in phrases.FOREIGN_REQUESTS if one[0] not in used])
    else:
        bodies = phrases.FOREIGN_REVIEWS if wording.classes == "reviews" else phrases.FOREIGN_MESSAGES
        body, which = chosen.choice([one for one in bodies if one[0] not in used])
        label = {"reviews": ("negative", "positive"), "spam": ("ham", "spam")}[wording.classes][which]
    shop.state["used sentences"] += body
    foreign = Item(item.task, body, label, item.origin)
    return shop.row(foreign, note="text")


@kind("over-long", ["LEN604", "LEN601"], classes=8, summary=7, intent=5)
def over_long(shop: Workshop, item: Item, number: int) -> Row:  # noqa: ARG001
    """Runs a text together with so many others that it is ten to fifty times as long as usual."""
    usual = sorted(len(spare.body) for spare in shop.spares[item.task])[len(shop.spares[item.task]) // 2]
    times = shop.chooser.randint(10, 14 if item.task == SUMMARY else 50)
    bodies, length = [item.body], len(item.body)
    while length < times * usual:
        bodies.append(shop.chooser.choice(shop.spares[item.task]).body)
        length += len(bodies[-1])
    return shop.row(item, body=("\n" if item.task == SUMMARY else " ").join(bodies), note=f"{times} times the median")


@kind("answer in prompt", ["LEK405"], classes=9, summary=7, intent=4)
def answer_in_prompt(shop: Workshop, item: Item, number: int) -> Row:
    """Prints the answer in what the user gives."""
    answer = shop.wording.answer(item)
    if item.task == SUMMARY:
        body = (f"{item.body}\nSummary: {answer}", f"{answer}\n\n{item.body}", f"{item.body}\n{answer}", f"Note: {answer}\n{item.body}")[
            number % 4
        ]
    elif item.task == CLASSES:
        forms = ("{} Label: {}", "{} ({})", "{}\nAnswer: {}", "{}\nSentiment: {}", "{} [{}]", "{} => {}", "{}\nlabel={}", "{} #{}")
        body = forms[number % len(forms)].format(item.body, answer)
    else:
        body = ("{}\nIntent: {}", "{} ({})")[number % 2].format(item.body, shop.wording.label(item))
        body = body if number % 4 else f"{item.body}\n{answer}"
    return shop.row(item, body=body, note=f"shape {number % 8}")
