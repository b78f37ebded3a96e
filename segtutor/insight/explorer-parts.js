// The explorer's parts: sliders, choices, pictures, and a map with all that belongs to it.
//
// explorer.py puts explorer-numbers.js, this file and explorer.js into one function of one script.
// Names from data sets and users reach the page as text nodes and attribute values only, and ids
// come from one counter, so that several explorers can stand on one page.

const VIEWS = { attention: "Attention", rollout: "Rollout", similarity: "Similarity", classes: "Classes" };

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  element.append(...children);
  return element;
};
const unique = () => `segtutor-${(window.segtutorCount = (window.segtutorCount ?? 0) + 1)}`;
const percent = (share) => {
  const p = 100 * share;
  if (p > 0 && p < 0.05) return "under 0.1 %";
  return `${p === 0 || p >= 9.95 ? Math.round(p) : p.toFixed(1)} %`;
};
const numbers = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const colourAt = (stops, x) => {
  const place = clamp(x, 0, 1) * (stops.length - 1), i = Math.min(Math.floor(place), stops.length - 2);
  return stops[i].map((v, c) => v + (place - i) * (stops[i + 1][c] - v));
};

function slider(label, max) {
  const id = unique(), range = make("input", { type: "range", id, min: 0, max, step: 1, value: 0 });
  const said = make("span", { class: "sx-value", "aria-hidden": "true" });
  return { range, said, box: make("div", { class: "sx-slider" }, make("label", { for: id }, label), said, range) };
}

function choice(title, options, chosen, changed) { // radio buttons that look like one strip
  const name = unique(), id = unique(), strip = make("div", { class: "sx-strip", role: "radiogroup", "aria-labelledby": id });
  const inputs = {};
  for (const [value, text] of Object.entries(options)) {
    const input = (inputs[value] = make("input", { type: "radio", name, value, checked: value === chosen }));
    input.addEventListener("change", () => changed(value));
    strip.append(make("label", {}, input, make("span", {}, text)));
  }
  return { inputs, box: make("div", { class: "sx-choice" }, make("span", { id, class: "sx-hidden" }, title), strip) };
}

function stage(owner, photo, grey) { // the photograph, the map over it, the asked patch
  const picture = make("canvas", { class: grey ? "sx-photo sx-grey" : "sx-photo", width: photo.width, height: photo.height });
  picture.getContext("2d").drawImage(photo, 0, 0);
  const mark = make("div", { class: "sx-mark" });
  const box = make("div", { class: "sx-stage" }, picture, mark);
  box.style.aspectRatio = `${photo.width} / ${photo.height}`;
  const choose = (event) => {
    const edge = box.getBoundingClientRect();
    owner.askAt((event.clientY - edge.top) / edge.height, (event.clientX - edge.left) / edge.width);
  };
  box.addEventListener("click", choose);
  box.addEventListener("pointerdown", (e) => e.pointerType === "mouse" && box.setPointerCapture(e.pointerId));
  box.addEventListener("pointermove", (e) => box.hasPointerCapture(e.pointerId) && e.pointerType === "mouse" && choose(e));
  return { box, picture, mark };
}

class Panel {
  constructor(explorer, letter, state) {
    Object.assign(this, { explorer, letter, state });
    this.header = make("div", { class: "sx-header" });
    this.stage = stage(explorer, explorer.photo, true);
    this.heat = make("canvas", { class: "sx-heat", role: "img" });
    this.lines = make("div", { class: "sx-lines" });
    this.stage.picture.after(this.heat, this.lines);
    this.legend = make("div", { class: "sx-legend" });
    this.caption = make("p", { class: "sx-caption" });
    this.controls = make("div", { class: "sx-controls" });
    this.box = make("div", { class: "sx-panel", role: "group" }, this.header, this.stage.box, this.legend, this.controls, this.caption);
    this.build();
  }

  get model() { return this.explorer.models[this.state.model]; }

  build() { // controls fit the model, so another model builds them anew
    const { explorer, model, state, letter } = this;
    state.layer = clamp(state.layer, 0, model.layers.length - 1);
    state.head = clamp(state.head, 0, model.heads.length);
    if (state.view === "classes" && !model.classes) state.view = "attention";
    const views = Object.fromEntries(Object.entries(VIEWS).filter(([view]) => view !== "classes" || model.classes));
    this.box.setAttribute("aria-label", `Map ${letter}`);
    this.views = choice(`View of map ${letter}`, views, state.view, (view) => this.set({ view }));
    this.layer = slider("Layer", model.layers.length - 1);
    this.head = slider("Head", model.heads.length);
    this.layer.range.addEventListener("input", () => this.set({ layer: +this.layer.range.value }));
    this.head.range.addEventListener("input", () => this.set({ head: +this.head.range.value }));
    const id = unique(), title = make("div", { class: "sx-title" }, make("span", { class: "sx-letter", "aria-hidden": "true" }, letter));
    if (explorer.models.length > 1) {
      const menu = make("select", { id });
      explorer.models.forEach((m, i) => menu.append(make("option", { value: i, selected: i === state.model }, m.name)));
      menu.addEventListener("change", () => {
        state.model = +menu.value;
        this.build();
        explorer.draw();
        this.box.querySelector("select").focus();
      });
      title.append(make("label", { for: id, class: "sx-hidden" }, `Model of map ${letter}`), menu);
    } else title.append(make("span", { class: "sx-name" }, model.name));
    this.header.replaceChildren(title, this.views.box);
    this.controls.replaceChildren(this.layer.box, this.head.box);
    const [h, w] = model.grid;
    Object.assign(this.heat, { width: w, height: h });
    this.lines.style.backgroundSize = `${100 / w}% ${100 / h}%`;
  }

  set(changes) {
    Object.assign(this.state, changes);
    this.explorer.draw();
  }

  // What this map shows: numbers on the grid, and a sentence about them.
  look() {
    const { model, state } = this, { view, layer } = state, asked = this.explorer.asked(model);
    const number = model.layers[layer] + 1;
    let all = null;
    if (view === "attention") all = model.weights(layer, state.head, asked.line);
    if (view === "rollout") all = model.rollout(layer, asked.line);
    if (view === "similarity") all = model.cosines(layer, asked.token);
    const map = all ? all.slice(model.E) : Float32Array.from(model.classes.answer);
    const head = state.head ? `head ${model.heads[state.head - 1] + 1}` : `mean of ${model.allHeads} heads`;
    const what = {
      attention: `layer ${number}, ${head}`,
      rollout: `rollout of layers 1 to ${number}`,
      similarity: `similarity after layer ${number}`,
      classes: "predicted classes",
    }[view];
    const weights = view === "attention" || view === "rollout";
    return { all, map, asked, weights, what: `${what}, ${asked.name}` };
  }

  draw() {
    const { model, state } = this, seen = (this.seen = this.look()), { map, asked } = seen;
    const [low, high] = this.limits(seen), ramp = seen.weights ? this.explorer.ramps.heat : this.explorer.ramps.alike;
    const pen = this.heat.getContext("2d"), image = pen.createImageData(model.w, model.h);
    map.forEach((value, i) => {
      const rgb = seen.all ? colourAt(ramp, (value - low) / (high - low || 1)) : model.rgb[value];
      image.data.set([...rgb.map(Math.round), 255], 4 * i);
    });
    pen.putImageData(image, 0, 0);
    const classes = state.view === "classes";
    this.layer.range.value = state.layer;
    this.head.range.value = state.head;
    const layer = `${model.layers[state.layer] + 1} of ${model.depth}`;
    const head = state.head ? `${model.heads[state.head - 1] + 1} of ${model.allHeads}` : `mean of ${model.allHeads}`;
    this.say(this.layer, layer, classes);
    this.say(this.head, head, state.view !== "attention");
    for (const [view, input] of Object.entries(this.views.inputs)) input.checked = view === state.view;
    const words = this.words(seen);
    this.sentence = `${seen.what}, ${words}`;
    this.heat.setAttribute("aria-label", `Map ${this.letter}: ${this.sentence}`);
    this.caption.replaceChildren(make("strong", {}, `${seen.what[0].toUpperCase()}${seen.what.slice(1)}`), `: ${words}`.replaceAll(" %", "\u00a0%"));
    this.legend.replaceChildren(...(classes ? this.key(map) : this.scale(seen, low, high)));
    place(this.stage.mark, asked.token < model.E ? null : model, asked);
  }

  say(control, text, off) {
    control.said.textContent = off ? "not used here" : text;
    control.range.setAttribute("aria-valuetext", off ? "not used in this view" : text);
    control.range.disabled = off;
  }

  limits({ map, weights }) {
    const low = weights ? 0 : map.reduce((a, b) => Math.min(a, b));
    return [low, map.reduce((a, b) => Math.max(a, b))];
  }

  // Which class gets how much: shares of the whole row, extra tokens included.
  shares({ all }) {
    const { classes, E } = this.model, whole = total(all), sums = new Map();
    classes.answer.forEach((k, i) => sums.set(k, (sums.get(k) ?? 0) + all[E + i] / whole));
    return [...sums].sort((a, b) => b[1] - a[1]);
  }

  words(seen) {
    const { model } = this, { map, all, asked, weights } = seen, { classes } = model;
    const best = map.reduce((found, value, i) => (i !== asked.token - model.E || weights) && (found < 0 || value > map[found]) ? i : found, -1);
    const there = `row ${Math.floor(best / model.w) + 1} column ${(best % model.w) + 1}`;
    if (!all) {
      const k = asked.token - model.E;
      return k < 0 ? "no class of its own" : `${classes.names[classes.answer[k]]} (${percent(classes.sure[k])} sure)`;
    }
    if (!weights) return `most alike ${there}, cosine ${map[best].toFixed(2)}`;
    const noun = this.state.view === "rollout" ? "it" : "attention";
    const whole = total(all);
    const parts = classes
      ? this.shares(seen).slice(0, 2).map(([k, share], i) => `${percent(share)} ${i ? "" : `of ${noun} `}on ${classes.names[k]}`)
      : [`strongest patch ${there} with ${percent(map[best] / whole)}`];
    model.extra.forEach((name, i) => parts.push(`${percent(all[i] / whole)} on the ${name}`));
    return parts.join(", ");
  }

  scale(seen, low, high) {
    const stops = this.explorer.data.ramps[seen.weights ? "heat" : "alike"];
    const bar = make("div", { class: "sx-bar" });
    bar.style.backgroundImage = `linear-gradient(to right, ${stops.join(", ")})`;
    const ends = seen.weights ? ["0", percent(high)] : [low.toFixed(2), high.toFixed(2)];
    const name = seen.weights ? (this.state.view === "rollout" ? "share of rollout" : "share of attention") : "cosine similarity";
    const parts = [make("div", { class: "sx-ends" }, make("span", {}, ends[0]), make("span", {}, name), make("span", {}, ends[1]))];
    if (seen.weights && this.model.classes) parts.push(...this.stack(seen));
    return [bar, ...parts];
  }

  // The row by predicted class: one bar, and names for the largest parts of it.
  stack(seen) {
    const { classes, extra } = this.model, whole = total(seen.all), shares = this.shares(seen);
    const parts = shares.map(([k, share]) => [classes.names[k], share, classes.colours[k]]);
    extra.forEach((name, i) => parts.push([name, seen.all[i] / whole, "transparent"]));
    const bar = make("div", { class: "sx-stack", "aria-hidden": "true" });
    for (const [, share, colour] of parts) {
      const part = make("span");
      part.style.cssText = `flex-grow: ${share}; background: ${colour}`;
      bar.append(part);
    }
    return [bar, entries(parts.sort((a, b) => b[1] - a[1]).slice(0, 4))];
  }

  key(map) { // of the predicted classes: share of the patches
    const { classes, N } = this.model, counts = new Map();
    map.forEach((k) => counts.set(k, (counts.get(k) ?? 0) + 1));
    return [entries([...counts].sort((a, b) => b[1] - a[1]).map(([k, n]) => [classes.names[k], n / N, classes.colours[k]]))];
  }
}

function entries(parts) { // [name, share, colour] each: a legend
  const list = make("ul", { class: "sx-key" });
  for (const [name, share, colour] of parts) {
    const chip = make("span", { class: "sx-chip" });
    chip.style.background = colour;
    list.append(make("li", {}, chip, `${name} `, make("span", {}, percent(share))));
  }
  return list;
}

function place(mark, model, { row, column }) { // outline a patch; none for a class token
  mark.hidden = !model;
  if (!model) return;
  const { h, w } = model;
  mark.style.cssText = `left:${(100 * column) / w}%; top:${(100 * row) / h}%; width:${100 / w}%; height:${100 / h}%`;
}
