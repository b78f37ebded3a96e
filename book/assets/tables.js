/* The tables of the page Results: sort by a column, find rows. Without this script they are whole, and unsorted.
   No dependency, no request; works from file:// too. */
"use strict";
(() => {
  const tables = [...document.querySelectorAll("table[data-table]")];
  const tools = document.getElementById("table-tools");
  if (!tables.length || !tools) return;

  /* What a cell is sorted by: its number where it has one, else its words. */
  const key = (row, column) => {
    const cell = row.cells[column];
    const value = cell.dataset.value;
    return value === undefined ? cell.textContent.trim() : Number(value);
  };

  /* Numbers before words, words before nothing, whichever the direction. */
  const order = (a, b, down) => {
    const rank = (v) => (typeof v === "number" ? 0 : v ? 1 : 2);
    if (rank(a) !== rank(b)) return rank(a) - rank(b);
    const plain = typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
    return down ? -plain : plain;
  };

  const sort = (table, head, column) => {
    const body = table.tBodies[0];
    const was = head.getAttribute("aria-sort");
    const now = was === "none" ? "descending" : was === "descending" ? "ascending" : "none";
    for (const other of table.querySelectorAll("th[aria-sort]")) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", now);
    const rows = [...body.rows].sort((a, b) => a.dataset.place - b.dataset.place);
    if (now !== "none") {
      const keys = new Map(rows.map((row) => [row, key(row, column)]));
      rows.sort((a, b) => order(keys.get(a), keys.get(b), now === "descending"));
    }
    body.append(...rows);
  };

  for (const table of tables) {
    [...table.tBodies[0].rows].forEach((row, place) => (row.dataset.place = place));
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!("sort" in head.dataset)) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(table, head, column));
    });
  }

  /* One field and two boxes for all tables. */
  tools.innerHTML = `
    <label class="find">Find rows <input type="search" id="table-find" placeholder="MLA, ADE20K, large ..." autocomplete="off"></label>
    <label><input type="checkbox" id="table-ours"> ours only</label>
    <label><input type="checkbox" id="table-disputed"> disagreements only</label>
    <span role="status" aria-live="polite"></span>
    <p>A heading of a column sorts: once for the largest first, again for the smallest, a third time for the printed order.</p>`;
  const [find, ours, disputed] = tools.querySelectorAll("input");
  const status = tools.querySelector("[role=status]");
  const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
  const words = new Map(
    rows.map((row) => {
      const name = row.closest("table").caption.textContent;
      return [row, `${name} ${row.textContent}`.toLowerCase()];
    }),
  );

  const filter = () => {
    const wanted = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits =
        wanted.every((word) => words.get(row).includes(word)) &&
        (!ours.checked || "ours" in row.dataset) &&
        (!disputed.checked || "disputed" in row.dataset);
      row.hidden = !fits;
      shown += fits;
    }
    for (const table of tables) {
      const box = table.closest(".results");
      box.classList.toggle("empty", ![...table.tBodies[0].rows].some((row) => !row.hidden));
    }
    status.textContent = `${shown} of ${rows.length} rows`;
  };
  for (const input of [find, ours, disputed]) input.addEventListener("input", filter);
  filter();
})();
