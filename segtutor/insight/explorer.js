// The explorer: a photograph, the patch that is asked, and the answers of one or two maps.
//
// explorer.py writes this into the element it shall fill, after a picture (the photograph) and a
// JSON script. No library, no request. Each script wakes the element it stands in.
//
// For tests and the curious: element.segtutor = {ready, state(), values(panel), set({...})}.
// Numbers in state() count from 0, as Python's; what is shown counts from 1, as people do.

const STEP = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

class Explorer {
  constructor(root, data, photo, models) {
    Object.assign(this, { root, data, photo, models });
    this.ramps = Object.fromEntries(Object.entries(data.ramps).map(([name, stops]) => [name, stops.map(numbers)]));
    for (const model of models) if (model.classes) model.rgb = model.classes.colours.map(numbers);
    [this.row, this.column] = this.snap(models[0], ...data.patch);
    this.token = null; // or the number of the class or distillation token that is asked
    this.compare = data.compare;
    const first = ({ layers }) => Math.max(layers.indexOf(data.layer ?? layers[(layers.length - 1) >> 1]), 0);
    const other = models.length > 1 ? 1 : 0, layer = first(models[0]);
    this.panels = [
      new Panel(this, "A", { model: 0, view: "attention", layer, head: 0 }),
      new Panel(this, "B", { model: other, view: other ? "attention" : "rollout", layer: first(models[other]), head: 0 }),
    ];
    this.status = make("div", { class: "sx-hidden", role: "status", "aria-live": "polite" });
    this.button = make("button", { type: "button", class: "sx-button" }, "Compare");
    this.button.addEventListener("click", () => this.set({ compare: !this.compare }));
    this.grid = make("div", { class: "sx-panels" }, this.source(), ...this.panels.map((panel) => panel.box));
    const style = root.querySelector("style");
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", `Explorer: ${data.title}`);
    root.replaceChildren(style, this.grid, this.status, this.notes());
    this.draw();
  }

  // The photograph in colour: here keys choose the patch.
  source() {
    const hint = unique(), [{ stride, h, w }] = this.models;
    const name = make("span", { class: "sx-name" }, "Photograph");
    this.stage = stage(this, this.photo, false);
    Object.assign(this.stage.box, { tabIndex: 0 });
    this.stage.box.setAttribute("role", "application");
    this.stage.box.setAttribute("aria-describedby", hint);
    this.stage.box.addEventListener("keydown", (event) => this.key(event));
    const lines = make("div", { class: "sx-lines" });
    lines.style.backgroundSize = `${100 / w}% ${100 / h}%`;
    this.stage.mark.before(lines);
    const shared = this.models.reduce((fewest, m) => (m.E < fewest.length ? m.extra : fewest), this.models[0].extra);
    const header = make("div", { class: "sx-header" }, make("div", { class: "sx-title" }, name, this.button));
    if (shared.length) {
      const options = { patch: "Ask a patch", ...Object.fromEntries(shared.map((text, i) => [`token ${i}`, `Ask the ${text}`])) };
      this.who = choice("Who is asked", options, "patch", (value) => this.set({ token: value === "patch" ? null : +value.slice(6) }));
      header.append(this.who.box);
    }
    this.over = slider("Map over photo", 100);
    this.over.range.value = 70;
    this.over.range.addEventListener("input", () => this.draw());
    const every = stride === 1 ? "" : ` Every ${["second", "third", "fourth"][stride - 2] ?? `${stride}th`} row and column of patches can be asked.`;
    const keys = (...names) => names.flatMap((name, i) => [...(i ? [" "] : []), make("kbd", {}, name)]);
    const hints = make("p", { class: "sx-hint", id: hint }, `Click or touch a patch in any picture.${every} Keys, on the photograph: `,
      ...keys("←", "↑", "↓", "→"), " next patch, ", ...keys("Home", "End"), " ends of the row, with ", ...keys("Ctrl"), " first and last patch, ",
      ...keys("PgUp", "PgDn"), " next and previous layer.");
    const below = make("div", { class: "sx-below" }, hints, this.over.box);
    return make("div", { class: "sx-panel", role: "group", "aria-label": "Photograph" }, header, this.stage.box, below);
  }

  // What the numbers are and are not.
  notes() {
    const error = Math.max(...this.models.flatMap((m) => m.errors)), stored = this.models.some((m) => m.rolled);
    const lines = [
      "Layers, heads, rows and columns are counted from 1.",
      "Colours run from 0 to the highest value of the map that is shown (similarity: from its lowest), so brightness does not compare across maps; the numbers do.",
      "Weights are stored in 16 steps, fine for small ones: each is off by at most 6.6 % of the largest that the asked token gives to a patch; under 0.11 % of that, it is 0. Shares are of all tokens, the class token's part included.",
      `Rollout multiplies the means over heads, layer by layer, each half mixed with the identity for the residual path. It is computed ${stored ? "from the full weights and stored" : "in this page, from the stored means"}.`,
      `Similarity is the cosine of two tokens after a layer, from ${CHANNELS} numbers a token: off by at most ${error.toFixed(2)}.`,
    ];
    if (this.models.some((m) => m.classes)) lines.push("Classes are the model's own predictions, one a patch, not the truth; how sure it is, is its softmax.");
    lines.push("A map of attention shows where a layer reads, not what decides the answer.");
    return make("details", { class: "sx-notes" }, make("summary", {}, "How to read this"), make("ul", {}, ...lines.map((line) => make("li", {}, line))));
  }

  // ---------- who is asked ----------

  snap(model, row, column) { // the nearest patch that can be asked
    const near = (x, side) => clamp(Math.round(x / model.stride), 0, Math.ceil(side / model.stride) - 1) * model.stride;
    return [near(row, model.h), near(column, model.w)];
  }

  asked(model) { // in another model's grid, the patch at the same place
    if (this.token !== null && this.token < model.E)
      return { line: this.token, token: this.token, row: 0, column: 0, name: model.extra[this.token] };
    const [{ h, w }] = this.models, [row, column] = this.snap(
      model, Math.floor(((this.row + 0.5) / h) * model.h), Math.floor(((this.column + 0.5) / w) * model.w));
    const line = model.E + (row / model.stride) * model.across + column / model.stride;
    return { line, token: model.E + row * model.w + column, row, column, name: `patch row ${row + 1} column ${column + 1}` };
  }

  askAt(y, x) { // shares of the picture's height and width
    const [{ h, w }] = this.models;
    this.set({ row: Math.floor(y * h), column: Math.floor(x * w), token: null });
  }

  key(event) {
    const [{ h, w, stride }] = this.models, { key, ctrlKey } = event;
    if (event.altKey || event.metaKey) return;
    if (STEP[key]) this.set({ row: this.row + stride * STEP[key][0], column: this.column + stride * STEP[key][1], token: null });
    else if (key === "Home") this.set({ column: 0, token: null, ...(ctrlKey && { row: 0 }) });
    else if (key === "End") this.set({ column: w - 1, token: null, ...(ctrlKey && { row: h - 1 }) });
    else if (key === "PageUp" || key === "PageDown") {
      for (const { state, model } of this.panels.slice(0, this.compare ? 2 : 1))
        state.layer = clamp(state.layer + (key === "PageUp" ? 1 : -1), 0, model.layers.length - 1);
      this.draw();
    } else return;
    event.preventDefault();
  }

  set({ row = this.row, column = this.column, token = this.token, compare = this.compare, panels = [] }) {
    [this.row, this.column] = this.snap(this.models[0], row, column);
    Object.assign(this, { token, compare });
    panels.forEach((changes, i) => {
      Object.assign(this.panels[i].state, changes);
      if (changes.model !== undefined) this.panels[i].build();
    });
    this.draw();
  }

  draw() {
    const shown = this.panels.slice(0, this.compare ? 2 : 1);
    this.panels[1].box.hidden = !this.compare;
    this.button.setAttribute("aria-pressed", this.compare);
    this.root.classList.toggle("sx-two", this.compare);
    this.root.style.setProperty("--sx-over", this.over.range.value / 100);
    this.over.said.textContent = `${this.over.range.value} %`;
    this.over.range.setAttribute("aria-valuetext", `${this.over.range.value} percent`);
    for (const panel of shown) panel.draw();
    const [model] = this.models, asked = this.asked(model);
    place(this.stage.mark, asked.token < model.E ? null : model, asked);
    this.stage.box.setAttribute("aria-label", `Photograph in ${model.h} rows and ${model.w} columns of patches. Asked: ${asked.name}`);
    if (this.who) this.who.inputs[this.token === null ? "patch" : `token ${this.token}`].checked = true;
    const text = shown.map((panel) => (this.compare ? `${panel.letter}: ` : "") + panel.sentence).join(". ");
    clearTimeout(this.waiting); // a held key must not make a screen reader read every patch
    this.waiting = setTimeout(() => this.status.textContent !== text && (this.status.textContent = text), 150);
  }
}

async function wake(root) {
  const data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
  const models = data.models.map((model) => new Model(model));
  const [photo] = await Promise.all([loaded(root.querySelector("img").src), ...models.map((model) => model.unpack())]);
  const explorer = new Explorer(root, data, photo, models);
  root.segtutor.state = () => ({
    row: explorer.row, column: explorer.column, token: explorer.token, compare: explorer.compare,
    panels: explorer.panels.map(({ state }) => ({ ...state })),
  });
  root.segtutor.values = (panel = 0) => [...explorer.panels[panel].look().map];
  root.segtutor.set = (changes) => explorer.set(changes);
  root.dataset.state = "ready";
}

const here = document.currentScript?.closest(".segtutor-explorer");
for (const root of here ? [here] : document.querySelectorAll(".segtutor-explorer"))
  if (!root.segtutor) {
    root.segtutor = {};
    root.segtutor.ready = wake(root).catch((error) => {
      root.dataset.state = "failed";
      root.append(make("p", { role: "alert" }, `The explorer could not start: ${error.message}`));
    });
  }
