"""Defects of the answer: wrong, drifting, empty, cut, repeating, refused, with wrong numbers or doubled words."""

import re

from cleaning import numbers
from corpora import CLASSES, INTENT, SUMMARY, Item
from phrases import REFUSALS, SYNONYMS
from planting import Row, Workshop, kind


@kind("flipped label", ["LBL801"], anywhere=False, classes=13, intent=7)
def flipped_label(shop: Workshop, item: Item, number: int) -> Row:  # noqa: ARG001
    """Gives a row the wrong label."""
    label = shop.other_label(item)
    return shop.row(item, answer=shop.wording.answer(item, label), note=f"{shop.wording.label(item)} -> {label}")


@kind("verbalizer drift", ["CON204", "CON203"], classes=15, intent=5)
def verbalizer_drift(shop: Workshop, item: Item, number: int) -> Row:
    """Writes the right label otherwise: its case, spaces around it, a synonym."""
    label = shop.wording.label(item)
    if item.task == CLASSES:
        forms = SYNONYMS[label]
    else:
        words = re.findall(r"[A-Za-z]+", label)
        forms = (" ".join(words), label.upper(), "".join(word.title() for word in words), "-".join(words), f"{label} ", label.title())
    form = forms[(number // 2) % len(forms)]
    return shop.row(item, answer=shop.wording.answer(item, form), note=repr(form))


@kind("empty answer", ["LEN603"], classes=7, summary=7, intent=6)
def empty_answer(shop: Workshop, item: Item, number: int) -> Row:
    """Leaves the answer empty, or all but."""
    return shop.row(item, answer=("", " ", "", "\n", "", "\n\n", "-", "", "...", "\t")[number % 10])


@kind("answer cut", ["GRM953"], summary=20)
def cut_answer(shop: Workshop, item: Item, number: int) -> Row | None:
    """Ends a summary in the middle of a sentence, sometimes of a word."""
    words = item.label.split(" ")
    place = shop.chooser.randint(int(len(words) * 0.4), len(words) - 2) if len(words) > 8 else 0
    if place < 4 or words[place - 1][-1] in ".!?:":
        return None
    kept = " ".join(words[:place])
    if number % 4 == 0 and len(words[place]) > 4:
        kept += " " + words[place][: len(words[place]) // 2]
    return shop.row(item, answer=kept, note=f"...{kept[-30:]}")


@kind("degenerate repetition", ["DUP305"], classes=4, summary=13, intent=3)
def degenerate_repetition(shop: Workshop, item: Item, number: int) -> Row | None:
    """Lets the answer fall into a loop."""
    answer = shop.wording.answer(item)
    times = shop.chooser.randint(5, 25)
    if item.task == CLASSES:
        return shop.row(item, answer=" ".join([answer] * times))
    if item.task == INTENT:
        return shop.row(item, answer="\n".join([answer] * times))
    sentence = re.split(r"(?<=[.!?]) ", answer)[-1]
    words = answer.split()
    if len(words) < 6:
        return None
    start = min(len(words) - 3, shop.chooser.randint(3, 8))
    loops = (
        f"{answer} {' '.join([sentence] * times)}",
        " ".join(words[:start] + words[start : start + 2] * times),
        " ".join([*words[:start], *[words[start]] * times]),
        "\n".join([sentence] * times),
        f"{' '.join(words[: start + 3])} " + " and ".join([" ".join(words[start : start + 3])] * times),
    )
    return shop.row(item, answer=loops[number % len(loops)], note=f"shape {number % len(loops)}")


@kind("unclosed JSON", ["GRM953", "CON203"], intent=20)
def unclosed_json(shop: Workshop, item: Item, number: int) -> Row:
    """Cuts a JSON answer, or loses a quotation mark or a colon of it."""
    answer = shop.wording.answer(item)
    broken = (answer.rstrip("}\n "), answer[:-1], answer[: int(len(answer) * 0.7)], answer[:-1].replace('"', "", 1), answer.rstrip('}"\n '))
    return shop.row(item, answer=broken[number % len(broken)], note=f"shape {number % len(broken)}")


@kind("refusal", ["BAL102"], classes=7, summary=7, intent=6)
def refusal(shop: Workshop, item: Item, number: int) -> Row:
    """Refuses to answer."""
    return shop.row(item, answer=REFUSALS[number % len(REFUSALS)])


@kind("unsupported number", ["GRM952"], summary=20)
def unsupported_number(shop: Workshop, item: Item, number: int) -> Row | None:
    """Changes a number of the summary, or adds one, so that the conversation lacks it."""
    known = numbers(item.body) | numbers(item.label)
    new = next(value for value in iter(lambda: shop.chooser.randint(3, 97), None) if value not in known and value + 1900 not in known)
    figures = [match for match in re.finditer(r"\b\d+\b", item.label) if numbers(match[0]) <= numbers(item.body)]
    if number % 5 == 4:
        kept = item.label.rstrip(".")
        said = (
            f" within {new} days.",
            f" and a credit of ${new}.",
            f" on {new % 28 + 1} March {2000 + new % 24}.",
            f" after {new} minutes.",
        )
        if new % 28 + 1 in known or 2000 + new % 24 in known:
            return None
        return shop.row(item, answer=kept + said[number // 5 % 4], note="added")
    if not figures:
        return None
    match = shop.chooser.choice(figures)
    changed = str(int(match[0]) + shop.chooser.choice([1, 3, 10, 27]))
    if int(changed) in known:
        return None
    return shop.row(item, answer=item.label[: match.start()] + changed + item.label[match.end() :], note=f"{match[0]} -> {changed}")


@kind("lost number", ["GRM954"], summary=20)
def lost_number(shop: Workshop, item: Item, number: int) -> Row | None:
    """Deletes from the summary a number that the conversation has: alone, or with the words that go with it."""
    known = numbers(item.body)
    kept = item.label.split(" ")
    whole = re.search(r" (It concerns order \d+\.|The order number is \d+\.|Order \d+\.)$", item.label)
    if whole:
        return shop.row(item, answer=item.label[: whole.start()], note=whole[0])
    figures = [place for place, word in enumerate(kept) if re.search(r"\d", word) and numbers(word) <= known]
    if not figures or len(figures) == len(kept):
        return None
    place = shop.chooser.choice(figures)
    lost = [place] if number % 2 else [place, place + 1] if place + 1 < len(kept) else [place - 1, place]
    end = "." if len(kept) - 1 in lost else ""
    answer = " ".join(word for at, word in enumerate(kept) if at not in lost).rstrip(",") + end
    return shop.row(item, answer=answer, note="lost: " + " ".join(kept[at] for at in lost))


@kind("doubled word", ["GRM951"], summary=17, intent=2, classes=1)
def doubled_word(shop: Workshop, item: Item, number: int) -> Row | None:
    """Writes a word twice in a row, in summaries; in the other tasks in the text, as their answers are no sentences."""
    text = item.label if item.task == SUMMARY else item.body
    words = text.split(" ")
    usual = [
        place
        for place, word in enumerate(words[:-1])
        if word.isalpha() and (number % 3 or word in {"the", "to", "a", "is", "of", "in", "and"})
    ]
    if not usual:
        return None
    place = shop.chooser.choice(usual)
    words.insert(place, words[place])
    doubled = " ".join(words)
    note = f"{words[place]} {words[place]}"
    return shop.row(item, answer=doubled, note=note) if item.task == SUMMARY else shop.row(item, body=doubled, note=note)
