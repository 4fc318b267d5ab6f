// The page of `doorward dev`: every button sends one or two requests and shows
// what came back. It is written to be read; a client for an application has
// more to do (several tabs, sleep, retries).

const byId = (id) => document.getElementById(id);

// What a client keeps: in memory, and nowhere else. With the cookie transport
// the refresh token is out of its reach, which is the point of that.
let session = null;

// ---- Requests -------------------------------------------------------------

// send makes a request and shows its answer. It returns null where there was
// none.
async function send(method, path, { token, headers = {}, body } = {}) {
  if (token !== undefined) headers = { ...headers, Authorization: `Bearer ${token}` };
  if (body !== undefined) headers = { ...headers, "Content-Type": "application/json" };
  const began = performance.now();
  try {
    const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
    const text = await response.text();
    const answer = { response, text, data: parse(text), at: began };
    show({ method, path, headers, body, answer, took: performance.now() - began });
    return answer;
  } catch (error) {
    show({ method, path, headers, body, error });
    return null;
  }
}

function parse(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

// ---- The session ----------------------------------------------------------

// Only these say that a session is over. A lost connection or a 503 does not.
const over = ["REFRESH_TOKEN_MISSING", "INVALID_REFRESH_TOKEN", "REFRESH_TOKEN_REUSED", "USER_INACTIVE", "ACCOUNT_SUSPENDED"];

const transportHeaders = (transport) => (transport === "cookie" ? { "Doorward-Transport": "cookie" } : {});

function begin(transport, answer) {
  const { accessToken, expiresIn, refreshToken, user } = answer.data;
  const olds = session?.olds ?? [];
  if (session?.refreshToken) olds.push(session.refreshToken);
  session = { transport, accessToken, refreshToken, user, olds, life: expiresIn * 1000, from: answer.at };
  remember(transport === "cookie");
  drawSession();
}

function forget() {
  session = null;
  attempt.settle();
  remember(false);
  drawSession();
}

// remember notes that there is a cookie to come back to after a reload. The
// page cannot see the cookie itself.
function remember(cookie) {
  if (cookie) localStorage.setItem("doorward-dev", "cookie");
  else localStorage.removeItem("doorward-dev");
}

async function signIn() {
  const transport = new FormData(byId("sign-in")).get("transport");
  const answer = await send("POST", "/auth/login", {
    headers: transportHeaders(transport),
    body: { email: byId("email").value, password: byId("password").value },
  });
  if (!answer?.response.ok) return;
  begin(transport, answer);
  tell(true, `Signed in as ${session.user.email}.`);
}

// attempt is the Idempotency-Key of the refresh under way. It is saved before
// the request, so that one whose answer is lost can be asked again as the same.
const attempt = {
  begin() {
    const saved = document.cookie.match(/(?:^|; )doorward-attempt=([^;]+)/)?.[1];
    const key = saved ?? crypto.randomUUID();
    document.cookie = `doorward-attempt=${key}; Path=/; SameSite=Strict`;
    return key;
  },
  settle() {
    document.cookie = "doorward-attempt=; Path=/; SameSite=Strict; Max-Age=0";
  },
};

function sendRefresh(key, { transport, refreshToken }) {
  return send("POST", "/auth/refresh", {
    headers: { ...transportHeaders(transport), "Idempotency-Key": key },
    body: transport === "cookie" ? undefined : { refreshToken },
  });
}

// settled takes in the answer to a refresh and reports whether it was one.
function settled(transport, answer) {
  if (!answer || answer.response.status === 429 || answer.response.status >= 500) return false;
  attempt.settle();
  if (answer.response.ok) begin(transport, answer);
  else if (over.includes(answer.data.code)) forget();
  return answer.response.ok;
}

async function refresh() {
  const { transport } = session;
  if (settled(transport, await sendRefresh(attempt.begin(), session))) tell(true, "A new access token, and a new refresh token.");
}

async function refreshTwice() {
  const { transport } = session;
  const key = attempt.begin();
  const [first, second] = await Promise.all([sendRefresh(key, session), sendRefresh(key, session)]);
  if (!settled(transport, first) || !second?.response.ok) return;
  if (transport === "cookie") {
    tell(true, "Both were answered, and the session stands.");
    return;
  }
  const same = first.data.refreshToken === second.data.refreshToken;
  tell(same, same ? "One Idempotency-Key, the same refresh token twice." : "Two different refresh tokens came back.");
}

// replay does what a thief does who has copied a refresh token: use it after
// its owner has gone on.
async function replay() {
  while (session.olds.length < 2) {
    if (!settled(session.transport, await sendRefresh(attempt.begin(), session))) return;
  }
  settled("body", await send("POST", "/auth/refresh", { body: { refreshToken: session.olds[0] } }));
}

async function endElsewhere() {
  const { accessToken } = session;
  const answer = await send("DELETE", `/auth/sessions/${encodeURIComponent(claimsOf(accessToken).sid)}`, { token: accessToken });
  if (answer?.response.ok) await send("GET", "/api/profile", { token: accessToken });
}

async function signOut(path = "/auth/logout") {
  const { transport, refreshToken } = session;
  const answer = await send("POST", path, {
    headers: transportHeaders(transport),
    body: transport === "cookie" ? undefined : { refreshToken },
  });
  if (!answer?.response.ok) return;
  forget();
  tell(true, "Signed out.");
}

// ---- The guarded route ----------------------------------------------------

const profile = (options) => send("GET", "/api/profile", options);

// broken changes a token where its signature begins.
function broken(token) {
  const at = token.lastIndexOf(".") + 1;
  return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

const actions = {
  refresh,
  refreshTwice,
  replay,
  endElsewhere,
  signOut: () => signOut(),
  signOutEverywhere: () => signOut("/auth/logout/all"),
  call: () => profile(session ? { token: session.accessToken } : {}),
  callWithout: () => profile({}),
  callBroken: () => profile({ token: session ? broken(session.accessToken) : "undefined" }),
};

// ---- Drawing --------------------------------------------------------------

function claimsOf(token) {
  try {
    const base64 = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {};
  }
}

function drawSession() {
  const inside = session !== null;
  byId("token").hidden = !inside;
  byId("session-actions").hidden = !inside;
  byId("sign-in").hidden = inside;
  byId("who").textContent = inside ? `Signed in as ${session.user.email}` : "Nobody is signed in.";
  byId("claims").textContent = inside ? JSON.stringify(claimsOf(session.accessToken), null, 2) : "";
  // What had the focus may be hidden now.
  if (document.activeElement?.closest("[hidden]")) byId("who").focus();
  const replayButton = document.querySelector('[data-action="replay"]');
  replayButton.disabled = inside && session.transport === "cookie";
  replayButton.title = replayButton.disabled ? "A script cannot read the cookie. Sign in with the body to try this." : "";
  drawLife();
}

// drawLife counts from the answer, on a clock that nobody can set.
function drawLife() {
  if (!session) return;
  const left = Math.max(0, session.life - (performance.now() - session.from));
  const seconds = Math.ceil(left / 1000);
  byId("life").value = session.life > 0 ? left / session.life : 0;
  byId("left").textContent = seconds > 0 ? `${words(seconds)} left` : "expired";
}

const words = (seconds) => (seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`);

function tell(good, text) {
  byId("told").textContent = text;
  byId("told").className = good ? "told good" : "told bad";
}

const shownFields = ["WWW-Authenticate", "Retry-After", "RateLimit", "Doorward-Denial", "Content-Type"];

function show({ method, path, headers, body, answer, error, took }) {
  const lines = [`${method} ${path}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${shorten(value)}`);
  if (body !== undefined) lines.push("", JSON.stringify(redact(body), null, 2));
  lines.push("");
  const code = answer?.data.code;
  const id = answer?.response.headers.get("Doorward-Denial");
  if (error) {
    lines.push(`No answer: ${error}`);
    tell(false, "No answer. Is doorward dev still running?");
  } else {
    const { response, text, data } = answer;
    lines.push(`${response.status} ${response.statusText} (${Math.round(took)} ms)`);
    for (const name of shownFields) if (response.headers.has(name)) lines.push(`${name}: ${response.headers.get(name)}`);
    if (text) lines.push("", Object.keys(data).length ? JSON.stringify(redact(data), null, 2) : text.slice(0, 4000));
    tell(response.ok, response.ok ? `${response.status} ${response.statusText}` : `${code ?? response.status}: ${data.detail ?? response.statusText}`);
  }
  byId("wire").textContent = lines.join("\n");
  drawDenial(code, id);
  drawLog(method, path, answer?.response.status ?? "—", code);
}

// redact keeps screenshots harmless: tokens and passwords are cut short.
function redact(data) {
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, /token$|password/i.test(name) && typeof value === "string" ? shorten(value) : value]));
}

const shorten = (value) => (value.length > 60 ? `${value.slice(0, 24)}…${value.slice(-6)}` : value);

function drawDenial(code, id) {
  const known = /^[A-Z_]+$/.test(code ?? "");
  byId("denial").hidden = !known;
  if (!known) return;
  byId("page").href = `/errors/${code}`;
  byId("page").textContent = `What ${code} means, and how to mend it`;
  byId("story").hidden = !id;
  byId("why").textContent = id ? `${byId("why").dataset.command} ${id}` : "";
}

function drawLog(method, path, status, code) {
  const item = document.createElement("li");
  const badge = document.createElement("span");
  badge.className = `status s${status}`;
  badge.textContent = status;
  item.append(badge, `${method} ${path}${code ? ` ${code}` : ""}`);
  const log = byId("log");
  log.prepend(item);
  while (log.children.length > 12) log.lastElementChild.remove();
}

// ---- Wiring ---------------------------------------------------------------

// act runs one action at a time: two at once would show one answer.
let acting = false;
async function act(action) {
  if (acting) return;
  acting = true;
  try {
    await action();
  } catch (error) {
    tell(false, `This page failed: ${error}`);
  } finally {
    acting = false;
  }
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  act(signIn);
});
for (const button of document.querySelectorAll("[data-action]")) {
  button.addEventListener("click", () => act(actions[button.dataset.action]));
}
byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("why").textContent);
    byId("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("why"));
    byId("copy").textContent = "Selected";
  }
  setTimeout(() => { byId("copy").textContent = "Copy"; }, 1500);
});
setInterval(drawLife, 500);

if (localStorage.getItem("doorward-dev") === "cookie") {
  act(async () => {
    if (settled("cookie", await sendRefresh(attempt.begin(), { transport: "cookie" }))) tell(true, `Still signed in as ${session.user.email}.`);
  });
}
