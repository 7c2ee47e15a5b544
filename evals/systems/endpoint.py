"""endpoint:URL#MODEL."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from typing_extensions import override

from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow, Task
from evals.predict.calls import as_prediction
from evals.predict.server import Server, ServerAnswer, Unanswered
from evals.systems.added import ADDED, with_added, with_passages
from evals.systems.base import EvalContext, System
from evals.systems.filled import likeliest
from evals.systems.spec import FORMS
from loopwright.progress import Advance
from templates.calls import CallLoss, ReadAnswer, ToolCall, names_of
from templates.cloze import fill
from train.inference.generation import DEFAULT_NEW_TOKENS, answer_limit
from train.inference.loglikelihood import Scored, sum_words

# No tokenizer tells how many tokens an answer has: at the most one for each two of its bytes, in any script.
_BYTES_A_TOKEN = 2


class Endpoint(System):
    """A model behind a server that speaks OpenAI's protocol, such as vLLM, llama.cpp, `transformers serve`, or a provider's.

    Written answers come from its chat completions, greedily. Choices are scored by their log-likelihood after the raw prompt, which takes a
    server that returns the log-probabilities of a prompt (completions with `echo`): one that does not is told by a known text first, and
    answers no choices, rather than that its scores be guessed. What it answered is kept, so that a run that was stopped goes on.
    """

    name = "endpoint"
    forms = (FORMS["endpoint:URL#MODEL"],)
    adds = ADDED

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Asks the server for each example, several at a time; one that it cannot answer is an error of that example."""
        if self.spec.added:
            context = with_added(context, self.spec.added)
        url, _, model = self.spec.argument.partition("#")
        limit = context.config.max_new_tokens or _answer_limit(context.train_rows)
        with Server(url, model, context.config.endpoint) as server, ThreadPoolExecutor(context.config.endpoint.concurrency) as pool:
            choosing = context.rows_of(Task.CLASSIFICATION)
            refusal = server.refuses_logprobs() if choosing else None

            def ask(row: EvalRow) -> Prediction:
                try:
                    if row.task is Task.CLASSIFICATION:
                        if refusal is not None:
                            raise Unanswered(refusal)
                        return _choose(server, row)
                    return _written(row, server.write(row.messages[:-1] if row.messages else [], limit, row.tools))
                except Unanswered as error:
                    return Prediction(row.id, PredictionState.ERROR, detail=str(error))
                finally:
                    advance(1)

            predictions = list(pool.map(ask, context.rows_for(self)))
            context.notes.append(f"{self.label}: {_told(server.answers, server)}")
            if server.has_prices:
                context.costs[self.label] = server.cost
        return with_passages(context, predictions)


def _written(row: EvalRow, answer: ServerAnswer) -> Prediction:
    """Takes a server's answer as it is; of an example that says of tools with the calls that the server has read of it."""
    state = PredictionState.OK if answer.is_finished else PredictionState.UNFINISHED
    if row.calls is None and not answer.calls:
        return Prediction(row.id, state, answer.text)
    try:
        calls = tuple(ToolCall.of(name, arguments) for name, arguments in answer.calls)
    except ValueError as error:
        return as_prediction(row, state, ReadAnswer(answer.text, (), CallLoss.MALFORMED, str(error)))
    if not calls:
        return as_prediction(row, state, ReadAnswer.without_calls(answer.text, names_of(row.tools), "the server reads no call in it"))
    return as_prediction(row, state, ReadAnswer(answer.text, calls))


def _choose(server: Server, row: EvalRow) -> Prediction:
    """Scores each word of each choice of an example after its raw prompt."""
    if row.prompt is None or row.target is None or row.choices is None:
        raise Unanswered("choices are scored on the raw prompt, which this example does not have")
    before = row.target.removesuffix(row.reference)
    words = row.words or tuple((choice,) for choice in row.choices)
    texts = [fill(row.prompt, row.mask, before + word) for some in words for word in some]
    values = [server.logprob(context, continuation) for context, continuation in texts]
    return likeliest(row, Scored(sum_words(values, tuple(map(len, words))), is_cut=False))


def _answer_limit(train_rows: Sequence[EvalRow]) -> int:
    longest = max((len(row.reference.encode()) for row in train_rows if row.task is Task.GENERATION), default=0)
    return answer_limit(math.ceil(longest / _BYTES_A_TOKEN)) if longest else DEFAULT_NEW_TOKENS


def _told(answers: Sequence[ServerAnswer], server: Server) -> str:
    """Returns what the answers took."""
    asked = [one for one in answers if not one.is_known]
    said = f"{len(answers):,} requests answered, {len(answers) - len(asked):,} of them known from before"
    if asked:
        seconds = sorted(one.seconds for one in asked)
        late = seconds[min(len(seconds) - 1, math.ceil(0.95 * len(seconds)) - 1)]
        said += f"; latency {median(seconds):.2f} s, 95th percentile {late:.2f} s"
        said += f"; {sum(one.input_tokens for one in asked):,} tokens read, {sum(one.output_tokens for one in asked):,} written"
    return said + (f"; cost {server.cost:.4f} by the config's prices" if server.has_prices else "")
