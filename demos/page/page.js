// The state, what changes it, and the words that follow it.
"use strict";

const element = (id) => document.getElementById(id);
const SLIDERS = Object.keys(STOPS);
let state = DEFAULT, found = null, placed = {}, hovered = null, writing = 0;

const UNITS = { alpha: (x) => x.toFixed(2), gamma: (x) => x.toFixed(3), k: (x) => x.toFixed(2), angle: (x) => `${x}°` };
const nearest = (stops, value) => stops.reduce((best, stop, i) => (Math.abs(stop - value) < Math.abs(stops[best] - value) ? i : best), 0);

// Change the protocol; everything follows.
function set(change, save = true) {
  const next = settled({ ...state, ...change });
  const only = found && Object.keys(next).every((key) => key === "t" || next[key] === state[key]);
  state = next;
  if (!only) {
    found = survey(state);
    for (const name in PICTURES) placed[name] = draw(name, found, element(name));
    controls();
    element("python").textContent = python(state);
  }
  hovered = null;
  cursors();
  words();
  if (save) {
    element("refused").hidden = true;
    clearTimeout(writing); // browsers allow a page only so many changes of its address
    writing = setTimeout(write, 150);
  }
}

function write() {
  clearTimeout(writing);
  if (location.hash !== written(state)) history.replaceState(null, "", written(state));
}

// From the address, at the start and whenever it changes.
function load() {
  const asked = read(location.hash);
  element("refused").hidden = !asked.refused;
  element("refused").textContent = asked.refused ?? "";
  state = asked.protocol ?? settled(DEFAULT);
  found = null;
  set({}, false);
}

function controls() {
  for (const key of SLIDERS) {
    const slider = element(key), held = (key === "n" && state.task === "turned") || (key === "angle" && state.task === "aligned");
    const said = (UNITS[key] ?? plain)(state[key]);
    slider.value = nearest(STOPS[key], state[key]);
    slider.disabled = held;
    slider.setAttribute("aria-valuetext", said);
    element(`${key}-value`).textContent = key === "angle" && held ? "–" : said;
    slider.previousElementSibling.classList.toggle("off", held);
  }
  for (const key in CHOICES) for (const radio of document.getElementsByName(key)) radio.checked = radio.value === state[key];
  element("noise-cost").textContent = show(noiseCost(state));
  for (const shown of document.querySelectorAll("[data-task]")) shown.hidden = shown.dataset.task !== state.task;
}

function cursors() {
  const values = known(state.t, state);
  element("t").value = Math.round(400 * found.axis.place(state.t));
  element("t-value").textContent = show(state.t);
  element("t").setAttribute("aria-valuetext", show(state.t));
  for (const name in PICTURES) {
    const svg = element(name), picture = PICTURES[name], curves = picture.curves(state);
    svg.querySelector(".cursor").innerHTML = point(name, found, placed[name], state.t, false);
    svg.querySelector(".hover").innerHTML = hovered === null ? "" : point(name, found, placed[name], hovered, true);
    svg.setAttribute("aria-valuemax", found.axis.most);
    svg.setAttribute("aria-valuenow", state.t);
    svg.setAttribute("aria-valuetext", `t = ${show(state.t)}: ` + curves.map((c) => `${c.name} ${c.say(values)}`).join(", "));
    const sums = name === "features" && state.n > 4 ? [curve("… Σs", "ink", (v) => sum(v.s))] : [];
    svg.previousElementSibling.innerHTML = [...curves.slice(0, 4), ...sums, ...(picture.key?.(found) ?? [])].map((c) => {
      if (c.glyph) return `<span><svg aria-hidden="true">${c.glyph}</svg>${c.name}</span>`;
      const sample = name === "features" ? "" : `<svg aria-hidden="true"><path d="M0 5H20" class="curve ${c.look}"/></svg>`;
      return `<span>${sample}${c.name} <b>${c.say(values)}</b></span>`;
    }).join("");
  }
}

// What is seen at this length, in words.
function words() {
  const v = known(state.t, state), learnt = v.s.filter((s, i) => s > spectrum(state)[i] / 2).length;
  const does = (name) => {
    const turn = found[name], up = turn === null ? 0 : v[name] - known(turn, state)[name];
    if (turn === null) return found.courses[name];
    if (state.t <= turn) return `will turn at <i>t</i> = ${show(turn)}`;
    return up > rounding(state) ? `turned at <i>t</i> = ${show(turn)} and is up by ${show(up, 0)}` : `turns at <i>t</i> = ${show(turn)}`;
  };
  const now = SITUATIONS.find((one) => written(settled({ ...DEFAULT, ...one.sets, t: state.t })) === written(state));
  const said = {
    noise: state.gamma === 0 ? "There is no noise." : `The <span class="word-noise">loss after noise</span> ${does("noise")}.`,
    tuning: `After fine-tuning the <span class="word-tuned">pretraining loss</span> ${does("pre")}; ` +
      `the <span class="word-down">downstream loss</span> ${does("down")}.`,
  };
  const [first, second] = now?.about === "tuning" ? [said.tuning, said.noise] : [said.noise, said.tuning];
  element("told").innerHTML =
    `At <i>t</i> = ${show(state.t)} the network has learned ${learnt} of ${state.n} feature${state.n > 1 ? "s" : ""} ` +
    `(more than half of ${state.n > 1 ? "each" : "it"}). ${first} ${now?.about ? `<span class="aside">${second}</span>` : second}`;
  SITUATIONS.forEach((one, i) => element("situations").children[i].setAttribute("aria-pressed", one === now));
  element("question").innerHTML = now ? now.asks : "A situation of your own: copy the link to send it.";
}

// A plot is a slider too: by pointer, or by keys.
function listen(name) {
  const svg = element(name), at = (event) => placed[name].length(event.clientX - svg.getBoundingClientRect().left);
  const hover = (t) => { hovered = t; cursors(); };
  const drag = (event) => set({ t: round(at(event), 4) });
  let grip = null; // where the pointer went down, and whether it drags: a finger may be about to scroll
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    grip = { x: event.clientX, y: event.clientY, drags: event.pointerType !== "touch" };
    svg.setPointerCapture(event.pointerId);
    if (grip.drags) drag(event);
  });
  svg.addEventListener("pointermove", (event) => {
    if (grip === null) return event.pointerType === "mouse" && hover(at(event));
    const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y].map(Math.abs);
    grip.drags ||= dx > 4 && dx > dy;
    if (grip.drags) drag(event);
  });
  svg.addEventListener("pointerup", (event) => {
    if (grip && Math.abs(event.clientY - grip.y) < 8) drag(event); // a tap, too
    grip = null;
  });
  svg.addEventListener("pointercancel", () => { grip = null; });
  svg.addEventListener("pointerleave", () => hover(null));
  svg.addEventListener("keydown", (event) => {
    const moves = { ArrowRight: 0.01, ArrowUp: 0.01, ArrowLeft: -0.01, ArrowDown: -0.01, PageUp: 0.1, PageDown: -0.1, Home: -1, End: 1 };
    if (!(event.key in moves) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const place = Math.min(1, Math.max(0, found.axis.place(state.t) + moves[event.key]));
    set({ t: round(found.axis.at(place), 4) });
  });
}

async function copy() {
  write();
  const said = element("copy");
  try {
    await navigator.clipboard.writeText(location.href);
    said.textContent = "Copied";
  } catch {
    prompt("The link to this situation:", location.href); // where a page may not write to the clipboard
  }
  setTimeout(() => { said.textContent = "Copy link"; }, 1500);
}

function start() {
  for (const key of SLIDERS) {
    Object.assign(element(key), { min: 0, max: STOPS[key].length - 1, step: 1 });
    element(key).addEventListener("input", () => set({ [key]: STOPS[key][element(key).value] }));
  }
  element("t").addEventListener("input", () => set({ t: round(found.axis.at(element("t").value / 400), 4) }));
  for (const key in CHOICES) for (const radio of document.getElementsByName(key)) radio.addEventListener("change", () => set({ [key]: radio.value }));
  for (const one of SITUATIONS) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = one.name;
    button.addEventListener("click", () => set({ ...DEFAULT, ...one.sets }));
    element("situations").append(button);
  }
  element("reset").addEventListener("click", () => set(DEFAULT));
  element("copy").addEventListener("click", copy);
  element("fold").addEventListener("click", () => element("fold").setAttribute("aria-expanded", element("fold").getAttribute("aria-expanded") === "false"));
  for (const name in PICTURES) listen(name);
  addEventListener("hashchange", load);
  new ResizeObserver(([seen]) => {
    if (seen.contentRect.width === 0) return; // not shown
    found = null;
    set({}, false);
  }).observe(document.querySelector(".pictures"));
  load();
}

start();
