(() => {
  "use strict";
  const root = document.documentElement;

  // Dark and light: the system's choice until a person makes one.
  const themeButton = document.getElementById("theme");
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (prefersDark.matches ? "dark" : "light")) === "dark";
  const showTheme = () => {
    themeButton.setAttribute("aria-pressed", String(isDark()));
    themeButton.querySelector("span").textContent = isDark() ? "Dark" : "Light";
  };
  try {
    const kept = localStorage.getItem("loopwright-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* a page without storage follows the system */ }
  themeButton.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("loopwright-theme", root.dataset.theme); } catch { /* as above */ }
    showTheme();
  });
  prefersDark.addEventListener("change", showTheme);
  showTheme();
  for (const element of document.querySelectorAll("[data-needs-script]")) element.hidden = false;

  // A link to what stands in a closed part opens that part; some browsers do so by themselves.
  const reveal = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const closed = target && target.closest("details:not([open])");
    if (!closed) return;
    closed.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  // Sortable tables: a button in each header; a cell's data-value counts before its text.
  const key = (row, column) => {
    const cell = row.cells[column];
    const value = cell.dataset.value ?? cell.textContent.trim();
    return value !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number") return -1;
    if (typeof b === "number") return 1;
    return a.localeCompare(b, undefined, { numeric: true });
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...header.childNodes);
      header.append(button);
      header.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const first = header.dataset.first || "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const order = header.getAttribute("aria-sort") === first ? other : first;
        for (const one of headers) one.setAttribute("aria-sort", one === header ? order : "none");
        const sign = order === "ascending" ? 1 : -1;
        const rows = [...table.tBodies[0].rows].map((row) => [key(row, column), row]);
        rows.sort(([a], [b]) => sign * compare(a, b));
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  }

  // Filters: every control of a form narrows the rows of the table that the form names.
  for (const form of document.querySelectorAll("form[data-filters]")) {
    const table = document.getElementById(form.dataset.filters);
    const rows = [...table.tBodies[0].rows];
    const status = form.querySelector("[role=status]");
    const apply = () => {
      const wanted = [...form.elements].filter((control) => control.name && control.value);
      let shown = 0;
      for (const row of rows) {
        const fits = wanted.every((control) =>
          control.name === "text"
            ? row.textContent.toLowerCase().includes(control.value.toLowerCase())
            : row.dataset[control.name] === control.value);
        row.hidden = !fits;
        shown += fits;
      }
      status.textContent = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} shown`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    apply();
    for (const link of document.querySelectorAll(`a[data-filter-in="${form.id}"]`)) {
      link.addEventListener("click", () => {
        form.reset();
        form.elements[link.dataset.name].value = link.dataset.value;
        apply();
      });
    }
  }
})();
