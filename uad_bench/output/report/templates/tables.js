"use strict";
// Tables: hints for hidden columns, sorting, the table of patients, and notes that are printed although folded.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  function hint() {
    for (const box of all(".scroll")) box.classList.toggle("more", box.scrollWidth > box.clientWidth + 1);
  }

  const key = (row, column) => {
    const text = row.children[column].textContent.trim();
    const number = Number(text.replace("−", "-"));
    return text === "–" ? [2, 0, text] : Number.isNaN(number) ? [1, 0, text] : [0, number, text];
  };

  function compare(first, second) {
    return first[0] - second[0] || first[1] - second[1] || first[2].localeCompare(second[2], undefined, { numeric: true });
  }

  function sort(table, column, descending) {
    const body = table.tBodies[0], missing = (entry) => entry[1][0] === 2;
    const entries = [...body.rows].map((row) => [row, key(row, column)]);
    entries.sort((a, b) => missing(a) - missing(b) || (descending ? -1 : 1) * compare(a[1], b[1]));
    body.append(...entries.map(([row]) => row));
    all("th[aria-sort]", table).forEach((head) => head.removeAttribute("aria-sort"));
    table.tHead.rows[0].cells[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
  }

  for (const table of all("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, column, head.getAttribute("aria-sort") === "ascending"));
      head.append(button);
    });
  }

  const patients = document.getElementById("patients");
  if (patients) {
    const { cells } = JSON.parse(document.getElementById("patients-payload").textContent);
    const method = document.getElementById("patients-method");
    method.addEventListener("change", () => {
      for (const row of patients.tBodies[0].rows) {
        for (const cell of all("[data-column]", row)) {
          cell.textContent = cells[row.dataset.row][method.value][cell.dataset.column];
        }
      }
      const sorted = all("th[aria-sort]", patients)[0];
      if (sorted) sort(patients, sorted.cellIndex, sorted.getAttribute("aria-sort") === "descending");
    });
    for (const button of all("[data-case]", patients)) {
      button.addEventListener("click", () => show({ case: Number(button.dataset.case), method: method.selectedOptions[0].text }));
    }
  }

  for (const button of all("#components [data-case]")) {
    const { z, method } = button.dataset;
    button.addEventListener("click", () => show({ case: Number(button.dataset.case), method, z: Number(z) }));
  }

  function show(detail) {
    document.getElementById("browser").dispatchEvent(new CustomEvent("show", { detail }));
  }

  addEventListener("resize", hint);
  addEventListener("beforeprint", () => all("details").forEach((one) => { one.open = true; }));
  hint();
})();
