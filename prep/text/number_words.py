"""The English words for numbers and months, in one table for all that read or write them."""

UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
"""From 0 to 19, each at the place of its value."""
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
"""From 20 to 90."""
CARDINALS = {**{word: value for value, word in enumerate(UNITS)}, **{word: 20 + 10 * place for place, word in enumerate(TENS)}}
"""Word -> its value, below a hundred."""
ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"),
    *("thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth"),
)
"""From 1 to 20."""
SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
"""What multiplies the number before it."""
MULTIPLES = {"once": 1, "twice": 2, "thrice": 3, "pair": 2, "couple": 2, "dozen": 12}
"""Other words that say a number by themselves."""

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
MONTH_NUMBERS = {spelling: month for month, name in enumerate(MONTHS, start=1) for spelling in (name[:3], name)} | {"sept": 9}
"""A month's name, or its abbreviation, in lower case -> its number."""


def any_of(*words: str) -> str:
    """Returns a pattern of some words, the longest first, so that none is taken for the beginning of another."""
    return f"(?:{'|'.join(sorted(words, key=len, reverse=True))})"


MONTH_PATTERN = any_of(*MONTH_NUMBERS)
"""A month in lower case, in full or abbreviated, without a dot."""
SPELLED = rf"(?i)\b{any_of(*UNITS[2:], *TENS, 'dozen', *(word for word in SCALES if word != 'billion'))}\b"
"""A word of a number from 2 up, in a linear-time pattern."""
