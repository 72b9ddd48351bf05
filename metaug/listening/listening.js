"use strict";
// Tables come as columns; text from the data becomes text nodes only, never HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const rows = table => (Object.values(table)[0] || []).map((_, i) => Object.fromEntries(Object.entries(table).map(([name, column]) => [name, column[i]])));
const clips = rows(data.clips), samples = rows(data.samples), player = $("player");
for (const sample of samples) Object.assign(sample, {judgements: [], source: clips[sample.clip]});
for (const judgement of rows(data.judgements)) samples[judgement.sample].judgements.push(judgement);
const signed = x => (x <= -.005 ? "−" : x < .005 ? "" : "+") + Math.abs(x).toFixed(2);
const seconds = frames => frames ? `, ${(frames * data.frame).toFixed(1)} s` : "";
const word = accepted => accepted ? "accepted" : "rejected";
const counted = (n, what) => `${n.toLocaleString("en")} ${what}${n == 1 ? "" : "s"}`;
const isFramed = location.protocol == "about:";  // in a notebook: no address and no storage of its own
const isNarrow = () => matchMedia("(max-width: 52rem)").matches;

function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name.includes("-") || name == "role" || name == "scope") element.setAttribute(name, value); else element[name] = value;
  }
  element.append(...children.filter(child => child !== null));
  return element;
}

// Clips go by the last part of their path where no two share it.
for (const clip of clips) clip.short = String(clip.clip).split("/").pop();
const shorts = new Map();
for (const clip of clips) shorts.set(clip.short, (shorts.get(clip.short) || 0) + 1);
for (const clip of clips) if (shorts.get(clip.short) > 1 || !clip.short) clip.short = clip.clip;

// ---- decisions: the judge's, and what a person puts in their place

const heard = new Map();  // number of a sample → its decision, where a person changed what the page came with
const keyOf = s => JSON.stringify([s.source.clip, s.deformation, s.level]);
const judges = s => s.accepted != s.overruled;
const decision = s => heard.has(s) ? heard.get(s) : s.accepted;
const isOverruled = s => decision(s) != judges(s);
const storeName = `metaug ${data.id}`;
let isKept = !isFramed, isSaved = true;

function keepDecisions() {
  if (!isKept) return;
  try {
    localStorage.setItem(storeName, JSON.stringify([...heard].map(([s, accepted]) => [keyOf(s), accepted])));
  } catch (error) {  // storage is switched off or full: the person is told, and asked before leaving
    isKept = false;
  }
}

function bringBackDecisions() {
  if (!isKept) return;
  let kept = null;
  try {
    kept = localStorage.getItem(storeName);
  } catch (error) {
    isKept = false;
  }
  const found = new Map(samples.map(s => [keyOf(s), s]));
  for (const [key, accepted] of JSON.parse(kept || "[]")) {
    const s = found.get(key);
    if (s && s.accepted != accepted) heard.set(s, accepted);
  }
}

function overrule() {
  const s = shown[chosen];
  if (!s || data.pairs) return;
  if (heard.has(s)) heard.delete(s); else heard.set(s, !s.accepted);
  isSaved = false;
  keepDecisions();
  const old = $(`sample-${chosen}`), item = option(s, chosen);
  item.setAttribute("aria-selected", "true");
  old.replaceWith(item);
  drawDecision(s);
  tellCount();
  tellDecisions(isOverruled(s) ? `Overruled: ${word(decision(s))} by you.` : `As the judge decided: ${word(decision(s))}.`);
}

function tellDecisions(first) {
  const all = samples.filter(isOverruled);
  $("save").hidden = !all.length;
  $("save").textContent = `Save ${counted(all.length, "decision")}`;
  const lost = isKept || isSaved ? "" : " They are kept only until this page is closed.";
  $("said").textContent = [first, all.length && first ? `${all.length} overruled.${lost}` : ""].join(" ");
}

function quoted(text) {  // as a CSV has it, with an apostrophe before what a spreadsheet would run
  return `"${String(text).replace(/^(?=['=+\-@\t\r\n])/, "'").replaceAll('"', '""')}"`;
}

function saveDecisions() {
  const lines = samples.filter(isOverruled).map(s => [quoted(s.source.clip), quoted(s.deformation), s.level, decision(s) ? "accept" : "reject", quoted(s.label)].join(","));
  const text = "\ufeffclip,deformation,level,decision,label\n" + lines.join("\n") + "\n";
  const address = URL.createObjectURL(new Blob([text], {type: "text/csv"}));
  make("a", {href: address, download: "overruled.csv"}).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
  isSaved = true;
  $("said").textContent = "Saved as overruled.csv: run the same metaug select again with --overrule overruled.csv";
}
addEventListener("beforeunload", event => { if (!isKept && !isSaved && !isFramed) event.preventDefault(); });

// ---- the heat map

const viridis = [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43], [253, 231, 37]];

function colour(share) {
  const at = share * (viridis.length - 1), low = Math.min(Math.floor(at), viridis.length - 2);
  return viridis[low].map((value, i) => Math.round(value + (at - low) * (viridis[low + 1][i] - value)));
}

function luminance(rgb) {  // relative luminance of WCAG 2
  const linear = rgb.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * linear[0] + .7152 * linear[1] + .0722 * linear[2];
}

function cell(label, deformation) {
  const of = cells.filter(c => (!label || c.label == label) && (!deformation || c.deformation == deformation));
  const judged = of.reduce((sum, c) => sum + c.judged, 0), accepted = of.reduce((sum, c) => sum + c.accepted, 0);
  if (!judged) return make("td");
  const rgb = colour(accepted / judged), percent = Math.round(100 * accepted / judged);
  const button = make("button", {type: "button", textContent: percent, "aria-pressed": "false", tabIndex: -1,
    "aria-label": `${label || "all classes"}, ${deformation || "all deformations"}: ${percent}% of ${judged} judgements accepted`, title: `${accepted} of ${judged} judgements`});
  button.style.background = `rgb(${rgb})`;
  button.style.color = luminance(rgb) > .179 ? "#000" : "#fff";  // where black and white contrast alike
  Object.assign(button.dataset, {label, deformation});
  button.addEventListener("click", () => { $("label").value = label; $("deformation").value = deformation; refresh(); toWork(); });
  return make("td", null, button);
}

const cells = rows(data.cells);
function drawMap() {
  const head = make("tr", null, make("th"), ...[...data.deformations, ""].map(d => make("th", {scope: "col", textContent: d || "all", title: data.explained[d] || ""})));
  const body = [...data.labels, ""].map(label => make("tr", null, make("th", {scope: "row", textContent: label || "all", title: label}), ...[...data.deformations, ""].map(d => cell(label, d))));
  $("map").append(make("thead", null, head), make("tbody", null, ...body));
}

function stepInMap(event) {  // arrows go from cell to cell, so that the map is one stop of the tabulator
  const at = event.target.closest("td"), step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
  if (!at || !step) return;
  event.preventDefault();
  event.stopPropagation();
  const table = $("map").tBodies[0].rows;
  for (let row = at.parentElement.sectionRowIndex + step[0], column = at.cellIndex + step[1]; table[row]?.cells[column]; row += step[0], column += step[1]) {
    const next = table[row].cells[column].querySelector("button");
    if (next) return next.focus();
  }
}

function toWork() {  // map and list are in view together, then the keys step through the list
  $("work").scrollIntoView();
  $("list").focus({preventScroll: true});
}

// ---- the list

const orders = {
  narrow: s => Math.abs(s.margin),
  clear: s => -Math.abs(s.margin),
  votes: s => Math.abs(s.own / data.k - .5),
  similarity: s => s.similarity,
  name: () => 0,
};
const PAGE = 200;
let shown = [], chosen = 0, drawn = 0;

const named = s => `${s.label}, ${s.deformation} ${s.what}`;
const taken = s => data.labels[s.judgements[0].predicted] ?? "another class";
const searched = s => s.text ??= [named(s), s.source.clip, word(judges(s)), taken(s), ...s.judgements[0].neighbours.map(i => clips[i].clip)].join(" ").toLowerCase();

function filter() {  // whether a sample fits
  const margin = Number($("margin").value), wanted = $("decision").value, label = $("label").value, deformation = $("deformation").value;
  const words = $("text").value.toLowerCase().split(/\s+/).filter(Boolean), sounding = $("sounding").checked;
  return s => (!label || s.label == label) && (!deformation || s.deformation == deformation)
    && (!wanted || (wanted == "overruled" ? isOverruled(s) : word(decision(s)) == wanted)) && (margin >= 1 || Math.abs(s.margin) <= margin)
    && (!sounding || data.sounds[s.row]) && words.every(part => searched(s).includes(part));
}

function refresh(at) {
  const order = orders[$("order").value];
  shown = samples.filter(filter()).sort((a, b) => order(a) - order(b) || (a.source.clip < b.source.clip ? -1 : a.source.clip > b.source.clip ? 1 : a.place - b.place));
  $("margin-text").value = Number($("margin").value).toFixed(2);
  for (const button of $("map").querySelectorAll("button")) {
    const isPressed = button.dataset.label == $("label").value && button.dataset.deformation == $("deformation").value;
    button.setAttribute("aria-pressed", isPressed);
    button.tabIndex = isPressed ? 0 : -1;
  }
  if (!$("map").querySelector("button[tabindex='0']")) $("map").querySelector("button").tabIndex = 0;
  tellCount();
  $("list").replaceChildren();
  $("list").scrollTop = drawn = 0;
  choose(Math.max(0, shown.indexOf(at)));
}

function tellCount() {
  const accepted = shown.filter(decision).length, of = [$("label").value, $("deformation").value, $("text").value && `“${$("text").value}”`].filter(Boolean).join(", ");
  $("count").textContent = shown.length ? `${counted(shown.length, "candidate")}${of && ` of ${of}`}: ${accepted.toLocaleString("en")} accepted, ${(shown.length - accepted).toLocaleString("en")} rejected. The number is the margin.` : `No candidate${of && ` of ${of}`} fits these filters.`;
}

function option(s, i) {
  const accepted = decision(s), other = data.pairs || taken(s) == s.label ? "" : ` → ${taken(s)}`;
  const item = make("li", {role: "option", id: `sample-${i}`, "aria-selected": "false", "aria-posinset": i + 1, "aria-setsize": shown.length},
    make("span", {className: word(accepted), textContent: accepted ? "✓" : "✗", "aria-label": word(accepted), role: "img"}),
    make("span", {className: "name", textContent: named(s)}),
    make("span", {title: "margin", textContent: signed(s.margin)}),
    make("span", {className: "from", textContent: `${data.sounds[s.row] ? "♪ " : ""}${s.source.short}${other}`}, isOverruled(s) ? make("strong", {textContent: " ✎ overruled"}) : null));
  item.addEventListener("click", () => { choose(i); if (isNarrow()) $("sample").scrollIntoView(); });
  return item;
}

function drawUpTo(i) {
  while (drawn < Math.min(shown.length, i + 1)) {
    const next = Math.min(shown.length, drawn + PAGE);
    $("list").append(...shown.slice(drawn, next).map((s, j) => option(s, drawn + j)));
    drawn = next;
  }
}

function choose(i) {
  stop();
  drawUpTo(i + 20);
  $(`sample-${chosen}`)?.setAttribute("aria-selected", "false");
  chosen = Math.max(0, Math.min(i, shown.length - 1));
  const item = $(`sample-${chosen}`), list = $("list");
  if (item) {
    item.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", item.id);
    if (item.offsetTop < list.scrollTop) list.scrollTop = item.offsetTop;
    if (item.offsetTop + item.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = item.offsetTop + item.offsetHeight - list.clientHeight;
  } else list.removeAttribute("aria-activedescendant");
  drawSample(shown[chosen]);
  writeAddress();
}

// ---- what is listed and chosen is in the address

const KINDS = {label: "value", deformation: "value", decision: "value", order: "value", margin: "value", text: "value", sounding: "checked"};
let usual = {}, waiting = 0;

function writeAddress() {
  if (isFramed) return;
  clearTimeout(waiting);  // browsers refuse hundreds of changes a second
  waiting = setTimeout(() => {
    const state = new URLSearchParams(), s = shown[chosen];
    for (const [id, kind] of Object.entries(KINDS)) if ($(id)[kind] !== usual[id]) state.set(id, $(id)[kind]);
    if (s && (chosen || state.size)) state.set("at", keyOf(s));
    if (location.hash.slice(1) != String(state)) history.replaceState(null, "", `#${state}`);
  }, 300);
}

function readAddress() {
  const state = new URLSearchParams(isFramed ? "" : location.hash.slice(1)), at = state.get("at");
  for (const [id, kind] of Object.entries(KINDS)) {
    if (!state.has(id)) $(id)[kind] = usual[id];
    else if (kind == "checked") $(id).checked = state.get(id) == "true" && !$(id).disabled;
    else $(id).value = state.get(id);
    if ($(id).tagName == "SELECT" && $(id).selectedIndex < 0) $(id).value = usual[id];  // a name that this page lacks
  }
  $("more").open = ["label", "deformation", "margin"].some(id => state.has(id)) && !isNarrow();
  refresh(at && samples.find(s => keyOf(s) == at));
}

// ---- the chosen sample

let sounds = {};  // key on the keyboard: what it plays

function axes(longest) {  // seconds below, hertz at the left
  const span = longest * data.frame, step = [.1, .2, .5, 1, 2, 5, 10, 20, 60, 120, 300, 600].find(step => span / step <= 5) || 1200, marks = [];
  for (let t = 0; t <= span + 1e-6; t += step) {
    const mark = make("span", {className: "x", textContent: `${+t.toFixed(1)}${t + step > span ? " s" : ""}`});
    mark.style.left = `${100 * t / span}%`;
    marks.push(mark);
  }
  for (const [text, share] of data.ticks) {
    const mark = make("span", {className: "y", textContent: text});
    mark.style.bottom = `${100 * share}%`;
    marks.push(mark);
  }
  return make("div", {className: "axes", "aria-hidden": "true"}, ...marks);
}

function sound(key, title, row, text, frames, longest, why, kind) {
  const share = frames && longest ? frames / longest : 1;
  const mark = make("i"), picture = data.pictures[row], has = Boolean(data.sounds[row]);
  const symbol = make("span", {textContent: "▶", "aria-hidden": "true"});
  const button = make("button", {type: "button", disabled: !has}, has ? symbol : null, make("span", {textContent: title}), make("kbd", {textContent: key == " " ? "space" : key}));
  const image = picture ? make("img", {src: "data:image/webp;base64," + picture, alt: `Log-mel spectrogram: ${title}${seconds(frames)}`}) : make("span");
  image.style.width = `${100 * share}%`;
  sounds[key] = {row, button, symbol, mark, share};
  button.addEventListener("click", () => toggle(key));
  return make("div", {className: `sound ${kind || ""}`, role: "group", "aria-label": `${title}: ${text}`}, button,
    make("div", {className: "picture", hidden: !picture}, image, mark, picture && longest ? axes(longest) : null),
    make("p", {className: "text", textContent: text, title: text}), has ? null : make("p", {className: "text quiet", textContent: why || "no sound on this page"}));
}

// ---- where the judge sees the candidate: two principal components of its embedding

const planes = new Map();  // part → originals on its plane
for (const point of rows(data.points || {})) {
  if (!planes.has(point.part)) planes.set(point.part, []);
  planes.get(point.part).push(point);
}

function plane(s, judgement) {
  const points = planes.get(s.part);
  if (!points) return null;
  const style = getComputedStyle(document.documentElement), shade = name => style.getPropertyValue(name);
  const canvas = make("canvas", {width: 480, height: 330, role: "img", "aria-label": `Map of the judge's embedding: this candidate, its original and its ${counted(data.k, "neighbour")} among the originals`});
  const draw = canvas.getContext("2d"), seen = [...points, s], edge = 22;
  const [left, right, low, high] = [Math.min(...seen.map(p => p.x)), Math.max(...seen.map(p => p.x)), Math.min(...seen.map(p => p.y)), Math.max(...seen.map(p => p.y))];
  const place = p => [edge + (canvas.width - 2 * edge) * (p.x - left) / (right - left || 1), canvas.height - edge - (canvas.height - 2 * edge) * (p.y - low) / (high - low || 1)];
  const dot = (p, size, colour, isRing) => {
    draw.beginPath();
    draw.arc(...place(p), size, 0, 7);
    draw.strokeStyle = draw.fillStyle = colour;
    draw.lineWidth = 3;
    if (isRing) draw.stroke(); else draw.fill();
  };
  const isOwn = p => data.labels[p.label] == s.label;
  for (const own of [false, true]) {  // its own class is drawn last
    for (const p of points) if (p.reference && isOwn(p) == own) dot(p, 5, shade(own ? "--accepted" : "--faint"));
  }
  draw.font = "bold 24px system-ui, sans-serif";
  for (const [n, i] of [...judgement.neighbours.entries()].reverse()) {
    const p = points.find(p => p.reference && p.clip == i);
    if (!p) continue;
    const colour = shade(isOwn(p) ? "--accepted" : "--rejected");
    dot(p, 8, colour);
    draw.fillStyle = colour;
    draw.fillText(n + 1, place(p)[0] + 9, place(p)[1] - 7);
  }
  const parent = points.find(p => !p.reference && p.clip == s.clip), [x, y] = place(s);
  if (parent) dot(parent, 9, shade("--text"), true);
  draw.lineWidth = 6;
  draw.beginPath();
  for (const side of [-1, 1]) { draw.moveTo(x - 10, y - 10 * side); draw.lineTo(x + 10, y + 10 * side); }
  draw.strokeStyle = shade("--text");
  draw.stroke();
  return make("div", {className: "sound plane", role: "group", "aria-label": "Where the judge sees it"}, canvas,
    make("p", {className: "text"}, "How the judge sees it, in two dimensions: ✕ candidate, ○ its original, 1 … neighbours, ", make("span", {className: "accepted", textContent: "● own class"}), ", ", make("span", {className: "quiet", textContent: "● other classes"})));
}

function outside(judgement) { return judgement.test || judgement.valid ? `without folds ${judgement.test} and ${judgement.valid}` : "by the other folds"; }

const longestOf = (s, judgement) => Math.max(s.frames, s.source.frames, ...judgement.neighbours.map(i => clips[i].frames));

function drawSounds(s, judgement) {
  const longest = longestOf(s, judgement), isOwn = i => clips[i].label == s.label;
  sounds = {};
  if (data.pairs) $("vote").textContent = `${word(judgement.accepted)} ${outside(judgement)}: ${judgement.votes} of ${counted(data.k, "neighbour")} voted for ${data.labels[judgement.predicted] ?? "another class"}; mean similarity ${judgement.similarity.toFixed(2)}`;
  $("pair").replaceChildren(
    sound(" ", "Candidate", s.row, `${s.deformation} ${s.what}${seconds(s.frames)}`, s.frames, longest, s.why),
    sound("o", "Original", s.source.row, `${s.source.short}, fold ${s.source.fold}${seconds(s.source.frames)}`, s.source.frames, longest, s.source.why));
  $("plane").replaceChildren(plane(s, judgement) || "");
  $("neighbours").replaceChildren(...judgement.neighbours.map((i, n) => sound(String(n + 1), `${isOwn(i) ? "✓" : "✗"} ${clips[i].label}`, clips[i].row, `neighbour ${n + 1}: ${clips[i].short}`, clips[i].frames, longest, clips[i].why, isOwn(i) ? "own" : "other")));
}

function drawDecision(s) {
  const accepted = decision(s);
  $("decided").replaceChildren(make("strong", {className: word(accepted), textContent: `${accepted ? "✓" : "✗"} ${word(accepted)}`}),
    isOverruled(s) ? ` by you, ${word(judges(s))} by the judge` : data.pairs ? ` in ${s.times} of ${counted(s.judged, "judgement")}` : " by the judge",
    `; ${data.pairs ? `on average ${s.own.toFixed(1)}` : s.own} of ${counted(data.k, "neighbour")} of its own class; margin ${signed(s.margin)}, mean similarity ${s.similarity.toFixed(2)}`);
  $("overrule").setAttribute("aria-pressed", isOverruled(s));
}

function drawSample(s) {
  sounds = {};
  if (!s) { $("sample").replaceChildren(); return; }
  const pick = make("select", {id: "judgement"}, ...s.judgements.map((j, i) => make("option", {value: i, textContent: `${outside(j)}${data.seeds > 1 ? `, seed ${j.seed}` : ""}: ${word(j.accepted)}, margin ${signed(j.margin)}`})));
  pick.addEventListener("change", () => { stop(); drawSounds(s, s.judgements[pick.value]); });
  const explained = data.explained[s.deformation];
  $("sample").replaceChildren(
    make("h3", {textContent: named(s)}),
    explained ? make("p", {className: "quiet", textContent: `${s.deformation}: ${explained}`}) : "",
    make("p", {id: "decided"}),
    ...(s.judgements.length > 1 ? [make("label", {htmlFor: "judgement"}, "judgement ", pick)] : []),
    data.pairs ? make("p", {id: "vote", className: "quiet"}) : "",
    make("div", {className: "sounds"}, make("div", {id: "pair", className: "large"}), make("div", {id: "neighbours"}), make("div", {id: "plane"})));
  $("sample").scrollTop = 0;
  drawDecision(s);
  drawSounds(s, s.judgements[0]);
}

// ---- playing: one player, what plays is marked

let playing = null;

function stop() {
  player.pause();
  if (playing) { playing.symbol.textContent = "▶"; playing.mark.style.visibility = "hidden"; }
  playing = null;
}

function toggle(key) {
  const wanted = sounds[key], again = wanted && playing === wanted;
  stop();
  if (again || !wanted || !data.sounds[wanted.row]) return;
  playing = wanted;
  player.src = "data:audio/mpeg;base64," + data.sounds[wanted.row];
  wanted.symbol.textContent = "■";
  wanted.mark.style.visibility = "visible";
  player.play().then(follow, error => { if (error.name != "AbortError") throw error; });
}

function follow() {
  if (!playing || player.paused) return;
  playing.mark.style.left = `${100 * playing.share * player.currentTime / (player.duration || 1)}%`;
  requestAnimationFrame(follow);
}
player.addEventListener("ended", stop);

// ---- keys, each with a button in the bar

function press(key) {  // whether the key means something
  const step = {j: 1, ArrowDown: 1, k: -1, ArrowUp: -1}[key];
  if (step) choose(chosen + step);
  else if (key == "x") overrule();
  else if (key == "/") $("text").focus();
  else if (sounds[key]) toggle(key);
  else return false;
  return true;
}

document.addEventListener("keydown", event => {
  if (!cells.length || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target == $("text") && ["Escape", "Enter"].includes(event.key)) return toWork();
  if (event.target.closest?.("select, input:not([type=checkbox]), summary, a")) return;
  if (event.target.closest?.("button, input") && event.key == " ") return;
  if (press(event.key)) event.preventDefault();
});

// ---- begin

$("loading").remove();
if (cells.length) {
  $("judged").hidden = false;
  $("sounding").disabled = !($("sounding").checked = samples.some(s => data.sounds[s.row]));
  for (const [id, names] of [["label", data.labels], ["deformation", data.deformations]]) {
    $(id).append(make("option", {value: "", textContent: "all"}), ...names.map(name => make("option", {value: name, textContent: name})));
  }
  if (data.pairs) $("overrule").hidden = true;
  else $("decision").append(make("option", {value: "overruled", textContent: "overruled"}));
  $("filters").addEventListener("input", () => refresh(shown[chosen]));
  $("filters").addEventListener("submit", event => event.preventDefault());
  $("map").addEventListener("keydown", stepInMap);
  for (const button of $("bar").querySelectorAll("[data-key]")) button.addEventListener("click", () => press(button.dataset.key));
  $("save").addEventListener("click", saveDecisions);
  if ($("begin")) {
    $("begin").hidden = false;
    for (const [id, wanted] of [["to-rejected", "rejected"], ["to-all", ""]]) {
      $(id).addEventListener("click", () => { $("decision").value = wanted; $("label").value = $("deformation").value = $("text").value = ""; refresh(); toWork(); });
    }
  }
  drawMap();
  bringBackDecisions();
  usual = Object.fromEntries(Object.entries(KINDS).map(([id, kind]) => [id, $(id)[kind]]));
  readAddress();
  tellDecisions("");
  addEventListener("hashchange", readAddress);
}
