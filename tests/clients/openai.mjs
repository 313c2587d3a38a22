// What the official OpenAI client for Node sees of a simulator, a line a call.
//
//     openai.mjs BASE_URL KEY MODEL calls                every kind of call once
//     openai.mjs BASE_URL KEY MODEL retries [streamed]   one call that fails first, with the client's own retries
//     openai.mjs BASE_URL KEY MODEL no-retry [streamed]  the same without
//
// What it must print is in the file openai-*.txt of the server. openai.py prints the same.
// The package is taken from the folder in which this is called.

import { createRequire } from "node:module";
import { resolve } from "node:path";

const OpenAI = createRequire(resolve("package.json"))("openai");
const [baseURL, apiKey, model, what, how] = process.argv.slice(2);
const messages = [{ role: "user", content: "What is 2+2?" }];
const input = "What is 2+2?";
const tool = {
  name: "get_weather",
  description: "Current weather",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
// The vLLM simulator serves one model for everything.
const isOpenai = model.startsWith("gpt-");
const modelForText = isOpenai ? "gpt-3.5-turbo-instruct" : model;
const modelForEmbeddings = isOpenai ? "text-embedding-3-small" : model;

const client = (options = {}) => new OpenAI({ baseURL, apiKey, ...options });
const spelled = (value) => (value === true ? "True" : value === false ? "False" : value);
const show = (name, ...seen) => console.log(`${name}: ${seen.map(spelled).join(" | ")}`);
const tokens = (usage) => `${usage.prompt_tokens}+${usage.completion_tokens}=${usage.total_tokens} tokens`;

async function all(stream) {
  const chunks = [];
  for await (const chunk of await stream) chunks.push(chunk);
  return chunks;
}

async function refused(name, call) {
  try {
    await call();
    show(name, "no error");
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    show(name, error.constructor.name, error.status);
  }
}

async function chat() {
  const answer = await client().chat.completions.create({ model, messages });
  const [choice] = answer.choices;
  show("chat", choice.message.role, choice.message.content, choice.finish_reason, tokens(answer.usage));
  const three = await client().chat.completions.create({ model, messages, n: 3 });
  show("chat n=3", ...three.choices.map((choice) => choice.index));
}

async function chatStreamed() {
  const options = { model, messages, stream: true, stream_options: { include_usage: true } };
  const chunks = await all(client().chat.completions.create(options));
  const choices = chunks.flatMap((chunk) => chunk.choices);
  const text = choices.map((choice) => choice.delta.content ?? "").join("");
  const oneId = new Set(chunks.map((chunk) => chunk.id)).size === 1;
  show("chat streamed", choices[0].delta.role, text, choices.at(-1).finish_reason, tokens(chunks.at(-1).usage),
    oneId ? "one id" : "many ids");
}

async function completions() {
  const options = { model: modelForText, prompt: "Once upon a time", max_tokens: 5 };
  const answer = await client().completions.create(options);
  show("completions", answer.object, answer.choices[0].finish_reason, `${answer.usage.completion_tokens} tokens`);
}

async function tools() {
  const options = { model, messages, tools: [{ type: "function", function: tool }], tool_choice: "required" };
  const [choice] = (await client().chat.completions.create(options)).choices;
  const [call] = choice.message.tool_calls;
  show("tools", choice.finish_reason, call.type, call.function.name, call.function.arguments.includes("city"));
  const chunks = await all(client().chat.completions.create({ ...options, stream: true }));
  const parts = chunks.flatMap((chunk) => chunk.choices).flatMap((choice) => choice.delta.tool_calls ?? []);
  const functions = parts.filter((part) => part.index === 0).map((part) => part.function);
  const written = functions.map((one) => one.arguments ?? "").join("");
  show("tools streamed", functions[0].name, written.includes("city"), written.endsWith("}"));
}

async function responses() {
  const answer = await client().responses.create({ model, input });
  const { usage } = answer;
  const counted = usage.input_tokens + usage.output_tokens === usage.total_tokens;
  show("responses", answer.status, answer.output_text, counted ? "counted" : JSON.stringify(usage));
  const events = await all(client().responses.create({ model, input, stream: true }));
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  show("responses streamed", events[0].type, deltas.map((event) => event.delta).join(""), events.at(-1).type);
}

async function embeddings() {
  const ask = { model: modelForEmbeddings, input: ["one", "two"] };
  // Unless told otherwise the client asks for base64 and decodes it.
  const decoded = (await client().embeddings.create(ask)).data.map((one) => one.embedding);
  const floats = (await client().embeddings.create({ ...ask, encoding_format: "float" })).data.map((one) => one.embedding);
  const same = decoded.every((vector, at) =>
    vector.length === floats[at].length && vector.every((number, index) => Math.abs(number - floats[at][index]) < 1e-6));
  const apart = decoded[0].some((number, index) => number !== decoded[1][index]);
  show("embeddings", decoded.length, decoded[0].length, same ? "base64 as floats" : "they differ", apart);
}

async function models() {
  const listed = (await all(client().models.list())).map((model) => model.id);
  show("models", listed.includes(model), new Set(listed).size === listed.length);
}

async function errors() {
  const ask = (options, body) => () => client(options).chat.completions.create({ model, messages, ...body });
  await refused("unknown model", ask({}, { model: "no-such-model" }));
  await refused("bad parameter", ask({}, { max_tokens: -1 }));
  await refused("wrong key", ask({ apiKey: "sk-wrong" }, {}));
}

async function said(options) {
  if (how !== "streamed") return (await client(options).chat.completions.create({ model, messages })).choices[0].message.content;
  const chunks = await all(client(options).chat.completions.create({ model, messages, stream: true }));
  return chunks.flatMap((chunk) => chunk.choices).map((choice) => choice.delta.content ?? "").join("");
}

async function failsFirst(options) {
  const start = performance.now();
  let outcome;
  try {
    outcome = await said(options);
  } catch (error) {
    if (!(error instanceof OpenAI.RateLimitError)) throw error;
    outcome = `RateLimitError ${error.status} retry-after ${error.headers.get("retry-after")}`;
  }
  const waited = (performance.now() - start) / 1000;
  show("fails first", outcome, waited >= 1 && waited < 1.9 ? "waited a second" : waited < 0.9 ? "at once" : waited);
}

if (what === "calls") {
  for (const call of [chat, chatStreamed, completions, tools, responses, embeddings, models, errors]) await call();
} else {
  await failsFirst(what === "retries" ? {} : { maxRetries: 0 });
}
