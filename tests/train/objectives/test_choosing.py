"""The right one of several choices, by a causal model after a prompt and by masked ones at a mask, against a plain reading of the loss."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from loopwright.errors import UserError, UserErrors
from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from tests.helpers import review, write_dataset
from tests.train.conftest import reviews
from tests.train.masked import cloze_rows
from train.config import TrainConfig
from train.data.examples import TrainingExample, load_examples
from train.data.packing import collate, micro_batches
from train.engine.loss import Scorer
from train.ledger.ledger import summarise
from train.methods.base import trainable
from train.methods.lora import Lora
from train.models.load import Model, load_model, unwrapped
from train.objectives.base import OBJECTIVES, Objective
from train.objectives.cloze import Cloze
from train.objectives.verbalizer import Verbalizer
from train.run import train

CPU = torch.device("cpu")
Options = Callable[..., TrainConfig]
LOSSES = pytest.mark.parametrize("loss", ["choices", "target"])


@dataclass
class Case:
    """An objective on a model: its dataset, and its rows with their scores by a plain loop."""

    objective: str
    model_dir: Path
    dataset: Path

    @property
    def auto_class(self) -> str:
        return OBJECTIVES.get(self.objective).auto_class

    def config(self, **changes: Any) -> TrainConfig:
        given = {"model": str(self.model_dir), "objective": self.objective, "dtype": "float32", "batch_size": 4, "learning_rate": 1e-2}
        return TrainConfig.model_validate({"leaks": "allow"} | given | changes)

    def adapted(self, config: TrainConfig) -> Model:
        """The model with an adapter whose effect is not zero."""
        torch.manual_seed(1)
        model = Lora(config).fresh(load_model(str(self.model_dir), "float32", self.auto_class))
        with torch.no_grad():
            for parameter in trainable(model).values():
                parameter.normal_(std=0.1)
        return model

    def data(self, objective: Objective) -> list[TrainingExample]:
        return load_examples(Dataset.open(self.dataset), objective, load_tokenizer(str(self.model_dir)), objective.config, 64).train

    def rows(self) -> list[dict[str, Any]]:
        return Dataset.open(self.dataset).examples("train").collect().to_dicts()


@pytest.fixture(params=["verbalizer", "bert", "roberta", "distilbert"])
def case(request: pytest.FixtureRequest, tiny_model_dir: Path, masked_dirs: dict[str, Path], tmp_path: Path) -> Case:
    if request.param == "verbalizer":
        return Case("verbalizer", tiny_model_dir, write_dataset(tmp_path / "data", verbalizer_rows()))
    return Case("cloze", masked_dirs[request.param], write_dataset(tmp_path / "data", cloze_rows()))


def verbalizer_rows() -> list[dict[str, Any]]:
    """Prompts with two to four choices of unlike lengths."""
    choices = ["positive", "negative", "slow", "wrong order"]
    found = []
    for index in range(14):
        number = 2 + index % 3
        text = f"Review: The soup was {'great ' * (index % 5 + 1)}order {index}.\nSentiment:"
        row = {"prompt": text, "choices": choices[:number], "label": index % number, "target": f" {choices[index % number]}"}
        found.append({"split": "train" if index < 11 else "validation", **row})
    return found


def plain_scores(case: Case, model: Any, tokenizer: Any, row: dict[str, Any]) -> torch.Tensor:
    """The sum of each choice's log-probabilities, one choice a forward pass, with no code of the trainer's."""
    scores = []
    for choice in row["choices"]:
        if case.objective == "verbalizer":
            prompt, whole = tokenizer.encode(row["prompt"]), tokenizer.encode(f"{row['prompt']} {choice}")
            logprobs = model(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
            places = range(len(prompt), len(whole))
            scores.append(sum(logprobs[place - 1, whole[place]] for place in places))
        else:
            words = tokenizer.encode(f" {choice}", add_special_tokens=False)
            text = row["prompt"].replace(row["mask"], tokenizer.mask_token * len(words))
            ids = torch.tensor([tokenizer.encode(text)])
            masks = (ids[0] == tokenizer.mask_token_id).nonzero().flatten()
            scores.append(model(input_ids=ids).logits[0, masks].log_softmax(-1).gather(1, torch.tensor(words)[:, None]).sum())
    return torch.stack(scores)


def plain_loss(case: Case, model: Any, loss: str) -> torch.Tensor:
    """The mean over choices, or over all tokens of the right choices."""
    tokenizer = AutoTokenizer.from_pretrained(case.model_dir)
    total, count = torch.zeros(()), 0
    for row in case.rows():
        scores = plain_scores(case, model, tokenizer, row)
        total = total + (
            functional.cross_entropy(scores[None], torch.tensor([row["label"]])) if loss == "choices" else -scores[row["label"]]
        )
        count += 1 if loss == "choices" else len(tokenizer.encode(f" {row['choices'][row['label']]}", add_special_tokens=False))
    return total / count


def loss_and_gradient(scorer: Scorer, objective: Objective, examples: list[TrainingExample], model: Model, **limits: Any) -> Any:
    """One step's loss and gradient as the loop computes them."""
    model.zero_grad()
    total = 0.0
    for group in micro_batches(examples, TrainConfig(**limits), packed=scorer.packed, apart=objective.independent):
        loss = objective.loss(scorer.score(collate(group, CPU, packed=scorer.packed))) / sum(example.normalizer for example in examples)
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    return total, gradient_of(model)


def gradient_of(model: Model) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in trainable(model).values() if parameter.grad is not None])


@LOSSES
def test_loss_and_gradient_are_those_of_a_plain_loop_however_they_are_divided(case: Case, loss: str) -> None:
    """Packed == padded, one micro-batch of all == one an example == some: all equal one choice at a time through transformers alone."""
    config = case.config(verbalizer_loss=loss)
    objective = OBJECTIVES.get(case.objective)(config)
    examples, model = case.data(objective), case.adapted(config)
    packed = Scorer.for_model(model)
    assert packed.packed
    assert packed.first_position == (2 if "roberta" in case.model_dir.name else 0)
    divisions: list[dict[str, Any]] = [{}, {"micro_batch_size": 1}, {"micro_batch_size": 3}, {"micro_batch_tokens": 150}]
    found = [loss_and_gradient(packed, objective, examples, model, **limits) for limits in divisions]
    assert sum(example.num_tokens for example in examples) > 2 * 64  # more than the model has positions
    unwrapped(model).set_attn_implementation("sdpa")
    padded = Scorer(packed.causal, packed=False)
    found += [loss_and_gradient(padded, objective, examples, model, **limits) for limits in divisions]
    model.zero_grad()
    expected = plain_loss(case, model, loss)
    expected.backward()  # type: ignore[no-untyped-call]
    gradient = gradient_of(model)
    assert gradient.norm() > 1e-3
    for value, other in found:
        assert value == pytest.approx(expected.item(), rel=1e-5)
        torch.testing.assert_close(other, gradient, rtol=1e-3, atol=1e-5)
        assert functional.cosine_similarity(other, gradient, dim=0) > 0.99999


def test_sequences_do_not_see_each_other_and_padding_is_not_seen(case: Case) -> None:
    config = case.config()
    objective = OBJECTIVES.get(case.objective)(config)
    examples, model = case.data(objective)[:3], case.adapted(config)
    scorer = Scorer.for_model(model)
    batch = collate(examples, CPU, packed=True)
    before = scorer.score(batch).sequence_logprobs().detach()
    first = examples[0].sequences[0].num_tokens
    batch.input_ids[0, 1:5] = batch.input_ids[0, 6:10]
    after = scorer.score(batch).sequence_logprobs().detach()
    torch.testing.assert_close(before[1:], after[1:], rtol=1e-6, atol=1e-5)  # what is computed once for several may change
    assert abs(before[0] - after[0]) > 1e-3
    unwrapped(model).set_attn_implementation("sdpa")
    padded = collate(examples, CPU, packed=False)
    assert padded.real is not None
    assert padded.real.sum(1).tolist() == [sequence.num_tokens for example in examples for sequence in example.sequences]
    scorer = Scorer(scorer.causal, packed=False)
    torch.testing.assert_close(scorer.score(padded).sequence_logprobs().detach(), before, rtol=1e-5, atol=1e-5)
    clean = scorer.score(padded).sequence_logprobs().detach()
    padded.input_ids[padded.real == 0] = 7
    torch.testing.assert_close(scorer.score(padded).sequence_logprobs().detach(), clean, rtol=1e-6, atol=1e-6)
    assert first < padded.input_ids.shape[1]  # the first sequence is padded


@LOSSES
def test_the_ledger_says_by_how_much_the_right_choice_leads(case: Case, loss: str) -> None:
    config = case.config(verbalizer_loss=loss)
    objective = OBJECTIVES.get(case.objective)(config)
    examples, model = case.data(objective), case.adapted(config)
    scorer = Scorer.for_model(model)
    with torch.no_grad():
        losses, margins, least, counts = summarise(objective, examples, scorer.score(collate(examples, CPU, packed=True)))
        unwrapped(model).set_attn_implementation("sdpa")
        tokenizer = AutoTokenizer.from_pretrained(case.model_dir)
        rows = case.rows()
        scores = [plain_scores(case, model, tokenizer, row) for row in rows]
    for place, (row, values) in enumerate(zip(rows, scores, strict=True)):
        label = row["label"]
        number = len(tokenizer.encode(f" {row['choices'][label]}", add_special_tokens=False))
        if loss == "target":
            assert counts[place] == number
            assert losses[place] == pytest.approx(-float(values[label]) / number, abs=1e-4)
            assert margins[place] >= least[place]
            continue
        others = torch.cat([values[:label], values[label + 1 :]])
        assert losses[place] == pytest.approx(-float(values.log_softmax(-1)[label]), abs=1e-4)
        assert margins[place] == pytest.approx(float(values[label] - others.max()), abs=1e-4)
        assert least[place] == margins[place]


def test_a_run_learns_and_what_it_saves_is_loaded_by_peft_alone(case: Case, tmp_path: Path) -> None:
    from peft import PeftModel

    record = train(case.dataset, tmp_path / "run", case.config(epochs=10))
    assert (record.objective, record.form, record.packed) == (case.objective, "verbalizer", True)
    losses = [loss for _, loss in record.validation_losses]
    assert losses[-1] < losses[0] * (0.5 if case.objective == "cloze" else 1)  # the verbalizer's labels say nothing of their texts
    ledger = pl.read_parquet(tmp_path / "run" / "ledger.parquet")
    assert ledger.filter(epoch=10)["margin"].mean() > ledger.filter(epoch=1)["margin"].mean()  # type: ignore[operator]
    auto = AutoModelForCausalLM if case.objective == "verbalizer" else AutoModelForMaskedLM
    base = auto.from_pretrained(case.model_dir, dtype=torch.float32)
    tuned = PeftModel.from_pretrained(base, tmp_path / "run").eval()
    tokenizer = AutoTokenizer.from_pretrained(case.model_dir)
    held_out = Dataset.open(case.dataset).examples("validation").collect().to_dicts()
    with torch.no_grad():
        values = [plain_scores(case, tuned, tokenizer, row).log_softmax(-1)[row["label"]] for row in held_out]
    assert record.validation_loss == pytest.approx(-float(torch.stack(values).mean()), rel=1e-4, abs=1e-6)


def test_each_objective_leaves_the_rows_of_the_other(tiny_model_dir: Path, masked_dirs: dict[str, Path], tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", [*verbalizer_rows(), *cloze_rows()])
    for objective, folder, left in (("verbalizer", tiny_model_dir, 14), ("cloze", masked_dirs["bert"], 0)):
        record = train(
            dataset,
            tmp_path / objective,
            TrainConfig(leaks="allow", model=str(folder), objective=objective, dtype="float32", max_steps=1, truncation="drop"),
        )
        assert record.dropped_other_form == [f"row{index}/reviews/sentiment/0" for index in range(left, left + 14)]
        assert record.num_examples == 11
        assert record.dropped_too_long == []


def test_nothing_to_train_says_what_is_missing(
    dataset_dir: Path, masked_dirs: dict[str, Path], tiny_model_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"no training example has a prompt with a mask.*'cloze' trains"):
        train(dataset_dir, tmp_path / "run", TrainConfig(leaks="allow", model=str(masked_dirs["bert"]), objective="cloze"))
    dataset = write_dataset(tmp_path / "data", cloze_rows())
    with pytest.raises(UserError, match=r"no training example has the verbalizer form without a mask .*'verbalizer' trains"):
        train(dataset, tmp_path / "run", TrainConfig(leaks="allow", model=str(tiny_model_dir), objective="verbalizer"))


def test_a_label_outside_the_verbalizer_is_told_before_the_model_is_loaded(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*verbalizer_rows(), review("The soup", 1) | {"label": 2}, review("The bill", 1) | {"label": None}, review("x", 0, target=" so")]
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(UserErrors) as caught:
        train(
            write_dataset(tmp_path / "data", rows),
            tmp_path / "run",
            TrainConfig(leaks="allow", model=str(tiny_model_dir), objective="verbalizer"),
        )
    told = str(caught.value)
    assert (
        "row row14 cannot be trained on: the label is outside the verbalizer: it is 2, and the choices are 'negative', 'positive'" in told
    )
    assert "row row15 cannot be trained on: the label is outside the verbalizer: there is none" in told
    assert "row row16 cannot be trained on: the target ' so' does not end on its choice 'negative'" in told
    assert "data.jsonl:15" in told
    assert not (tmp_path / "run").exists()


def test_a_prompt_with_a_free_target_trains_its_likelihood(tiny_model_dir: Path, tmp_path: Path) -> None:
    rows = [{"prompt": "The waiter", "target": " was slow"}, {"prompt": "The soup", "target": " was great"}, verbalizer_rows()[0]]
    dataset = write_dataset(tmp_path / "data", rows)
    config = TrainConfig(leaks="allow", model=str(tiny_model_dir), objective="verbalizer", dtype="float32")
    objective = Verbalizer(config)
    examples = load_examples(Dataset.open(dataset), objective, load_tokenizer(str(tiny_model_dir)), config, 64).train
    assert [len(example.sequences) for example in examples] == [1, 1, 2]
    numbers = [len(example.sequences[0].targets) for example in examples]
    assert [example.normalizer for example in examples] == [numbers[0], numbers[1], 1]
    model = load_model(str(tiny_model_dir), "float32")
    with torch.no_grad():
        losses = objective.row_losses(Scorer(model, packed=False).score(collate(examples, CPU, packed=False)))
        for row, value, number in zip(rows[:2], losses, numbers, strict=False):
            ids = torch.tensor([load_tokenizer(str(tiny_model_dir)).encode(row["prompt"] + row["target"])])
            labels = ids.clone()
            labels[0, :-number] = -100
            expected = functional.cross_entropy(model(input_ids=ids).logits[0, :-1], labels[0, 1:], ignore_index=-100, reduction="sum")
            assert value == pytest.approx(expected.item(), rel=1e-5)


def test_choices_are_encoded_as_evals_scores_them(tiny_model_dir: Path, tmp_path: Path) -> None:
    from evals.data.rows import load_rows
    from evals.predict.requests import encode_choices
    from templates.form import Form

    dataset = Dataset.open(write_dataset(tmp_path / "data", [*verbalizer_rows(), *reviews()]))
    tokenizer = load_tokenizer(str(tiny_model_dir))
    objective = Verbalizer(TrainConfig())
    rows = {row["id"]: row for row in dataset.examples("train").collect().to_dicts()}
    for row in load_rows(dataset, "train")[0]:
        asked = encode_choices(tokenizer, row, Form.VERBALIZER)
        sequences = objective.encode(tokenizer, rows[row.id])
        assert [sequence.encoded.input_ids for sequence in sequences] == [[*asked.context_ids, *ids] for ids in asked.continuations]
        assert [sequence.targets for sequence in sequences] == asked.continuations
        assert [sequence.sign for sequence in sequences] == [1 if index == row.label else -1 for index in range(len(row.choices or ()))]


def test_the_mask_proof_shows_each_choice(masked_dirs: dict[str, Path], tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", cloze_rows())
    train(
        dataset,
        tmp_path / "run",
        TrainConfig(leaks="allow", model=str(masked_dirs["bert"]), objective="cloze", dtype="float32", max_steps=1),
    )
    spans = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["sample"]["spans"]
    assert [(span["sequence"], span["text"].strip()) for span in spans if span["trained"]] == [
        ("great", "[MASK]"),
        ("terrible bad", "[MASK][MASK]"),
    ]


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
def test_layers_that_a_masked_model_lacks_are_told(kind: str, masked_dirs: dict[str, Path], tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", cloze_rows())
    options = {"model": str(masked_dirs[kind]), "objective": "cloze", "lora": {"targets": ["q_proj", "v_proj"]}}
    with pytest.raises(UserError, match="the adapter fits no layer"):
        train(dataset, tmp_path / "run", TrainConfig.model_validate({"leaks": "allow"} | options))


def test_models_without_the_head_that_is_asked_for_are_refused_before_they_are_loaded(
    dataset_dir: Path, tiny_model_dir: Path, masked_dirs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(UserError, match="of the kind 'llama', which is no masked language model"):
        train(dataset_dir, tmp_path / "run", TrainConfig(leaks="allow", model=str(tiny_model_dir), objective="cloze"))
    for kind, folder in masked_dirs.items():
        with pytest.raises(UserError, match=f"is a masked language model of the kind '{kind}', which fills blanks and writes nothing"):
            train(dataset_dir, tmp_path / "run", TrainConfig(leaks="allow", model=str(folder)))


def test_a_model_that_sees_ahead_is_no_causal_one(tiny_model_dir: Path) -> None:
    model = load_model(str(tiny_model_dir), "float32")
    assert Scorer.for_model(model).packed
    model.set_attn_implementation("sdpa")
    for module in model.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = False  # type: ignore[assignment]
    with pytest.raises(UserError, match="the model sees the tokens that it is to predict"):
        Scorer.for_model(model)


def test_roberta_takes_as_many_tokens_as_it_has_positions_behind_its_padding(masked_dirs: dict[str, Path], tmp_path: Path) -> None:
    from train.prepare import length_limit

    config = TrainConfig(max_length=100)
    assert [length_limit(masked_dirs[kind], config) for kind in ("bert", "roberta", "distilbert")] == [64, 64, 64]
    rows = cloze_rows()
    rows[0]["prompt"] = "slow " * 100 + rows[0]["prompt"]
    with pytest.raises(UserError, match=r"row row0 has \d+ tokens, where the limit is 64"):
        train(
            write_dataset(tmp_path / "data", rows),
            tmp_path / "run",
            TrainConfig(leaks="allow", model=str(masked_dirs["roberta"]), objective="cloze"),
        )
    tokenizer = load_tokenizer(str(masked_dirs["roberta"]))
    row = {"mask": "[MASK]", "target": "great", "choices": None, "label": None}
    fitting = [Cloze(config).encode(tokenizer, {**row, "prompt": "a" * number + "[MASK]"}) for number in range(10, 62)]
    (longest,) = (sequences for sequences in fitting if sequences[0].num_tokens == 64)
    example = TrainingExample("id", "row", "here", longest, 1.0)
    model = load_model(str(masked_dirs["roberta"]), "float32", "AutoModelForMaskedLM")
    scorer = Scorer.for_model(model)
    packed = scorer.score(collate([example] * 3, CPU, packed=True)).logprobs
    model.set_attn_implementation("sdpa")
    padded = Scorer(scorer.causal, packed=False).score(collate([example] * 3, CPU, packed=False)).logprobs
    torch.testing.assert_close(packed, padded, rtol=1e-5, atol=1e-5)
