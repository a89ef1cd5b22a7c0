// Takes the steps of a scenario with ccxt in JavaScript and prints what each gave, as ccxt_run.py does in Python.

import { readFileSync } from "node:fs";
import ccxt from "ccxt";

const host = `127.0.0.1:${process.env.VENUE_PORT}`;
const plain = (value) => (value === undefined ? null : value);
const valueAt = (found, path) => path.split(".").reduce((at, name) => (at == null ? null : plain(at[name])), found);
const picked = (found, pick) =>
    Array.isArray(pick)
        ? Object.fromEntries(pick.map((path) => [path, valueAt(found, path)]))
        : Object.fromEntries(Object.entries(pick).map(([key, inner]) => [key, picked(found[key], inner)]));

const filledIn = (argument, kept) => {
    if (argument === null) return undefined;
    if (typeof argument !== "string" || !argument.startsWith("$")) return argument;
    const [name, field] = argument.slice(1).split(".");
    return kept[name][field];
};

async function take(exchange, step, kept) {
    let found;
    try {
        found = await exchange[step.call](...(step.args ?? []).map((one) => filledIn(one, kept)));
    } catch (error) {
        if (!step.error || !(error instanceof ccxt.BaseError)) throw error;
        return { error: error.constructor.name };
    }
    if (step.keep) kept[step.keep] = found;
    return step.each ? found.map((one) => picked(one, step.each)) : picked(found, step.pick ?? []);
}

const exchange = new ccxt.pro.deribit({
    apiKey: process.env.VENUE_KEY,
    secret: process.env.VENUE_SECRET,
    urls: { api: { rest: `http://${host}`, ws: `ws://${host}/ws/api/v2` } },
    options: { code: "USDC" },
    enableRateLimit: false,
});
await exchange.loadHttpProxyAgent();
const kept = {};
for (const step of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
    console.log(JSON.stringify({ call: step.call, gave: await take(exchange, step, kept) }));
}
await exchange.close();
process.exit(0);
