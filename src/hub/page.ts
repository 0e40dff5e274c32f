import { type Page, pageOf } from "./html.ts";

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 48rem; margin: 0 auto; padding: 1rem; }
form { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; margin: 1rem 0; }
label { display: flex; flex-direction: column; font-size: .875rem; flex: 1 1 8rem; }
label.wide { flex-basis: 100%; }
input, button { font: inherit; padding: .375rem .5rem; }
#state { font-size: .875rem; }
ol { list-style: none; padding: 0; border-top: 1px solid #8888; }
li { padding: .375rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
li b { margin-right: .5rem; }
li small { display: block; opacity: .7; }
li.gap { color: #b45309; }
pre { margin: 0; white-space: pre-wrap; font-size: .875rem; }
`;

const script = `
const events = document.querySelector("#events");
const state = document.querySelector("#state");
const said = document.querySelector("#said");
const MAX_SHOWN = 200;
let source;

function show(event) {
  const item = document.createElement("li");
  if (event.type === "gap") item.className = "gap";
  const type = document.createElement("b");
  type.textContent = event.type;
  const data = document.createElement("pre");
  data.textContent = event.data;
  const id = document.createElement("small");
  id.textContent = event.lastEventId;
  item.append(type, data, id);
  events.prepend(item);
  while (events.children.length > MAX_SHOWN) events.lastChild.remove();
}

function path(topic) {
  return topic.split("/").map(encodeURIComponent).join("/");
}

function listen(topic, types) {
  source?.close();
  source = new EventSource("/subscribe/" + path(topic));
  source.onopen = () => state.textContent = "Listening to " + topic + " and all below";
  source.onerror = () => {
    const over = source.readyState === EventSource.CLOSED;
    state.textContent = over ? "The hub refused " + topic : "Connection lost: trying again";
  };
  // An EventSource hears only the types that it is asked for
  for (const type of new Set(["message", "gap", "close", ...types])) source.addEventListener(type, show);
}

document.querySelector("#listen").addEventListener("submit", (event) => {
  event.preventDefault();
  const { topic, types } = event.target.elements;
  listen(topic.value, types.value.split(",").map((type) => type.trim()).filter(Boolean));
});

document.querySelector("#publish").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const topic = form.get("topic");
  form.delete("topic");
  try {
    const response = await fetch("/publish/" + path(topic), { method: "POST", body: new URLSearchParams(form) });
    const answer = await response.json();
    said.textContent = response.ok ? "Published as " + answer.id : answer.detail;
  } catch (error) {
    said.textContent = "Could not publish: " + error.message;
  }
});

listen("pets", []);
`;

const body = `<h1>Freshet</h1>
<form id="listen">
<label>Topic, and all below <input name="topic" value="pets" required></label>
<label>Event types besides message, by commas <input name="types" placeholder="bark, meow"></label>
<button>Listen</button>
</form>
<form id="publish">
<label>Topic <input name="topic" value="pets/dogs" required></label>
<label>Event type <input name="event" placeholder="message"></label>
<label class="wide">Data <input name="data" value="woof"></label>
<button>Publish</button>
</form>
<p id="said" role="status"></p>
<p id="state" role="status">Connecting</p>
<ol id="events" aria-label="Events, newest first"></ol>`;

/** The page at `/`: shows a topic's events as they come, and publishes. */
export const page: Page = await pageOf({ title: "Freshet", style, script, body });
