// The phone: draws what the simulator tells, and sends back what is tapped. Foreign text is only ever set as text.

const OUTCOMES = {
  AUTHENTICATED: ["Accepted", "The login goes on.", "✓"],
  DENIED: ["Denied", "The login is refused.", "✕"],
  EXPIRED: ["Expired", "Nobody answered in time.", "⏱"],
  SUSPENDED: ["Suspended", "Another login for this SecSign ID came in between.", "‖"],
  CANCELED: ["Withdrawn", "The service no longer asks.", "↩"],
  INVALID: ["Invalid", "The ID server gave this request up.", "!"],
};
const OUTCOME_SECONDS = 5;
const WHOSE = new URLSearchParams(location.search).get("id")?.toLowerCase();

const part = (id) => document.getElementById(id);
const screens = [part("lock-screen"), part("request"), part("outcome")];

let view = { requests: [], ended: [], frozen: [], now: 0 };
let heardAt = 0;
let opened = null; // the request on the screen, as first seen
let known = new Set();
let outcomeTimer = 0;

const titleOf = (request) => request.transaction?.title ?? request.servicename;
const simulatorNow = () => view.now + (performance.now() - heardAt) / 1000;

function show(screen, focusOn) {
  if (screen.hidden) {
    for (const each of screens) each.hidden = each !== screen;
    focusOn?.focus();
  }
}

function fill(template, texts) {
  const made = part(template).content.cloneNode(true).firstElementChild;
  for (const place of made.querySelectorAll("[data-text]")) place.textContent = texts[place.dataset.text] ?? "";
  return made;
}

// Keeps the items that stay, so that the keyboard's focus stays where it is.
function keepList(list, items, keyOf, make) {
  const old = new Map([...list.children].map((item) => [item.dataset.key, item]));
  const wanted = items.map((item) => {
    const kept = old.get(keyOf(item)) ?? make(item);
    kept.dataset.key = keyOf(item);
    return kept;
  });
  for (const [key, item] of old) if (!items.some((one) => keyOf(one) === key)) item.remove();
  wanted.forEach((item, place) => {
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
  });
}

async function send(path, body = {}) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return answer.ok;
}

function makeNotification(request) {
  const item = fill("notification", {
    secsignid: request.secsignid,
    title: titleOf(request),
    line: request.transaction ? request.transaction.description : request.serviceaddress,
  });
  item.dataset.created = request.created;
  item.firstElementChild.addEventListener("click", () => openRequest(request));
  return item;
}

function makeFrozen(secsignId) {
  const item = fill("frozen-notification", { secsignid: secsignId });
  item.firstElementChild.addEventListener("click", () => send(`ids/${encodeURIComponent(secsignId)}/unfreeze`));
  return item;
}

function makeEnded(request) {
  const item = fill("ended-request", {
    title: titleOf(request),
    secsignid: request.secsignid,
    outcome: OUTCOMES[request.state]?.[0] ?? request.state,
  });
  item.dataset.state = request.state;
  return item;
}

function openRequest(request) {
  opened = request;
  clearTimeout(outcomeTimer);
  const { transaction } = request;
  setBreakable(part("request-title"), request.serviceaddress);
  setBreakable(part("question"), titleOf(request));
  part("description").textContent = transaction?.description ?? "";
  part("description").hidden = !transaction;
  const facts = [...(transaction ? [["Service", request.servicename], ...transaction.data] : []), ["SecSign ID", request.secsignid]];
  part("facts").replaceChildren(...facts.flatMap(([name, value]) => [text("dt", name), text("dd", value)]));
  const pictures = request.access_passes;
  part("pictures").hidden = !pictures.length;
  part("accept").hidden = Boolean(pictures.length);
  part("choices").replaceChildren(...pictures.map((name) => makeChoice(request, name)));
  countDown();
  show(part("request"), part("request-title"));
  send(`requests/${request.number}/fetch`);
}

// Long names break after @ . / and - rather than anywhere.
function setBreakable(place, content) {
  place.replaceChildren();
  for (const piece of content.split(/(?<=[@./-])/)) place.append(piece, document.createElement("wbr"));
}

function text(tag, content) {
  const made = document.createElement(tag);
  made.textContent = content;
  made.dir = "auto";
  return made;
}

function makeChoice(request, name) {
  const picture = document.createElement("img");
  picture.src = `access-passes/${encodeURIComponent(name)}.png`;
  picture.alt = name;
  const button = document.createElement("button");
  button.type = "button";
  button.append(picture);
  button.addEventListener("click", () => answer(`requests/${request.number}/pick`, { access_pass: name }));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

async function answer(path, body) {
  const buttons = part("request").querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  await send(path, body).catch(() => false); // what became of it comes with the next event
  for (const button of buttons) button.disabled = false;
}

function showOutcome(request) {
  opened = null;
  const [title, sentence, sign] = OUTCOMES[request.state];
  part("outcome").dataset.state = request.state;
  part("sign").textContent = sign;
  part("outcome-title").textContent = title;
  part("outcome-text").textContent = sentence;
  show(part("outcome"), part("outcome-title"));
  clearTimeout(outcomeTimer);
  outcomeTimer = setTimeout(showLockScreen, OUTCOME_SECONDS * 1000);
}

function showLockScreen() {
  opened = null;
  clearTimeout(outcomeTimer);
  show(part("lock-screen"), document.querySelector(".notification") ?? part("lock-title"));
}

function draw() {
  const mine = (request) => !WHOSE || request.secsignid === WHOSE;
  const requests = view.requests.filter(mine);
  const ended = view.ended.filter(mine);
  const frozen = view.frozen.filter((secsignId) => !WHOSE || secsignId === WHOSE);
  const cards = [...frozen.map((secsignId) => ({ frozen: secsignId })), ...requests];
  keepList(part("notifications"), cards, (card) => (card.frozen ? `frozen ${card.frozen}` : `${card.number}`), (card) =>
    card.frozen ? makeFrozen(card.frozen) : makeNotification(card));
  keepList(part("ended"), ended, (request) => `${request.number} ${request.state}`, makeEnded);
  part("quiet").hidden = cards.length > 0;
  part("earlier").hidden = !ended.length;
  document.title = `${requests.length ? `(${requests.length}) ` : ""}Phone · SecSign ID simulator`;
  tellAges();
  const fresh = requests.filter((request) => !known.has(request.number));
  known = new Set(requests.map((request) => request.number));
  if (fresh.length) part("announcement").textContent = `Login request for ${fresh[0].secsignid}: ${titleOf(fresh[0])}`;
  if (fresh.length && !part("outcome").hidden) showLockScreen();
  if (opened && !known.has(opened.number)) {
    const over = view.ended.find((request) => request.number === opened.number);
    if (over) showOutcome(over);
    else showLockScreen();
  }
}

function countDown() {
  if (!opened) return;
  const left = Math.max(0, Math.ceil(opened.expires - simulatorNow()));
  part("countdown").textContent = `${Math.floor(left / 60)}:${`${left % 60}`.padStart(2, "0")}`;
}

function tellAges() {
  for (const item of document.querySelectorAll("[data-created]")) {
    const minutes = Math.floor((simulatorNow() - item.dataset.created) / 60);
    item.querySelector('[data-text="age"]').textContent = minutes < 1 ? "now" : `${minutes} min ago`;
  }
}

function tick() {
  const now = new Date();
  const time = now.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const date = now.toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long" });
  for (const place of document.querySelectorAll("[data-clock]")) {
    const wanted = place.dataset.clock === "date" ? date : time;
    if (place.textContent !== wanted) place.textContent = wanted;
  }
  tellAges();
  countDown();
}

part("back").addEventListener("click", showLockScreen);
part("done").addEventListener("click", showLockScreen);
part("accept").addEventListener("click", () => answer(`requests/${opened.number}/accept`));
part("deny").addEventListener("click", () => answer(`requests/${opened.number}/deny`));
document.addEventListener("keydown", (pressed) => pressed.key === "Escape" && showLockScreen());
if (WHOSE) part("whose").textContent = `, the phone of ${WHOSE}`;

const events = new EventSource("events");
events.onopen = () => { part("offline").hidden = true; };
events.onerror = () => { part("offline").hidden = false; };
events.onmessage = (event) => {
  view = JSON.parse(event.data);
  heardAt = performance.now();
  draw();
};
tick();
setInterval(tick, 1000);
