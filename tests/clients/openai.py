"""What the official OpenAI client for Python sees of a simulator, a line a call.

    openai.py BASE_URL KEY MODEL calls                every kind of call once
    openai.py BASE_URL KEY MODEL retries [streamed]   one call that fails first, with the client's own retries
    openai.py BASE_URL KEY MODEL no-retry [streamed]  the same without

What it must print is in the file openai-*.txt of the server. openai.mjs prints the same.
"""

import sys
import time

# Not this file, which has the package's name.
sys.path.pop(0)
import openai

BASE, KEY, MODEL, WHAT, *HOW = sys.argv[1:]
HELLO = [{"role": "user", "content": "What is 2+2?"}]
TOOL = {
    "name": "get_weather",
    "description": "Current weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def client(**options):
    return openai.OpenAI(base_url=BASE, **{"api_key": KEY, **options})


def show(name, *seen):
    print(f"{name}: " + " | ".join(str(one) for one in seen))


def tokens(usage):
    return f"{usage.prompt_tokens}+{usage.completion_tokens}={usage.total_tokens} tokens"


def refused(name, call):
    try:
        call()
        show(name, "no error")
    except openai.APIStatusError as error:
        show(name, type(error).__name__, error.status_code)


def chat():
    answer = client().chat.completions.create(model=MODEL, messages=HELLO)
    choice = answer.choices[0]
    show("chat", choice.message.role, choice.message.content, choice.finish_reason, tokens(answer.usage))
    three = client().chat.completions.create(model=MODEL, messages=HELLO, n=3)
    show("chat n=3", *[choice.index for choice in three.choices])


def chat_streamed():
    options = {"include_usage": True}
    with client().chat.completions.create(model=MODEL, messages=HELLO, stream=True, stream_options=options) as stream:
        chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    finish = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1]
    text = "".join(delta.content or "" for delta in deltas)
    one_id = len({chunk.id for chunk in chunks}) == 1
    show("chat streamed", deltas[0].role, text, finish, tokens(chunks[-1].usage), "one id" if one_id else "many ids")


def completions():
    answer = client().completions.create(model=MODEL_FOR_TEXT, prompt="Once upon a time", max_tokens=5)
    show("completions", answer.object, answer.choices[0].finish_reason, f"{answer.usage.completion_tokens} tokens")


def tools():
    tool = {"type": "function", "function": TOOL}
    options = {"model": MODEL, "messages": HELLO, "tools": [tool], "tool_choice": "required"}
    choice = client().chat.completions.create(**options).choices[0]
    call = choice.message.tool_calls[0]
    show("tools", choice.finish_reason, call.type, call.function.name, "city" in call.function.arguments)
    calls = [
        part.function
        for chunk in client().chat.completions.create(**options, stream=True)
        for choice in chunk.choices
        for part in choice.delta.tool_calls or []
        if part.index == 0
    ]
    arguments = "".join(part.arguments or "" for part in calls)
    show("tools streamed", calls[0].name, "city" in arguments, arguments.endswith("}"))


def responses():
    answer = client().responses.create(model=MODEL, input="What is 2+2?")
    usage = answer.usage
    counted = usage.input_tokens + usage.output_tokens == usage.total_tokens
    show("responses", answer.status, answer.output_text, "counted" if counted else usage)
    events = list(client().responses.create(model=MODEL, input="What is 2+2?", stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    show("responses streamed", events[0].type, text, events[-1].type)


def embeddings():
    ask = {"model": MODEL_FOR_EMBEDDINGS, "input": ["one", "two"]}
    # Unless told otherwise the client asks for base64 and decodes it.
    decoded = client().embeddings.create(**ask).data
    floats = client().embeddings.create(**ask, encoding_format="float").data
    same = all(
        abs(a - b) < 1e-6
        for left, right in zip(decoded, floats, strict=True)
        for a, b in zip(left.embedding, right.embedding, strict=True)
    )
    apart = decoded[0].embedding != decoded[1].embedding
    show("embeddings", len(decoded), len(decoded[0].embedding), "base64 as floats" if same else "they differ", apart)


def models():
    listed = [model.id for model in client().models.list()]
    show("models", MODEL in listed, len(listed) == len(set(listed)))


def errors():
    refused("unknown model", lambda: client().chat.completions.create(model="no-such-model", messages=HELLO))
    refused("bad parameter", lambda: client().chat.completions.create(model=MODEL, messages=HELLO, max_tokens=-1))
    refused("wrong key", lambda: client(api_key="sk-wrong").chat.completions.create(model=MODEL, messages=HELLO))


def said(**options):
    if HOW != ["streamed"]:
        return client(**options).chat.completions.create(model=MODEL, messages=HELLO).choices[0].message.content
    with client(**options).chat.completions.create(model=MODEL, messages=HELLO, stream=True) as stream:
        return "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)


def fails_first(**options):
    start = time.monotonic()
    try:
        outcome = said(**options)
    except openai.RateLimitError as error:
        outcome = f"RateLimitError {error.status_code} retry-after {error.response.headers['retry-after']}"
    waited = time.monotonic() - start
    show("fails first", outcome, "waited a second" if 1 <= waited < 1.9 else "at once" if waited < 0.9 else waited)


# The vLLM simulator serves one model for everything.
is_openai = MODEL.startswith("gpt-")
MODEL_FOR_TEXT = "gpt-3.5-turbo-instruct" if is_openai else MODEL
MODEL_FOR_EMBEDDINGS = "text-embedding-3-small" if is_openai else MODEL

if WHAT == "calls":
    for call in (chat, chat_streamed, completions, tools, responses, embeddings, models, errors):
        call()
elif WHAT == "retries":
    fails_first()
else:
    fails_first(max_retries=0)
