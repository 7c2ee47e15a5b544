// The browser of answers: filters, search and pages over the rows that the page holds as JSON. All text goes in as text, never as markup.
(() => {
  "use strict";
  const source = document.getElementById("answer-data");
  const form = document.getElementById("answer-filters");
  const list = document.getElementById("answer-list");
  if (!source || !form) return;
  const data = JSON.parse(source.textContent);
  const pagers = [...document.querySelectorAll(".pager")];
  const status = form.querySelector("[role=status]");
  const SIGNS = { passed: "✓", failed: "✗", weak: "weak" };
  const WORDS = { passed: "right", failed: "wrong", weak: "weak" };
  let page = 0;
  let found = data.rows;

  const make = (tag, className, ...children) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children);
    return element;
  };
  const plain = (pieces) => pieces.map((piece) => (typeof piece === "string" ? piece : piece[0])).join("");
  const said = (pieces) => {
    const text = make("p", "said");
    text.dir = "auto";
    for (const piece of pieces) {
      text.append(typeof piece === "string" ? piece : make(piece[1] === "gone" ? "del" : "mark", piece[1], piece[0]));
    }
    if (plain(pieces).length > 320) {
      text.tabIndex = 0;
      text.setAttribute("role", "group");
      text.setAttribute("aria-label", "text");
    }
    return text;
  };

  const outcome = (row, system) => (system === null || !row.answers[system] ? "" : row.answers[system].outcome);
  const held = () => (form.elements.against ? Number(form.elements.against.value) : data.against);
  const changeOf = (row) => {
    const own = outcome(row, data.system), other = outcome(row, held());
    if (!own) return "not judged";
    if (other === "failed") return own === "failed" ? "both wrong" : "fixed";
    if (own === "failed") return other ? "broken" : "failed";
    return own === "weak" ? "weak" : "right";
  };
  const fitsChange = (row, wanted) => {
    if (wanted === "failed" || wanted === "weak") return outcome(row, data.system) === wanted;
    return changeOf(row) === wanted;
  };
  const haystack = (row) => {
    row.text ??= [row.id, row.place, row.template, row.label, plain(row.input), plain(row.reference),
      ...row.answers.map((answer) => (answer ? plain(answer.text) : ""))].join("\n").toLowerCase();
    return row.text;
  };

  const reply = (row, answer, system) => {
    const box = make("section", system === data.system ? "reply subject" : "reply");
    const title = make("h4", "", data.systems[system]);
    if (SIGNS[answer.outcome]) {
      const sign = make("span", answer.outcome, SIGNS[answer.outcome]);
      sign.setAttribute("role", "img");
      sign.setAttribute("aria-label", WORDS[answer.outcome]);
      title.append(" ", sign);
    }
    if (answer.note) title.append(" ", make("small", "", answer.note));
    box.append(title, said(answer.text));
    if (answer.missing.length) box.append(make("p", "", "missing: ", answer.missing.join(", ")));
    for (const reason of answer.reasons) box.append(make("p", "", reason));
    return box;
  };
  const folded = (title, fill) => {
    const details = make("details", "", make("summary", "", title));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(fill());
    });
    return details;
  };
  const prompt = (given) => {
    const text = make("p", "prompt mono");
    text.tabIndex = 0;
    text.setAttribute("role", "group");
    text.setAttribute("aria-label", "prompt");
    text.dir = "auto";
    const special = new Set(given.special);
    given.tokens.forEach((token, place) => {
      if (place === given.cut) text.append(make("span", "soft", " … tokens left out … "));
      text.append(make("span", special.has(place) ? "token special" : "token", token));
    });
    return make("div", "inside", text);
  };
  const why = (row) => {
    const inside = make("div", "inside");
    if (row.causes.length) {
      inside.append(make("h4", "", "May be due to"), make("ul", "", ...row.causes.map(([name, lift, detail]) =>
        make("li", "", make("span", "tag", `${name} ×${lift}`), " ", make("span", "soft", detail)))));
    }
    if (row.near.length) {
      inside.append(make("h4", "", "Nearest training examples"), make("ul", "", ...row.near.map(([input, answer, similarity, same]) =>
        make("li", "", make("span", "near", input), make("b", "", `→ ${answer}`), " ",
          make("span", "soft", `${same ? "the same answer" : "another answer"}, similarity ${similarity}`)))));
    }
    return inside;
  };
  const article = (row) => {
    const change = changeOf(row);
    const header = make("header", "", make("span", `pill ${change.replace(" ", "-")}`, change), make("h3", "mono", row.id),
      make("span", "soft", row.place));
    for (const name of [data.templates > 1 ? row.template : "", row.label]) if (name) header.append(make("span", "soft", name));
    const reference = make("section", "reply reference", make("h4", "", "reference"), said(row.reference));
    const replies = make("div", row.short ? "replies short" : "replies", reference);
    row.answers.forEach((answer, system) => { if (answer) replies.append(reply(row, answer, system)); });
    const whole = make("article", "card answer", header, make("div", "body", make("h4", "", "input"), said(row.input), replies));
    if (row.causes.length || row.near.length) whole.append(folded("Why it may have failed", () => why(row)));
    if (row.prompt) {
      whole.append(folded(`Prompt of ${data.systems[data.system]}: ${row.prompt.num.toLocaleString("en")} tokens`, () => prompt(row.prompt)));
    }
    return whole;
  };

  const show = () => {
    const first = page * data.perPage;
    const rows = found.slice(first, first + data.perPage);
    list.replaceChildren(...rows.map(article));
    if (!rows.length) list.append(make("p", "card", "No answer fits these filters."));
    const last = Math.max(0, Math.ceil(found.length / data.perPage) - 1);
    for (const pager of pagers) {
      const [before, after] = pager.querySelectorAll("button");
      before.disabled = page === 0;
      after.disabled = page >= last;
      pager.querySelector("span").textContent = rows.length ? `${(first + 1).toLocaleString("en")}–${(first + rows.length).toLocaleString("en")} of ${found.length.toLocaleString("en")}` : "0 of 0";
      pager.hidden = last === 0;
    }
    status.textContent = `${found.length.toLocaleString("en")} of ${data.rows.length.toLocaleString("en")} shown`;
  };
  const apply = () => {
    const value = (name) => (form.elements[name] ? form.elements[name].value : "");
    const words = value("text").toLowerCase();
    found = data.rows.filter((row) =>
      (!value("change") || fitsChange(row, value("change")))
      && (!value("template") || row.template === value("template"))
      && (!value("label") || row.label === value("label"))
      && (!value("slice") || row.slices.includes(value("slice")))
      && (!value("cause") || row.causes.some(([name]) => name === value("cause")))
      && (!words || haystack(row).includes(words)));
    page = 0;
    list.classList.toggle("plain-texts", !form.elements.marks.checked);
    show();
  };
  const turn = (by) => {
    page += by;
    show();
    list.focus({ preventScroll: true });
    list.scrollIntoView();
  };

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  for (const pager of pagers) {
    const [before, after] = pager.querySelectorAll("button");
    before.addEventListener("click", () => turn(-1));
    after.addEventListener("click", () => turn(1));
  }
  for (const link of document.querySelectorAll("a[data-answers]")) {
    link.addEventListener("click", () => {
      form.reset();
      form.elements[link.dataset.answers].value = link.dataset.value;
      apply();
    });
  }
  apply();
})();
