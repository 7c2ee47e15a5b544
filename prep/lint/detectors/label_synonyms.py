"""Words that label sets use for one and the same thing."""

# A line is one sense, with what is indented below it: what annotators and exporters write for it, in lower case, without punctuation.
_SENSES = """
positive|pos|good|great|favourable|favorable|excellent|happy|satisfied|like|liked|recommended|thumbs up|pro|upbeat|optimistic|
  approving|positiv|positif|positivo|正面
negative|neg|bad|poor|unfavourable|unfavorable|terrible|awful|unhappy|dissatisfied|dislike|disliked|not recommended|thumbs down|
  contra|critical|pessimistic|negativ|negatif|negativo|负面
neutral|neut|neu|indifferent|balanced|so so|neither|neutre|neutro|中性
mixed|ambivalent|both|mixed feelings
yes|y|true|t|correct|affirmative|yep|yeah|yup|ja|oui|si|sí|是
no|n|false|f|incorrect|nope|nah|nein|non|not|否
spam|junk|unsolicited|scam|phishing|advertisement|unwanted
ham|not spam|no spam|non spam|legit|legitimate|clean|genuine|real|wanted
toxic|abusive|offensive|hateful|harmful
non toxic|not toxic|benign|harmless|safe|inoffensive
high|urgent|critical|severe|important|major|p1
medium|moderate|normal|mid|average|p2
low|minor|trivial|not urgent|unimportant|p3
male|man|m|masculine
female|woman|f|feminine
entailment|entails|entailed|implies|implied
contradiction|contradicts|contradicted|contradictory
approved|accepted|accept|approve|granted
rejected|declined|denied|refused|reject|deny
open|unresolved|pending|active
closed|resolved|done|completed|solved
question|query|inquiry|enquiry|request
complaint|grievance|complain|dissatisfaction
praise|compliment|commendation
relevant|on topic|related|pertinent
irrelevant|off topic|unrelated|not relevant
normal|healthy|unremarkable|within normal limits|wnl
abnormal|pathological|atypical
none|nothing|n/a|na|not applicable|nil|null
other|others|misc|miscellaneous|else
unknown|unclear|undetermined|not sure|unsure|cannot tell
"""
_GROUPS = [frozenset(line.split("|")) for line in _SENSES.replace("|\n  ", "|").strip().splitlines()]


def are_synonyms(one: str, other: str) -> bool:
    """Says whether two labels, in lower case and without punctuation, are words for one thing in some label set."""
    return any(one in group and other in group for group in _GROUPS)
