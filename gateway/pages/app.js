"use strict";

// One websocket, JSON-RPC both ways. Everything shown comes from the venue; the book is kept from its change chain.

const $ = (id) => document.getElementById(id);
const LEVELS = 14;
const TRADES = 24, OWN_TRADES = 40, LIQUIDATIONS = 8, NOTICES = 20;
let socket = null, nextId = 1, instrument = null, instruments = new Map(), credentials = null, loggedIn = false;
let waiting = new Map(), book = null, candles = [], channels = [], drawing = false, reasons = new Map();

function call(method, params = {}) {
  return new Promise((resolve, reject) => {
    if (!socket || socket.readyState !== WebSocket.OPEN) { reject(new Error("not connected")); return; }
    const id = nextId++;
    waiting.set(id, { resolve, reject });
    socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
  });
}

function say(text) { $("message").textContent = text; }

function failed(error) {
  const data = error.data || {};
  say(`${error.message}${data.param ? ` (${data.param})` : ""}${data.reason ? `: ${data.reason}` : ""}`);
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/api/v2`);
  socket.onopen = () => begin().catch(failed);
  socket.onmessage = (event) => received(JSON.parse(event.data));
  socket.onclose = () => {
    $("state").textContent = "connecting again"; $("state").className = "gone";
    for (const { reject } of waiting.values()) reject(new Error("connection lost"));
    waiting.clear(); loggedIn = false; channels = [];
    setTimeout(connect, 1000);
  };
}

async function begin() {
  $("state").textContent = "live"; $("state").className = "";
  const rows = await call("public/get_instruments");
  instruments = new Map(rows.map((row) => [row.instrument_name, row]));
  const chosen = instrument;
  $("instrument").replaceChildren(...rows.map((row) => new Option(row.instrument_name, row.instrument_name)));
  if (!rows.length) { say("no contract is listed"); return; }
  await choose(chosen && instruments.has(chosen) ? chosen : rows[0].instrument_name);
  if (credentials) await logIn();
}

async function choose(name) {
  instrument = name; $("instrument").value = name; book = null; candles = [];
  $("trades").replaceChildren(); $("liquidations").replaceChildren();
  if (channels.length) await call("public/unsubscribe", { channels });
  const resolution = $("resolution").value;
  channels = [`book.${name}.100ms`, `ticker.${name}.100ms`, `trades.${name}.100ms`, `chart.trades.${name}.${resolution}`,
    `liquidations.${name}`];
  await call("public/subscribe", { channels });
  const recent = await call("public/get_last_trades_by_instrument", { instrument_name: name, count: TRADES });
  showTrades(recent.trades.slice().reverse());
  const end = Date.now(), start = end - 120 * Number(resolution) * 60000;
  const chart = await call("public/get_tradingview_chart_data",
    { instrument_name: name, start_timestamp: start, end_timestamp: end, resolution });
  candles = chart.ticks.map((tick, i) =>
    ({ tick, open: chart.open[i], high: chart.high[i], low: chart.low[i], close: chart.close[i] }));
  draw();
}

function received(message) {
  if (message.id !== undefined && waiting.has(message.id)) {
    const { resolve, reject } = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error) reject(Object.assign(new Error(message.error.message), message.error)); else resolve(message.result);
  } else if (message.method === "subscription") {
    pushed(message.params.channel, message.params.data);
  } else if (message.method === "heartbeat" && message.params.type === "test_request") {
    call("public/test").catch(() => {});
  }
}

function pushed(channel, data) {
  if (channel.startsWith("user.")) { own(channel, data); return; }
  if (!channel.split(".").includes(instrument)) return;
  if (channel.startsWith("book.")) changeBook(data);
  else if (channel.startsWith("ticker.")) showTicker(data);
  else if (channel.startsWith("trades.")) showTrades(data);
  else if (channel.startsWith("chart.")) addCandle(data);
  else if (channel.startsWith("liquidations.")) showLiquidations(data);
}

// --- the market

function changeBook(data) {
  if (data.type === "snapshot") book = { bids: new Map(), asks: new Map(), id: data.change_id };
  else if (!book || data.prev_change_id !== book.id) { choose(instrument).catch(failed); book = null; return; }
  for (const side of ["bids", "asks"]) {
    for (const [action, price, amount] of data[side]) {
      if (action === "delete") book[side].delete(price); else book[side].set(price, amount);
    }
  }
  book.id = data.change_id;
  const sorted = (side, sign) => [...book[side]].sort((a, b) => sign * (a[0] - b[0])).slice(0, LEVELS);
  $("asks").replaceChildren(...levels(sorted("asks", 1), "down").reverse());
  $("bids").replaceChildren(...levels(sorted("bids", -1), "up"));
}

function levels(rows, className) {
  let total = 0;
  return rows.map(([price, amount]) => {
    total += amount;
    const row = cells([amount, price, Number(total.toFixed(6))]);
    row.children[1].className = className;
    row.onclick = () => { $("price").value = price; };
    return row;
  });
}

function cells(values) {
  const row = document.createElement("tr");
  for (const value of values) {
    const cell = document.createElement("td");
    if (value instanceof Node) cell.append(value); else cell.textContent = value ?? "–";
    row.append(cell);
  }
  return row;
}

function facts(id, pairs) {
  $(id).replaceChildren(...pairs.map(([name, value]) => {
    const group = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name; dd.textContent = value ?? "–"; group.append(dt, dd);
    return group;
  }));
}

function showTicker(data) {
  const percent = (rate) => (rate == null ? null : `${(rate * 100).toFixed(4)} %`);
  facts("ticker", [["last", data.last_price], ["mark", data.mark_price], ["index", data.index_price],
    ["funding 8h", percent(data.funding_8h)], ["24h volume", data.stats.volume], ["open interest", data.open_interest]]);
  $("middle").replaceChildren(cells(["", data.mark_price, ""]));
}

function showTrades(rows) {
  for (const trade of rows) {
    const row = cells([new Date(trade.timestamp).toLocaleTimeString(), trade.price, trade.amount]);
    row.children[1].className = trade.direction === "buy" ? "up" : "down";
    $("trades").prepend(row);
  }
  atMost("trades", TRADES);
}

function atMost(id, count) { while ($(id).children.length > count) $(id).lastChild.remove(); }

function showLiquidations(rows) {
  for (const closed of rows) {
    const row = cells([new Date(closed.timestamp).toLocaleTimeString(), closed.price, closed.amount]);
    row.children[1].className = closed.direction === "buy" ? "up" : "down";
    row.title = `${closed.type}: ${closed.direction}`;
    if (closed.type === "deleveraging") row.children[2].append(" ADL");
    $("liquidations").prepend(row);
  }
  atMost("liquidations", LIQUIDATIONS);
}

function addCandle(data) {
  const last = candles[candles.length - 1];
  if (last && last.tick === data.tick) candles[candles.length - 1] = data;
  else if (!last || data.tick > last.tick) candles.push(data);
  if (candles.length > 120) candles.shift();
  draw();
}

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; drawChart(); });
}

function drawChart() {
  const canvas = $("chart"), ratio = devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio; canvas.height = canvas.clientHeight * ratio;
  const pen = canvas.getContext("2d"), width = canvas.clientWidth, height = canvas.clientHeight, margin = 60;
  pen.scale(ratio, ratio); pen.clearRect(0, 0, width, height);
  if (!candles.length) return;
  const high = Math.max(...candles.map((c) => c.high)), low = Math.min(...candles.map((c) => c.low));
  const span = high - low || 1, step = (width - margin) / Math.max(candles.length, 30);
  const y = (price) => 10 + (height - 20) * (1 - (price - low) / span);
  pen.font = "11px system-ui"; pen.fillStyle = "#8b949e"; pen.strokeStyle = "#2a2f37";
  for (let i = 0; i <= 4; i++) {
    const price = low + (span * i) / 4;
    pen.beginPath(); pen.moveTo(0, y(price)); pen.lineTo(width - margin, y(price)); pen.stroke();
    pen.fillText(price.toFixed(2), width - margin + 4, y(price) + 4);
  }
  candles.forEach((c, i) => {
    const x = i * step + step / 2;
    pen.strokeStyle = pen.fillStyle = c.close >= c.open ? "#35b57b" : "#e0565b";
    pen.beginPath(); pen.moveTo(x, y(c.high)); pen.lineTo(x, y(c.low)); pen.stroke();
    const top = y(Math.max(c.open, c.close)), bottom = y(Math.min(c.open, c.close));
    pen.fillRect(x - step * 0.35, top, step * 0.7, Math.max(1, bottom - top));
  });
}

// --- the account

async function logIn() {
  const timestamp = Date.now(), nonce = Math.random().toString(36).slice(2);
  const params = { grant_type: "client_credentials", client_id: credentials.key, client_secret: credentials.secret };
  if (crypto.subtle) {  // only on https and localhost: then the secret itself stays here
    const encode = (text) => new TextEncoder().encode(text);
    const key = await crypto.subtle.importKey("raw", encode(credentials.secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, encode(`${timestamp}\n${nonce}\n`)));
    delete params.client_secret;
    Object.assign(params, { grant_type: "client_signature", timestamp, nonce, data: "",
      signature: [...mac].map((byte) => byte.toString(16).padStart(2, "0")).join("") });
  }
  await call("public/auth", params);
  loggedIn = true;
  reasons = new Map((await call("venue/get_reject_reasons")).map((row) => [row.reason, `${row.meaning} ${row.remedy}`]));
  await call("private/subscribe",
    { channels: ["user.orders.any.any.raw", "user.trades.any.any.raw", "user.portfolio.any", "user.notices"] });
  $("login").hidden = true; $("order").hidden = false; $("own-notices").hidden = false; say("");
  await refresh();
}

let refreshing = null;
function refresh() {
  refreshing = refreshing || new Promise((resolve) => setTimeout(resolve, 100)).then(load).finally(() => { refreshing = null; });
  return refreshing;
}

async function load() {
  const [orders, positions] = await Promise.all([call("private/get_open_orders"), call("private/get_positions")]);
  $("orders").replaceChildren(...orders.map((order) => {
    const button = document.createElement("button");
    button.textContent = "cancel";
    button.onclick = () => call("private/cancel", { order_id: order.order_id }).catch(failed);
    const row = cells([order.instrument_name, order.direction, order.order_type, order.amount, order.filled_amount,
      order.trigger_price ?? order.price, button]);
    row.children[1].className = order.direction;
    return row;
  }));
  $("positions").replaceChildren(...positions.map((p) => cells([p.instrument_name, p.size, p.average_price, p.mark_price,
    p.floating_profit_loss, p.estimated_liquidation_price])));
}

function own(channel, data) {
  if (channel.startsWith("user.portfolio")) {
    facts("account", [["equity", data.equity], ["free", data.available_funds], ["initial margin", data.initial_margin],
      ["maintenance", data.maintenance_margin]]);
  } else if (channel.startsWith("user.trades")) {
    for (const trade of data) {
      const isForced = trade.liquidation !== undefined && trade.liquidation.includes(trade.liquidity);
      $("fills").prepend(cells([new Date(trade.timestamp).toLocaleTimeString(), trade.instrument_name,
        isForced ? `${trade.direction}, liquidation` : trade.direction, trade.price, trade.amount, trade.fee]));
    }
    atMost("fills", OWN_TRADES);
  } else if (channel === "user.notices") {
    for (const notice of data) showNotice(notice);
    return;
  }
  refresh().catch(failed);
}

function saidOf(notice) {
  const what = (notice.reason || "").toLowerCase().replaceAll("_", " ");
  if (notice.type === "lapse_warning") return `${what} after ${notice.valid_through}: ${notice.days_left} days left`;
  if (notice.type === "lapsed") return `${what}: orders that open are cancelled in ${notice.instrument_name ?? "all contracts"}`;
  return `margin call ${notice.level}: equity ${notice.equity}, maintenance margin ${notice.maintenance_margin}`;
}

function showNotice(notice) {
  const said = saidOf(notice), isWarning = notice.type === "lapse_warning";
  const key = isWarning ? said : `${notice.timestamp} ${said}`;  // a new login is told again what is about to lapse
  if ([...$("notices").children].some((item) => item.dataset.key === key)) return;
  const item = document.createElement("li"), time = document.createElement("time");
  time.textContent = new Date(notice.timestamp).toLocaleString();
  item.append(time, said); item.dataset.key = key; item.className = isWarning ? "" : "urgent";
  item.title = reasons.get(notice.reason) ?? "";
  $("notices").prepend(item);
  atMost("notices", NOTICES);
}

async function place(side) {
  const type = $("type").value, params = { instrument_name: instrument, amount: $("amount").value.trim(), type };
  if (type.endsWith("limit")) params.price = $("price").value.trim();
  if (type.startsWith("stop") || type.startsWith("take")) params.trigger_price = $("trigger").value.trim();
  if ($("post-only").checked) params.post_only = true;
  if ($("reduce-only").checked) params.reduce_only = true;
  const { order } = await call(`private/${side}`, params);
  say(`${order.direction} ${order.amount} ${order.order_state}, ${order.filled_amount} filled`);
}

$("login").onsubmit = (event) => {
  event.preventDefault();
  credentials = { key: $("key").value.trim(), secret: $("secret").value.trim() };
  logIn().catch((error) => { credentials = null; failed(error); });
};
$("order").onsubmit = (event) => { event.preventDefault(); place(event.submitter.value).catch(failed); };
$("cancel-all").onclick = () => call("private/cancel_all").then((count) => say(`${count} orders cancelled`)).catch(failed);
$("type").onchange = () => { $("trigger-label").hidden = !/^(stop|take)/.test($("type").value); };
$("instrument").onchange = () => choose($("instrument").value).catch(failed);
$("resolution").onchange = () => choose(instrument).catch(failed);
addEventListener("resize", draw);
connect();
