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
const counted = (n, what) => `${n} ${what}${n == 1 ? "" : "s"}`;

function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name.includes("-") || name == "role" || name == "scope") element.setAttribute(name, value); else element[name] = value;
  }
  element.append(...children.filter(child => child !== null));
  return element;
}

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
  const button = make("button", {type: "button", textContent: percent, "aria-pressed": "false",
    "aria-label": `${label || "all classes"}, ${deformation || "all deformations"}: ${percent}% of ${judged} judgements accepted`, title: `${accepted} of ${judged} judgements`});
  button.style.background = `rgb(${rgb})`;
  button.style.color = luminance(rgb) > .179 ? "#000" : "#fff";  // where black and white contrast alike
  Object.assign(button.dataset, {label, deformation});
  button.addEventListener("click", () => { $("label").value = label; $("deformation").value = deformation; refresh(); $("listen").scrollIntoView(); $("list").focus({preventScroll: true}); });
  return make("td", null, button);
}

const cells = rows(data.cells);
function drawMap() {
  const head = make("tr", null, make("th"), ...[...data.deformations, ""].map(d => make("th", {scope: "col", textContent: d || "all"})));
  const body = [...data.labels, ""].map(label => make("tr", null, make("th", {scope: "row", textContent: label || "all", title: label}), ...[...data.deformations, ""].map(d => cell(label, d))));
  $("map").append(make("thead", null, head), make("tbody", null, ...body));
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

function fits(s) {
  const margin = Number($("margin").value), decision = $("decision").value;
  return (!$("label").value || s.label == $("label").value) && (!$("deformation").value || s.deformation == $("deformation").value)
    && (!decision || word(s.accepted) == decision) && (margin >= 1 || Math.abs(s.margin) <= margin) && (!$("sounding").checked || data.sounds[s.row]);
}

function refresh() {
  const order = orders[$("order").value];
  shown = samples.filter(fits).sort((a, b) => order(a) - order(b) || (a.source.clip < b.source.clip ? -1 : a.source.clip > b.source.clip ? 1 : a.place - b.place));
  $("margin-text").value = Number($("margin").value).toFixed(2);
  for (const button of $("map").querySelectorAll("button")) button.setAttribute("aria-pressed", button.dataset.label == $("label").value && button.dataset.deformation == $("deformation").value);
  const accepted = shown.filter(s => s.accepted).length;
  $("count").textContent = shown.length ? `${counted(shown.length, "sample")}: ${accepted} accepted, ${shown.length - accepted} rejected. The number beside a sample is its margin.` : "No sample fits. Widen the filters.";
  $("list").replaceChildren();
  drawn = 0;
  choose(0);
}

function option(s, i) {
  const item = make("li", {id: `sample-${i}`, role: "option", "aria-selected": "false"},
    make("span", {className: word(s.accepted), textContent: s.accepted ? "✓" : "✗", title: word(s.accepted)}),
    make("span", {className: "name", textContent: `${s.label}, ${s.deformation} ${s.what}`}),
    make("span", {textContent: signed(s.margin), title: "margin"}),
    make("span", {className: "from", textContent: (data.sounds[s.row] ? "♪ " : "") + s.source.clip, title: s.source.clip}));
  item.addEventListener("click", () => choose(i));
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
}

// ---- the chosen sample

let sounds = {};  // key on the keyboard: what it plays

function sound(key, title, row, text, share, why) {
  const mark = make("i"), picture = data.pictures[row], has = Boolean(data.sounds[row]);
  const symbol = make("span", {textContent: "▶", "aria-hidden": "true"});
  const button = make("button", {type: "button", disabled: !has}, has ? symbol : null, make("span", {textContent: title}), make("kbd", {textContent: key == " " ? "space" : key}));
  const image = picture ? make("img", {src: "data:image/webp;base64," + picture, alt: `Log-mel spectrogram: ${title}`}) : make("span");
  image.style.width = `${100 * share}%`;
  sounds[key] = {row, button, symbol, mark, share};
  button.addEventListener("click", () => toggle(key));
  return make("div", {className: "sound"}, button, make("div", {className: "picture"}, image, mark),
    make("p", {className: "text", textContent: text, title: text}), has ? null : make("p", {className: "text quiet", textContent: why || "no sound on this page"}));
}

function outside(judgement) { return judgement.test || judgement.valid ? `without folds ${judgement.test} and ${judgement.valid}` : "by the other folds"; }

function drawNeighbours(s, judgement) {
  $("vote").textContent = `${word(judgement.accepted)} ${outside(judgement)}: ${judgement.votes} of ${counted(data.k, "neighbour")} voted for ${data.labels[judgement.predicted] ?? "another class"}; mean similarity ${judgement.similarity.toFixed(2)}`;
  $("vote").className = word(judgement.accepted);
  for (const key of Object.keys(sounds)) if (key != " " && key != "o") delete sounds[key];
  $("neighbours").replaceChildren(...judgement.neighbours.map((i, n) => {
    const clip = clips[i], own = clip.label == s.label;
    const card = sound(String(n + 1), `${own ? "✓" : "✗"} ${clip.label}`, clip.row, clip.clip, 1, clip.why);
    card.setAttribute("aria-label", `Neighbour ${n + 1}, ${own ? "own" : "other"} class`);
    return card;
  }));
}

function drawSample(s) {
  sounds = {};
  if (!s) { $("sample").replaceChildren(); return; }
  const longest = Math.max(s.frames, s.source.frames) || 1, width = frames => frames ? frames / longest : 1;
  const pick = make("select", {id: "judgement"}, ...s.judgements.map((j, i) => make("option", {value: i, textContent: `${outside(j)}${data.seeds > 1 ? `, seed ${j.seed}` : ""}: ${word(j.accepted)}, margin ${signed(j.margin)}`})));
  pick.addEventListener("change", () => { stop(); drawNeighbours(s, s.judgements[pick.value]); });
  $("sample").replaceChildren(
    make("h3", {textContent: `${s.label}, ${s.deformation} ${s.what}`}),
    make("p", null, make("strong", {className: word(s.accepted), textContent: `${s.accepted ? "✓" : "✗"} ${word(s.accepted)}:`})," accepted", ` in ${s.times} of ${counted(s.judged, "judgement")}; margin ${signed(s.margin)}; on average ${s.own.toFixed(1)} of ${counted(data.k, "neighbour")} are of its own class`),
    make("div", {className: "sounds large"}, sound(" ", "Deformed", s.row, `${s.deformation} ${s.what}${seconds(s.frames)}`, width(s.frames), s.why), sound("o", "Original", s.source.row, `${s.source.clip}, fold ${s.source.fold}${seconds(s.source.frames)}`, width(s.source.frames), s.source.why)),
    make("h3", {textContent: "Nearest neighbours, nearest first"}),
    ...(s.judgements.length > 1 ? [make("label", {htmlFor: "judgement"}, "judgement ", pick)] : []),
    make("p", {id: "vote"}), make("div", {id: "neighbours", className: "sounds"}));
  drawNeighbours(s, s.judgements[0]);
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

document.addEventListener("keydown", event => {
  if (!cells.length) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("select, input:not([type=checkbox]), summary, a")) return;
  const onButton = event.target.closest?.("button, input"), step = {j: 1, ArrowDown: 1, k: -1, ArrowUp: -1}[event.key];
  if (step) choose(chosen + step);
  else if (sounds[event.key] && !(onButton && event.key == " ")) toggle(event.key);
  else return;
  event.preventDefault();
});

// ---- begin

if (cells.length) {
  $("judged").hidden = false;
  $("k").textContent = data.k;
  $("sounding").disabled = !($("sounding").checked = samples.some(s => data.sounds[s.row]));
  for (const [id, names] of [["label", data.labels], ["deformation", data.deformations]]) {
    $(id).append(make("option", {value: "", textContent: "all"}), ...names.map(name => make("option", {value: name, textContent: name})));
  }
  $("filters").addEventListener("input", refresh);
  $("filters").addEventListener("submit", event => event.preventDefault());
  drawMap();
  refresh();
}
