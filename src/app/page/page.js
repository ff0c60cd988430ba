// The page only asks and shows. Everything that comes from mail is put in as text, never as markup.
"use strict";

const at = (id) => document.getElementById(id);
const kSvg = "http://www.w3.org/2000/svg";
const kColours = 8, kRows = 100;

function make(name, text, className) {
  const element = document.createElement(name);
  if (text !== undefined && text !== null) element.textContent = String(text);
  if (className) element.className = className;
  return element;
}
function draw(name, attributes, text) {
  const element = document.createElementNS(kSvg, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}
const number = (n) => Number(n || 0).toLocaleString("en");
const clock = (seconds, hours) => {
  const date = new Date(seconds * 1000), two = (n) => String(n).padStart(2, "0");
  const time = two(date.getHours()) + ":" + two(date.getMinutes());
  return hours > 24 ? two(date.getMonth() + 1) + "-" + two(date.getDate()) + " " + time : time;
};
const local = (text) => {
  const date = new Date(text), two = (n) => String(n).padStart(2, "0");
  if (isNaN(date)) return text;
  return two(date.getMonth() + 1) + "-" + two(date.getDate()) + " " + two(date.getHours()) + ":" +
         two(date.getMinutes()) + ":" + two(date.getSeconds());
};

async function ask(name, words) {
  const query = new URLSearchParams(Object.entries(words || {}).filter(([, value]) => value !== "" && value !== undefined));
  const stop = new AbortController(), timer = setTimeout(() => stop.abort(), 10000);
  try {
    const response = await fetch("api/" + name + "?" + query, {signal: stop.signal});
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error || response.statusText);
    return answer;
  } finally {
    clearTimeout(timer);
  }
}
function trouble(error) {
  at("trouble").hidden = !error;
  at("trouble").textContent = error ? "No answer: " + error.message : "";
}

// One question at a time of each kind: a slow service is not asked faster.
function every(milliseconds, look) {
  const turn = async () => {
    try {
      if (!document.hidden) {
        await look();
        trouble(null);
      }
    } catch (error) {
      trouble(error);
    }
    setTimeout(turn, milliseconds);
  };
  turn();
  return look;
}

// ---- now ----
let before = null;
function tile(value, name, className) {
  const box = make("div", null, "tile");
  box.append(make("b", value, className), make("span", name));
  return box;
}
function total(answers) { return Object.values(answers).reduce((sum, n) => sum + n, 0); }

async function lookStatus() {
  const s = await ask("status");
  const good = s.state === "attached" && s.reload.ok && s.store.available;
  at("state").textContent = s.state + ", up " + Math.floor(s.uptime_s / 3600) + " h " + Math.floor(s.uptime_s / 60) % 60 + " min";
  at("state").className = "state " + (good ? "good" : "warn");
  at("policy").textContent = s.policy + ", " + s.rules + " rules, generation " + s.reload.generation;
  const now = {t: performance.now(), refused: total(s.answers), accepted: s.messages_accepted};
  const rate = (key) => !before || now.t <= before.t ? "" :
    Math.max(0, (now[key] - before[key]) / (now.t - before.t) * 1000).toFixed(1) + "/s";
  at("tiles").replaceChildren(
    tile(number(s.sessions.open), "sessions open"),
    tile(number(now.accepted), "messages accepted " + rate("accepted"), "good"),
    tile(number(s.answers.reject), "rejected", s.answers.reject ? "bad" : ""),
    tile(number(s.answers.defer), "deferred", s.answers.defer ? "warn" : ""),
    tile(number((s.answers.disconnect || 0) + (s.answers.discard || 0) + (s.answers.quarantine || 0)), "disconnected, discarded, held"),
    tile(rate("refused") || "0.0/s", "refused or deferred now"));
  before = now;
  const health = [
    ["listening", s.listening + " (" + s.engine + ")"],
    ["store", (s.store.available ? "" : "AWAY: ") + s.store.what, s.store.available ? "" : "bad"],
    ["degraded", number(s.store.degraded_decisions) + " answers without the store"],
    ["DNS", number(s.dns.asked) + " asked, " + number(s.dns.cached) + " from the cache, " + number(s.dns.sent) + " sent, " +
      number(s.dns.failed) + " failed", s.dns.failed > s.dns.sent / 10 ? "warn" : ""],
    ["reload", s.reload.ok ? "good, " + local(s.reload.loaded) : "FAILED: " + s.reload.error, s.reload.ok ? "" : "bad"]];
  for (const list of s.dns_lists || []) {
    const off = list.state === "off" || list.state === "silent";
    health.push([list.zone, list.state + (list.why ? ": " + list.why : ""), off ? "bad" : ""]);
  }
  for (const scanner of s.scanners || []) {
    const away = scanner.addresses.filter((a) => !a.available).map((a) => a.at + " away: " + a.last_failure);
    health.push([scanner.name, number(scanner.scanned) + " scanned, " + number(scanner.unscanned) + " without an answer" +
      (away.length ? "; " + away.join("; ") : ""), away.length ? "bad" : ""]);
  }
  at("health").replaceChildren(...health.flatMap(([name, text, mark]) => [make("dt", name), make("dd", text, mark)]));
}

// ---- plots ----
async function lookPlot() {
  const hours = Number(at("plot-hours").value), by = at("plot-by").value;
  const data = await ask("series", {what: by, hours});
  const sums = Object.entries(data.series).map(([name, points]) => [name, points.reduce((sum, p) => sum + p[1], 0)])
    .sort((a, b) => b[1] - a[1]);
  const shown = sums.slice(0, kColours - 1).map(([name]) => name);
  const names = sums.length > shown.length ? [...shown, "others"] : shown;
  const first = Math.floor(data.since / data.step) * data.step, steps = Math.floor((data.now - first) / data.step) + 1;
  const columns = Array.from({length: steps}, () => new Array(names.length).fill(0));
  for (const [name, points] of Object.entries(data.series)) {
    const place = shown.indexOf(name) >= 0 ? shown.indexOf(name) : names.length - 1;
    for (const [t, n] of points) {
      const column = Math.round((t - first) / data.step);
      if (column >= 0 && column < steps) columns[column][place] += n;
    }
  }
  plot(columns, names, first, data.step, hours);
  at("legend").replaceChildren(...names.map((name, i) => {
    const item = make("li"), n = name === "others" && i >= shown.length
      ? sums.slice(shown.length).reduce((sum, s) => sum + s[1], 0) : sums[i][1];
    item.append(make("i", null, "k" + i), make("span", name + " "), make("span", number(n), "quiet"));
    return item;
  }));
  at("plot-read").textContent = sums.length ? "" : "Nothing in this time.";
}

function plot(columns, names, first, step, hours) {
  const width = Math.max(320, at("plot").clientWidth || 900), height = 190, left = 46, bottom = 22, top = 8;
  const most = Math.max(1, ...columns.map((c) => c.reduce((sum, n) => sum + n, 0)));
  const nice = [1, 2, 5, 10].map((f) => f * 10 ** Math.floor(Math.log10(most))).find((n) => n >= most) || most;
  const y = (n) => top + (height - top - bottom) * (1 - n / nice), w = (width - left) / columns.length;
  const picture = draw("svg", {viewBox: "0 0 " + width + " " + height, role: "img", "aria-labelledby": "plot-title"});
  for (const n of [0, nice / 2, nice]) {
    if (n !== Math.round(n)) continue;
    picture.append(draw("line", {class: "grid", x1: left, x2: width, y1: y(n), y2: y(n)}),
                   draw("text", {x: left - 6, y: y(n) + 4, "text-anchor": "end"}, number(n)));
  }
  const marks = Math.max(2, Math.floor(width / 130));
  for (let i = 0; i < marks; i++) {
    const column = Math.floor(i * columns.length / marks);
    picture.append(draw("text", {x: left + column * w, y: height - 5}, clock(first + column * step, hours)));
  }
  columns.forEach((column, i) => {
    let sum = 0;
    column.forEach((n, k) => {
      if (n === 0) return;
      picture.append(draw("rect", {class: "k" + k, x: left + i * w, width: Math.max(1, w - (w > 4 ? 1 : 0)), y: y(sum + n),
                                   height: Math.max(.5, y(sum) - y(sum + n))}));
      sum += n;
    });
    const here = draw("rect", {class: "here", x: left + i * w, width: w, y: top, height: height - top - bottom});
    here.addEventListener("pointerenter", () => {
      at("plot-read").textContent = clock(first + i * step, hours) + ": " +
        (column.map((n, k) => n ? names[k] + " " + number(n) : "").filter(Boolean).join(", ") || "nothing");
    });
    picture.append(here);
  });
  at("plot").replaceChildren(picture);
}

// ---- decisions ----
let chosen = null;
async function lookDecisions(force) {
  if (at("hold").checked && force !== true) return;
  const began = performance.now();
  const data = await ask("history", {text: at("find").value.trim(), stage: at("stage").value,
    code: /^\d{3}$/.test(at("code").value) ? at("code").value : "", all: at("all").checked ? "1" : "", limit: kRows});
  const rows = data.decisions.slice().reverse().map((d) => {
    const row = make("tr");
    row.tabIndex = 0;
    row.dataset.key = d.key;
    if (d.key === chosen) row.className = "chosen";
    const answer = d.code ? d.code + " " + (d.ecode || "") : d.act === "continue" ? (d.stage === "end" ? "accepted" : "continue") : d.act;
    const cells = [local(d.at), d.id || "", d.stage, answer, d.rule || (d.would ? "(shadow) " + d.would : ""), d.client || "",
                   d.from || "", d.to || ""];
    cells.forEach((text, i) => {
      const cell = make("td", text, i === 3 ? d.act : "");
      if (i > 3) cell.title = text;
      row.append(cell);
    });
    const open = () => { chosen = d.key; showWhy(d); };
    row.addEventListener("click", open);
    row.addEventListener("keydown", (event) => { if (event.key === "Enter") open(); });
    return row;
  });
  at("decisions").tBodies[0].replaceChildren(...rows);
  at("live-note").textContent = (rows.length ? "The latest " + rows.length : "Nothing fits") +
    (data.looked_back_to ? "; looked back to " + local(data.looked_back_to) + ", then the time was up" : "") + ".";
  at("live-note").dataset.ms = String(Math.round(performance.now() - began));
}

const kCameTo = {T: "matched", F: "did not", "?": "unknown", x: "exempt", s: "shadow", "-": "not reached"};
const kClasses = {T: "bad", "?": "warn", s: "warn", x: "good"};
async function showWhy(d) {
  const why = await ask("why", {key: d.key});
  const facts = [["id", why.id], ["answer", (why.code ? why.code + " " + (why.ecode || "") + " " : "") + (why.msg || why.act)],
    ["rule", why.rule && why.rule + (why.rev ? " (revision " + why.rev + ")" : "")], ["would", why.would], ["policy", why.policy],
    ["client", [why.client, why.ptr && (why.ptr[0] === "[" ? why.ptr : "[" + why.ptr + "]"), why.helo && "helo " + why.helo].filter(Boolean).join(" ")],
    ["from", why.from], ["to", why.to], ["login", why.auth], ["session", why.sid], ["queue id", why.qid],
    ["time", number(why.dur_us) + " us, store " + number(why.store_us) + " us, DNS " + number(why.dns_us) + " us"],
    ["exempt", why.exempt], ["unknown", why.unknown], ["log", why.log]];
  at("why-facts").replaceChildren(...facts.filter(([, text]) => text).flatMap(([name, text]) => [make("dt", name), make("dd", text)]));
  at("trace").tBodies[0].replaceChildren(...why.trace.map((rule) => {
    const row = make("tr"), saw = Object.entries(rule.values).map(([name, value]) => name + " = " + value);
    if (rule.note) saw.push(rule.note);
    row.append(make("td", kCameTo[rule.result] || rule.result, kClasses[rule.result]), make("td", rule.stage), make("td", rule.kind),
               make("td", rule.rule), make("td", saw.join("; ")));
    return row;
  }));
  at("trace").hidden = why.trace.length === 0;
  at("why-note").textContent = why.trace.length ? "" : "No trace was kept of this one.";
  at("why").hidden = false;
  at("why").scrollIntoView({block: "nearest"});
  for (const row of at("decisions").tBodies[0].rows) row.className = row.dataset.key === chosen ? "chosen" : "";
}

// ---- what stands beside ----
function table(rows, empty) {
  if (!rows.length) return make("p", empty, "quiet");
  const whole = make("table"), body = make("tbody");
  for (const cells of rows) {
    const row = make("tr");
    for (const cell of cells) {
      const place = make("td", cell instanceof Node ? null : cell, typeof cell === "number" ? "num" : "");
      if (cell instanceof Node) place.append(cell);
      row.append(place);
    }
    body.append(row);
  }
  whole.append(body);
  return whole;
}
function gauge(ratio) {
  const meter = make("meter");
  meter.max = 1; meter.low = .5; meter.high = .9; meter.optimum = 0; meter.value = Math.min(1, ratio);
  meter.title = Math.round(ratio * 100) + " %";
  return meter;
}
async function lookBeside() {
  const [near, shadow, top] = [await ask("near"), await ask("shadow"), await ask("top", {by: "client", limit: "8"})];
  at("near").replaceChildren(table(near.slice(0, 10).map((n) =>
    [n.name, number(n.used) + " of " + number(n.ceiling) + " in " + n.period, gauge(n.ratio)]), "No limit has counted anything."));
  at("shadow").replaceChildren(table(shadow.rules.slice(0, 20).map((r) => {
    const count = r.would || r.count || 0, sample = (r.samples || [])[0];
    return [r.rule, number(count) + " hits" + (sample ? ", as " + (sample.from || sample.client) : "")];
  }), "No rule is in shadow."));
  at("top").replaceChildren(table(top.top.filter((t) => t.refused).map((t) => [t.client, number(t.refused) + " of " + number(t.all)]),
                                  "Nothing was refused."));
}

function start() {
  every(2000, lookStatus);
  const again = every(2000, lookDecisions), replot = every(10000, lookPlot);
  every(10000, lookBeside);
  let typing = 0;
  const soon = () => { clearTimeout(typing); typing = setTimeout(() => again(true).catch(trouble), 250); };
  for (const id of ["find", "stage", "code", "all"]) at(id).addEventListener("input", soon);
  for (const id of ["plot-by", "plot-hours"]) at(id).addEventListener("input", () => replot().catch(trouble));
  at("why-close").addEventListener("click", () => { at("why").hidden = true; chosen = null; });
}
start();
