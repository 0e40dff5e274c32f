import { type Page, pageOf } from "./html.ts";

const style = `
:root {
  color-scheme: light dark;
  --text: light-dark(#17202a, #e6edf3); --back: light-dark(#f6f8fa, #0d1117); --card: light-dark(#fff, #161b22);
  --line: light-dark(#d0d7de, #30363d); --soft: light-dark(#57606a, #9198a1);
  --one: light-dark(#0550ae, #79c0ff); --two: light-dark(#9a3412, #ffa657);
  font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; }
h1 { font-size: 1.25rem; margin: 0; }
h2 { font-size: 1rem; margin: 0 0 .5rem; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; margin-bottom: 1rem; }
header p, .soft { color: var(--soft); margin: 0; }
main { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem; }
@media (min-width: 48rem) { main { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; min-width: 0; }
section.wide { grid-column: 1 / -1; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); gap: .75rem; margin: 0; }
dt { color: var(--soft); font-size: .8125rem; }
dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
svg { width: 100%; height: 9rem; display: block; }
svg path { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
.one { stroke: var(--one); color: var(--one); } .two { stroke: var(--two); color: var(--two); }
.two path, path.two { stroke-dasharray: 5 3; }
.keys { display: flex; flex-wrap: wrap; gap: 0 1.25rem; white-space: nowrap; font-size: .8125rem; margin: .5rem 0 0; padding: 0; list-style: none; }
.scroll { overflow-x: auto; max-height: 26rem; }
.scroll:focus-visible, button:focus-visible, input:focus-visible { outline: 2px solid var(--one); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .375rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-size: .8125rem; color: var(--soft); font-weight: 600; }
td.cut { max-width: 16rem; overflow: hidden; text-overflow: ellipsis; }
ul.tree, .tree ul { list-style: none; margin: 0; padding-left: 1rem; }
ul.tree { padding: 0; }
ol { list-style: none; margin: 0; padding: 0; }
ol li { border-bottom: 1px solid var(--line); padding: .375rem 0; overflow-wrap: anywhere; }
ol pre { margin: 0; white-space: pre-wrap; font-size: .8125rem; max-height: 6rem; overflow: hidden; }
form { display: grid; gap: .5rem; }
label { display: grid; font-size: .8125rem; color: var(--soft); }
input, textarea, button { font: inherit; color: inherit; padding: .375rem .5rem; border: 1px solid var(--line); border-radius: .375rem; background: var(--back); }
button { cursor: pointer; }
`;

const script = `
const $ = (selector) => document.querySelector(selector);
const MAX_EVENTS = 50;
const number = new Intl.NumberFormat("en");
const bytes = (count) => count < 1000 ? count + " B" : count < 1e6 ? (count / 1e3).toFixed(1) + " kB" : (count / 1e6).toFixed(1) + " MB";
const duration = (s) => s < 60 ? s + " s" : s < 3600 ? Math.floor(s / 60) + " min" : Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";

function make(name, text, attributes = {}) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function showNumbers(now) {
  const last = now.samples.at(-1) ?? { published: 0, delivered: 0, bytes: 0 };
  const values = {
    "Connections": number.format(now.connections),
    "Published a second": number.format(last.published),
    "Delivered a second": number.format(last.delivered),
    "Sent a second": bytes(last.bytes),
    "Published": number.format(now.published),
    "Delivered": number.format(now.delivered),
    "Dropped": number.format(now.dropped),
    "Gaps": number.format(now.gaps),
    "Errors": number.format(now.errors),
    "Event loop late": Math.round(now.lag * 1000) + " ms",
  };
  $("#numbers").replaceChildren(...Object.entries(values).map(([name, value]) => {
    const pair = make("div");
    pair.append(make("dt", name), make("dd", value));
    return pair;
  }));
  $("#node").textContent = now.node + ", up for " + duration(now.uptime);
}

function showChart(samples) {
  const most = Math.max(1, ...samples.flatMap(({ published, delivered }) => [published, delivered]));
  const line = (key) => samples.map((sample, i) =>
    (i === 0 ? "M" : "L") + (300 - samples.length + i) + " " + (98 - 94 * sample[key] / most).toFixed(2)).join("");
  $("#published").setAttribute("d", line("published"));
  $("#delivered").setAttribute("d", line("delivered"));
  const { published = 0, delivered = 0 } = samples.at(-1) ?? {};
  $("#most").textContent = "Top of the chart: " + number.format(most) + " a second";
  $("#chart").setAttribute("aria-label", "The last five minutes: at most " + most + " events a second; now " +
    published + " published and " + delivered + " delivered");
}

function showTopics(topics, count) {
  const root = { children: new Map() };
  for (const { topic, subscribers, published } of topics) {
    let at = root;
    for (const segment of topic.split("/")) {
      if (!at.children.has(segment)) at.children.set(segment, { children: new Map() });
      at = at.children.get(segment);
    }
    at.text = subscribers + (subscribers === 1 ? " subscriber, " : " subscribers, ") + published + " published";
  }
  const list = ({ children }) => {
    const ul = make("ul");
    for (const [segment, child] of [...children].sort(([a], [b]) => a < b ? -1 : 1)) {
      const li = make("li", segment === "" ? "(empty)" : segment);
      if (child.text !== undefined) li.append(" ", make("span", child.text, { class: "soft" }));
      if (child.children.size > 0) li.append(list(child));
      ul.append(li);
    }
    return ul;
  };
  const tree = list(root);
  tree.className = "tree";
  const more = count > topics.length ? [make("p", "and " + (count - topics.length) + " more", { class: "soft" })] : [];
  $("#topics").replaceChildren(...(topics.length === 0 ? [make("p", "Nobody subscribes", { class: "soft" })] : [tree, ...more]));
}

const rows = new Map();
function showStreams(streams) {
  const ids = new Set(streams.map(({ id }) => id));
  for (const [id, row] of rows) if (!ids.has(id)) { row.remove(); rows.delete(id); }
  for (const stream of streams) {
    let row = rows.get(stream.id);
    if (row === undefined) {
      row = make("tr");
      rows.set(stream.id, row);
      for (const [text, cut] of [[stream.topics.join(", "), true], [stream.address], [stream.user ?? ""], [stream.userAgent, true]]) {
        row.append(make("td", text, cut ? { class: "cut", title: text } : {}));
      }
      row.append(make("td"), make("td"), make("td"), make("td"));
      const button = make("button", "End", { "aria-label": "End the stream of " + stream.address + " to " + stream.topics.join(", ") });
      button.addEventListener("click", () => end(stream.id, button));
      const last = make("td");
      last.append(button);
      row.append(last);
      $("#streams").append(row);
    }
    [duration(stream.age), number.format(stream.delivered), bytes(stream.bytes), bytes(stream.bufferedBytes)]
      .forEach((text, i) => row.children[4 + i].textContent = text);
  }
}

async function end(id, button) {
  button.disabled = true;
  const response = await fetch("../connections/" + id, { method: "DELETE" });
  say(response.ok ? "The stream was ended" : (await response.json()).detail);
}

function say(text) {
  $("#said").textContent = text;
}

const source = new EventSource("events");
source.onopen = () => $("#state").textContent = "Live";
source.onerror = () => $("#state").textContent = source.readyState === 2 ? "Refused" : "Connection lost: trying again";
source.addEventListener("overview", ({ data }) => {
  const now = JSON.parse(data);
  showNumbers(now);
  showChart(now.samples);
  showTopics(now.topics, now.topicCount);
  showStreams(now.streams);
});
source.addEventListener("published", ({ data }) => {
  const { topics, type, data: text, id } = JSON.parse(data);
  const item = make("li");
  item.append(make("b", topics.join(", ")), " ", make("span", type + " " + id, { class: "soft" }), make("pre", text));
  $("#events").prepend(item);
  while ($("#events").children.length > MAX_EVENTS) $("#events").lastChild.remove();
});

$("#publish").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const path = form.get("topic").split("/").map(encodeURIComponent).join("/");
  form.delete("topic");
  try {
    const response = await fetch("../publish/" + path, { method: "POST", body: new URLSearchParams(form) });
    const answer = await response.json();
    say(response.ok ? "Published as " + answer.id : answer.detail);
  } catch (error) {
    say("Could not publish: " + error.message);
  }
});
`;

const body = `<header><h1>Freshet</h1><p id="node"></p><p id="state" role="status">Connecting</p></header>
<main>
<section class="wide" aria-labelledby="h-numbers"><h2 id="h-numbers">Now</h2><dl id="numbers"></dl></section>
<section class="wide" aria-labelledby="h-chart"><h2 id="h-chart">Events a second, last five minutes</h2>
<svg id="chart" viewBox="0 0 300 100" preserveAspectRatio="none" role="img" aria-label="No numbers yet"><path id="delivered" class="two"/><path id="published" class="one"/></svg>
<ul class="keys"><li class="one">&#x2501; published</li><li class="two">&#x2505; delivered</li><li id="most" class="soft"></li></ul></section>
<section aria-labelledby="h-topics"><h2 id="h-topics">Subscribers by topic</h2><div id="topics" class="scroll" tabindex="0" role="region" aria-labelledby="h-topics"></div></section>
<section aria-labelledby="h-publish"><h2 id="h-publish">Publish</h2>
<form id="publish">
<label>Topic <input name="topic" required autocomplete="off"></label>
<label>Event type <input name="event" placeholder="message" autocomplete="off"></label>
<label>Data <textarea name="data" rows="3"></textarea></label>
<button>Publish</button>
<p id="said" role="status" class="soft"></p>
</form></section>
<section class="wide" aria-labelledby="h-streams"><h2 id="h-streams">Connections</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="h-streams"><table>
<thead><tr><th scope="col">Topics</th><th scope="col">Address</th><th scope="col">User</th><th scope="col">User agent</th><th scope="col">Age</th><th scope="col">Events</th><th scope="col">Sent</th><th scope="col">Buffered</th><th scope="col">End</th></tr></thead>
<tbody id="streams"></tbody></table></div></section>
<section class="wide" aria-labelledby="h-events"><h2 id="h-events">Newest events</h2><div class="scroll" tabindex="0" role="region" aria-labelledby="h-events"><ol id="events"></ol></div></section>
</main>`;

/** The admin page. */
export const adminPage: Page = await pageOf({ title: "Freshet: admin", style, script, body });
