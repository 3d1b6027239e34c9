#!/usr/bin/env python3
"""Makes tests/golden/tokenizer: texts, small tokenizers, and the ids that Hugging Face's library gives.

    python3 -m venv .venv && .venv/bin/pip install transformers==5.23.0 tokenizers==0.23.3 gguf jinja2
    .venv/bin/python scripts/make_tokenizer_goldens.py [models/SmolLM2-135M-Instruct.Q4_1.gguf]

    lines.txt       one text a line, as a JSON string
    NAME/           tokenizer.json and tokenizer_config.json of a small tokenizer, trained here on some of the texts
    NAME.hashes     for each text two 32-bit hashes (FNV-1a, little-endian): of its ids, each as four bytes, with the
                    special tokens that the tokenizer adds; and of what decoding them gives, as UTF-8
    NAME.ids.json   the ids themselves, of every fiftieth text
    presplit.*      the same, of the first texts and ids only, with the vocabulary of `llama3` behind each of the ways
                    of cutting text that GGUF files have names for
    chat.json       chat templates in the manner of several model families, and what transformers makes of them

`smollm2` has no folder: its vocabulary is the one in the GGUF file, cut the way its name there (`smollm`) says, which
is the way of the model's own tokenizer. Without the file, what is there for it is left as it is.

The ids come from the Python package, whose regular expressions are Oniguruma's; the project's are others.
"""

import json
import random
import struct
import sys
from pathlib import Path

import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import generate_merges

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "tokenizer"
LINES = 10_240
PRESPLIT_LINES = 2_048
VOCABULARY = 600

# --------------------------------------------------------------------------------------------------------------- texts

WORDS = """the of and to in a is that it was for on are as with his they at be this from have or by one had not but
what all were when we there can an your which their said if do will each about how up out them then she many some so
these would other into has more her two like him see time could no make than first been its who now people my made over
did down only way find use may water long little very after words called just where most know Paris France London river
transformer attention residual stream neuron embedding probability unbelievably internationalization""".split()
ACCENTED = "naïve café Zürich façade Ångström señor œuvre Dvořák Łódź İstanbul smørrebrød Straße ﬁnal Ǆ ǅ ſtrange".split()
EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🇫🇷", "🏳️‍🌈", "❤️", "🤷🏻‍♀️", "1️⃣", "☃", "🫠", "🧑‍🚀", "©️", "🇯🇵🇧🇷"]
EAST = ["你好世界", "機械学習", "日本語のテキスト", "カタカナ", "ひらがな", "한국어 문장", "안녕하세요", "，。！？「」", "１２３ＡＢＣ", "々〇ヶ", "𠮷野家"]
RIGHT_TO_LEFT = ["مرحبا بالعالم", "اَلْعَرَبِيَّةُ", "שלום עולם", "בְּרֵאשִׁית", "۱۲۳۴", "٠١٢٣", "\u202eabc\u202c", "\u200fabc", "فارسی‌نویسی"]
OTHER_SCRIPTS = ["हिन्दी", "मैंने", "ภาษาไทย", "ქართული", "Ελληνικά", "Привет, мир", "አማርኛ", "தமிழ்", "ខ្មែរ", "བོད་", "ᏣᎳᎩ", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "𐍈𐌰", "ꙮ"]
CODE = [
    "def f(x: int) -> int:", "    return x**2 + 1", "for (int i = 0; i < n; ++i) {", "\tif err != nil {", "}", "});",
    "SELECT * FROM t WHERE a >= 10;", "<div class=\"x\">&nbsp;</div>", "#include <stdio.h>", "let y = &mut v[..];",
    "\\frac{a}{b}", "https://example.org/a_b?q=1&r=%20#z", "a->b->c", "x != y || !z", "camelCase snake_case SCREAMING_CASE",
    "git commit -m 'it works'", "{\"key\": [1, 2.5e-3, null]}", "// comment ----------", "```rust", "C:\\dir\\file.txt",
]
NUMBERS = ["0", "7", "42", "123", "1234", "12345678901234567890", "3.14159", "1,000,000", "-5", "1e-10", "½", "²", "Ⅷ", "①", "٣٤", "2024-01-31", "0xFF", "৪২", "１２３"]
CONTRACTIONS = ["I'm", "you'll", "WE'VE", "they'd", "it'S", "Don't", "'tis", "l'eau", "x'ſ", "'LL", "rock'n'roll", "he’s", "'re", "''s", "K'M"]
MARKS = ["\u0301", "\u0327", "\u0308", "\u20dd", "\ufe0f", "\u0e31", "\u0323", "\u093f", "\u0345"]
CONTROL = [chr(c) for c in [*range(0x20), *range(0x7F, 0xA0)]] + ["\u200b", "\u200d", "\ufeff", "\u2028", "\u2029", "\u00ad", "\u2060", "\ufffd", "\ufffe", "\U0010ffff"]
SPACES = [" ", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", "\v", "\f", "\u00a0", "\u2003", "\u3000", "\u1680", "\u0085", "        "]
SPECIAL = [
    "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool_call>",
    "<s>", "</s>", "<unk>", "<0x0A>", "▁", "▁▁a", "Ġ", "Ċ", "<|im_start", "[INST]", "<repo_name>", "<s",
]


def scalar(rng: random.Random, low: int, high: int) -> str:
    while True:
        c = rng.randint(low, high)
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def words(rng: random.Random, most: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


def line(rng: random.Random, kind: int) -> str:
    """A text. The kinds take turns, so that each is in every part of the file."""
    pick = rng.choice
    match kind:
        case 0:
            return words(rng, 9).capitalize() + pick([".", "!", "?", "...", ":", ";", ""])
        case 1:
            return "".join(pick(WORDS) + pick(SPACES) for _ in range(rng.randint(1, 6)))
        case 2:
            return pick(SPACES) * rng.randint(0, 3) + words(rng, 3) + pick(SPACES) * rng.randint(0, 4)
        case 3:
            return words(rng, 3) + pick(["", " "]) + "".join(pick(EMOJI) for _ in range(rng.randint(1, 4))) + pick(["", " ok"])
        case 4:
            return pick(["", " "]).join(pick(EAST) for _ in range(rng.randint(1, 3))) + pick(["", words(rng, 2)])
        case 5:
            return pick(["", " ", ", "]).join(pick(RIGHT_TO_LEFT) for _ in range(rng.randint(1, 3))) + pick(["", " abc 123"])
        case 6:
            return pick(["", " "]).join(pick(OTHER_SCRIPTS) for _ in range(rng.randint(1, 3)))
        case 7:
            return pick(["", "\n", "  "]).join(pick(CODE) for _ in range(rng.randint(1, 2)))
        case 8:
            return pick([" ", "", "  ", "\t"]).join(pick(NUMBERS) for _ in range(rng.randint(1, 5)))
        case 9:
            return pick([" ", "  ", ""]).join(pick(CONTRACTIONS) for _ in range(rng.randint(1, 4)))
        case 10:
            return "".join(pick("aeiouncsyAEO가あ") + "".join(pick(MARKS) for _ in range(rng.randint(0, 3))) for _ in range(rng.randint(1, 9)))
        case 11:
            return "".join(pick([pick(CONTROL), pick(WORDS), " "]) for _ in range(rng.randint(1, 9)))
        case 12:
            return "".join(pick(SPACES + CONTROL[9:14]) for _ in range(rng.randint(1, 9)))
        case 13:
            letters = pick(["abcdefghijklmnopqrstuvwxyz", "ACGT", "аеинорст", "a", "ab1", "01", "-=", "é"])
            return "".join(pick(letters) for _ in range(rng.randint(20, 120)))
        case 14:
            return pick(["", " ", "\n"]).join(pick([pick(SPECIAL), pick(WORDS), pick(SPECIAL)]) for _ in range(rng.randint(1, 5)))
        case 15:
            return " ".join(pick(ACCENTED + CONTRACTIONS + NUMBERS) for _ in range(rng.randint(1, 6)))
        case 16:
            return "".join(scalar(rng, 0x00, 0x2FF) for _ in range(rng.randint(1, 24)))
        case 17:
            return "".join(scalar(rng, 0x80, 0xFFFF) for _ in range(rng.randint(1, 12)))
        case 18:
            return "".join(scalar(rng, 0x10000, 0x10FFFF) for _ in range(rng.randint(1, 6)))
        case _:
            every = WORDS + ACCENTED + EMOJI + EAST + RIGHT_TO_LEFT + OTHER_SCRIPTS + NUMBERS + SPACES + CONTROL + MARKS
            return "".join(pick(every) for _ in range(rng.randint(1, 10)))


def texts() -> list[str]:
    rng = random.Random(20)
    found = ["", " ", "  ", "\n", "a", " a", "Hello, world!", " Paris"]
    found += [line(rng, i % 20) for i in range(LINES - len(found))]
    return found


# ---------------------------------------------------------------------------------------------------------- tokenizers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ENDING}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ENDING}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK3 = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""


def byte_level(*patterns: str) -> pre_tokenizers.PreTokenizer:
    """Patterns one after another, then bytes as characters."""
    steps = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    return pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def digits_gpt2() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])


# What GGUF files call the ways of cutting text: by llama.cpp's table, with the patterns of the models' own files.
PRESPLITS = {
    "default": byte_level(r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"),
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "smollm": digits_gpt2(),
    "dbrx": byte_level(LLAMA3),
    "hunyuan": byte_level(QWEN2),
    "qwen35": byte_level(QWEN35),
    "tekken": byte_level(TEKKEN),
    "gpt-4o": byte_level(GPT4O),
    "deepseek-v3": byte_level(r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK3),
    "falcon": byte_level(r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"),
}
COMPOSED = {"qwen35"}
WHOLE_WORDS = {"tekken"}


def special(*names: str) -> list[AddedToken]:
    return [AddedToken(name, special=True, normalized=False) for name in names]


def train(pre: pre_tokenizers.PreTokenizer, corpus: list[str], size: int, alphabet: list[str]) -> tuple[dict, list]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, limit_alphabet=len(alphabet), show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def llama3(corpus: list[str]) -> tuple[Tokenizer, dict]:
    vocab, merges = train(byte_level(LLAMA3), corpus, VOCABULARY - 3, pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=True))
    tokenizer.pre_tokenizer = byte_level(LLAMA3)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"))
    bos = ("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))
    template = processors.TemplateProcessing(single=f"{bos[0]} $A", pair=f"{bos[0]} $A {bos[0]} $B:1", special_tokens=[bos])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return tokenizer, {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>", "chat_template": CHATS["headers"]}


def qwen2(corpus: list[str]) -> tuple[Tokenizer, dict]:
    vocab, merges = train(byte_level(QWEN2), corpus, VOCABULARY - 4, pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = byte_level(QWEN2)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens(special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    tokenizer.add_tokens([AddedToken("<tool_call>", special=False, normalized=False)])
    config = {"add_bos_token": False, "bos_token": None, "eos_token": {"content": "<|im_end|>", "__type": "AddedToken"}}
    return tokenizer, {**config, "chat_template": [{"name": "other", "template": "-"}, {"name": "default", "template": CHATS["marks"]}]}


def llama2(corpus: list[str]) -> tuple[Tokenizer, dict]:
    """SentencePiece's layout: three special tokens, the bytes, then pieces by falling score."""
    letters = sorted({c for text in corpus for c in text if c.isascii() and c.isprintable() and c != " "} | {"▁", "é", "世"})
    cut = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=True)])
    vocab, _ = train(cut, corpus, VOCABULARY - 259, letters)
    joined = [token for token, _ in sorted(vocab.items(), key=lambda pair: pair[1]) if len(token) > 1]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *joined, *letters]
    ids = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=generate_merges(ids, llama2_scores(pieces)), unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens(special("<unk>", "<s>", "</s>"))
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return tokenizer, {**names, "add_bos_token": True, "add_eos_token": False, "chat_template": CHATS["instructions"]}


def llama2_scores(pieces: list[str]) -> dict[str, float]:
    """Zero for what is no piece, then one less for each."""
    return {piece: float(-max(0, i - 258)) for i, piece in enumerate(pieces)}


def smollm2(path: str) -> Tokenizer:
    from gguf import GGUFReader

    fields = GGUFReader(path).fields
    tokens, kinds, merges = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type", "merges"))
    vocab = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = digits_gpt2()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special(*(token for token, kind in zip(tokens, kinds) if kind == 3)))
    return tokenizer


# --------------------------------------------------------------------------------------------------------------- chat

# Written here, in the manners that model families have.
CHATS = {
    "marks": """{%- if messages[0]['role'] == 'system' -%}
    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- else -%}
    {{- '<|im_start|>system\\nYou help.<|im_end|>\\n' }}
{%- endif -%}
{%- for message in messages %}
    {%- if message.role == 'system' and loop.first %}{% continue %}{% endif %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif -%}""",
    "headers": """{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none and tools is defined %}{{- "Tools\\n" }}{%- endif %}
{{- "Today: " + date_string + "\\n\\n" }}{{- system_message }}{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "instructions": """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system = false %}{% endif %}{{ bos_token }}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must take turns') }}{% endif %}{% if loop.index0 == 0 and system != false %}{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}""",
    "blocks": """{# a comment #}
{% macro turn(name, text) %}
<turn who="{{ name | upper }}">
{{ text }}
</turn>
{% endmacro %}
{% set ns = namespace(count=0, last='') %}
{% for message in messages %}
  {% set ns.count = ns.count + 1 %}
  {% set ns.last = message.content.split(' ')[-1] %}
{{ turn(message.role, message.content.replace('a', 'A').lstrip()) }}
  {% if loop.last and not add_generation_prompt %}
{{ ns.count }} {{ ns.last }} {{ messages | length }} {{ message.content.startswith('W') }} {{ none }} {{ 7 // 2 }} {{ [1, 2.5, 'x'] }}
  {% endif %}
{% endfor %}
{% if add_generation_prompt %}
{% generation %}
<turn who="ASSISTANT">
{% endgeneration %}
{% endif %}
""",
}

CONVERSATIONS = [
    [("user", "What is the capital of France?")],
    [("system", " Be brief. "), ("user", "Hi!"), ("assistant", "Hello,  'you' & <b>. "), ("user", "Where was\nthat café 😀?")],
]


def chats() -> list[dict]:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>")
    found = []
    for name, template in CHATS.items():
        for conversation in CONVERSATIONS:
            messages = [{"role": role, "content": content} for role, content in conversation]
            for reply in (False, True):
                text = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=reply)
                found.append({"name": name, "template": template, "messages": messages, "reply": reply, "text": text})
    return found


# -------------------------------------------------------------------------------------------------------------- output


def fnv(data: bytes) -> int:
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def hash_ids(ids: list[int]) -> int:
    return fnv(struct.pack(f"<{len(ids)}I", *ids))


def write_goldens(name: str, tokenizer: Tokenizer, lines: list[str]) -> None:
    ids = [tokenizer.encode(text).ids for text in lines]
    decoded = [tokenizer.decode(each, skip_special_tokens=False) for each in ids]
    hashes = [(hash_ids(each), fnv(text.encode())) for each, text in zip(ids, decoded)]
    (OUT / f"{name}.hashes").write_bytes(b"".join(struct.pack("<2I", *pair) for pair in hashes))
    rows = ",\n".join(json.dumps(each, separators=(",", ":")) for each in ids[::50])
    (OUT / f"{name}.ids.json").write_text(f"[\n{rows}\n]\n")


def write_tokenizer(name: str, tokenizer: Tokenizer, config: dict, lines: list[str]) -> None:
    folder = OUT / name
    folder.mkdir(exist_ok=True)
    described = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(json.dumps(described, ensure_ascii=False, separators=(",", ":")) + "\n")
    config = {**config, "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n")
    # What `encode` gives is what users of transformers get.
    loaded = AutoTokenizer.from_pretrained(folder)
    for text in lines:
        assert loaded(text)["input_ids"] == tokenizer.encode(text).ids, (name, text)
    write_goldens(name, tokenizer, lines)


def write_presplits(base: Tokenizer, lines: list[str]) -> None:
    model = json.loads(base.to_str())["model"]
    hashes = []
    for name, pre in PRESPLITS.items():
        merges = [tuple(merge) for merge in model["merges"]]
        tokenizer = Tokenizer(models.BPE(vocab=model["vocab"], merges=merges, ignore_merges=name in WHOLE_WORDS))
        tokenizer.pre_tokenizer = pre
        if name in COMPOSED:
            tokenizer.normalizer = normalizers.NFC()
        hashes += [hash_ids(tokenizer.encode(text).ids) for text in lines]
    (OUT / "presplit.hashes").write_bytes(struct.pack(f"<{len(hashes)}I", *hashes))
    (OUT / "presplit.json").write_text(json.dumps({"lines": len(lines), "names": list(PRESPLITS)}, indent=1) + "\n")


def main() -> None:
    assert transformers.__version__.startswith("5."), transformers.__version__
    OUT.mkdir(parents=True, exist_ok=True)
    lines = texts()
    (OUT / "lines.txt").write_text("".join(json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f").replace("\x85", "\\u0085").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029") + "\n" for text in lines))
    corpus = [text for i, text in enumerate(lines) if i % 20 in (0, 1, 7, 8, 9, 15)]
    made = {"llama3": llama3(corpus), "qwen2": qwen2(corpus), "llama2": llama2(corpus)}
    for name, (tokenizer, config) in made.items():
        write_tokenizer(name, tokenizer, config, lines)
    write_presplits(made["llama3"][0], lines[:PRESPLIT_LINES])
    (OUT / "chat.json").write_text(json.dumps(chats(), ensure_ascii=False, indent=1) + "\n")
    if len(sys.argv) > 1:
        write_goldens("smollm2", smollm2(sys.argv[1]), lines)


if __name__ == "__main__":
    main()
