"""How refusals are worded, and what only sounds like one."""

import polars as pl
import pytest

from prep.lint.detectors.refusals import DISCLOSURE, OPENING, REFUSAL

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I’m sorry, but I can’t assist with that request.",
    "As an AI language model, I cannot provide this.",
    "As an AI, I don't have feelings.",
    "I cannot fulfill this request.",
    "I can't do that.",
    "Sorry, I can't.",
    "I'm unable to assist with that.",
    "I am not able to provide a summary of this conversation.",
    "Unfortunately, I am unable to help with this.",
    "I must decline to answer.",
    "I won't be able to help with that request.",
    "I'm afraid I can't answer that.",
    "My apologies, but I can't comply with this request.",
    "I apologize, but I cannot generate that content.",
    "I'm sorry, I cannot classify this review.",
    "I do not feel comfortable answering this question.",
    "I'm not comfortable answering that.",
    "I'd rather not say.",
    "This goes against my guidelines.",
    "That request violates our content policy.",
    "I can’t engage in that topic.",
    "I'm just an AI and cannot judge reviews.",
    "Sorry, but I am not able to do so.",
    "I don't have the ability to access that.",
    "I'm sorry, but this request violates OpenAI's content policy.",
    "I am not permitted to discuss this.",
    "It is against my programming to answer.",
    "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    "Lo siento, pero no puedo ayudar con eso.",
    "抱歉，我无法提供帮助。",
    "作为一个人工智能，我不能回答。",
    "I refuse to answer that.",
    "No, I won't do that.",
    "I have to decline this request.",
    "I'm sorry, I'm not able to help you with this one.",
    "I am sorry but as a language model I have no opinion.",
    "Thank you for your message, but I cannot help with that.",
    "I cannot answer that question.",
    "That's not something I can help with.",
    "I can not assist.",
    "We are unable to process your request.",
    "I'm sorry. I can't help with that.",
    "I'm really sorry, but I'm unable to continue with this.",
    "This content may violate our policies.",
    "I cannot in good conscience answer this.",
    "I'm sorry, but I can't share that.",
    "I can't assist with that.",
    "Sorry, I am unable to answer.",
    "I will not be able to complete this task.",
    "I'm sorry, but I don't have enough information to answer.",
    "I'm sorry, I don't know how to answer that.",
    "I regret that I cannot comply.",
    "It would not be appropriate for me to respond to this.",
    "Sorry, but that's beyond what I am able to help with.",
    "That is outside of my capabilities.",
]
OTHERS = [
    "positive",
    "The patient is unable to examine.",
    "Customer can't log in. Agent is sorry.",
    "Sure! Here is the summary.",
    "I can't believe how good this is",
    "Agent apologised and cannot provide a refund.",
    "I am sorry to hear that. Please DM us your number.",
    "I will help you with that.",
    "We can help you with that. Please share the number.",
    "He is sorry that he can't come.",
    "I don't know, but she said she would help.",
    "Hi, sorry for the delay. Could you send us the details?",
    "Well done.",
    "I would not go there again.",
]


def matches(text: str, *patterns: str) -> bool:
    return any(pl.Series([text]).str.contains(pattern).item() for pattern in patterns)


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal(text: str) -> None:
    assert matches(text, REFUSAL, DISCLOSURE)


@pytest.mark.parametrize("text", OTHERS)
def test_no_refusal(text: str) -> None:
    assert not matches(text, REFUSAL, DISCLOSURE)


@pytest.mark.parametrize(("text", "canned"), [("Sure! Here is the summary.", True), ("Here are the steps:", True), ("Surely not", False)])
def test_a_canned_opening(text: str, canned: bool) -> None:
    assert matches(text, OPENING) is canned
